//! Writes of the admin: each in a transaction with its history, judged by the policy of the rows.

use super::bin::{self, Binned};
use super::diff::{Diff, fingerprint};
use super::entry::Entry;
use super::history;
use super::policy::may_write;
use super::site::AdminSite;
use super::transaction::{NewChange, Work};
use crate::db::{Values, is_null, restored_all, stored_all};
use crate::permissions::Verb;
use crate::permissions::{TableChange as Change, key_text};
use crate::views::{Error, Result};
use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A step for a row.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Sets columns to stored values.
    Set(serde_json::Value),
    /// Carries out an action that changes the row.
    Act(String),
    /// Moves it to the bin.
    Delete,
    /// Deletes it for good, by an action.
    Purge(String),
}

/// A step for rows of a resource: as it is carried out, proposed, or queued. It holds values of rows,
/// and has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Operations {
    pub(crate) resource: String,
    pub(crate) step: Step,
    pub(crate) why: String,
    /// Keys, with the fingerprints of the rows as they were seen; empty ones are not compared.
    pub(crate) rows: Vec<(String, String)>,
}

impl Step {
    /// The word of the history.
    pub(crate) fn verb(&self) -> &str {
        match self {
            Self::Set(_) => "change",
            Self::Act(name) | Self::Purge(name) => name,
            Self::Delete => "delete",
        }
    }
}

