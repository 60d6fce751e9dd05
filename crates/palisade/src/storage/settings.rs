use crate::settings::{section, setting_from_str};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The place of files: a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageUrl(PathBuf);

setting_from_str!(StorageUrl, "file:FOLDER");

impl FromStr for StorageUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let folder = text.strip_prefix("file:").ok_or(())?;
        let folder = folder.strip_prefix("//").unwrap_or(folder);
        match folder.is_empty() {
            true => Err(()),
            false => Ok(Self(folder.into())),
        }
    }
}

impl fmt::Display for StorageUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "file:{}", self.0.display())
    }
}

section! {
    /// Storage of files.
    StorageSettings("storage") {
        /// Where files are stored: file:FOLDER, below the data folder if it is relative
        url: StorageUrl = |_| StorageUrl("files".into());
    }
}

impl StorageSettings {
    /// The folder of the files.
    pub(crate) fn folder(&self, data: &Path) -> PathBuf {
        data.join(&self.url.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_storages_are_parsed() {
        for url in ["file:files", "file:///srv/files"] {
            assert!(url.parse::<StorageUrl>().is_ok(), "{url}");
        }
        for url in ["", "files", "file:", "file://", "s3://bucket"] {
            assert!(url.parse::<StorageUrl>().is_err(), "{url}");
        }
    }
}
