//! The audit log of a site, for tests.

use super::Site;
use crate::audit_log::{Expected, checkpoints, verify};
use sea_orm::DbErr;

impl Site {
    /// Stores all entries that wait, as the server does all the time, and returns their number. For
    /// tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn audit_stored(&self) -> Result<usize, DbErr> {
        self.audit.flush(&self.database).await
    }

    /// A signed checkpoint. For tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn audit_checkpoint(&self) -> Result<String, DbErr> {
        let checkpoint = self.audit.checkpoint(&self.database).await?;
        Ok(checkpoint.unwrap_or_default())
    }

    /// Kind and first entry of the tampering that `audit verify` finds. For tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn audit_tampering(
        &self,
        kept: &str,
    ) -> Result<Option<(&'static str, Option<i64>)>, DbErr> {
        let expected = Expected {
            checkpoints: checkpoints(kept, &self.audit.verifiers()).0,
            known_damage: 0,
        };
        let verified = verify(&self.audit, &self.database, &expected).await?;
        Ok(verified
            .tampering
            .map(|found| (found.kind(), found.place())))
    }

    /// Removes old entries, as the server does every ten minutes. Returns the numbers of entries and
    /// of personal parts. For tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn audit_pruned(&self) -> Result<(i64, i64), DbErr> {
        let keep = self.settings.audit.keep();
        let pruned = self.audit.prune(&self.database, keep).await?;
        Ok((pruned.entries, pruned.people))
    }
}
