//! A folder for work on backups, which a crash leaves to the next command to delete.

use crate::backups::BackupError;
use std::fs::File;
use std::io;
use std::path::Path;
use tempfile::TempDir;

/// Beginning of the names of such folders.
const PREFIX: &str = "backup-work-";
const LOCK: &str = "backup.lock";

/// The folder. Only one command works on backups of a data folder at a time.
pub(super) struct Scratch {
    folder: TempDir,
    _lock: File,
}

impl Scratch {
    /// A new folder (0700) in the data folder, without those of commands that were killed.
    pub(super) fn new(data: &Path) -> Result<Self, BackupError> {
        std::fs::create_dir_all(data)?;
        let mut options = File::options();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(data.join(LOCK))?;
        lock.try_lock().map_err(|_| {
            BackupError::new("another backup or restore of this site is running: wait for its end")
        })?;
        remove_leftovers(data)?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(data)?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn remove_leftovers(data: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(data)? {
        let entry = entry?;
        let is_left = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if is_left && entry.file_type()?.is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
