use super::{ByteStream, Storage, StorageError, StorageKey};
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;

/// Files in a folder that only the user of the site can read (0700, files 0600). A file has its
/// final name when it is complete and synced.
pub(crate) struct Disk {
    root: PathBuf,
}

/// End of the name of a file that is not complete.
const UNFINISHED: &str = ".new";

impl Disk {
    /// A storage in this folder, which is created with the first file.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Folders by the first two digits: a folder of a million files is slow to list.
    fn path(&self, key: &StorageKey) -> PathBuf {
        self.root.join(&key.as_str()[..2]).join(key.as_str())
    }

    async fn write(path: &Path, mut content: ByteStream, length: u64) -> io::Result<()> {
        let unfinished = unfinished(path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&unfinished).await?;
        let mut written = 0;
        while let Some(piece) = content.try_next().await? {
            file.write_all(&piece).await?;
            written += piece.len() as u64;
        }
        if written != length {
            return Err(io::Error::other("the content has another length"));
        }
        file.flush().await?;
        file.sync_all().await?;
        // a link, unlike a rename, replaces nothing
        fs::hard_link(&unfinished, path).await?;
        fs::remove_file(&unfinished).await?;
        if let Some(folder) = path.parent() {
            File::open(folder).await?.sync_all().await?;
        }
        Ok(())
    }
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

async fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn create_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[async_trait]
impl Storage for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    async fn put_new(
        &self,
        key: &StorageKey,
        content: ByteStream,
        length: u64,
    ) -> Result<(), StorageError> {
        let path = self.path(key);
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            create_folder(folder)?;
            File::open(&self.root).await?.sync_all().await?;
        }
        let written = Self::write(&path, content, length).await;
        if written.is_err() {
            let _ = remove(&unfinished(&path)).await;
        }
        Ok(written?)
    }

    async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let mut file = File::open(self.path(key)).await?;
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let part = file.take(range.end - range.start);
        Ok(ReaderStream::with_capacity(part, 64 * 1024).boxed())
    }

    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError> {
        let path = self.path(key);
        remove(&unfinished(&path)).await?;
        Ok(remove(&path).await?)
    }

    async fn keys(&self) -> Result<Vec<StorageKey>, StorageError> {
        let root = self.root.clone();
        let listed = tokio::task::spawn_blocking(move || keys_in(&root)).await;
        Ok(listed.map_err(io::Error::other)??)
    }

    fn free_bytes(&self) -> Option<u64> {
        free_bytes(&self.root)
    }
}

/// Free bytes on the disk of a folder, or of its first ancestor that exists.
pub(crate) fn free_bytes(folder: &Path) -> Option<u64> {
    let known = folder.ancestors().find(|folder| folder.exists())?;
    let space = rustix::fs::statvfs(known).ok()?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

fn keys_in(root: &Path) -> io::Result<Vec<StorageKey>> {
    let mut found = Vec::new();
    if !root.exists() {
        return Ok(found);
    }
    for folder in std::fs::read_dir(root)? {
        let folder = folder?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in std::fs::read_dir(folder)? {
            let name = file?.file_name();
            let name = name.to_str().unwrap_or_default();
            let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
            found.extend(name.parse::<StorageKey>());
        }
    }
    Ok(found)
}
