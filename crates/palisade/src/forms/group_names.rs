//! The names of fields in groups: `address.street`, `lines.0.title`.

use super::FieldSpec;
use std::collections::{BTreeMap, BTreeSet};

/// Refuses fields of groups and of files where there are none: in a query, in JSON.
pub(super) const fn without_groups(fields: &[FieldSpec]) {
    let mut at = 0;
    while at < fields.len() {
        assert!(
            fields[at].shape.group.is_none(),
            "a group is a field of a form: write #[derive(Deserialize, JsonBody)] for nested JSON"
        );
        assert!(
            fields[at].shape.file.is_none(),
            "a file is a field of a form: take Form, which is multipart then"
        );
        at += 1;
    }
}

/// Highest number of a row.
const MOST_ROWS: usize = 1000;

/// The numbers of rows with input.
pub(super) fn filled_rows<'a>(
    values: impl Iterator<Item = (&'a str, &'a [String])>,
    name: &str,
) -> BTreeSet<usize> {
    let filled = values.filter(|(_, values)| values.iter().any(|value| !value.trim().is_empty()));
    let number = |(full, _): (&str, &[String])| row_of(full, name).map(|(row, _)| row);
    filled.filter_map(number).collect()
}

/// Row and field of a name such as `lines.0.title`.
fn row_of<'a>(full: &'a str, name: &str) -> Option<(usize, &'a str)> {
    let rest = full.strip_prefix(name)?.strip_prefix('.')?;
    let (row, field) = rest.split_once('.')?;
    let is_number = row.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (row == "0" || !row.starts_with('0'));
    let row = row
        .parse()
        .ok()
        .filter(|row| *row < MOST_ROWS && is_plain)?;
    Some((row, field))
}

/// The field of a group that a name belongs to.
pub(super) fn field_of<'a>(spec: &'a FieldSpec, full: &str) -> Option<&'a FieldSpec> {
    let group = spec.shape.group?;
    let field = match spec.shape.kind {
        "rows" => row_of(full, spec.name)?.1,
        _ => full.strip_prefix(spec.name)?.strip_prefix('.')?,
    };
    group.iter().find(|inner| inner.name == field)
}

/// Errors of groups, by their full names.
pub(super) type GroupErrors = BTreeMap<String, Vec<String>>;
