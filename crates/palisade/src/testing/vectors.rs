//! Test vectors, such as Django's results: from `$PALISADE_VECTORS`, or `tests/vectors` of this
//! project.

use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// The cases of one file; prints their number.
///
/// # Panics
/// When the file is missing, malformed, or empty.
pub fn cases(file: &str) -> Vec<Value> {
    let mut whole = document(file);
    let Value::Array(cases) = whole["cases"].take() else {
        panic!("{file} has no list of cases")
    };
    // bypasses the test runner's capture, so that the number is always shown
    let _ = writeln!(std::io::stdout(), "{file}: {} cases", cases.len());
    assert!(!cases.is_empty(), "{file} has no case");
    cases
}

/// A whole file, with values that all its cases share.
///
/// # Panics
/// When it is missing or malformed.
pub fn document(file: &str) -> Value {
    let dir = std::env::var("PALISADE_VECTORS")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors").into());
    let path = Path::new(&dir).join(file);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A text of a case.
///
/// # Panics
/// When it is missing.
pub fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is not text in {case}"))
}

/// A list of texts of a case.
///
/// # Panics
/// When it is missing.
pub fn texts(case: &Value, key: &str) -> Vec<String> {
    let list = case[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is not a list in {case}"));
    list.iter()
        .map(|text| {
            text.as_str()
                .unwrap_or_else(|| panic!("{key} holds something else than texts in {case}"))
                .to_owned()
        })
        .collect()
}
