//! Personal access tokens: credentials that users make for their own programs, and revoke.
//!
//! Only a hash is stored. A token has scopes and an end, may be bound to networks, and never allows
//! more than its user may do at the moment of the request. It ends with the password and the
//! account of its user, and with "sign out everywhere".

mod authenticate;
mod format;
mod lifecycle;
mod migration;
mod notices;
mod own;
mod rows;
pub(in crate::auth) mod rules;

pub(in crate::auth) use authenticate::rebind;
pub(crate) use format::{PREFIX, find as find_access_token};
pub(in crate::auth) use migration::CreateAccessTokens;
pub(crate) use own::OwnAccessTokens;
pub(crate) use rows::palisade_access_token::Model as AccessToken;
pub use rules::DeclaredScope;
pub(crate) use rules::{AccessTokenRules, NewAccessToken, TokenEnd, TokenRefusal, TokenUser};
