//! Schemas of resources for one client: a field that it may not read does not exist.

use super::field_schema::{Nulls, of_input, of_output};
use super::operation::ResourceContent;
use crate::api::resource::{Entry, Field, MOST_ROWS, Way, Write};
use crate::permissions::Actor;
use serde_json::{Map, Value, json};

/// The reader of a document.
#[derive(Clone, Copy)]
pub(crate) enum Viewer<'a> {
    /// The operator: all of it.
    Operator,
    Client(&'a Actor),
}

impl Viewer<'_> {
    fn reads(self, field: &Field) -> bool {
        match self {
            Self::Operator => true,
            Self::Client(actor) => field.is_readable(actor),
        }
    }

    fn writes(self, field: &Field, write: Write) -> bool {
        match self {
            Self::Operator => field.can_be_written(write),
            Self::Client(actor) => field.is_writable(actor, write),
        }
    }
}

pub(super) fn of_content(entry: &Entry, content: ResourceContent, viewer: Viewer<'_>) -> Value {
    match content {
        ResourceContent::Item => item(entry, viewer),
        ResourceContent::Page => page(entry, viewer),
        ResourceContent::New => body(entry, Write::Create, viewer),
        ResourceContent::Whole => body(entry, Write::Change, viewer),
        ResourceContent::Patch => {
            let mut patch = body(entry, Write::Change, viewer);
            if let Some(patch) = patch.as_object_mut() {
                patch.remove("required");
            }
            patch
        }
    }
}

/// A field with a rule may be absent for some of the clients.
fn item(entry: &Entry, viewer: Viewer<'_>) -> Value {
    let read = || entry.fields.iter().filter(|field| viewer.reads(field));
    let properties = read().map(|field| {
        let nulls = match field.is_nullable {
            true => Nulls::Possible,
            false => Nulls::Never,
        };
        let schema = of_output(&field.spec, nulls);
        (field.name.to_owned(), schema)
    });
    let required = read().filter(|field| field.is_open() || matches!(viewer, Viewer::Client(_)));
    let required: Vec<_> = required.map(|field| field.name).collect();
    json!({
        "type": "object", "properties": properties.collect::<Map<_, _>>(), "required": required,
        "additionalProperties": false,
    })
}

fn page(entry: &Entry, viewer: Viewer<'_>) -> Value {
    let reference = format!("#/components/schemas/{}", entry.name);
    let mut page = json!({
        "type": "object", "required": ["items", "next"], "additionalProperties": false,
        "properties": {
            "items": { "type": "array", "items": { "$ref": reference }, "maxItems": MOST_ROWS },
            "next": { "type": ["string", "null"] },
        },
    });
    let expands = |field: &&Field| field.target.is_some() && viewer.reads(field);
    if entry.fields.iter().any(|field| expands(&field)) {
        let rows = json!({ "type": "object", "additionalProperties": { "type": "object" } });
        page["properties"]["included"] = json!({ "type": "object", "additionalProperties": rows });
    }
    page
}

fn body(entry: &Entry, write: Write, viewer: Viewer<'_>) -> Value {
    let written = || {
        entry
            .fields
            .iter()
            .filter(|field| viewer.writes(field, write))
    };
    let properties = written().map(|field| (field.name.to_owned(), of_input(&field.spec)));
    let required = written().filter(|field| field.spec.shape.is_required);
    let required: Vec<_> = required.map(|field| field.name).collect();
    json!({
        "type": "object", "properties": properties.collect::<Map<_, _>>(), "required": required,
        "additionalProperties": false,
    })
}

/// The parameters of a list.
pub(super) fn parameters(entry: &Entry, viewer: Viewer<'_>) -> Vec<Value> {
    let read = || entry.fields.iter().filter(|field| viewer.reads(field));
    let parameter = |name: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "schema": schema });
    let mut all = vec![
        parameter("after", json!({ "type": "string", "maxLength": 4000 })),
        parameter(
            "take",
            json!({ "type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": 25 }),
        ),
    ];
    let sorted = read().filter(|field| field.is_sorted);
    let orders: Vec<_> = sorted
        .flat_map(|field| [field.name.to_owned(), format!("-{}", field.name)])
        .collect();
    if !orders.is_empty() {
        all.push(parameter(
            "sort",
            json!({ "type": "string", "enum": orders }),
        ));
    }
    let targets: Vec<_> = read()
        .filter(|field| field.target.is_some())
        .map(|field| field.name)
        .collect();
    if !targets.is_empty() {
        all.push(parameter(
            "expand",
            json!({ "type": "string", "enum": targets }),
        ));
    }
    for field in read() {
        for way in &field.ways {
            let schema = match way {
                Way::Has | Way::In => json!({ "type": "string", "minLength": 1 }),
                Way::Eq | Way::From | Way::To => of_input(&field.spec),
            };
            all.push(parameter(&way.parameter(field.name), without_null(schema)));
        }
    }
    all
}

/// A parameter of a URL cannot be null.
fn without_null(mut schema: Value) -> Value {
    if let Some(first) = schema["type"]
        .as_array()
        .and_then(|types| types.first())
        .cloned()
    {
        schema["type"] = first;
    }
    schema
}
