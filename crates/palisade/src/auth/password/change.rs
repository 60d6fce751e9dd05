//! Changes of passwords by their owners and by operators, and legacy hashes.

use super::passwords::PasswordUse;
use crate::audit_log::{Event, record_in};
use crate::auth::email::notices::Notice;
use crate::auth::user::entity::{Column, Entity, Model};
use crate::auth::{Accounts, SignUpError, users};
use crate::db::Tx;
use crate::sessions::Session;
use crate::views::{Error, ErrorKind, Result};
use palisade_password::UserAttributes;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

impl Accounts {
    /// A sentence for each rule of a new password.
    pub fn password_help(&self) -> Vec<String> {
        self.passwords.help(PasswordUse::Alone)
    }

    /// The same for a user who may have a second factor.
    pub(in crate::auth) async fn password_help_for(&self, user_id: i32) -> Result<Vec<String>> {
        let usage = self.factors.password_use(user_id).await?;
        Ok(self.passwords.help(usage))
    }

    /// Validates a new password of a user, by the rules and the lists of breached passwords.
    ///
    /// # Errors
    /// When it is unknown whether the user has a second factor.
    pub(in crate::auth) async fn validate_password(
        &self,
        row: &Model,
        password: &str,
    ) -> Result<Result<(), Vec<String>>> {
        let usage = self.factors.password_use(row.id).await?;
        let user = UserAttributes {
            username: &row.username,
            email: &row.email,
            ..Default::default()
        };
        Ok(self.passwords.validate(usage, password, user).await)
    }

    /// Changes the password of an authenticated user who knows the current one. All other sessions
    /// of the user end. `None` if the password was changed concurrently.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting.
    pub(in crate::auth) async fn change_password(
        &self,
        session: &Session,
        row: Model,
        new: &str,
        base: &str,
    ) -> Result<Option<Model>> {
        let encoded = self.passwords.hash(new).await?;
        let tx = self.database.begin().await?;
        if !users::put_hash(&tx, &row, &encoded).await? {
            return Ok(None);
        }
        self.email.tokens.forget(&tx, row.id, None).await?;
        let text = "The password was changed. All other sessions have ended.";
        self.email.notify(&tx, &row, Notice { text, base }).await?;
        record_in(&tx, row.entry(Event::PasswordChanged)).await?;
        tx.commit().await?;
        session.rotate().await?;
        let row = Model {
            password: encoded,
            ..row
        };
        self.sessions.bind(session, &row).await?;
        Ok(Some(row))
    }

    /// Sets the password of a user by username: for the command line. `false` if there is no such
    /// user.
    ///
    /// # Errors
    /// The broken rules, or an internal error.
    pub async fn reset_password(
        &self,
        username: &str,
        password: &str,
    ) -> Result<bool, SignUpError> {
        let Some(row) = self.users.by_name(username).await? else {
            return Ok(false);
        };
        self.validate_password(&row, password)
            .await?
            .map_err(SignUpError::Password)?;
        let encoded = self.passwords.hash(password).await.map_err(Error::from)?;
        let change = async |tx: &Tx| {
            let is_put = users::put_hash(tx, &row, &encoded).await?;
            if is_put {
                record_in(tx, row.entry(Event::PasswordReset)).await?;
            }
            Ok::<_, DbErr>(is_put)
        };
        match self
            .database
            .write_always(change)
            .await
            .map_err(Error::from)?
        {
            true => Ok(true),
            false => {
                let said = "the password was changed concurrently";
                Err(SignUpError::Failed(Error::new(ErrorKind::Conflict, said)))
            }
        }
    }

    /// Wraps every bare MD5 or SHA-1 hash in a strong one, and returns their number. Concurrent
    /// logins are not affected.
    ///
    /// # Errors
    /// When the database does not answer; hashes wrapped by then stay so.
    pub async fn wrap_hashes(&self, progress: impl Fn(usize)) -> Result<usize> {
        let (mut wrapped, mut last) = (0, 0);
        loop {
            let batch = Entity::find()
                .filter(Column::Id.gt(last))
                .order_by_asc(Column::Id)
                .limit(500);
            let batch = batch.all(&self.database.handle()).await?;
            let Some(newest) = batch.last() else {
                return Ok(wrapped);
            };
            last = newest.id;
            for row in &batch {
                let Some(encoded) = self.passwords.wrap(&row.password).await? else {
                    continue;
                };
                let put = async |tx: &Tx| users::put_hash(tx, row, &encoded).await;
                wrapped += usize::from(self.database.write_always(put).await?);
                progress(wrapped);
            }
        }
    }
}
