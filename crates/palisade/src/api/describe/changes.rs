//! Changes of a document that break clients.

use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt;

/// A change between two documents.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ApiChange {
    /// A client that worked may fail.
    Breaking(String),
    Added(String),
}

impl fmt::Display for ApiChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Breaking(change) => write!(f, "breaking: {change}"),
            Self::Added(change) => write!(f, "added: {change}"),
        }
    }
}

/// The changes from one document to another.
pub(crate) fn changes(before: &Value, after: &Value) -> Vec<ApiChange> {
    let mut all = BTreeSet::new();
    let empty = Map::new();
    let paths = |document: &'_ Value| document["paths"].as_object().cloned().unwrap_or_default();
    let (old, new) = (paths(before), paths(after));
    for (path, methods) in &old {
        let now = new.get(path).and_then(Value::as_object).unwrap_or(&empty);
        for (method, operation) in methods.as_object().unwrap_or(&empty) {
            let place = format!("{} {path}", method.to_uppercase());
            match now.get(method) {
                Some(now) => {
                    let between = Between { before, after };
                    between.operation(&place, (operation, now), &mut all);
                }
                None => {
                    all.insert(ApiChange::Breaking(format!("{place} was removed")));
                }
            }
        }
    }
    for (path, methods) in &new {
        for method in methods.as_object().unwrap_or(&empty).keys() {
            if old.get(path).and_then(|old| old.get(method)).is_none() {
                all.insert(ApiChange::Added(format!(
                    "{} {path}",
                    method.to_uppercase()
                )));
            }
        }
    }
    all.into_iter().collect()
}

/// Two documents, whose references are resolved.
#[derive(Clone, Copy)]
struct Between<'a> {
    before: &'a Value,
    after: &'a Value,
}

/// A side of a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

impl Between<'_> {
    fn operation(self, place: &str, (old, new): (&Value, &Value), all: &mut BTreeSet<ApiChange>) {
        if old["security"] != new["security"] {
            let said = format!(
                "{place}: other credentials, {} instead of {}",
                new["security"], old["security"]
            );
            all.insert(ApiChange::Breaking(said));
        }
        let names = |operation: &Value, is_required: bool| -> BTreeSet<String> {
            let list = operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let wanted = list
                .iter()
                .filter(|one| !is_required || one["required"] == true);
            wanted
                .filter_map(|one| one["name"].as_str().map(str::to_owned))
                .collect()
        };
        for gone in names(old, false).difference(&names(new, false)) {
            all.insert(ApiChange::Breaking(format!(
                "{place}: the parameter {gone} was removed"
            )));
        }
        for more in names(new, true).difference(&names(old, true)) {
            all.insert(ApiChange::Breaking(format!(
                "{place}: the parameter {more} is required"
            )));
        }
        for more in names(new, false).difference(&names(old, false)) {
            all.insert(ApiChange::Added(format!("{place}: the parameter {more}")));
        }
        let body = |operation: &Value| first_schema(&operation["requestBody"]);
        self.schema(
            &format!("{place}: body"),
            (&body(old), &body(new)),
            (Side::Request, 0),
            all,
        );
        let empty = Map::new();
        let answers = old["responses"].as_object().unwrap_or(&empty);
        for (status, answer) in answers.iter().filter(|(status, _)| status.starts_with('2')) {
            let now = &new["responses"][status];
            if now.is_null() {
                all.insert(ApiChange::Breaking(format!(
                    "{place}: the response {status} was removed"
                )));
                continue;
            }
            let pair = (&first_schema(answer), &first_schema(now));
            self.schema(
                &format!("{place}: {status}"),
                pair,
                (Side::Response, 0),
                all,
            );
        }
    }

    fn schema(
        self,
        place: &str,
        (old, new): (&Value, &Value),
        (side, depth): (Side, usize),
        all: &mut BTreeSet<ApiChange>,
    ) {
        let (old, new) = (resolved(self.before, old), resolved(self.after, new));
        if depth > MOST_DEPTH || old == new {
            return;
        }
        if old["type"] != new["type"]
            || old["enum"] != new["enum"]
            || old["format"] != new["format"]
        {
            let was = |schema: &Value| format!("{} {}", schema["type"], schema["enum"]);
            let said = format!("{place} is {} instead of {}", was(new), was(old));
            all.insert(ApiChange::Breaking(said));
        }
        for (bound, is_narrower) in NARROWER {
            let pair = (old[*bound].as_f64(), new[*bound].as_f64());
            let narrows = match pair {
                (Some(old), Some(new)) => is_narrower(old, new),
                (None, Some(_)) => true,
                _ => false,
            };
            if side == Side::Request && narrows {
                all.insert(ApiChange::Breaking(format!("{place}: {bound} is narrower")));
            }
        }
        self.members(place, (old, new), (side, depth), all);
        let items = (&old["items"], &new["items"]);
        self.schema(&format!("{place}[]"), items, (side, depth + 1), all);
    }

    fn members(
        self,
        place: &str,
        (old, new): (&Value, &Value),
        (side, depth): (Side, usize),
        all: &mut BTreeSet<ApiChange>,
    ) {
        let members = |schema: &'_ Value| {
            schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default()
        };
        let (before, after) = (members(old), members(new));
        for (name, member) in &before {
            match after.get(name) {
                Some(now) => {
                    let inner = format!("{place}/{name}");
                    self.schema(&inner, (member, now), (side, depth + 1), all);
                }
                None => {
                    let said = format!("{place}/{name} was removed");
                    all.insert(ApiChange::Breaking(said));
                }
            }
        }
        let required = |schema: &Value, name: &str| {
            let list = schema["required"].as_array();
            list.is_some_and(|list| list.iter().any(|one| one == name))
        };
        for name in after.keys() {
            if !before.contains_key(name) {
                all.insert(ApiChange::Added(format!("{place}/{name}")));
            }
            if side == Side::Request && required(new, name) && !required(old, name) {
                all.insert(ApiChange::Breaking(format!("{place}/{name} is required")));
            }
            if side == Side::Response && required(old, name) && !required(new, name) {
                all.insert(ApiChange::Breaking(format!("{place}/{name} may be absent")));
            }
        }
    }
}

const MOST_DEPTH: usize = 12;

type Narrower = (&'static str, fn(f64, f64) -> bool);
/// Bounds of a schema, and whether the second value is narrower.
const NARROWER: &[Narrower] = &[
    ("maxLength", |old, new| new < old),
    ("maxItems", |old, new| new < old),
    ("maximum", |old, new| new < old),
    ("minLength", |old, new| new > old),
    ("minimum", |old, new| new > old),
];

fn first_schema(holder: &Value) -> Value {
    let kinds = holder["content"].as_object();
    let first = kinds.and_then(|kinds| kinds.values().next());
    first.map_or(Value::Null, |kind| kind["schema"].clone())
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let name = schema["$ref"]
        .as_str()
        .and_then(|reference| reference.rsplit('/').next());
    name.map_or(schema, |name| &document["components"]["schemas"][name])
}
