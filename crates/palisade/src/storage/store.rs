use super::ObjectName;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::stream::BoxStream;
use std::fmt;
use std::io;
use std::ops::Range;

/// Content in pieces.
pub(crate) type ByteStream = BoxStream<'static, io::Result<Bytes>>;

/// A storage of files. Its files are written once, and never overwritten.
#[async_trait]
pub(crate) trait Storage: Send + Sync {
    /// Its name in the rows of files.
    fn name(&self) -> &'static str;

    /// Stores a new file: all of it, or nothing. `length` is that of the content in bytes, where it is
    /// known before.
    async fn put_new(
        &self,
        name: &ObjectName,
        content: ByteStream,
        length: Option<u64>,
    ) -> Result<(), StorageError>;

    /// The length of a file in bytes.
    #[cfg_attr(
        not(feature = "backup"),
        expect(
            dead_code,
            reason = "rows have the lengths of files; backups have none"
        )
    )]
    async fn length(&self, name: &ObjectName) -> Result<u64, StorageError>;

    /// Bytes of a file.
    async fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<ByteStream, StorageError>;

    /// Deletes a file and the rest of an interrupted [`Storage::put_new`]. One that is not
    /// there is deleted.
    async fn delete(&self, name: &ObjectName) -> Result<(), StorageError>;

    /// The names of all files, also of those that are not complete.
    async fn names(&self) -> Result<Vec<ObjectName>, StorageError>;

    /// Free bytes, where the storage knows them.
    fn free_bytes(&self) -> Option<u64>;

    /// A URL that serves a file as the storage has it, for a short time, with these headers. `None` if
    /// the storage serves none.
    fn link(&self, _: &ObjectName, _: &Answer<'_>) -> Option<String> {
        None
    }
}

/// The headers of a file that a storage serves, and the validity of the link.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "s3"),
    expect(dead_code, reason = "a folder serves nothing by itself")
)]
pub(crate) struct Answer<'a> {
    pub(crate) media_type: &'a str,
    pub(crate) disposition: &'a str,
    pub(crate) now: DateTime<Utc>,
    /// At most 900.
    pub(crate) seconds: u64,
}

/// Why a storage did not answer.
#[derive(Debug)]
pub enum StorageError {
    /// A file of this key exists already.
    Exists,
    /// There is no such file.
    Missing,
    /// Anything else.
    Failed(io::Error),
}

impl From<io::Error> for StorageError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Failed(error),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("the storage has a file of this key already"),
            Self::Missing => f.write_str("the storage has no file of this key"),
            Self::Failed(error) => write!(f, "the storage does not answer: {error}"),
        }
    }
}

impl std::error::Error for StorageError {}
