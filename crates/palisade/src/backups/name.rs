use crate::storage::ObjectName;
use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use palisade_crypto::{hex, random};
use std::fmt;
use std::str::FromStr;

/// The name of a backup: its time in UTC to the millisecond, and random digits, such as
/// `backup-20261130-101500123-4f2a91c3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackupName {
    pub(crate) at: DateTime<Utc>,
    tag: String,
}

/// A file of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The database and the files of users.
    Data,
    /// The keys of users, which are kept for a shorter time.
    UserKeys,
    /// The list of deleted accounts.
    Erasures,
}

const PREFIX: &str = "backup-";
const TIME: &str = "%Y%m%d-%H%M%S%3f";
const TIME_LENGTH: usize = 18;
const TAG_BYTES: usize = 4;

impl Part {
    const ALL: [Self; 3] = [Self::Data, Self::UserKeys, Self::Erasures];

    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Data => ".tar.zst.age",
            Self::UserKeys => ".keys.age",
            Self::Erasures => ".erasures.txt",
        }
    }
}

impl BackupName {
    pub(crate) fn new(now: DateTime<Utc>) -> Self {
        Self {
            at: now.trunc_subsecs(3),
            tag: hex(&random::bytes::<TAG_BYTES>()),
        }
    }

    /// The name of a part in a storage.
    pub(crate) fn part(&self, part: Part) -> Option<ObjectName> {
        format!("{self}{}", part.ending()).parse().ok()
    }

    /// The backup of a file by its name; `None` for other files.
    pub(crate) fn of(file: &str) -> Option<(Self, Part)> {
        Part::ALL.into_iter().find_map(|part| {
            let name = file.strip_suffix(part.ending())?.parse().ok()?;
            Some((name, part))
        })
    }
}

impl FromStr for BackupName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let rest = text.strip_prefix(PREFIX).ok_or(())?;
        let (time, tag) = rest.split_at_checked(TIME_LENGTH).ok_or(())?;
        let at = NaiveDateTime::parse_from_str(time, TIME).map_err(drop)?;
        let tag = tag.strip_prefix('-').ok_or(())?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match tag.len() == 2 * TAG_BYTES && tag.bytes().all(is_digit) {
            true => Ok(Self {
                at: at.and_utc(),
                tag: tag.to_owned(),
            }),
            false => Err(()),
        }
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}-{}", self.at.format(TIME), self.tag)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn names_are_read_again() {
        let name = BackupName::new(Utc::now());
        let again: BackupName = name.to_string().parse().unwrap();
        assert_eq!(again.to_string(), name.to_string());
        for part in Part::ALL {
            let file = name.part(part).unwrap();
            let (found, kind) = BackupName::of(file.as_str()).unwrap();
            assert_eq!((found, kind), (again.clone(), part));
        }
    }

    #[test]
    fn other_files_are_no_backups() {
        for file in [
            "",
            "backup-.tar.zst.age",
            "backup-20261130-101500123.tar.zst.age",
            "backup-20261330-101500123-4f2a91c3.tar.zst.age",
            "backup-20261130-101500123-4F2A91C3.tar.zst.age",
            "backup-20261130-101500123-4f2a91c3.tar",
            "backup-20261130-101500123-4f2a91c3.tar.zst.age.new",
            "backup-é0261130-101500123-4f2a91c3.keys.age",
        ] {
            assert!(BackupName::of(file).is_none(), "{file}");
        }
    }
}
