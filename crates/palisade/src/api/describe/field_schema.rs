//! Schemas of the fields of forms and resources.

use crate::forms::{FieldSpec, Shape};
use serde_json::{Value, json};

/// Whether a value can be null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    Never,
    Possible,
}

/// The schema of a value in a response.
pub(super) fn of_output(spec: &FieldSpec, nulls: Nulls) -> Value {
    with_nulls(base(&spec.shape), nulls)
}

/// The schema of a value in a request.
pub(super) fn of_input(spec: &FieldSpec) -> Value {
    let mut schema = base(&spec.shape);
    if schema["type"] == "string" && schema.get("format").is_none() && schema.get("enum").is_none()
    {
        schema["maxLength"] = json!(spec.shape.max_length);
        if spec.shape.is_required {
            schema["minLength"] = json!(1);
        }
    }
    let schema = match spec.shape.is_many {
        true => json!({ "type": "array", "items": schema, "maxItems": spec.shape.max_count }),
        false => schema,
    };
    let nulls = match spec.shape.is_required {
        true => Nulls::Never,
        false => Nulls::Possible,
    };
    with_nulls(schema, nulls)
}

fn base(shape: &Shape) -> Value {
    match shape.kind {
        "checkbox" => json!({ "type": "boolean" }),
        "number" => number(shape),
        "date" => json!({ "type": "string", "format": "date" }),
        "datetime-local" => json!({ "type": "string", "format": "date-time" }),
        "email" => json!({ "type": "string", "format": "email" }),
        "url" => json!({ "type": "string", "format": "uri" }),
        _ if !shape.options.is_empty() => {
            let names = shape.options.iter().map(|(name, _)| *name);
            json!({ "type": "string", "enum": names.collect::<Vec<_>>() })
        }
        _ => json!({ "type": "string" }),
    }
}

fn number(shape: &Shape) -> Value {
    let mut schema = json!({ "type": "integer" });
    if let Some((least, most)) = shape.range {
        schema["minimum"] = json!(least);
        schema["maximum"] = json!(most);
    }
    schema
}

fn with_nulls(mut schema: Value, nulls: Nulls) -> Value {
    if nulls == Nulls::Possible && schema["type"].is_string() {
        schema["type"] = json!([schema["type"], "null"]);
        if let Some(names) = schema.get_mut("enum").and_then(Value::as_array_mut) {
            names.push(Value::Null);
        }
    }
    schema
}

/// The object of a form.
pub(super) fn of_fields(fields: &[FieldSpec]) -> Value {
    let properties = fields
        .iter()
        .map(|spec| (spec.name.to_owned(), of_input(spec)));
    let required = fields.iter().filter(|spec| spec.shape.is_required);
    let required: Vec<_> = required.map(|spec| spec.name).collect();
    json!({
        "type": "object", "properties": Value::Object(properties.collect()), "required": required,
        "additionalProperties": false,
    })
}
