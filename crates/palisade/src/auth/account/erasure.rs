//! Export and erasure of personal data, and closed accounts.

use crate::audit_log::{Entry, Event, erasure, record_in, record_now};
use crate::auth::email::notices::Notice;
use crate::auth::login::epoch;
use crate::auth::user::entity::{ActiveModel, Entity, Model};
use crate::auth::{Accounts, PersonalData, users};
use crate::db::Tx;
use crate::encrypted_fields::UserKeys;
use crate::sessions::{Sessions, UserSession};
use crate::views::{Error, ErrorKind, Result};
use palisade_crypto::random;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Set};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Result of an erasure in a restored database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    Erased,
    /// There is no account with this id.
    Gone,
    /// The id is that of another account.
    Other,
}

impl Accounts {
    /// The data export of a user, with the sessions.
    pub(in crate::auth) async fn export(
        &self,
        row: &Model,
        sessions: &[UserSession],
    ) -> Result<Value> {
        let (db, user) = (self.database.handle(), row.public());
        let session = |one: &UserSession| json!({ "agent": one.agent, "address": one.address, "began": one.began, "seen": one.seen });
        let mut all = Map::new();
        all.insert(
            "account".into(),
            json!({ "user": user, "joined": row.date_joined, "last_login": row.last_login }),
        );
        all.insert("sessions".into(), sessions.iter().map(session).collect());
        let browsers = self.guard.devices.export(row.id).await?;
        all.insert("browsers".into(), browsers);
        for part in &self.personal_data {
            all.insert(part.name().into(), part.export(&db, &user).await?);
        }
        Ok(Value::Object(all))
    }

    /// The data export of a user by name, for operators; `None` if the name is unknown.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn export_by_name(
        &self,
        username: &str,
        sessions: &Sessions,
    ) -> Result<Option<Value>> {
        let Some(row) = self.users.by_name(username).await? else {
            return Ok(None);
        };
        let open = sessions.owned_by(row.id).await?;
        let all = self.export(&row, &open).await?;
        record_now(&self.database, row.entry(Event::DataExported).about(row.id)).await?;
        Ok(Some(all))
    }

    /// The parts of personal data.
    pub(crate) fn personal_data(&self) -> &[Arc<dyn PersonalData>] {
        &self.personal_data
    }

    /// Deletes the account of an erasure again, if a restored backup has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn erase_again(&self, id: i32, mark: &str) -> Result<Again> {
        let Some(row) = self.users.by_id(id).await? else {
            return Ok(Again::Gone);
        };
        if erasure_mark(&row) != mark {
            return Ok(Again::Other);
        }
        self.erase(&row, &self.email.links.main_base()).await?;
        Ok(Again::Erased)
    }

    /// Closes an account until staff reopen it, with an entry of the audit log. All its sessions
    /// end.
    pub(in crate::auth) async fn deactivate(
        &self,
        row: &Model,
        base: &str,
        entry: Entry,
    ) -> Result<()> {
        let tx = self.database.begin().await?;
        self.deactivate_in(&tx, row, (base, entry)).await?;
        self.sessions.commit_and_end_all(tx, row.id).await
    }

    /// The same as part of a transaction. The caller ends the sessions.
    pub(super) async fn deactivate_in(
        &self,
        tx: &Tx,
        row: &Model,
        (base, entry): (&str, Entry),
    ) -> Result<()> {
        let change = ActiveModel {
            is_active: Set(false),
            ..Default::default()
        };
        users::update(tx, row.id, change).await?;
        self.email.tokens.forget(tx, row.id, None).await?;
        self.guard.devices.forget(tx, row.id).await?;
        let text = "The account was closed. The staff of this site can reopen it.";
        self.email.notify(tx, row, Notice { text, base }).await?;
        for hooks in &self.hooks {
            hooks.closed(tx, &row.public()).await?;
        }
        Ok(record_in(tx, entry).await?)
    }

    /// Deletes an account and its personal data.
    pub(in crate::auth) async fn erase(&self, row: &Model, base: &str) -> Result<()> {
        let user = row.public();
        let change = async |tx: &Tx| {
            for part in &self.personal_data {
                part.erase(tx, &user).await?;
            }
            unlink(tx, row.id).await?;
            self.email.tokens.forget(tx, row.id, None).await?;
            self.guard.devices.forget(tx, row.id).await?;
            self.guard.lockout.locks.forget(tx, &row.username).await?;
            self.unsent.forget(tx, row.id).await?;
            epoch::forget(tx, row.id).await?;
            self.factors.step.forget(tx, row.id).await?;
            // copies of the database keep values of the user that nothing decrypts from now on
            UserKeys::forget(tx, row.id).await?;
            Entity::delete_by_id(row.id).exec(tx).await?;
            let deleted = Entry::new(Event::AccountDeleted).about(row.id);
            let deleted = deleted.detail(format!("erasure {}", erasure_mark(row)));
            record_in(tx, deleted).await?;
            record_in(tx, erasure(row.id, &row.username)).await?;
            let text = "The account was deleted, with all its data.";
            Ok(self.email.notify(tx, row, Notice { text, base }).await?)
        };
        let erased = self.database.write_always(change).await;
        if erased.is_ok() {
            self.database.forget_deleted().await;
        }
        erased.map_err(|error: Error| match error.is_reference() {
            true => Error::new(ErrorKind::Conflict, STILL_REFERENCED).because(error.to_string()),
            false => error,
        })
    }
}

/// Identifies a deleted account in a backup: an id alone could be that of another account, made after
/// the backup was restored. It depends on no key, which may be retired by then.
fn erasure_mark(row: &Model) -> String {
    let joined = row.date_joined.timestamp_micros();
    random::stored_hash(&format!("erasure {} {joined}", row.id))
}

/// For the visitor; the log has the constraint, and the start names the table.
const STILL_REFERENCED: &str = "This account cannot be deleted yet, because other records of this \
    site refer to it. Please ask the staff of this site.";

/// Deletes the rows of an account in Django's related tables.
async fn unlink(tx: &Tx, user_id: i32) -> Result<(), DbErr> {
    let tables = tx.users();
    for table in [&tables.groups, &tables.permissions] {
        let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
        let query = Query::delete()
            .from_table(Alias::new(table))
            .and_where(of_user)
            .to_owned();
        tx.execute(&query).await?;
    }
    Ok(())
}