impl Work<'_> {
    /// Carries out a step for a row.
    ///
    /// # Errors
    /// 403, 404 and 409 as for [`RowAccess`](crate::permissions::RowAccess); 409 for a row that is
    /// another one than was seen.
    pub(crate) async fn run(&self, step: &Step, (key, seen): (&str, &str)) -> Result<()> {
        match step {
            Step::Set(values) => {
                let values = restored_all(values).ok_or_else(|| Error::bug("a stored value"))?;
                self.change(Change::Set(&values), step.verb(), (key, seen))
                    .await
            }
            Step::Act(name) => {
                let found = self.entry.action(name).ok_or_else(Error::not_found)?;
                self.change(Change::Act(found.0), name, (key, seen)).await
            }
            Step::Delete | Step::Purge(_) => self.delete(step, (key, seen)).await,
        }
    }

    /// Locks the row, and compares it with the fingerprint.
    async fn locked(&self, verb: Verb, (key, seen): (&str, &str)) -> Result<Values> {
        let row = self
            .entry
            .table
            .lock(self.actor, (verb, key), self.tx)
            .await?;
        match seen.is_empty() || fingerprint(self.entry, &row.values) == seen {
            true => Ok(row.values),
            false => Err(Error::conflict("A row was changed in the meantime.")),
        }
    }

    pub(crate) async fn change(
        &self,
        change: Change<'_>,
        verb: &str,
        (key, seen): (&str, &str),
    ) -> Result<()> {
        self.require_writable(&change)?;
        let is_action = matches!(change, Change::Act(_));
        let before = self.locked(Verb::Change, (key, seen)).await?;
        let changed = self
            .entry
            .table
            .change(self.actor, key, change, self.tx)
            .await?;
        // before a word about the values that are there
        if is_action {
            self.require_permissions(&changed.named)?;
        }
        let set = changed.set;
        if set.is_empty() {
            return Ok(());
        }
        let after = self
            .entry
            .table
            .lock(self.actor, (Verb::Change, key), self.tx)
            .await?;
        let diff = Diff::between(self.entry, (&before, &after.values), &set);
        self.record(verb, (key, &after.values), diff).await
    }

    /// Columns are judged for the user who writes them: that of a proposal is another one than its
    /// author.
    fn require_writable(&self, change: &Change<'_>) -> Result<()> {
        let Change::Set(values) = change else {
            return Ok(());
        };
        let may_write = |name: &String| {
            let column = self.entry.column(name);
            column.is_some_and(|column| may_write(column, |name| self.actor.may(name)))
        };
        match values.keys().all(may_write) {
            true => Ok(()),
            false => Err(Error::forbidden()),
        }
    }

    /// An action may set columns that no form writes; the permissions of a column hold for it, too.
    fn require_permissions(&self, named: &[&str]) -> Result<()> {
        let columns = named.iter().filter_map(|name| self.entry.column(name));
        let mut asked = columns.flat_map(|column| [column.view, column.change]);
        match asked.all(|permission| permission.is_none_or(|name| self.actor.may(name))) {
            true => Ok(()),
            false => Err(Error::forbidden()),
        }
    }

    /// Adds a row, and returns its key.
    ///
    /// # Errors
    /// 403 for a row outside of the policy.
    pub(crate) async fn add(&self, values: &Values) -> Result<String> {
        let key = self.entry.table.insert(self.actor, values, self.tx).await?;
        // the policy may not admit its author to the row
        let added = self
            .entry
            .table
            .lock(self.actor, (Verb::View, &key), self.tx)
            .await;
        let row = added.map_or_else(|_| values.clone(), |row| row.values);
        let diff = Diff::added(self.entry, &row);
        self.record("add", (&key, &row), diff).await?;
        Ok(key)
    }

    async fn delete(&self, step: &Step, (key, seen): (&str, &str)) -> Result<()> {
        let row = self.locked(Verb::Delete, (key, seen)).await?;
        self.require_no_dependents(key).await?;
        self.entry.table.delete(self.actor, key, self.tx).await?;
        if matches!(step, Step::Delete) {
            let people = people_in(self.site, self.entry, &row).await?;
            let sealed = stored_all(&row);
            let sealed = sealed
                .ok_or_else(|| Error::bug("a column has a type that the bin does not store"))?;
            let binned = Binned {
                entry: self.entry,
                key,
                label: self.label(&row),
                row: sealed.to_string(),
                people,
                batch: self.batch,
            };
            bin::put(self.site, self.tx, self.actor, binned).await?;
        }
        let diff = Diff::removed(self.entry, &row);
        self.record(step.verb(), (key, &row), diff).await
    }

    /// Refuses the deletion of a row to which others refer: they would go, or lose their reference,
    /// without a history and a policy of their own.
    async fn require_no_dependents(&self, key: &str) -> Result<()> {
        let table = self.entry.table.name();
        let value = self
            .entry
            .table
            .key_value(key)
            .ok_or_else(Error::not_found)?;
        let look = async || self.site.database.references_to(table).await;
        for reference in self.entry.references.get_or_try_init(look).await? {
            if self
                .tx
                .query_one(&reference.rows(value.clone(), 1))
                .await?
                .is_some()
            {
                let said = format!(
                    "Other rows refer to {} {key}: delete them first.",
                    self.entry.one()
                );
                return Err(Error::conflict(said));
            }
        }
        Ok(())
    }

    /// Inserts a row of the bin again.
    ///
    /// # Errors
    /// 403 for a row that the actor may not delete; 409 if its key or another unique value is taken.
    pub(crate) async fn restore(&self, key: &str, row: &Values) -> Result<()> {
        self.entry
            .table
            .restore(self.actor, key, row, self.tx)
            .await?;
        let diff = Diff::added(self.entry, row);
        self.record("restore", (key, row), diff).await
    }

    fn label(&self, row: &Values) -> String {
        label_of(self.entry, row)
    }

    async fn record(&self, verb: &str, (key, row): (&str, &Values), diff: Diff) -> Result<()> {
        let change = NewChange {
            verb,
            key,
            label: self.label(row),
            people: people_in(self.site, self.entry, row).await?,
            diff,
        };
        history::write(self, change).await
    }
}

/// The name of a row: the first text of the list, or its model.
pub(crate) fn label_of(entry: &Entry, row: &Values) -> String {
    let column = entry.label_column();
    let text = column.and_then(|column| column.input(row.get(column.name)?).pop());
    super::list::cells::shortened(&text.unwrap_or_else(|| entry.one()))
}

/// The users in a row: its own key in the users' table, and foreign keys to it.
async fn people_in(site: &AdminSite, entry: &Entry, row: &Values) -> Result<String, DbErr> {
    let mut keys = BTreeSet::new();
    for column in site.user_columns(entry).await? {
        keys.extend(
            row.get(column)
                .filter(|value| !is_null(value))
                .map(key_text),
        );
    }
    if entry.table.name() == USERS {
        keys.extend(row.get("id").map(key_text));
    }
    Ok(match keys.is_empty() {
        true => String::new(),
        false => format!(",{},", keys.into_iter().collect::<Vec<_>>().join(",")),
    })
}

const USERS: &str = "auth_user";
