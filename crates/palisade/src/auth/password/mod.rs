//! Passwords: hashing, validation, breached passwords, change and reset.

mod breached;
pub(in crate::auth) mod change;
pub(in crate::auth) mod django_reset_links;
pub(in crate::auth) mod hash_pool;
pub(in crate::auth) mod passwords;
pub(in crate::auth) mod reset;
