//! The access report of a site, and the uses of permissions that it shows.

use super::Site;
use crate::auth::User;
use crate::db::Tx;
use crate::permissions::report::{self, AccessRow, ReportedUser};
use crate::views::Result;
use chrono::{DateTime, TimeDelta, Utc};

impl Site {
    /// Writes the uses of permissions, as the server does every ten minutes, and returns their
    /// number. For tests.
    #[doc(hidden)]
    pub async fn permission_uses_written(&self) -> usize {
        self.flush_uses().await.unwrap_or_default()
    }

    /// Writes the uses of permissions, as the server does every ten minutes, and returns their
    /// number.
    ///
    /// # Errors
    /// Errors of the database.
    pub(crate) async fn flush_uses(&self) -> Result<usize> {
        Ok(self.authorizer.flush_uses().await?)
    }

    /// The access report: its rows, and findings.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn access_report(&self) -> Result<(Vec<AccessRow>, Vec<String>)> {
        let now = self.accounts.now();
        self.flush_uses().await?;
        let users = self.accounts.active_users().await?;
        let reported = |(user, last_login): &(User, Option<DateTime<Utc>>)| ReportedUser {
            id: user.id,
            name: user.username.clone(),
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            last_login: *last_login,
        };
        let users: Vec<ReportedUser> = users.iter().map(reported).collect();
        let rows = report::access_rows(&self.database, &users, now).await?;
        let since = report::recorded_since(&self.database.handle()).await?;
        let mut findings = self.superusers_without_factor(&users).await?;
        findings.extend(report::findings(&users, &rows, (now, since), self.roles()));
        Ok((rows, findings))
    }

    async fn superusers_without_factor(&self, users: &[ReportedUser]) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        for user in users.iter().filter(|user| user.is_superuser) {
            if !self.accounts.factors.is_enrolled(user.id).await? {
                findings.push(format!(
                    "{} is a superuser without a second factor",
                    user.name
                ));
            }
        }
        Ok(findings)
    }

    /// Stores an access report, to compare later ones with it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn save_access_report(&self, rows: &[AccessRow]) -> Result<()> {
        let now = self.accounts.now();
        let save = async |tx: &Tx| report::save(tx, rows, now).await;
        Ok(self.database.write_always(save).await?)
    }

    /// Stores an access report a week after the last one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn save_weekly_report(&self) -> Result<bool> {
        let week_ago = self.accounts.now() - TimeDelta::days(7);
        let newest = report::stored(&self.database.handle(), self.accounts.now()).await?;
        if newest.is_some_and(|(taken, _)| taken > week_ago) {
            return Ok(false);
        }
        let (rows, _) = self.access_report().await?;
        self.save_access_report(&rows).await?;
        Ok(true)
    }
}
