#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::dot_env::*;
use crate::testing::vectors;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

fn read(text: &str) -> Result<Variables, Vec<Unreadable>> {
    parse(text.as_bytes(), |name| name.starts_with("OUR"))
}

fn one(text: &str) -> Option<String> {
    read(text).ok()?.pop().map(|(_, value)| value)
}

// F1 of the reports: values arrive as written
#[test]
fn values_are_what_is_written() {
    for (line, value) in [
        ("OUR=p$ss${x}$HOME", "p$ss${x}$HOME"),
        ("export OUR = a b  ", "a b"),
        ("OUR=\"a # b\"", "a # b"),
        ("OUR='C:\\new\\table'", "C:\\new\\table"),
        ("OUR=\\$x\\n", "\\$x\\n"),
        ("OUR=a#b=c", "a#b=c"),
        ("OUR=\" a \"", " a "),
        ("\u{feff}OUR=x\r\n", "x"),
        ("OUR=", ""),
    ] {
        assert_eq!(one(line).as_deref(), Some(value), "{line}");
    }
}

// F14: each fault is reported with its line and its cause
#[test]
fn what_others_read_differently_is_refused() {
    for (text, line, what) in [
        ("\nOUR=a # b", 2, "comment"),
        ("OUR=\"a\\nb\"", 1, "backslash"),
        ("OUR='a' b", 1, "after the closing quote"),
        ("OUR=\"a", 1, "not closed"),
        ("OUR='it's'", 1, "quote"),
        ("OUR=a\u{2028}b", 1, "control"),
        ("A=1\nOUR b", 2, "NAME=value"),
        ("A=\"1\nOUR=x\nB=\"", 1, "not closed"),
    ] {
        let errors = read(text).unwrap_err();
        assert_eq!(errors[0].line, Some(line), "{text}");
        assert!(errors[0].what.contains(what), "{text}: {errors:?}");
    }
    for (bytes, what) in [
        (&b"\xff\xfeO\0U\0"[..], "UTF-16"),
        (b"O\0U\0R\0=\0", "UTF-16"),
        (b"OUR=\xff", "not UTF-8"),
    ] {
        assert!(
            parse(bytes, |_| true).unwrap_err()[0].what.contains(what),
            "{bytes:?}"
        );
    }
}

#[test]
fn variables_of_other_programs_are_theirs() {
    let file = "COMPANY=Acme Inc Ltd\nKEY=\"-----BEGIN\nabc=\n-----END\"\nX=\"${OUR}\" # note\nOUR=1\nZ=\"open\n";
    assert_eq!(read(file).unwrap(), [("OUR".to_owned(), "1".to_owned())]);
}

/// The values that python-decouple reads, which changes nothing either, under the names used here:
/// it keeps `export` and a byte order mark in the name.
fn of_decouple(case: &Value) -> Option<BTreeMap<String, String>> {
    let strip = |name: &str| {
        let name = name.trim_start_matches('\u{feff}');
        name.strip_prefix("export")
            .filter(|rest| rest.starts_with([' ', '\t']))
            .unwrap_or(name)
            .trim()
            .to_owned()
    };
    let read = case["python_decouple"].as_object()?;
    Some(
        read.iter()
            .map(|(name, value)| (strip(name), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
    )
}

// F1: values are read as written. Refused, by rule, are lines that one of the three packages reads
// otherwise, and control characters
#[test]
fn dotenv_vectors() {
    let mut accepted = 0;
    for case in vectors::cases("dotenv.json") {
        let file = STANDARD.decode(vectors::text(&case, "file")).unwrap();
        let three = ["django_environ", "python_decouple", "python_dotenv"]
            .map(|name| case[name].as_object());
        let agree = three
            .iter()
            .all(|read| read.is_some_and(|read| !read.is_empty() && Some(read) == three[0]));
        match parse(&file, |_| true) {
            Ok(variables) => {
                accepted += 1;
                let expected = of_decouple(&case).unwrap_or_default();
                // the environment wins over a file, in all of them
                let read: BTreeMap<String, String> = variables
                    .into_iter()
                    .filter(|(name, _)| name != "OUTSIDE")
                    .collect();
                assert!(
                    read.iter()
                        .all(|(name, value)| expected.get(name) == Some(value)),
                    "{read:?} {case}"
                );
                assert_eq!(
                    read.len(),
                    expected.keys().filter(|name| *name != "OUTSIDE").count(),
                    "{read:?} {case}"
                );
            }
            Err(errors) if agree => {
                let is_by_rule = |error: &Unreadable| {
                    ["control", "backslash", "NAME=value"]
                        .iter()
                        .any(|rule| error.what.contains(rule))
                };
                assert!(errors.iter().all(is_by_rule), "{errors:?} {case}");
            }
            Err(_) => {}
        }
    }
    assert!(accepted >= 50, "{accepted} files were read");
}
