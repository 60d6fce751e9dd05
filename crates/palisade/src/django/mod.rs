//! Beside Django: one database, one key, two frameworks. With `django.beside = true` a visitor who logs in on either side is logged in on both.
//!
//! What Django reads and writes is kept as Django keeps it: sessions under their own keys in `django_session`, the secret of form tokens in its cookie or in the
//! session, messages in its cookie, links for a new password. Users are those of `AUTH_USER_MODEL`. What Django lacks stays in `palisade_*`
//! tables, and what it has is never changed in shape.
//!
//! Here are the settings, and the formats that are pure: who uses them is `sessions`, `csrf`, `db` and `auth`.

mod messages;
mod settings;
mod users;

pub(crate) use messages::{Said, read, write};
pub use settings::{CHECKS, DjangoSettings, Upstream};
pub use users::{TableName, UserModel, UserTables};
