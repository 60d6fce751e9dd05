use minijinja::{Error, ErrorKind, Value};

/// A function of one text for templates, such as `{% if may("shop.refund") %}`. An error is that of
/// the page.
///
/// ```
/// use palisade_template::{Layer, PageSecrets, Templates, context, predicate};
/// let page = "{% if is_open(\"shop\") %}open{% endif %}";
/// let templates = Templates::load(vec![Layer::embedded(&[("page.html", page)])]).unwrap();
/// let is_open = predicate(|name| Ok(name == "shop"));
/// let page = templates.render("page.html", context! { is_open }, PageSecrets::none());
/// assert_eq!(page.unwrap(), "open");
/// ```
pub fn predicate(test: impl Fn(&str) -> Result<bool, String> + Send + Sync + 'static) -> Value {
    Value::from_function(move |text: &str| {
        test(text).map_err(|said| Error::new(ErrorKind::InvalidOperation, said))
    })
}
