use super::StorageKey;
use async_trait::async_trait;
use bytes::Bytes;
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

    /// Stores a new file of `length` bytes: all of it, or nothing.
    async fn put_new(
        &self,
        key: &StorageKey,
        content: ByteStream,
        length: u64,
    ) -> Result<(), StorageError>;

    /// Bytes of a file.
    async fn read(&self, key: &StorageKey, range: Range<u64>) -> Result<ByteStream, StorageError>;

    /// Deletes a file and the rest of an interrupted [`Storage::put_new`]. One that is not
    /// there is deleted.
    async fn delete(&self, key: &StorageKey) -> Result<(), StorageError>;

    /// The keys of all files, for the comparison with the rows.
    async fn keys(&self) -> Result<Vec<StorageKey>, StorageError>;

    /// Free bytes, where the storage knows them.
    fn free_bytes(&self) -> Option<u64>;
}

/// Why a storage did not answer.
#[derive(Debug)]
pub(crate) enum StorageError {
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
