//! Alerts of a site, and its audit log for tests.

use super::{App, Site};
use crate::alerts::Rule;
use crate::audit_log::{Expected, checkpoints, verify};
use sea_orm::DbErr;

impl App {
    /// Adds a rule of alerts.
    ///
    /// ```
    /// use palisade::alerts::Rule;
    /// use palisade::prelude::*;
    /// App::new().alert(Rule::new("many refunds", "order.refunded").within("20/h"));
    /// ```
    #[must_use]
    pub fn alert(mut self, rule: Rule) -> Self {
        self.alert_rules.push(rule);
        self
    }
}

impl Site {
    /// Reads the measures of operators, and applies them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn refresh_posture(&self) -> Result<(), DbErr> {
        self.incident.refresh(&self.database, self.now()).await
    }

    /// The same, as the server does every second; other processes can see that it was done.
    ///
    /// # Errors
    /// When the database does not answer: the last measures hold.
    pub(crate) async fn follow_posture(&self) -> Result<(), DbErr> {
        self.incident.follow(&self.database, self.now()).await
    }

    /// The same, for tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn posture_refreshed(&self) -> Result<(), DbErr> {
        self.follow_posture().await
    }

    /// Sends reports of errors and spans until the site stops.
    pub(crate) async fn send_telemetry(&self) {
        self.telemetry.send_on().await;
    }

    /// Sends all reports and spans that wait, and returns their number.
    pub(crate) async fn flush_telemetry(&self) -> usize {
        self.telemetry.send_waiting().await
    }

    /// The same, for tests.
    #[doc(hidden)]
    pub async fn telemetry_sent(&self) -> usize {
        self.flush_telemetry().await
    }

    /// Ends a minute of the monitor, and judges new logins.
    pub(crate) async fn judge_minute(&self) {
        let times = (self.certificate_end(), self.now());
        self.monitor.judge(times, &self.audit);
        #[cfg(feature = "geo")]
        if let Some(travel) = &self.travel {
            travel.judge_waiting(&self.audit, &self.database).await;
        }
    }

    /// The same, as the server does every minute. For tests.
    #[doc(hidden)]
    pub async fn minute_ended(&self) {
        self.judge_minute().await;
    }

    /// Applies the freeze of an account without the database. For tests.
    #[doc(hidden)]
    pub fn posture_with_frozen(&self, user: i32) {
        self.incident.freeze(user);
    }

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

    /// Signs a checkpoint and sends it, as the server does every hour. For tests.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn checkpoint_sent(&self) -> Result<(), DbErr> {
        self.audit.log_checkpoint(&self.database).await
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

    /// Sends the alerts that wait, as the server does all the time. For tests.
    #[doc(hidden)]
    pub async fn alerts_sent(&self) {
        self.alerts.send_waiting(&self.database).await;
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
