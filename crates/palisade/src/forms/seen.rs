use super::{Field, FieldValues, Shape};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The values that the user saw: a hidden field with the values of the other fields when the form was shown,
/// for [`RowAccess::change_by`](crate::permissions::RowAccess::change_by). It locks any row
/// optimistically, without a column for versions.
///
/// Encrypted columns are not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen(BTreeMap<String, String>);

/// A form with a field [`Seen`]: the derive implements it.
pub trait SeenForm {
    /// The field.
    fn seen(&self) -> &Seen;
}

/// Longest value that is kept as it was; of a longer one, its hash.
const LONGEST_VALUE: usize = 300;
/// Longest text of the field.
const LONGEST: usize = 16_000;

impl Seen {
    /// The text of the field for these values.
    pub fn of(values: &FieldValues) -> String {
        let kept = Self::kept(values);
        serde_json::to_string(&kept).unwrap_or_default()
    }

    fn kept(values: &FieldValues) -> BTreeMap<String, String> {
        let kept = values.iter().filter(|(name, _)| *name != "seen");
        kept.map(|(name, values)| ((*name).to_owned(), kept_value(values)))
            .collect()
    }

    /// Whether these are the values.
    pub fn is_of(&self, values: &FieldValues) -> bool {
        self.0 == Self::kept(values)
    }

    /// The fields whose values are others now, with those that were seen (unless they are long).
    pub(super) fn differences<'a>(
        &'a self,
        now: &'a FieldValues,
    ) -> impl Iterator<Item = (&'static str, Option<&'a str>, String)> {
        let shown = |kept: &&str| !kept.starts_with(HASH);
        now.iter()
            .filter(|(name, _)| *name != "seen")
            .filter_map(move |(name, values)| {
                let seen = self.0.get(*name).map(String::as_str);
                let is_same = seen == Some(&kept_value(values));
                (!is_same).then(|| (*name, seen.filter(shown), values.join(", ")))
            })
    }
}

/// Beginning of the hash of a long value.
const HASH: &str = "sha256:";

fn kept_value(values: &[String]) -> String {
    let text = values.join("\n");
    if text.len() <= LONGEST_VALUE && !text.starts_with(HASH) {
        return text;
    }
    let hash = Sha256::digest(text.as_bytes());
    format!("{HASH}{}", URL_SAFE_NO_PAD.encode(hash))
}

impl Field for Seen {
    const SHAPE: Shape = Shape::new("hidden", LONGEST);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let raw = raw.filter(|raw| raw.len() <= LONGEST);
        let seen = raw.and_then(|raw| serde_json::from_str(raw).ok());
        seen.map(Self)
            .ok_or_else(|| "This value was changed in transit.".into())
    }
}
