use super::BackupSettings;
use std::fmt;

/// The backups of a site, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// When the first backup was written.
    pub(crate) first: Option<i64>,
    /// When the last one was written.
    pub(crate) last: Option<i64>,
    /// When one was last verified.
    pub(crate) verified: Option<i64>,
}

/// A backup or a verification that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// No backup for so many hours; `None` before the first one.
    Backup(Option<i64>),
    /// No verification for so many days; `None` if there was none at all.
    Verification(Option<i64>),
}

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

impl History {
    /// The missing ones, of a site that is configured to have backups.
    pub(crate) fn overdue(&self, settings: &BackupSettings, now: i64) -> Vec<Overdue> {
        let limit = |count: u64, unit: i64| {
            i64::try_from(count)
                .unwrap_or(i64::MAX)
                .saturating_mul(unit)
        };
        let hours = self.last.map(|last| now - last);
        let is_late = hours.is_none_or(|age| age > limit(settings.max_hours, HOUR));
        let backup = is_late.then(|| Overdue::Backup(hours.map(|age| age / HOUR)));
        // a new site has time to verify its first backup
        let since = self.verified.or(self.first).map(|time| now - time);
        let is_unverified = since.is_some_and(|age| age > limit(settings.verify_days, DAY));
        let days = self.verified.map(|time| (now - time) / DAY);
        let verification = is_unverified.then_some(Overdue::Verification(days));
        backup.into_iter().chain(verification).collect()
    }
}

impl fmt::Display for Overdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backup(None) => f.write_str("there is no backup"),
            Self::Backup(Some(hours)) => write!(f, "the last backup is {hours} hours old"),
            Self::Verification(None) => f.write_str("no backup was ever verified"),
            Self::Verification(Some(days)) => {
                write!(f, "the last verified backup is {days} days old")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // F001
    #[test]
    fn a_missing_backup_is_overdue() {
        let settings = BackupSettings::default();
        let now = 1_000 * DAY;
        let overdue = |first: i64, last: i64, verified: Option<i64>| {
            let (first, last) = (Some(now - first), Some(now - last));
            let verified = verified.map(|time| now - time);
            let history = History {
                first,
                last,
                verified,
            };
            history.overdue(&settings, now)
        };
        assert_eq!(
            History::default().overdue(&settings, now),
            [Overdue::Backup(None)]
        );
        assert_eq!(overdue(DAY, 26 * HOUR, None), []);
        assert_eq!(
            overdue(DAY, 26 * HOUR + 1, None),
            [Overdue::Backup(Some(26))]
        );
        assert_eq!(overdue(31 * DAY, HOUR, None), []);
        assert_eq!(
            overdue(31 * DAY + 1, HOUR, None),
            [Overdue::Verification(None)]
        );
        assert_eq!(overdue(90 * DAY, HOUR, Some(31 * DAY)), []);
        assert_eq!(
            overdue(90 * DAY, HOUR, Some(40 * DAY)),
            [Overdue::Verification(Some(40))]
        );
    }
}
