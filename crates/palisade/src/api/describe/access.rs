//! Access rules as security requirements.

use crate::permissions::Access;
use serde_json::{Value, json};

/// The schemes of a document.
pub(super) fn schemes(cookie: &str) -> Value {
    json!({
        "session": { "type": "apiKey", "in": "cookie", "name": cookie },
        "token": { "type": "http", "scheme": "bearer", "description": "A personal or signed access token; the scopes are those that it needs." },
        "signature": { "type": "apiKey", "in": "header", "name": "webhook-signature" },
    })
}

/// The alternatives of a rule.
pub(super) fn requirements(access: &Access) -> Value {
    if access.is_public() {
        return json!([]);
    }
    if access.signed_source().is_some() {
        return json!([{ "signature": [] }]);
    }
    let mut all = Vec::new();
    if !access.needs_token() {
        all.push(json!({ "session": [] }));
    }
    if access.takes_tokens() {
        all.push(json!({ "token": access.scopes() }));
    }
    Value::Array(all)
}
