//! Resources that come with the admin.

pub mod group;
pub mod user;

pub(crate) use group::Groups;
pub(crate) use user::Users;
