//! Errors of API requests, with the member or the parameter at fault.

use crate::views::{Error, RequestContext};
use axum::response::IntoResponse;
use http::{StatusCode, header};
use serde_json::{Value, json};

/// A refusal with its details ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)). A detail names
/// a member of the body by a JSON Pointer ([RFC 6901](https://www.rfc-editor.org/rfc/rfc6901)), or a
/// parameter of the query.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    pub(crate) errors: Vec<Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// 400.
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// About a member of the body.
    #[must_use]
    pub(crate) fn at(mut self, member: &str, detail: impl Into<String>) -> Self {
        let pointer = format!("/{}", member.replace('~', "~0").replace('/', "~1"));
        let detail = detail.into();
        self.errors
            .push(json!({ "pointer": pointer, "detail": detail }));
        self
    }

    /// About a parameter of the query.
    #[must_use]
    pub(crate) fn parameter(mut self, name: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        self.errors
            .push(json!({ "parameter": name, "detail": detail }));
        self
    }

    pub(crate) fn into_error(self, context: &RequestContext) -> Error {
        let body = json!({
            "type": "about:blank", "title": self.status.canonical_reason(), "status": self.status.as_u16(),
            "detail": self.detail, "errors": self.errors, "request_id": context.id(),
        });
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        Error::page((self.status, kind, body.to_string()).into_response())
    }
}

/// The beginning of a name that a client sent, for a message.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(60).collect()
}

/// A sentence about an unknown name, with the nearest known one.
pub(super) fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let sentence = format!("{:?} is no {what} here.", shown(name));
    let near = known
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    match near {
        Some((_, near)) => format!("{sentence} Did you mean {near:?}?"),
        None => sentence,
    }
}
