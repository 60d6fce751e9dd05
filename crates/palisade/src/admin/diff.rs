//! The difference of two states of a row, by declared columns.

use super::entry::Entry;
use crate::db::{Values, stored};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Columns with their stored values before and after: `["subject", ["text", "a"], ["text", "b"]]`. A
/// name alone is a column that the admin does not declare: it was changed.
pub(crate) struct Diff(Vec<Json>);

impl Diff {
    pub(crate) fn between(
        entry: &Entry,
        (before, after): (&Values, &Values),
        set: &[&str],
    ) -> Self {
        let declared = entry.columns.iter().filter_map(|column| {
            let (before, after) = (before.get(column.name)?, after.get(column.name)?);
            (before != after).then(|| json!([column.name, stored(before), stored(after)]))
        });
        let others = set.iter().filter(|name| entry.column(name).is_none());
        let others = others.filter(|name| before.get(**name) != after.get(**name));
        Self(declared.chain(others.map(|name| json!([name]))).collect())
    }

    pub(crate) fn added(entry: &Entry, row: &Values) -> Self {
        let columns = entry
            .columns
            .iter()
            .filter_map(|column| Some(json!([column.name, null, stored(row.get(column.name)?)])));
        Self(columns.collect())
    }

    pub(crate) fn removed(entry: &Entry, row: &Values) -> Self {
        let columns = entry
            .columns
            .iter()
            .filter_map(|column| Some(json!([column.name, stored(row.get(column.name)?), null])));
        Self(columns.collect())
    }

    /// A change beside the columns of a row, of a thing with this name.
    pub(crate) fn of_name(field: &str, name: &str) -> Self {
        match name {
            "" => Self(vec![json!([field])]),
            name => Self(vec![json!([field, name])]),
        }
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.0.iter().filter_map(|one| one[0].as_str());
        names.map(str::to_owned).collect()
    }

    pub(crate) fn text(&self) -> String {
        Json::Array(self.0.clone()).to_string()
    }
}

/// A hash of the declared columns of a row: another one after any change that the admin shows.
pub(crate) fn fingerprint(entry: &Entry, row: &Values) -> String {
    let mut hash = Sha256::new();
    for column in &entry.columns {
        let value = row.get(column.name).and_then(stored);
        hash.update(json!([column.name, value]).to_string());
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
