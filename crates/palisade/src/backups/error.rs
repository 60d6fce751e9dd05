use crate::storage::StorageError;
use sea_orm::DbErr;
use std::fmt;
use std::io;

/// Why a backup was not written or not restored, for the operator.
#[derive(Debug)]
pub(crate) struct BackupError(String);

impl BackupError {
    pub(crate) fn new(said: impl Into<String>) -> Self {
        Self(said.into())
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BackupError {}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<DbErr> for BackupError {
    fn from(error: DbErr) -> Self {
        Self(format!("the database: {error}"))
    }
}

impl From<StorageError> for BackupError {
    fn from(error: StorageError) -> Self {
        Self(error.to_string())
    }
}
