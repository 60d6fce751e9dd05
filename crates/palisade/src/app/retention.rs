//! Retention of personal data: expired rows are deleted.

use super::Site;
use crate::audit_log::{Entry, Event, record_in};
use crate::auth::PersonalData;
use crate::db::Reference;
use crate::views::Result;
use sea_orm::DbErr;

/// A part of the personal data, and the number of its expired rows.
pub(crate) type Expired = (&'static str, u64);

impl Site {
    /// The number of expired rows of each part.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn expired_personal_data(&self) -> Result<Vec<Expired>> {
        let (db, now) = (self.database.handle(), self.now());
        let mut all = Vec::new();
        for part in self.accounts().personal_data() {
            all.push((part.name(), part.expired(&db, now).await?));
        }
        Ok(all)
    }

    /// Deletes them, a part in each transaction.
    ///
    /// # Errors
    /// That of the first part that fails; the others are deleted.
    pub(crate) async fn expire_personal_data(&self) -> Result<Vec<Expired>> {
        let (mut all, mut failed) = (Vec::new(), None);
        for part in self.accounts().personal_data() {
            match self.expire(&**part).await {
                Ok(count) => all.push((part.name(), count)),
                Err(error) => {
                    tracing::error!(target: "palisade", part = part.name(), ?error, "rows could not be deleted after their time");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(all), Err)
    }

    async fn expire(&self, part: &dyn PersonalData) -> Result<u64> {
        let tx = self.database.begin_of_site().await?;
        let count = part.expire(&tx, self.now()).await?;
        if count > 0 {
            let entry = Entry::new(Event::RetentionRun);
            record_in(&tx, entry.detail(format!("{}: {count} rows", part.name()))).await?;
        }
        tx.commit().await?;
        Ok(count)
    }

    /// The same, as the server does every ten minutes. For tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn retention_run(&self) -> Result<Vec<(&'static str, u64)>> {
        self.expire_personal_data().await
    }

    /// All foreign keys to the users' table.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn references_to_users(&self) -> Result<Vec<Reference>, DbErr> {
        let users = &self.database.users().users;
        self.database.references_to(users).await
    }
}
