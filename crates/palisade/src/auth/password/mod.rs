//! Passwords: hashing, validation, breached passwords, reset.

pub(in crate::auth) mod breached;
pub(in crate::auth) mod django_reset_links;
pub(in crate::auth) mod hash_pool;
pub(in crate::auth) mod reset;
pub(in crate::auth) mod validate;
