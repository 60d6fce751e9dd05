//! Comparison of Django's settings with this site's: which differ, and which is safer.

use super::rules::{RULES, Rule};
use super::settings::{Settings, Value};
use super::verdict::{Compared, Sign};
use crate::db::DatabaseUrl;

/// Every setting that exists on both sides.
pub(super) fn compare(settings: &Settings, url: &DatabaseUrl) -> Vec<Compared> {
    let judged = |rule: &Rule| {
        let value = settings.get(rule.name).cloned();
        let value = value.unwrap_or_else(|| {
            if settings.has_imports {
                Value::Unknown
            } else {
                (rule.default)()
            }
        });
        (rule.judge)(rule.name, &value)
    };
    let mut all: Vec<Compared> = RULES.iter().map(judged).collect();
    all.extend(matches!(url, DatabaseUrl::Sqlite(_)).then(|| database(settings)));
    all
}

/// Two processes write to one file.
fn database(settings: &Settings) -> Compared {
    let part = |value: &Value, name: &str| match value {
        Value::Map(parts) => parts
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone()),
        _ => None,
    };
    let default = settings
        .get("DATABASES")
        .and_then(|all| part(all, "default"));
    let options = default.and_then(|default| part(&default, "OPTIONS"));
    let mode = options.and_then(|options| part(&options, "transaction_mode"));
    if matches!(mode, Some(Value::Text(mode)) if mode.eq_ignore_ascii_case("immediate")) {
        return Compared::new(Sign::Same, "DATABASES", "each waits for its turn to write");
    }
    let says = "two processes write to one file: there must be OPTIONS {\"transaction_mode\": \"IMMEDIATE\", \"timeout\": 20} there, or visitors see \"database is locked\"";
    Compared::new(Sign::Unknown, "DATABASES", says)
}
