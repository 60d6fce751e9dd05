//! The admin: where it is and for whom, lists, changes, history, and attacks by guessing.

mod access;
mod bulk;
mod changes;
pub(crate) mod desk;
mod lists;
mod matrix;
mod two_persons;
mod views_and_imports;
mod way_in;
