//! The storage of files ([`Storage`]): a folder. Files of the data folder, written atomically and
//! readable by the site's user only. The connection to Redis.

mod disk;
mod key;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod settings;
mod store;

pub(crate) use disk::{Disk, free_bytes};
pub(crate) use key::StorageKey;
pub use settings::StorageSettings;
pub(crate) use store::{ByteStream, Storage, StorageError};

use palisade_crypto::random;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Atomically writes a file that only its owner can read: a crash leaves the old or the new
/// content.
///
/// # Errors
/// When it cannot be written; the old one stays intact.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    // a unique name: two processes may write the same file at once
    let unfinished = path.with_extension(format!("{}.new", random::nonce()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&unfinished)?;
    if let Err(error) = write_synced(file, content).and_then(|()| fs::rename(&unfinished, path)) {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    // the rename is durable once the folder is synced
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .or(Ok(()))
}

fn write_synced(mut file: File, content: &[u8]) -> io::Result<()> {
    file.write_all(content)?;
    file.sync_all()
}
