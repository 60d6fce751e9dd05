//! The document of a site.

use super::ResourceContent;
use super::access::{requirements, schemes};
use super::operation::{Content, Operation};
use super::resource_schema::{Viewer, of_content, parameters};
use crate::http::Networks;
use crate::permissions::Access;
use http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A route with the description of its handler.
pub(crate) struct DescribedRoute {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) access: Access,
    /// Networks that must contain the client's address.
    pub(crate) only_from: Vec<Networks>,
    /// Rate limits, as text.
    pub(crate) limits: Vec<String>,
    pub(crate) operation: Operation,
}

/// The site, in its document.
pub(crate) struct Info<'a> {
    pub(crate) title: &'a str,
    /// Name of the session cookie.
    pub(crate) cookie: &'a str,
}

/// The document of the routes that a client may call.
pub(crate) fn document<'a>(
    info: &Info<'_>,
    routes: impl Iterator<Item = &'a DescribedRoute>,
    viewer: Viewer<'_>,
) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut schemas = Map::new();
    schemas.insert("Problem".into(), problem());
    for route in routes {
        let methods = paths.entry(template(&route.path)).or_default();
        let method = route.method.as_str().to_ascii_lowercase();
        methods.insert(method, operation(route, viewer, &mut schemas));
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": info.title, "version": "1" },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": schemes(info.cookie),
            "responses": { "Problem": { "description": "The request is refused.", "content": problem_content() } },
        },
    })
}

/// `{*rest}` is a parameter like others.
fn template(path: &str) -> String {
    path.replace("{*", "{")
}

fn operation(
    route: &DescribedRoute,
    viewer: Viewer<'_>,
    schemas: &mut Map<String, Value>,
) -> Value {
    let described = &route.operation;
    let mut all = path_parameters(&route.path);
    all.extend(described.parameters.iter().cloned());
    if let Some(entry) = &described.list {
        all.extend(parameters(entry, viewer));
    }
    let mut content = |content: &Content| schema(content, viewer, schemas);
    let mut responses = Map::new();
    for (status, answer) in &described.answers {
        let mut response = json!({ "description": "Success." });
        if let Some((kind, shown)) = answer {
            response["content"] = json!({ *kind: { "schema": content(shown) } });
        }
        responses.insert(status.to_string(), response);
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": summary(route),
        "parameters": all,
        "security": requirements(&route.access),
    });
    // permissions and groups are no matter of clients
    if matches!(viewer, Viewer::Operator) {
        operation["x-access"] = json!(route.access.to_string());
    }
    if let Some((kinds, body)) = &described.body {
        let schema = content(body);
        let kinds = kinds
            .iter()
            .map(|kind| ((*kind).to_owned(), json!({ "schema": schema })));
        operation["requestBody"] =
            json!({ "required": true, "content": kinds.collect::<Map<_, _>>() });
    }
    if !route.limits.is_empty() {
        operation["x-rate-limits"] = json!(route.limits);
    }
    for status in refusals(route) {
        let response = json!({ "$ref": "#/components/responses/Problem" });
        responses.entry(status.to_string()).or_insert(response);
    }
    operation["responses"] = Value::Object(responses);
    operation
}

/// The statuses of refusals that follow from rule, limits and input.
fn refusals(route: &DescribedRoute) -> Vec<u16> {
    let (access, operation) = (&route.access, &route.operation);
    let mut all = vec![400, 429, 503];
    if !access.is_public() {
        all.extend([401, 403]);
    }
    if access.hides() || route.path.contains('{') {
        all.push(404);
    }
    if !crate::csrf::is_safe(&route.method) {
        all.extend([403, 409]);
    }
    if operation.has_body() {
        all.extend([413, 415, 422]);
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split('}').next());
    let parameter = |name: &str| {
        let name = name.trim_start_matches('*');
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "minLength": 1 } })
    };
    names.map(parameter).collect()
}

fn operation_id(route: &DescribedRoute) -> String {
    let words = route.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    format!(
        "{}_{}",
        route.method.as_str().to_ascii_lowercase(),
        words.join("_")
    )
}

fn summary(route: &DescribedRoute) -> String {
    match route.operation.summary.is_empty() {
        true => format!("{} {}", route.method, route.path),
        false => route.operation.summary.clone(),
    }
}

fn schema(content: &Content, viewer: Viewer<'_>, schemas: &mut Map<String, Value>) -> Value {
    match content {
        Content::Schema(schema) => schema.clone(),
        Content::Resource(entry, content) => {
            let item = of_content(entry, ResourceContent::Item, viewer);
            schemas.insert(entry.name.to_owned(), item);
            match content {
                ResourceContent::Item => {
                    json!({ "$ref": format!("#/components/schemas/{}", entry.name) })
                }
                content => of_content(entry, *content, viewer),
            }
        }
    }
}

/// [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).
fn problem() -> Value {
    let error = json!({
        "type": "object",
        "properties": { "pointer": { "type": "string" }, "parameter": { "type": "string" }, "detail": { "type": "string" } },
    });
    json!({
        "type": "object", "required": ["type", "title", "status"],
        "properties": {
            "type": { "type": "string" }, "title": { "type": ["string", "null"] }, "status": { "type": "integer" },
            "detail": { "type": ["string", "null"] }, "request_id": { "type": "string" },
            "errors": { "anyOf": [{ "type": "array", "items": error }, { "type": "object" }] },
        },
    })
}

fn problem_content() -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "application/problem+json": { "schema": schema } })
}
