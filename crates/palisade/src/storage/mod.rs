//! The storage of files ([`Storage`]): a folder, or a bucket. Files of the data folder, written atomically and
//! readable by the site's user only. The connection to Redis.

mod disk;
mod key;
mod name;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(feature = "s3")]
mod s3;
mod s3_url;
mod settings;
mod store;

pub(crate) use disk::{Disk, free_bytes};
pub(crate) use key::StorageKey;
pub(crate) use name::ObjectName;
pub use s3_url::S3Url;
pub(crate) use s3_url::StorageKeys;
pub use settings::{CHECKS, StorageSettings, StorageUrl};
pub use store::StorageError;
pub(crate) use store::{Answer, ByteStream, Storage};

use palisade_crypto::random;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// The storage of a URL. A relative folder is below the data folder.
///
/// # Errors
/// When this program cannot use it.
pub(crate) fn open(
    url: &StorageUrl,
    keys: &StorageKeys,
    data: &Path,
) -> Result<Arc<dyn Storage>, StorageError> {
    match url {
        StorageUrl::Folder(folder) => Ok(Arc::new(Disk::new(data.join(folder)))),
        #[cfg(feature = "s3")]
        StorageUrl::S3(url) => Ok(Arc::new(s3::S3::new(url.clone(), keys.clone())?)),
        #[cfg(not(feature = "s3"))]
        StorageUrl::S3(_) => {
            let _ = keys;
            let said = "this program was built without the feature s3";
            Err(StorageError::Failed(io::Error::other(said)))
        }
    }
}

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
