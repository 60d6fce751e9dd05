//! Account administration by commands: open, close, email address, rights, delete. The owner is
//! notified of each.

use crate::audit_log::{Entry, Event, record_in};
use crate::auth::email::notices::Notice;
use crate::auth::login::epoch;
use crate::auth::user::entity::{ActiveModel, Column, Entity};
use crate::auth::user::same_address;
use crate::auth::{Accounts, users};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Set};

/// Rights that are columns of Django's user table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Staff,
    Superuser,
}

/// A change of a right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RightChange {
    Grant,
    Revoke,
}

impl Accounts {
    /// Starts a change by an operator: the owner is notified, and no browser stays trusted. `None`
    /// if there is no such user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn begin_by_name(
        &self,
        username: &str,
        text: &str,
    ) -> Result<Option<(Tx, i32)>> {
        let Some(user) = self.users.by_name(username).await? else {
            return Ok(None);
        };
        let base = &self.email.links.main_base();
        let tx = self.database.begin().await?;
        if !users::lock_user(&tx, user.id).await? {
            return Ok(None);
        }
        self.guard.devices.distrust(&tx, user.id).await?;
        self.email.notify(&tx, &user, Notice { text, base }).await?;
        Ok(Some((tx, user.id)))
    }

    /// Closes an account as part of a transaction, and ends its sessions with it. `false` if it is
    /// closed or gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn close_in(&self, tx: &Tx, id: i32) -> Result<bool> {
        let row = Entity::find_by_id(id).one(tx).await?;
        let Some(row) = row.filter(|row| row.is_active) else {
            return Ok(false);
        };
        let entry = Entry::new(Event::AccountClosed).about(id);
        let entry = entry.name(&row.username);
        let base = self.email.links.main_base();
        self.deactivate_in(tx, &row, (&base, entry)).await?;
        epoch::raise(tx, id).await?;
        Ok(true)
    }

    /// Reopens a closed account as part of a transaction. `false` if it is open or gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn open_in(&self, tx: &Tx, id: i32) -> Result<bool> {
        let row = Entity::find_by_id(id).one(tx).await?;
        let Some(row) = row.filter(|row| !row.is_active) else {
            return Ok(false);
        };
        self.guard.devices.distrust(tx, id).await?;
        let base = &self.email.links.main_base();
        let text = "The account was reopened.";
        self.email.notify(tx, &row, Notice { text, base }).await?;
        activate(tx, id, &row.username).await?;
        Ok(true)
    }

    /// Reopens a closed account. `false` if the name is unknown.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn open_account(&self, username: &str) -> Result<bool> {
        let text = "The account was reopened.";
        let Some((tx, id)) = self.begin_by_name(username, text).await? else {
            return Ok(false);
        };
        activate(&tx, id, username).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Closes an account and ends its sessions. Returns its id; `None` if the name
    /// is unknown.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn close_account(&self, username: &str) -> Result<Option<i32>> {
        self.close(username, Entry::new(Event::AccountClosed)).await
    }

    /// The same during an incident.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn freeze_account(&self, username: &str, reason: &str) -> Result<Option<i32>> {
        let entry = Entry::new(Event::AccountFrozen).detail(reason);
        self.close(username, entry).await
    }

    async fn close(&self, username: &str, entry: Entry) -> Result<Option<i32>> {
        let Some(row) = self.users.by_name(username).await? else {
            return Ok(None);
        };
        let entry = entry.about(row.id).name(&row.username);
        let base = self.email.links.main_base();
        self.deactivate(&row, &base, entry).await?;
        Ok(Some(row.id))
    }

    /// Sets another email address, for a user who has lost access to the old mailbox. Both
    /// addresses are notified, and all sessions end.
    ///
    /// # Errors
    /// When another account has the address, or the database does not answer.
    pub(crate) async fn change_address(&self, username: &str, new: &str) -> Result<Option<i32>> {
        let Some(row) = self.users.by_name(username).await? else {
            return Ok(None);
        };
        let tx = self.database.begin().await?;
        let other = Entity::find()
            .filter(same_address(new))
            .filter(Column::Id.ne(row.id));
        if other.one(&tx).await?.is_some() {
            let said = "another account has this address";
            return Err(Error::new(ErrorKind::Conflict, said));
        }
        let change = ActiveModel {
            email: Set(new.into()),
            ..Default::default()
        };
        users::update(&tx, row.id, change).await?;
        self.email.tokens.forget(&tx, row.id, None).await?;
        let base = &self.email.links.main_base();
        let text = "The operators of this site changed the email address of the account; mail goes to the new one now. All sessions have ended.";
        for address in [row.email.as_str(), new] {
            let notice = Notice { text, base };
            self.email
                .notify_at(&tx, address, &row.username, notice)
                .await?;
        }
        record_in(&tx, row.entry(Event::EmailChanged)).await?;
        self.sessions.commit_and_end_all(tx, row.id).await?;
        Ok(Some(row.id))
    }

    /// Deletes an account with all its data. `false` if the name is unknown.
    ///
    /// # Errors
    /// When the database does not answer; the account stays then.
    pub(crate) async fn delete_account(&self, username: &str) -> Result<Option<i32>> {
        let Some(row) = self.users.by_name(username).await? else {
            return Ok(None);
        };
        self.erase(&row, &self.email.links.main_base()).await?;
        Ok(Some(row.id))
    }
}

/// Grants or revokes a right, in the transaction that notifies the owner.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn set_flag(tx: &Tx, id: i32, flag: Flag, change: RightChange) -> Result<()> {
    let has = Set(change == RightChange::Grant);
    let row = match flag {
        Flag::Staff => ActiveModel {
            is_staff: has,
            ..Default::default()
        },
        Flag::Superuser => ActiveModel {
            is_superuser: has,
            ..Default::default()
        },
    };
    Ok(users::update(tx, id, row).await?)
}

async fn activate(tx: &Tx, id: i32, username: &str) -> Result<()> {
    let open = ActiveModel {
        is_active: Set(true),
        ..Default::default()
    };
    users::update(tx, id, open).await?;
    let opened = Entry::new(Event::AccountOpened).about(id).name(username);
    Ok(record_in(tx, opened).await?)
}
