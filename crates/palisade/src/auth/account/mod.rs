//! Accounts: sign-up, names, personal data, and the commands of operators.

pub(in crate::auth) mod erasure;
pub(in crate::auth) mod names;
pub(in crate::auth) mod operator;
pub(in crate::auth) mod personal_data;
pub(in crate::auth) mod personal_rows;
pub(in crate::auth) mod profile;
pub(in crate::auth) mod profile_table;
#[cfg(feature = "social")]
pub(in crate::auth) mod provision;
pub(in crate::auth) mod revocation;
pub(in crate::auth) mod sign_up;
