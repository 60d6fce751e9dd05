//! API clients: routes with bearer tokens, and access tokens issued by this site.
//!
//! A route with `token("tickets.read")` accepts a signed access token
//! ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)) of this site or of an issuer in
//! `api.issuers`, with this site as audience (`api.audience`), not expired, and with that scope. An
//! invalid token is refused with 401, a missing scope with 403
//! ([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750)). Needs feature `social`.
//!
//! ```
//! use palisade::api::{Grant, Tokens};
//! use palisade::prelude::*;
//!
//! /// Issues an access token for an API client of the user, for half an hour.
//! async fn issue(user: User, tokens: Tokens) -> Result<String> {
//!     let grant = Grant { audience: "https://archive.example.org", user: &user, scopes: &["files.read"], minutes: 30 };
//!     Ok(tokens.issue(&grant).await?)
//! }
//!
//! async fn count(caller: Caller) -> String {
//!     format!("for {} of {}", caller.subject, caller.issuer)
//! }
//!
//! let routes: Routes = Routes::new()
//!     .route("/token", signed_in().post(issue))
//!     .route("/api/tickets", token("tickets.read").get(count));
//! ```

mod describe;
#[cfg(feature = "social")]
mod issue;
mod resource;
mod settings;
#[cfg(feature = "social")]
mod tokens;
mod webhooks;

pub use describe::{Answer, Described, Operates, Operation, Schema, Undescribed, object_schema};
pub(crate) use describe::{
    ApiChange, DescribedRoute, Info, ResourceContent, Viewer, changes, document,
};
pub(crate) use resource::{
    Body, Entry, Handles, Object, OnceObject, ResourceRequest, ResourceServices,
};
pub use resource::{Description, Field, Resource};
pub use settings::{ApiSettings, CHECKS, Issuer};
pub(crate) use webhooks::{DeclaredSource, WebhookSources};
pub use webhooks::{Signed, WebhookScheme, WebhookSecret, WebhookSettings};
#[cfg(feature = "social")]
pub use {issue::Grant, tokens::Tokens};
