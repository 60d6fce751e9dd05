//! CSV ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)) that no spreadsheet executes
//! (ASVS 1.2.10, D47).

use crate::views::{Error, Result};
use csv::{QuoteStyle, Terminator, WriterBuilder};
use serde_json::{Map, Value};

/// Rows as CSV: a line of names, then a line for each row. Every cell is quoted.
pub(super) fn write(rows: &[Map<String, Value>]) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new()
        .quote_style(QuoteStyle::Always)
        .terminator(Terminator::CRLF)
        .from_writer(Vec::new());
    if let Some(first) = rows.first() {
        writer.write_record(first.keys())?;
    }
    for row in rows {
        writer.write_record(row.values().map(cell))?;
    }
    writer
        .into_inner()
        .map_err(|error| Error::bug(error.to_string()))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => neutral(text),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        nested => neutral(&nested.to_string()),
    }
}

/// A text that begins a formula gets a quotation mark in front, which spreadsheets hide; the
/// full-width signs begin one in some languages. The same holds after a separator: a spreadsheet of
/// another language may split the cell there.
fn neutral(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut is_start = text.starts_with(['\t', '\r', '\n', '\0']);
    if is_start {
        safe.push('\'');
    }
    is_start = !is_start;
    for (at, character) in text.char_indices() {
        if is_start && begins_formula(&text[at..]) {
            safe.push('\'');
        }
        safe.push(character);
        is_start = matches!(character, ';' | '\t' | '\r' | '\n');
    }
    safe
}

fn begins_formula(text: &str) -> bool {
    const SIGNS: [char; 8] = [
        '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    text.trim_start_matches([' ', '"', '\'']).starts_with(SIGNS)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // V1.2.10 D47
    #[test]
    fn cells_are_no_formulas_and_survive_a_round_trip() {
        let attacks = [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\0=1",
            " =1",
            "\u{ff1d}1",
            "=HYPERLINK(\"http://evil.example\",\"x\")",
        ];
        let harmless = [
            "",
            "a=b",
            "1+1",
            "x",
            "a \"quoted\"; b, c",
            "'",
            "\u{202e}x",
        ];
        let inner = [
            ("x;=1+1;y", "x;'=1+1;y"),
            ("\t=1", "'\t'=1"),
            ("\r=1", "'\r'=1"),
            ("\n=1", "'\n'=1"),
            ("x\t=1", "x\t'=1"),
            ("a\r\n=1", "a\r\n'=1"),
            ("two\r\nlines", "two\r\nlines"),
            ("x; \"=1", "x;' \"=1"),
        ];
        for (text, expected) in inner {
            assert_eq!(neutral(text), expected, "{text:?}");
        }
        for text in attacks.into_iter().chain(harmless) {
            let row = Map::from_iter([
                ("name".to_owned(), Value::from(text)),
                ("n".into(), (-5).into()),
            ]);
            let written = write(&[row]).unwrap();
            let mut reader = csv::Reader::from_reader(written.as_slice());
            let record = reader.records().next().unwrap().unwrap();
            let expected = match attacks.contains(&text) {
                true => format!("'{text}"),
                false => text.to_owned(),
            };
            assert_eq!(&record[0], expected, "{text:?}");
            assert_eq!(&record[1], "-5", "a number is none");
        }
    }
}
