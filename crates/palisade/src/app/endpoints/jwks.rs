//! The public keys that verify this site's access tokens.

use crate::api::Tokens;
use crate::app::Routes;
use crate::permissions::public;
use crate::views::Error;
use http::header;
use serde_json::Value;

/// Endpoints of the public keys that verify this site's tokens, and of their metadata.
pub(in crate::app) fn routes() -> Routes {
    let json = |value: Value| {
        (
            [(header::CONTENT_TYPE, "application/json")],
            value.to_string(),
        )
    };
    let answer = move |value: Option<Value>| value.map(json).ok_or_else(Error::not_found);
    let keys = async move |tokens: Tokens| answer(tokens.public_keys().map(|(keys, _)| keys));
    let metadata =
        async move |tokens: Tokens| answer(tokens.public_keys().map(|(_, metadata)| metadata));
    Routes::new()
        .route("/.well-known/jwks.json", public().get(keys))
        .route(
            "/.well-known/oauth-authorization-server",
            public().get(metadata),
        )
}
