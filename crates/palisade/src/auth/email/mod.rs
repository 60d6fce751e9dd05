//! Mail to users, and the links and codes in it.

pub(in crate::auth) mod codes;
pub(in crate::auth) mod links;
pub(in crate::auth) mod messages;
pub(in crate::auth) mod pending;
pub(in crate::auth) mod tokens;
