//! Server-side sessions. The browser holds a random key of 256 bits; the store holds its hash and
//! the data, in Django's table and format.
//!
//! A session is loaded lazily: a page that does not use it costs no query. It ends after
//! `sessions.idle_secs` without use and after `sessions.absolute_secs` in any case; both are
//! enforced by the server, not by the cookie. The key is rotated at every login, password change
//! and change of privilege ([`Session::rotate`]), and the old one is revoked at once (session
//! fixation).

#[cfg(feature = "redis")]
mod cached;
mod cookie;
mod cookie_store;
mod flash;
mod lifetime;
mod messages;
mod migration;
mod own;
mod record;
mod session;
mod settings;
mod store;
#[cfg(test)]
mod tests;

#[cfg(feature = "redis")]
pub use cached::CachedStore;
pub use cookie::Sessions;
pub use cookie_store::CookieStore;
pub use flash::Flash;
pub(crate) use lifetime::Lifetime;
pub use messages::MessageLevel;
pub use migration::migrations;
pub use own::UserSession;
pub(crate) use record::{ADDRESS, AGENT, EPOCH, OWNER};
pub use session::Session;
pub use settings::{Binding, CHECKS, SessionSettings, StoreKind};
pub use store::{DatabaseStore, MemoryStore, NewSession, Replaced, SessionStore};
