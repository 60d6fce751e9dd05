//! The whole crate, as its users see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contexts;
mod errors;
mod forms;
mod language;
mod limits;
mod trust;
mod vectors;

use palisade_template::{Layer, Options, PageSecrets, Templates, Value};

/// Templates that may have inline handlers, because every context is to be looked at.
fn lenient(files: &[(&str, &str)]) -> Result<Templates, String> {
    let options = Options::new().dangerous_inline_handlers("tests look at every context");
    Templates::load_with(vec![Layer::embedded(files)], options).map_err(|error| error.to_string())
}

fn secrets() -> PageSecrets {
    PageSecrets::new("n0nce", || "t0ken\"<".into())
}

/// One template, rendered.
fn page(source: &str, values: Value) -> String {
    page_of(&[("page.html", source)], values)
}

/// The template `page.html` of several, rendered.
fn page_of(files: &[(&str, &str)], values: Value) -> String {
    lenient(files).unwrap().render("page.html", values, secrets()).unwrap()
}

/// Why a template is refused, under strict rules.
fn refusal(files: &[(&str, &str)]) -> String {
    match Templates::load(vec![Layer::embedded(files)]) {
        Ok(_) => panic!("not refused: {files:?}"),
        Err(error) => error.to_string(),
    }
}
