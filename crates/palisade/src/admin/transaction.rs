//! The transaction of a write.

use super::desk::Desk;
use super::diff::Diff;
use super::entry::Entry;
use super::origin::Origin;
use super::site::AdminSite;
use crate::db::Tx;
use crate::permissions::Actor;

/// The transaction of a write, by an actor.
pub(crate) struct Work<'a> {
    pub(crate) site: &'a AdminSite,
    pub(crate) actor: &'a Actor,
    pub(crate) tx: &'a Tx,
    pub(crate) entry: &'a Entry,
    pub(crate) why: &'a str,
    pub(crate) batch: &'a str,
    pub(crate) undoes: Option<i64>,
    pub(crate) origin: Origin,
}

impl<'a> Work<'a> {
    /// The work of a request.
    pub(crate) fn of(desk: &'a Desk, entry: &'a Entry, tx: &'a Tx, why: &'a str) -> Self {
        Self {
            site: &desk.site,
            actor: &desk.actor,
            tx,
            entry,
            why,
            batch: "",
            undoes: None,
            origin: Origin::current(),
        }
    }
}

/// A change to record.
pub(crate) struct NewChange<'a> {
    pub(crate) verb: &'a str,
    pub(crate) key: &'a str,
    pub(crate) label: String,
    pub(crate) people: String,
    pub(crate) diff: Diff,
}
