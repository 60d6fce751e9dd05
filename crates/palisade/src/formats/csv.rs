use crate::forms::{FieldSpec, Fields, Input};
use chrono_tz::Tz;
use std::collections::BTreeMap;
use std::fmt;

/// Longest file, in bytes.
const MOST_BYTES: usize = 10 * 1024 * 1024;
/// Errors that are collected before reading ends.
const MOST_ERRORS: usize = 20;

/// Why a CSV file is refused: a sentence with its line, for the first 20 errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvError(Vec<String>);

impl CsvError {
    /// The sentences.
    pub fn messages(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for CsvError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.join(" "))
    }
}

impl std::error::Error for CsvError {}

/// Reads a CSV file whose first line names fields of the form `T`: each line is validated as a
/// submitted form. All lines are read or none.
///
/// ```
/// use palisade::formats::read_csv;
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Contact {
///     name: Line<80>,
///     email: Email,
/// }
/// let contacts: Vec<Contact> = read_csv(b"name,email\nAnn,ann@example.org\n", 1000).unwrap();
/// assert_eq!(&*contacts[0].name, "Ann");
/// let error = read_csv::<Contact>(b"name,email\nAnn,nonsense\n", 1000).err().unwrap();
/// assert_eq!(error.messages(), ["Line 2, email: Enter an e-mail address such as ann@example.org."]);
/// ```
///
/// # Errors
/// Unknown, repeated or missing columns, lines of another length, invalid values, more than `most`
/// lines or 10 MiB, and text that is not UTF-8.
pub fn read_csv<T: Fields>(file: &[u8], most: usize) -> Result<Vec<T>, CsvError> {
    read_csv_with(file, (T::FIELDS, most), read::<T>)
}

/// The cells of a line, by column.
pub(crate) type Cells = BTreeMap<String, Vec<String>>;

/// The same for fields that are known at run time.
pub(crate) fn read_csv_with<T>(
    file: &[u8],
    (fields, most): (&[FieldSpec], usize),
    read: impl Fn(Cells) -> Result<T, Vec<String>>,
) -> Result<Vec<T>, CsvError> {
    let refused = |why: &str| CsvError(vec![why.to_owned()]);
    if file.len() > MOST_BYTES {
        return Err(refused("The file is longer than 10 MiB."));
    }
    // spreadsheets write a byte order mark
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().from_reader(file);
    let names = reader.headers().cloned();
    let names =
        names.map_err(|_| refused("The first line cannot be read: is the file CSV in UTF-8?"))?;
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    check_names(&names, fields).map_err(|why| refused(&why))?;
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    for record in reader.records() {
        if rows.len() == most {
            return Err(refused(&format!("The file has more than {most} lines.")));
        }
        if errors.len() >= MOST_ERRORS {
            break;
        }
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, csv::Position::line);
                let cells = names
                    .iter()
                    .cloned()
                    .zip(record.iter().map(|cell| vec![cell.to_owned()]));
                match read(cells.collect()) {
                    Ok(row) => rows.push(row),
                    Err(why) => {
                        errors.extend(why.into_iter().map(|why| format!("Line {line}, {why}")))
                    }
                }
            }
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                errors.push(format!(
                    "Line {line} has another number of cells, or is not UTF-8."
                ));
            }
        }
    }
    match errors.is_empty() {
        true => Ok(rows),
        false => {
            errors.truncate(MOST_ERRORS);
            Err(CsvError(errors))
        }
    }
}

fn check_names(names: &[String], fields: &[FieldSpec]) -> Result<(), String> {
    let is_field = |name: &String| fields.iter().any(|field| field.name == name);
    if let Some(unknown) = names.iter().find(|name| !is_field(name)) {
        let unknown: String = unknown.chars().take(60).collect();
        return Err(format!("{unknown:?} is no column of this file."));
    }
    for field in fields {
        let count = names.iter().filter(|name| *name == field.name).count();
        if count > 1 {
            return Err(format!("The column {} occurs twice.", field.name));
        }
        if count == 0 && field.shape.is_required {
            return Err(format!("The column {} is missing.", field.name));
        }
    }
    Ok(())
}

fn read<T: Fields>(cells: Cells) -> Result<T, Vec<String>> {
    let mut input = Input::new(cells, Tz::UTC);
    match T::read(&mut input) {
        Some(row) => Ok(row),
        None => Err(input.into_messages()),
    }
}
