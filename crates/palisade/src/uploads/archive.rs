//! Validation of office files, which are zip archives. Their content is counted and not kept.

use super::refusal::Refusal;
use super::work::Fault;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// The marks of an office file.
pub(super) enum Wanted<'a> {
    /// Entries below this folder, and `[Content_Types].xml`.
    Folder(&'a str),
    /// This media type as its first entry.
    MediaType(&'a str),
}

const DAMAGED: &str = "is damaged: it cannot be read";

/// Most entries of an archive.
const MOST_ENTRIES: usize = 5_000;
/// Most bytes of all entries when they are unpacked, as a multiple of the longest form: the self-test
/// of the virus scanner proves that it looks into so many.
pub(super) const UNPACKED: u64 = 3;
/// Bytes of the record at the end of an archive without a comment.
const END: i64 = 22;

/// Endings of programs, and of archives within an archive.
const PROGRAMS: [&str; 23] = [
    "7z", "bat", "cab", "cmd", "com", "dll", "docm", "exe", "gz", "hta", "html", "jar", "js",
    "lnk", "msi", "ps1", "rar", "scr", "sh", "tar", "vbs", "xlsm", "zip",
];

fn broken(_: ZipError) -> Fault {
    Refusal::Archive(DAMAGED).into()
}

/// An archive of this kind, without macros and of bounded size: no entry has more than `most` bytes.
pub(super) fn validate(file: &mut File, (wanted, most): (&Wanted<'_>, u64)) -> Result<(), Fault> {
    if file.metadata()?.len() < END.unsigned_abs() {
        return Err(Refusal::Archive(DAMAGED).into());
    }
    let mut end = [0; END as usize];
    file.seek(SeekFrom::End(-END))?;
    file.read_exact(&mut end)?;
    // another file before or behind the archive, which other programs would open
    if !end.starts_with(b"PK\x05\x06") {
        return Err(Refusal::Polyglot.into());
    }
    file.rewind()?;
    let mut archive = ZipArchive::new(&mut *file).map_err(broken)?;
    if archive.offset() != 0 {
        return Err(Refusal::Polyglot.into());
    }
    if archive.len() > MOST_ENTRIES {
        return Err(Refusal::Archive("has too many parts").into());
    }
    check_kind(&mut archive, wanted)?;
    count(&mut archive, most)
}

fn check_kind(archive: &mut ZipArchive<&mut File>, wanted: &Wanted<'_>) -> Result<(), Fault> {
    let other = || Fault::from(Refusal::Archive("is not of the kind that its name says"));
    match wanted {
        Wanted::Folder(folder) => {
            let is_there = archive
                .file_names()
                .any(|name| name.is_ok_and(|name| name.starts_with(folder)));
            let has_types = archive.index_for_name("[Content_Types].xml").is_some();
            (is_there && has_types).then_some(()).ok_or_else(other)
        }
        Wanted::MediaType(media_type) => {
            let entry = archive.by_index(0).map_err(broken)?;
            let mut content = String::new();
            if entry.name().map_err(broken)? != "mimetype" {
                return Err(other());
            }
            let read = entry.take(200).read_to_string(&mut content);
            (read.is_ok() && content == *media_type)
                .then_some(())
                .ok_or_else(other)
        }
    }
}

/// Unpacks all entries to nowhere: the sizes in an archive are claims of its author.
fn count(archive: &mut ZipArchive<&mut File>, most: u64) -> Result<(), Fault> {
    let mut left = most.saturating_mul(UNPACKED);
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(broken)?;
        check_entry(&entry)?;
        let read = io::copy(&mut entry.take(most.min(left) + 1), &mut io::sink());
        let read = read.map_err(|_| Refusal::Archive(DAMAGED))?;
        left = left
            .checked_sub(read)
            .filter(|_| read <= most)
            .ok_or(Refusal::Archive("grows too much when it is unpacked"))?;
    }
    Ok(())
}

fn check_entry<R: Read + ?Sized>(entry: &ZipFile<'_, R>) -> Result<(), Refusal> {
    let name = entry.name().map_err(|_| Refusal::Archive(DAMAGED))?;
    let name = name.to_lowercase();
    let is_outside = entry.enclosed_name().is_none() || name.contains(['\\', ':']);
    if entry.is_symlink() || is_outside || entry.encrypted() {
        return Err(Refusal::Archive(
            "has parts outside of it, or encrypted ones",
        ));
    }
    let macros = ["vba", "macrosheet", "activex", "basic/", "scripts/"];
    if macros.iter().any(|part| name.contains(part)) {
        return Err(Refusal::Active("macros"));
    }
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match PROGRAMS.contains(&ending) {
        true => Err(Refusal::Active("other files in it")),
        false => Ok(()),
    }
}
