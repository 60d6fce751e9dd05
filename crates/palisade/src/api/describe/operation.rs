use crate::api::resource::Entry;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The description of a handler, without its route.
#[derive(Clone, Default)]
pub struct Operation {
    pub(crate) summary: String,
    /// Parameters of query and headers, as OpenAPI spells them.
    pub(super) parameters: Vec<Value>,
    /// Media types of the body, and its content.
    pub(super) body: Option<(&'static [&'static str], Content)>,
    /// Responses of success.
    pub(super) answers: BTreeMap<u16, Option<(&'static str, Content)>>,
    /// The resource whose list it is: its parameters depend on the client.
    pub(super) list: Option<Arc<Entry>>,
}

/// The content of a body.
#[derive(Clone)]
pub(super) enum Content {
    Schema(Value),
    /// Its fields depend on the client.
    Resource(Arc<Entry>, ResourceContent),
}

/// A body with rows of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResourceContent {
    Item,
    Page,
    New,
    Whole,
    Patch,
}

impl Operation {
    /// Adds a parameter of the query.
    pub fn query(&mut self, name: &str, schema: Value) {
        self.parameter("query", name, schema);
    }

    /// Adds a header of the request.
    pub fn header(&mut self, name: &str, schema: Value) {
        self.parameter("header", name, schema);
    }

    fn parameter(&mut self, place: &str, name: &str, schema: Value) {
        let parameter = json!({ "name": name, "in": place, "required": false, "schema": schema });
        self.parameters.push(parameter);
    }

    /// Sets the body.
    pub fn body(&mut self, kinds: &'static [&'static str], schema: Value) {
        self.body = Some((kinds, Content::Schema(schema)));
    }

    /// Adds a response of success.
    pub fn answer(&mut self, status: StatusCode, kind: &'static str, schema: Value) {
        let content = Some((kind, Content::Schema(schema)));
        self.answers.insert(status.as_u16(), content);
    }

    /// Adds a response of success without a body.
    pub fn empty_answer(&mut self, status: StatusCode) {
        self.answers.insert(status.as_u16(), None);
    }

    pub(super) fn has_body(&self) -> bool {
        self.body.is_some()
    }

    /// An operation of a resource.
    pub(crate) fn of_resource(
        entry: &Arc<Entry>,
        (verb, body): (&str, Option<ResourceContent>),
        answer: (StatusCode, Option<ResourceContent>),
    ) -> Self {
        let content = |content| Content::Resource(entry.clone(), content);
        let kinds: &[&str] = match body {
            Some(ResourceContent::Patch) => &["application/merge-patch+json", "application/json"],
            _ => &["application/json"],
        };
        let mut operation = Self {
            summary: format!("{verb} {}", entry.name),
            body: body.map(|body| (kinds, content(body))),
            ..Self::default()
        };
        if body == Some(ResourceContent::New) {
            operation.header(
                "Idempotency-Key",
                json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}),
            );
        }
        if answer.1 == Some(ResourceContent::Page) {
            operation.list = Some(entry.clone());
        }
        let shown = answer.1.map(|shown| ("application/json", content(shown)));
        operation.answers.insert(answer.0.as_u16(), shown);
        operation
    }
}
