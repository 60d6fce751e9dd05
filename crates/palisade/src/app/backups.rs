//! Reports of backups that are missing.

use super::{Prepared, Site};
use crate::audit_log::{Entry, Event};
use crate::backups::{self, Overdue};
use crate::checks::{Finding, Level};

fn finding(overdue: &Overdue) -> Finding {
    let (id, why, fix) = match overdue {
        Overdue::Backup(_) => (
            "backup.overdue",
            "all changes since then are lost with the disk, or by an attacker",
            "run `backup` each night, and look at what its last run has said",
        ),
        Overdue::Verification(_) => (
            "backup.unverified",
            "a backup that was never restored may not restore",
            "run `backup verify newest --identity FILE` where the private key is",
        ),
    };
    Finding {
        id: id.into(),
        django: None,
        level: Level::Warning,
        title: overdue.to_string(),
        why: why.into(),
        fix: fix.into(),
    }
}

fn not_configured() -> Finding {
    Finding {
        id: "backup.none".into(),
        django: None,
        level: Level::Info,
        title: "backup.to is not set: an overdue backup is not reported".into(),
        why: "a broken disk, or an attacker who deletes rows, ends the site".into(),
        fix: "set backup.to and backup.recipients, and run `backup` each night".into(),
    }
}

impl Prepared {
    /// Missing backups. None without a database.
    pub(crate) async fn backup_findings(&self) -> Vec<Finding> {
        let settings = &self.settings.backup;
        let Some(database) = self.ready_database().await else {
            return Vec::new();
        };
        if settings.to.is_none() {
            return vec![not_configured()];
        }
        let now = chrono::Utc::now().timestamp();
        match backups::history(&database).await {
            Ok(history) => history.overdue(settings, now).iter().map(finding).collect(),
            Err(error) => vec![super::findings::no_answer("the backups", &error)],
        }
    }
}

impl Site {
    /// Records missing backups, once a day.
    pub(crate) async fn judge_backups(&self) -> Result<(), sea_orm::DbErr> {
        let settings = &self.settings.backup;
        if settings.to.is_none() {
            return Ok(());
        }
        let history = backups::history(&self.database).await?;
        let overdue = history.overdue(settings, self.now().timestamp());
        if !overdue.is_empty() && self.monitor.is_backup_due(self.now()) {
            let said: Vec<String> = overdue.iter().map(Overdue::to_string).collect();
            let entry = Entry::new(Event::BackupOverdue).detail(said.join("; "));
            self.audit.record(entry);
        }
        Ok(())
    }
}
