use super::{S3Url, StorageKeys};
use crate::checks::{Check, Level};
use crate::crypto::Secret;
use crate::settings::{section, setting_from_str};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The place of files: a folder, or a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageUrl {
    /// A folder, below the data folder if it is relative.
    Folder(PathBuf),
    /// A bucket of an S3-compatible storage.
    S3(S3Url),
}

setting_from_str!(
    StorageUrl,
    "file:FOLDER, or s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST"
);

impl FromStr for StorageUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.starts_with("s3:") {
            return text.parse().map(Self::S3);
        }
        let folder = text.strip_prefix("file:").ok_or(())?;
        let folder = folder.strip_prefix("//").unwrap_or(folder);
        match folder.is_empty() {
            true => Err(()),
            false => Ok(Self::Folder(folder.into())),
        }
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => write!(f, "file:{}", folder.display()),
            Self::S3(url) => url.fmt(f),
        }
    }
}

section! {
    /// Storage of files.
    StorageSettings("storage") {
        /// Where files are stored: file:FOLDER, below the data folder if it is relative, or
        /// `s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST`
        url: StorageUrl = |_| StorageUrl::Folder("files".into());
        /// Access key of the bucket
        access_key: Option<String> = |_| None;
        /// Secret key of the bucket
        secret_key: Option<Secret<String>> = |_| None;
        /// Token of temporary keys
        session_token: Option<Secret<String>> = |_| None;
    }
}

impl StorageSettings {
    /// The keys of the bucket.
    pub(crate) fn keys(&self) -> StorageKeys {
        StorageKeys {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            session_token: self.session_token.clone(),
        }
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<StorageSettings>] = &[
    Check {
        id: "storage.s3_not_built",
        django: None,
        level: Level::Error,
        title: "files are stored in a bucket, and this program was built without the feature s3",
        why: "no file could be stored or served",
        fix: "build with the feature s3, or set storage.url to a folder",
        fires: |storage| matches!(storage.url, StorageUrl::S3(_)) && cfg!(not(feature = "s3")),
    },
    Check {
        id: "storage.no_keys",
        django: None,
        level: Level::Error,
        title: "files are stored in a bucket without an access key",
        why: "no file could be stored or served; a bucket that takes requests without keys is public",
        fix: "set storage.access_key and storage.secret_key (PALISADE_STORAGE__SECRET_KEY_FILE)",
        fires: |storage| matches!(storage.url, StorageUrl::S3(_)) && !storage.keys().are_set(),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_storages_are_parsed() {
        for url in [
            "file:files",
            "file:///srv/files",
            "s3://bucket?region=eu-west-1",
        ] {
            assert!(url.parse::<StorageUrl>().is_ok(), "{url}");
        }
        for url in ["", "files", "file:", "file://", "s3:", "s3://", "http://a"] {
            assert!(url.parse::<StorageUrl>().is_err(), "{url}");
        }
    }
}
