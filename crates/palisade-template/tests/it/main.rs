//! The whole crate, as its users see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod attacks;
mod contexts;
mod errors;
mod forms;
mod guide;
mod language;
mod limits;
mod payloads;
mod reading;
mod runs;
mod structure;
mod trust;
mod vectors;

use palisade_template::{Layer, Templates, Value};
use reading::{lenient, secrets};

/// One template, rendered.
fn page(source: &str, values: Value) -> String {
    page_of(&[("page.html", source)], values)
}

/// The template `page.html` of several, rendered.
fn page_of(files: &[(&str, &str)], values: Value) -> String {
    lenient(files)
        .unwrap()
        .render("page.html", values, secrets())
        .unwrap()
}

/// Why a template is refused, under strict rules.
fn refusal(files: &[(&str, &str)]) -> String {
    match Templates::load(vec![Layer::embedded(files)]) {
        Ok(_) => panic!("not refused: {files:?}"),
        Err(error) => error.to_string(),
    }
}
