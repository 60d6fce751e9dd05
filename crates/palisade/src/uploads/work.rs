//! Results and limits of the work on a file.

use super::refusal::Refusal;
use sea_orm::DbErr;
use std::fs::File;
use std::io;

/// Why a file is not stored.
#[derive(Debug)]
pub(super) enum Fault {
    Refused(Refusal),
    /// The disk, or a thread.
    Failed(io::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        Self::Failed(io::Error::other(error))
    }
}

/// A file that may be stored.
pub(super) struct Treated {
    pub(super) file: File,
    /// With the ending of its format.
    pub(super) name: String,
    pub(super) media_type: &'static str,
}

/// Limits of the work on a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct WorkLimits {
    #[cfg_attr(not(feature = "images"), expect(dead_code, reason = "of pictures"))]
    pub(super) megapixels: u64,
    /// Most bytes of a part of an archive.
    pub(super) most_bytes: u64,
}
