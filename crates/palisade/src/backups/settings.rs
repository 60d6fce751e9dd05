use crate::checks::{Check, Level};
use crate::crypto::Secret;
use crate::incident::Recipient;
use crate::settings::section;
use crate::storage::{StorageKeys, StorageUrl};

section! {
    /// Backups of the database and of the files of users.
    BackupSettings("backup") {
        /// Where backups are stored: file:FOLDER, or `s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST`
        to: Option<StorageUrl> = |_| None;
        /// Access key of the bucket; best one that can write and not delete, where the bucket deletes by itself
        access_key: Option<String> = |_| None;
        /// Secret key of the bucket
        secret_key: Option<Secret<String>> = |_| None;
        /// Token of temporary keys
        session_token: Option<Secret<String>> = |_| None;
        /// Public keys of age, `age1…`, which backups are encrypted to; the site has no key that opens them
        recipients: Vec<Recipient> = |_| Vec::new();
        /// Days of which the last backup is kept, beside all of the last day; the keys of users are kept for as many days
        keep_daily: u64 = |_| 7;
        /// Weeks of which the last backup is kept
        keep_weekly: u64 = |_| 5;
        /// Months of which the last backup is kept
        keep_monthly: u64 = |_| 12;
        /// Hours after which the last backup is too old
        max_hours: u64 = |_| 26;
        /// Days after which the last backup that was restored for a test is too old
        verify_days: u64 = |_| 31;
    }
}

impl BackupSettings {
    /// The keys of the bucket.
    pub(crate) fn keys(&self) -> StorageKeys {
        StorageKeys {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
        }
    }

    fn is_bucket(&self) -> bool {
        matches!(self.to, Some(StorageUrl::S3(_)))
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<BackupSettings>] = &[
    Check {
        id: "backup.no_recipients",
        django: None,
        level: Level::Error,
        title: "backups have a place and no recipients",
        why: "a backup is written only encrypted, so none would be",
        fix: "run `age-keygen` on another machine, and set backup.recipients to its public key (age1…)",
        fires: |backup| backup.to.is_some() && backup.recipients.is_empty(),
    },
    Check {
        id: "backup.not_built",
        django: None,
        level: Level::Error,
        title: "backups are configured, and this program was built without what they need",
        why: "no backup would be written",
        fix: "build with the feature backup, and with s3 for a bucket",
        fires: |backup| {
            backup.to.is_some() && cfg!(not(feature = "backup"))
                || backup.is_bucket() && cfg!(not(feature = "s3"))
        },
    },
    Check {
        id: "backup.no_keys",
        django: None,
        level: Level::Error,
        title: "backups go to a bucket without an access key",
        why: "no backup could be stored",
        fix: "set backup.access_key and backup.secret_key (PALISADE_BACKUP__SECRET_KEY_FILE)",
        fires: |backup| backup.is_bucket() && !backup.keys().are_set(),
    },
];
