//! Account administration by commands: open, close, email address, rights, delete. The owner is
//! notified of each.

use crate::auth::account::names::reading;
use crate::auth::user::entity::{ActiveModel, Column, Entity};
use crate::auth::{Accounts, same_address};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, Result};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use std::collections::BTreeMap;

/// Rights that are columns of Django's user table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Staff,
    Superuser,
}

impl Flag {
    fn change(self, has: bool) -> ActiveModel {
        match self {
            Self::Staff => ActiveModel {
                is_staff: Set(has),
                ..Default::default()
            },
            Self::Superuser => ActiveModel {
                is_superuser: Set(has),
                ..Default::default()
            },
        }
    }
}

impl Accounts {
    /// Reopens a closed account. `false` if the name is unknown.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn open_account(&self, username: &str) -> Result<bool> {
        let Some((tx, id)) = self
            .begin_by_name(username, "The account was reopened.")
            .await?
        else {
            return Ok(false);
        };
        let open = ActiveModel {
            is_active: Set(true),
            ..Default::default()
        };
        Entity::update_many()
            .set(open)
            .filter(Column::Id.eq(id))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Closes an account and ends its sessions. Returns its id; `None` if the name
    /// is unknown.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn close_account(&self, username: &str) -> Result<Option<i32>> {
        let Some(row) = self.by_name(username).await? else {
            return Ok(None);
        };
        self.deactivate(&row, &self.links.main_base()).await?;
        Ok(Some(row.id))
    }

    /// Sets another email address, for a user who has lost access to the old mailbox. Both
    /// addresses are notified, and all sessions end.
    ///
    /// # Errors
    /// When another account has the address, or the database does not answer.
    pub(crate) async fn change_address(&self, username: &str, new: &str) -> Result<Option<i32>> {
        let Some(row) = self.by_name(username).await? else {
            return Ok(None);
        };
        let tx = self.database.begin().await?;
        let other = Entity::find()
            .filter(same_address(new))
            .filter(Column::Id.ne(row.id))
            .one(&tx)
            .await?;
        if other.is_some() {
            return Err(Error::new(
                ErrorKind::Conflict,
                "another account has this address",
            ));
        }
        let change = ActiveModel {
            email: Set(new.into()),
            ..Default::default()
        };
        Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(row.id))
            .exec(&tx)
            .await?;
        self.tokens.forget(&tx, row.id, None).await?;
        let told = "The operators of this site changed the email address of the account; mail goes to the new one now. All sessions have ended.";
        for address in [row.email.as_str(), new] {
            self.tell(&tx, &row, address, told, &self.links.main_base())
                .await?;
        }
        self.commit_and_end_all(tx, row.id).await?;
        Ok(Some(row.id))
    }

    /// Deletes an account with all its data. `false` if the name is unknown.
    ///
    /// # Errors
    /// When the database does not answer; the account stays then.
    pub(crate) async fn delete_account(&self, username: &str) -> Result<Option<i32>> {
        let Some(row) = self.by_name(username).await? else {
            return Ok(None);
        };
        self.erase(&row, &self.links.main_base()).await?;
        Ok(Some(row.id))
    }

    /// Groups of accounts whose names differ only by case or confusable letters
    /// ([UTS 39](https://www.unicode.org/reports/tr39/)).
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn name_conflicts(&self) -> Result<Vec<Vec<String>>> {
        let names = Entity::find()
            .select_only()
            .column(Column::Username)
            .order_by_asc(Column::Id)
            .into_tuple::<String>();
        let mut read = BTreeMap::<String, Vec<String>>::new();
        for name in names.all(&self.database.handle()).await? {
            read.entry(reading(&name)).or_default().push(name);
        }
        Ok(read.into_values().filter(|names| names.len() > 1).collect())
    }

    /// Grants or revokes a right, in the transaction that notifies the owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn set_flag(&self, tx: &Tx, id: i32, flag: Flag, has: bool) -> Result<()> {
        Entity::update_many()
            .set(flag.change(has))
            .filter(Column::Id.eq(id))
            .exec(tx)
            .await?;
        Ok(())
    }
}
