//! The place of backups: a folder or a bucket.

use crate::app::SiteSettings;
use crate::backups::{BackupError, BackupName, Part};
use crate::command::Failed;
use crate::storage::{self, ObjectName, Storage, StorageUrl};
use clap::ArgMatches;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Backups in a place.
pub(super) struct Place {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) shown: String,
}

/// A file that is read on a thread of its own.
pub(super) type Source = Box<dyn Read + Send>;

impl Place {
    /// That of an option, or of the settings.
    pub(super) fn of(
        settings: &SiteSettings,
        matches: &ArgMatches,
        option: &str,
    ) -> Result<Self, Failed> {
        let named = matches.get_one::<String>(option);
        let url = match named {
            Some(text) => text.parse().map_err(|()| {
                let said = "write file:FOLDER, or s3://BUCKET/PREFIX?region=REGION";
                Failed(format!("--{option} {text}: {said}"), 2)
            })?,
            None => settings.backup.to.clone().ok_or_else(|| {
                let said =
                    format!("there is no place\n  fix: set backup.to, or name one by --{option}");
                Failed(said, 2)
            })?,
        };
        Self::open(settings, &url)
    }

    fn open(settings: &SiteSettings, url: &StorageUrl) -> Result<Self, Failed> {
        let opened = storage::open(url, &settings.backup.keys(), settings.data());
        Ok(Self {
            storage: opened.map_err(BackupError::from)?,
            shown: url.to_string(),
        })
    }

    /// The place and the name of a backup: of a file, or of one in the place of the settings.
    pub(super) async fn find(
        settings: &SiteSettings,
        matches: &ArgMatches,
    ) -> Result<(Self, BackupName), Failed> {
        let asked = matches
            .get_one::<String>("backup")
            .map_or("", String::as_str);
        let file = Path::new(asked);
        if file.exists() {
            let name = file.file_name().and_then(|name| name.to_str());
            let found = name.and_then(BackupName::of);
            let Some((name, _)) = found else {
                let said = "its name is that of no backup, such as backup-20261130-101500123-4f2a91c3.tar.zst.age";
                return Err(Failed(format!("{asked}: {said}"), 2));
            };
            let folder = file.canonicalize().ok();
            let folder = folder.and_then(|file| Some(file.parent()?.to_owned()));
            let url = StorageUrl::Folder(folder.unwrap_or_default());
            return Ok((Self::open(settings, &url)?, name));
        }
        let place = Self::of(settings, matches, "in")?;
        let all = place.backups().await?;
        let mut with_data = all.iter().filter(|(_, part)| *part == Part::Data);
        let found = match asked {
            "newest" => with_data.map(|(name, _)| name).max(),
            name => {
                let name = BackupName::of(name)
                    .map_or_else(|| name.to_owned(), |(name, _)| name.to_string());
                let is_asked = |one: &&(BackupName, Part)| one.0.to_string() == name;
                with_data.find(is_asked).map(|(name, _)| name)
            }
        };
        let name = found.cloned().ok_or_else(|| {
            Failed(
                format!(
                    "{}: there is no backup {asked}; `backup list` lists them",
                    place.shown
                ),
                1,
            )
        })?;
        Ok((place, name))
    }

    /// All files of backups.
    pub(super) async fn backups(&self) -> Result<Vec<(BackupName, Part)>, BackupError> {
        let names = self.storage.names().await?;
        Ok(names
            .iter()
            .filter_map(|name| BackupName::of(name.as_str()))
            .collect())
    }

    /// The newest file of a kind.
    pub(super) async fn newest(&self, part: Part) -> Result<Option<BackupName>, BackupError> {
        let all = self.backups().await?;
        let of_part = all.into_iter().filter(|(_, one)| *one == part);
        Ok(of_part.map(|(name, _)| name).max())
    }

    /// The length of a file, and its content for a thread of its own.
    pub(super) async fn read(&self, name: &ObjectName) -> Result<(u64, Source), BackupError> {
        let length = self.storage.length(name).await?;
        let content = self.storage.read(name, 0..length).await?;
        Ok((
            length,
            Box::new(SyncIoBridge::new(StreamReader::new(content))),
        ))
    }
}
