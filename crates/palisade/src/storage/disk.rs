use super::{ByteStream, ObjectName, Storage, StorageError};
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

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.root.join(name.as_str())
    }

    async fn write(path: &Path, mut content: ByteStream, length: Option<u64>) -> io::Result<()> {
        let unfinished = unfinished(path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(&unfinished).await?;
        let mut written = 0;
        while let Some(piece) = content.try_next().await? {
            file.write_all(&piece).await?;
            written += piece.len() as u64;
        }
        if length.is_some_and(|length| length != written) {
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
        name: &ObjectName,
        content: ByteStream,
        length: Option<u64>,
    ) -> Result<(), StorageError> {
        let path = self.path(name);
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

    async fn length(&self, name: &ObjectName) -> Result<u64, StorageError> {
        Ok(fs::metadata(self.path(name)).await?.len())
    }

    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<ByteStream, StorageError> {
        let mut file = File::open(self.path(name)).await?;
        file.seek(io::SeekFrom::Start(range.start)).await?;
        let part = file.take(range.end - range.start);
        Ok(ReaderStream::with_capacity(part, 64 * 1024).boxed())
    }

    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError> {
        let path = self.path(name);
        remove(&unfinished(&path)).await?;
        Ok(remove(&path).await?)
    }

    async fn names(&self) -> Result<Vec<ObjectName>, StorageError> {
        let root = self.root.clone();
        let listed = tokio::task::spawn_blocking(move || names_in(&root)).await;
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

fn names_in(root: &Path) -> io::Result<Vec<ObjectName>> {
    let mut found = Vec::new();
    if !root.exists() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        if !entry.file_type()?.is_dir() {
            found.extend(complete(&name).parse::<ObjectName>());
            continue;
        }
        for file in std::fs::read_dir(entry.path())? {
            let file = file?.file_name().into_string().unwrap_or_default();
            found.extend(format!("{name}/{}", complete(&file)).parse::<ObjectName>());
        }
    }
    Ok(found)
}

fn complete(name: &str) -> &str {
    name.strip_suffix(UNFINISHED).unwrap_or(name)
}
