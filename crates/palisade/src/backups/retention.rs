//! Which backups are kept: all of the last day, and the last one of each of the newest days, weeks and
//! months.

use super::{BackupName, BackupSettings};
use chrono::{Datelike, TimeDelta};
use std::collections::BTreeSet;

/// The backups that are deleted. Those of the last day before the newest one are always kept.
pub(crate) fn expired(all: &[BackupName], settings: &BackupSettings) -> Vec<BackupName> {
    let mut newest_first: Vec<&BackupName> = all.iter().collect();
    newest_first.sort_by(|one, other| other.cmp(one));
    let Some(newest) = newest_first.first() else {
        return Vec::new();
    };
    let is_of_last_day = |name: &&&BackupName| newest.at - name.at < TimeDelta::days(1);
    let of_last_day = newest_first.iter().take_while(is_of_last_day).copied();
    let mut kept: BTreeSet<&BackupName> = of_last_day.collect();
    let day = |name: &BackupName| (name.at.year(), name.at.ordinal());
    let week = |name: &BackupName| (name.at.iso_week().year(), name.at.iso_week().week());
    let month = |name: &BackupName| (name.at.year(), name.at.month());
    kept.extend(last_of_each(&newest_first, settings.keep_daily, day));
    kept.extend(last_of_each(&newest_first, settings.keep_weekly, week));
    kept.extend(last_of_each(&newest_first, settings.keep_monthly, month));
    let is_expired = |name: &&BackupName| !kept.contains(*name);
    all.iter().filter(is_expired).cloned().collect()
}

/// The newest backup of each period, for so many periods that have one.
fn last_of_each<'a, P: Ord>(
    newest_first: &[&'a BackupName],
    most: u64,
    period: impl Fn(&BackupName) -> P,
) -> Vec<&'a BackupName> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<&BackupName> = Vec::new();
    for name in newest_first {
        if seen.insert(period(name)) {
            found.push(name);
        }
    }
    found.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    found
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use chrono::{DateTime, Utc};

    fn settings((daily, weekly, monthly): (u64, u64, u64)) -> BackupSettings {
        BackupSettings {
            keep_daily: daily,
            keep_weekly: weekly,
            keep_monthly: monthly,
            ..BackupSettings::default()
        }
    }

    /// A site with two backups a day for two years, each followed by the deletion.
    #[test]
    fn days_weeks_and_months_are_kept() {
        let begin: DateTime<Utc> = "2024-11-30T02:00:00Z".parse().unwrap();
        let mut all = Vec::new();
        for half_day in 0..2 * 731 {
            all.push(BackupName::new(begin + TimeDelta::hours(12 * half_day)));
            let gone = expired(&all, &settings((7, 5, 12)));
            all.retain(|name| !gone.contains(name));
        }
        let dates: Vec<String> = all.iter().map(|name| name.at.to_rfc3339()).collect();
        // the last of each day, each Sunday, and the last of each month
        let mut expected: Vec<String> = [
            "2025-12-31",
            "2026-01-31",
            "2026-02-28",
            "2026-03-31",
            "2026-04-30",
            "2026-05-31",
            "2026-06-30",
            "2026-07-31",
            "2026-08-31",
            "2026-09-30",
            "2026-10-31",
            "2026-11-08",
            "2026-11-15",
            "2026-11-22",
            "2026-11-24",
            "2026-11-25",
            "2026-11-26",
            "2026-11-27",
            "2026-11-28",
            "2026-11-29",
            "2026-11-30",
        ]
        .iter()
        .map(|day| format!("{day}T14:00:00+00:00"))
        .collect();
        expected.insert(expected.len() - 1, "2026-11-30T02:00:00+00:00".into());
        assert_eq!(dates, expected);
    }

    #[test]
    fn backups_of_the_last_day_are_kept() {
        let now: DateTime<Utc> = "2026-11-30T10:15:00Z".parse().unwrap();
        let all: Vec<_> = (0..4)
            .map(|hour| BackupName::new(now - TimeDelta::hours(12 * hour)))
            .collect();
        assert_eq!(expired(&all, &settings((0, 0, 0))), all[2..]);
        assert!(expired(&[], &settings((0, 0, 0))).is_empty());
    }
}
