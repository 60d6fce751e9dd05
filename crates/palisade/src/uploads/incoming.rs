//! A file on its way: its bytes go to a file without a name, of which a crash leaves nothing.

use super::policy::HEAD;
use super::refusal::Refusal;
use super::work::Fault;
use crate::forms::Part;
use crate::http::BodyAllowance;
use crate::storage::free_bytes;
use crate::views::Result;
use std::fs::File;
use std::io;
use std::path::Path;
use tokio::io::AsyncWriteExt;

/// A received file.
pub(super) struct Incoming {
    pub(super) file: File,
    /// Its first bytes.
    pub(super) head: Vec<u8>,
}

/// Where a file goes, and its limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    /// It is neither served nor listed.
    pub(super) folder: &'a Path,
    /// Most bytes of the file.
    pub(super) most: u64,
    /// Free bytes on the disk.
    pub(super) least_free: u64,
}

/// The free space is looked at after so many bytes.
const CHECKED: u64 = 4 * 1024 * 1024;

/// How the reading of a part ended.
pub(super) enum Ended {
    Received(Incoming),
    Refused(Fault),
}

/// Writes the content of a part to a file without a name.
pub(super) async fn receive(
    part: &mut Part<'_>,
    limits: Limits<'_>,
    allowance: Option<&BodyAllowance>,
) -> Result<Ended> {
    let Limits { folder, most, .. } = limits;
    let mut file = match unnamed(folder) {
        Ok(file) => tokio::fs::File::from_std(file),
        Err(error) => return Ok(Ended::Refused(error.into())),
    };
    let (mut head, mut length) = (Vec::new(), 0_u64);
    while let Some(piece) = part.chunk().await? {
        let checked = length / CHECKED;
        length += piece.len() as u64;
        // others write to the disk meanwhile
        let is_due = length / CHECKED > checked;
        if is_due && free_bytes(folder).is_some_and(|free| free < limits.least_free) {
            let full = io::Error::from(io::ErrorKind::StorageFull);
            return Ok(Ended::Refused(full.into()));
        }
        if length > most {
            return Ok(Ended::Refused(Refusal::TooLarge(most).into()));
        }
        head.extend(piece.iter().take(HEAD.saturating_sub(head.len())));
        if let Err(error) = file.write_all(&piece).await {
            return Ok(Ended::Refused(error.into()));
        }
        if let Some(allowance) = allowance {
            allowance.written(piece.len() as u64);
        }
    }
    if length == 0 {
        return Ok(Ended::Refused(Refusal::Empty.into()));
    }
    if let Err(error) = file.flush().await {
        return Ok(Ended::Refused(error.into()));
    }
    let file = file.into_std().await;
    Ok(Ended::Received(Incoming { file, head }))
}

/// A file without a name in a folder that only the user of the site can read.
pub(super) fn unnamed(folder: &Path) -> io::Result<File> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder)?;
    tempfile::tempfile_in(folder)
}
