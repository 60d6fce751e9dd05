//! For programs: routes that are opened by access tokens, and tokens of this site's own.
//!
//! A route says `token("tickets.read")`; what is brought is a signed token ([RFC 9068](https://www.rfc-editor.org/rfc/rfc9068)) of this site or of an issuer
//! in `api.issuers`, for this site (`api.audience`) and not for another, not expired, and of that scope. Anything else is 401, and a token that is good for
//! something else 403, in the words of [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750). It needs feature `social`.
//!
//! ```
//! use palisade::api::{Grant, Tokens};
//! use palisade::prelude::*;
//!
//! /// For a program of the user's, which asks the archive in their name for half an hour.
//! async fn give(user: User, tokens: Tokens) -> Result<String> {
//!     let grant = Grant { audience: "https://archive.example.org", user: &user, scopes: &["files.read"], minutes: 30 };
//!     Ok(tokens.issue(&grant).await?)
//! }
//!
//! async fn count(caller: Caller) -> String {
//!     format!("for {} of {}", caller.subject, caller.issuer)
//! }
//!
//! let routes: Routes = Routes::new()
//!     .route("/token", signed_in().post(give))
//!     .route("/api/tickets", token("tickets.read").get(count));
//! ```

#[cfg(feature = "social")]
mod issue;
mod settings;
#[cfg(feature = "social")]
mod tokens;

pub use settings::{ApiSettings, CHECKS, Issuer};
#[cfg(feature = "social")]
pub(crate) use tokens::Refused;
#[cfg(feature = "social")]
pub use {issue::Grant, tokens::Tokens};
