//! The engine, configured so that values are printed by their escapers only.

use crate::analysis::{Checked, NAME};
use crate::blocked::Hook;
use crate::filters::add_filters;
use crate::form_token::{OuterForm, note_form, token, token_if_ours};
use crate::print::{Printer, write_text};
use crate::tree::syntax;
use crate::trusted::html_to_text;
use minijinja::value::{Rest, ValueKind};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value, filters,
};
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) fn environment(
    checked: &Checked,
    hook: &Hook,
    max_page_bytes: usize,
) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_fuel(Some(MAX_FUEL));
    environment.set_recursion_limit(MAX_RECURSION);
    environment.set_syntax(syntax());
    environment.set_debug(false);
    environment.set_formatter(|out, _, value| write_text(out, value));
    environment.remove_filter("safe");
    environment.remove_global("debug");
    Printer::add(&mut environment, checked, hook, max_page_bytes);
    add_filters(&mut environment);
    keep_no_trust(&mut environment);
    let pages = Arc::new(checked.pages.clone());
    environment.add_filter(NAME, move |name: Value| page_name(&pages, name));
    environment.add_function("_palisade_token", token);
    environment.add_function("_palisade_token_if_ours", token_if_ours);
    environment.add_function("_palisade_without_token", |state: &mut State<'_, '_>| {
        note_form(state, OuterForm::WithoutToken)
    });
    environment.add_function("_palisade_form_ends", |state: &mut State<'_, '_>| {
        note_form(state, OuterForm::Other)
    });
    for (name, template) in &checked.templates {
        environment.add_template_owned(name.clone(), template.text.clone())?;
    }
    Ok(environment)
}

/// A name that is computed: of a template that begins and ends in HTML text.
fn page_name(pages: &BTreeSet<String>, name: Value) -> Result<Value, Error> {
    let names: Vec<Value> = match name.kind() {
        ValueKind::Seq | ValueKind::Iterable => name.try_iter()?.collect(),
        _ => vec![name.clone()],
    };
    let known = names
        .iter()
        .filter(|name| name.as_str().is_some_and(|name| pages.contains(name)));
    match (known.cloned().collect::<Vec<_>>(), name.kind()) {
        (known, _) if known.is_empty() => Err(Error::new(
            ErrorKind::TemplateNotFound,
            format!("there is no template {name} that is a page by itself"),
        )),
        (known, ValueKind::Seq | ValueKind::Iterable) => Ok(Value::from(known)),
        _ => Ok(name),
    }
}

/// A filter of the application: value and argument to text.
pub(crate) type Filter =
    Arc<dyn Fn(&Value, Option<&Value>) -> Result<String, String> + Send + Sync>;

/// Adds a filter of the application.
pub(crate) fn add_filter(
    environment: &mut Environment<'static>,
    name: &'static str,
    filter: Filter,
) {
    environment.add_filter(name, move |value: Value, argument: Option<Value>| {
        filter(&value, argument.as_ref())
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, format!("{name}: {error}")))
    });
}

/// String filters would leave fragments of trusted HTML: they get its text.
fn keep_no_trust(environment: &mut Environment<'static>) {
    let apart: [(&'static str, Value); 17] = [
        ("batch", Value::from_function(filters::batch)),
        ("capitalize", Value::from_function(filters::capitalize)),
        ("first", Value::from_function(filters::first)),
        ("format", Value::from_function(filters::format)),
        ("indent", Value::from_function(filters::indent)),
        ("last", Value::from_function(filters::last)),
        ("lines", Value::from_function(filters::lines)),
        ("list", Value::from_function(filters::list)),
        ("lower", Value::from_function(filters::lower)),
        ("map", Value::from_function(filters::map)),
        ("replace", Value::from_function(filters::replace)),
        ("reverse", Value::from_function(filters::reverse)),
        ("slice", Value::from_function(filters::slice)),
        ("split", Value::from_function(filters::split)),
        ("title", Value::from_function(filters::title)),
        ("trim", Value::from_function(filters::trim)),
        ("upper", Value::from_function(filters::upper)),
    ];
    for (name, filter) in apart {
        environment.add_filter(
            name,
            move |state: &mut State<'_, '_>, values: Rest<Value>| {
                check_size(name, &values)?;
                let values: Vec<Value> = values.iter().map(as_text).collect();
                filter.call(state, &values)
            },
        );
    }
}

/// Refuses arguments that would exhaust memory, and names of escapers, which only rewriting writes.
fn check_size(filter: &str, values: &[Value]) -> Result<(), Error> {
    for value in values.iter().skip(1) {
        let named = value
            .try_iter()
            .into_iter()
            .flatten()
            .filter_map(|key| value.get_item(&key).ok());
        let is_too_large =
            |value: &Value| value.as_i64().is_some_and(|number| number > MOST_REPEATED);
        let is_internal = value
            .as_str()
            .is_some_and(|text| text.starts_with("_palisade"));
        if is_internal
            || is_too_large(value)
            || (value.kind() == ValueKind::Map
                && named.into_iter().any(|value| is_too_large(&value)))
        {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                format!("an argument of the filter {filter} is too large, or no argument of it"),
            ));
        }
    }
    let format = values
        .first()
        .and_then(Value::as_str)
        .filter(|_| filter == "format")
        .unwrap_or_default();
    let widths = format.split('%').skip(1).map(|part| {
        part.bytes()
            .take_while(|byte| b"-+ #0123456789.*".contains(byte))
            .count()
    });
    if widths.max().is_some_and(|digits| digits > MOST_DIGITS) {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a width in this format is too large",
        ));
    }
    Ok(())
}

fn as_text(value: &Value) -> Value {
    match value.as_str() {
        Some(html) if value.is_safe() => Value::from(html_to_text(html)),
        _ => value.clone(),
    }
}

/// Instructions of one rendering: a page of 10,000 rows needs about a tenth of it.
const MAX_FUEL: u64 = 5_000_000;
/// The largest number that a filter takes for a width or a count.
const MOST_REPEATED: i64 = 10_000;
/// Digits of a width in a format.
const MOST_DIGITS: usize = 6;
/// Includes, macros and loops within each other.
const MAX_RECURSION: usize = 64;
