use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::fmt;
use std::sync::Arc;

/// A value that could not be found out: false in a condition, empty in a loop, without text, and so
/// are its attributes. An error page in a frame of the site has it for values that need a database
/// that does not answer.
///
/// ```
/// use palisade_template::{Layer, PageSecrets, Templates, absent, context};
/// let page = "{% if menu %}a{% endif %}{% for one in menu %}b{% endfor %}{{ menu.count }}c";
/// let templates = Templates::load(vec![Layer::embedded(&[("page.html", page)])]).unwrap();
/// let page = templates.render("page.html", context! { menu => absent() }, PageSecrets::none());
/// assert_eq!(page.unwrap(), "c");
/// ```
pub fn absent() -> Value {
    Value::from_object(Absent)
}

#[derive(Debug)]
struct Absent;

impl Object for Absent {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn get_value(self: &Arc<Self>, _: &Value) -> Option<Value> {
        Some(absent())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
