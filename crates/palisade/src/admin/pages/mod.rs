//! The pages of the admin.

pub(crate) mod access;
mod account;
pub(crate) mod actions;
pub(crate) mod audit;
pub(crate) mod bin;
pub(crate) mod change;
pub(crate) mod delete;
pub(crate) mod export;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod home;
pub(crate) mod import;
pub(crate) mod locks;
pub(crate) mod mail;
pub(crate) mod members;
pub(crate) mod proposals;
pub(crate) mod rights;
pub(crate) mod row;
pub(crate) mod saved_views;
pub(crate) mod search;
pub(crate) mod view_as;
