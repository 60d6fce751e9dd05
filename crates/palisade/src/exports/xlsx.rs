//! XLSX ([ISO/IEC 29500](https://www.iso.org/standard/71691.html)). Cells have types: a text is never
//! a formula (ASVS 1.2.10).

use crate::views::{Error, ErrorKind, Result};
use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};
use serde_json::{Map, Value};

/// Rows as a workbook with one sheet: a row of names, then a row for each.
///
/// # Errors
/// 413 for a text of more than 32,767 characters, which no cell holds.
pub(super) fn write(rows: &[Map<String, Value>]) -> Result<Vec<u8>> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    if let Some(first) = rows.first() {
        for (name, column) in first.keys().zip(0..) {
            sheet.write_string(0, column, name).map_err(failed)?;
        }
    }
    for (row, line) in rows.iter().zip(1..) {
        for (value, column) in row.values().zip(0..) {
            cell(sheet, (line, column), value).map_err(failed)?;
        }
    }
    book.save_to_buffer().map_err(failed)
}

fn cell(sheet: &mut Worksheet, (row, column): (u32, u16), value: &Value) -> Result<(), XlsxError> {
    match value {
        Value::Null => return Ok(()),
        Value::Bool(flag) => sheet.write_boolean(row, column, *flag)?,
        Value::Number(number) => match number.as_f64().filter(|_| is_exact(number)) {
            Some(number) => sheet.write_number(row, column, number)?,
            None => sheet.write_string(row, column, number.to_string())?,
        },
        Value::String(text) => sheet.write_string(row, column, text)?,
        nested => sheet.write_string(row, column, nested.to_string())?,
    };
    Ok(())
}

/// Whether a spreadsheet keeps all digits: its numbers are 64-bit floats.
fn is_exact(number: &serde_json::Number) -> bool {
    const MOST: u64 = 1 << 53;
    number
        .as_i64()
        .is_none_or(|number| number.unsigned_abs() <= MOST)
}

fn failed(error: XlsxError) -> Error {
    match error {
        XlsxError::MaxStringLengthExceeded => Error::new(
            ErrorKind::TooLarge,
            "A cell of a spreadsheet has at most 32,767 characters: export CSV or JSON.",
        ),
        other => Error::bug(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn row(value: Value) -> Map<String, Value> {
        Map::from_iter([("name".to_owned(), value)])
    }

    #[test]
    fn a_text_that_no_cell_holds_is_refused() {
        let text = "x".repeat(32_768);
        assert_eq!(
            write(&[row(text.into())]).unwrap_err().kind(),
            ErrorKind::TooLarge
        );
        assert!(write(&[row("x".repeat(32_767).into())]).is_ok());
        assert!(write(&[]).is_ok());
    }
}
