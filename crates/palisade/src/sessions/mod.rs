//! Server-side sessions. The browser holds a random key of 256 bits; the store holds its hash and the data, in Django's table and format.
//!
//! A session is loaded when somebody looks at it, and not before: a page that does not look costs no query. It ends after
//! `sessions.idle_secs` without use and after `sessions.absolute_secs` in any case, and both are decided here, not by the cookie. A new key
//! is made at every login, password change and change of privilege ([`Session::rotate`]); the old one is dead at once.

#[cfg(feature = "redis")]
mod cached;
mod carried;
mod cookie;
mod messages;
mod migration;
mod own;
mod record;
mod session;
mod settings;
mod store;

#[cfg(feature = "redis")]
pub use cached::CachedStore;
pub use carried::CookieStore;
pub use cookie::Sessions;
pub use migration::migrations;
pub use own::OwnSession;
pub(crate) use record::{ADDRESS, AGENT, EPOCH, OWNER};
pub use session::{MessageLevel, Session};
pub use settings::{Binding, CHECKS, SessionSettings, StoreKind};
pub use store::{DatabaseStore, MemoryStore, NewSession, Replaced, SessionStore};
