//! Sharing with Django: one database, one key, two frameworks. With `django.beside = true` a login
//! on either side is one on both.
//!
//! Shared data has Django's formats: sessions by key in `django_session`, the CSRF secret in
//! Django's cookie or session, messages in its cookie, password reset links. Users are those of
//! `AUTH_USER_MODEL`. Additional data is in `palisade_*` tables; Django's tables are never altered.
//!
//! This module has the settings and the pure formats, for `sessions`, `csrf`, `db` and `auth`.

mod messages;
mod settings;
mod users;

pub(crate) use messages::{Said, read, write};
pub use settings::{CHECKS, DjangoSettings, Upstream};
pub use users::{TableName, UserModel, UserTables};
