//! The archive of a backup: [tar](https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html)
//! in zstd in [age](https://age-encryption.org/v1). Other programs open it:
//! `age -d -i KEY FILE | zstd -d | tar x`.

use super::BackupError;
use super::manifest::{Content, FORMAT, Manifest};
use crate::storage::{ObjectName, StorageKey, free_bytes};
use age::x25519::{Identity, Recipient};
use palisade_crypto::hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

pub(crate) const DATABASE: &str = "database";
pub(crate) const SETTINGS: &str = "settings.txt";
const MANIFEST: &str = "MANIFEST";
pub(crate) const FILES: &str = "files/";
/// Compression of the database; files are encrypted, and take no time.
const LEVEL: i32 = 3;
/// A manifest of a million files is shorter.
const MOST_MANIFEST_BYTES: u64 = 512 * 1024 * 1024;
/// An archive must leave this many bytes on the disk that it is unpacked on.
const LEAST_FREE: u64 = 64 * 1024 * 1024;

/// Writes an archive.
pub(crate) struct ArchiveWriter<W: Write> {
    tar: tar::Builder<zstd::Encoder<'static, age::stream::StreamWriter<W>>>,
}

impl<W: Write> ArchiveWriter<W> {
    /// # Errors
    /// When the sink takes no bytes.
    pub(crate) fn new(recipients: &[Recipient], sink: W) -> io::Result<Self> {
        let sealed = encrypt(recipients, sink)?;
        let tar = tar::Builder::new(zstd::Encoder::new(sealed, LEVEL)?);
        Ok(Self { tar })
    }

    /// Adds an entry of exactly `bytes` bytes.
    ///
    /// # Errors
    /// When the content has another length, or the sink takes no bytes.
    pub(crate) fn add(
        &mut self,
        name: &str,
        bytes: u64,
        content: impl Read,
    ) -> io::Result<Content> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o600);
        let mut hashed = Hashed::new(content);
        self.tar.append_data(&mut header, name, &mut hashed)?;
        let content = hashed.content();
        match content.bytes == bytes {
            true => Ok(content),
            false => Err(io::Error::other(format!("{name} has changed meanwhile"))),
        }
    }

    /// Adds the manifest, and ends the archive.
    ///
    /// # Errors
    /// When the sink takes no bytes.
    pub(crate) fn finish(mut self, manifest: &str) -> io::Result<()> {
        self.add(MANIFEST, manifest.len() as u64, manifest.as_bytes())?;
        let sealed = self.tar.into_inner()?.finish()?;
        sealed.finish()?.flush()
    }
}

/// A writer whose bytes are encrypted to these recipients.
pub(crate) fn encrypt<W: Write>(
    recipients: &[Recipient],
    sink: W,
) -> io::Result<age::stream::StreamWriter<W>> {
    let recipients = recipients.iter().map(|one| one as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
    encryptor.wrap_output(sink)
}

/// The decrypted bytes.
///
/// # Errors
/// When no identity opens them.
pub(crate) fn decrypt<R: Read>(
    source: R,
    identities: &[Identity],
) -> Result<age::stream::StreamReader<R>, BackupError> {
    let decryptor = age::Decryptor::new(source)
        .map_err(|error| BackupError::new(format!("it is no file of age: {error}")))?;
    let identities = identities.iter().map(|one| one as &dyn age::Identity);
    decryptor
        .decrypt(identities)
        .map_err(|error| BackupError::new(format!("the identity does not open it: {error}")))
}

/// A reader that hashes and counts its bytes.
pub(crate) struct Hashed<R> {
    source: R,
    hash: Sha256,
    bytes: u64,
}

impl<R> Hashed<R> {
    pub(crate) fn new(source: R) -> Self {
        let (hash, bytes) = (Sha256::new(), 0);
        Self {
            source,
            hash,
            bytes,
        }
    }

    pub(crate) fn content(self) -> Content {
        Content {
            bytes: self.bytes,
            sha256: hex(&self.hash.finalize()),
        }
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Unpacks an archive into an empty folder, and compares all of it with its manifest. `open` gives the
/// text of a manifest with a valid signature.
///
/// # Errors
/// When the archive is not whole, or not one of this site.
pub(crate) fn unpack(
    source: impl Read,
    identities: &[Identity],
    folder: &Path,
    open: impl Fn(&str) -> Option<String>,
) -> Result<Manifest, BackupError> {
    let plain = zstd::Decoder::new(decrypt(source, identities)?)?;
    let mut archive = tar::Archive::new(plain);
    let (mut found, mut manifest) = (Vec::new(), None);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = name_of(&entry)?;
        if manifest.is_some() {
            return Err(BackupError::new(format!("{name} is behind the manifest")));
        }
        if name == MANIFEST {
            manifest = Some(read_manifest(entry, &open)?);
            continue;
        }
        require_space(folder, entry.size())?;
        let content = write_new(&place_of(folder, &name), &mut entry)?;
        found.push((name, content));
    }
    // a cut archive ends without it
    let manifest =
        manifest.ok_or_else(|| BackupError::new("it has no manifest: it was cut off"))?;
    compare(&manifest, found)?;
    Ok(manifest)
}

/// Files are in the folders of a storage.
fn place_of(folder: &Path, name: &str) -> PathBuf {
    let key = name
        .strip_prefix(FILES)
        .and_then(|key| key.parse::<StorageKey>().ok());
    match key {
        Some(key) => folder.join(FILES).join(ObjectName::from(&key).as_str()),
        None => folder.join(name),
    }
}

/// The name of an entry, if it is one of a backup: no other is written to the disk.
fn name_of(entry: &tar::Entry<'_, impl Read>) -> Result<String, BackupError> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let is_file = |name: &str| {
        let rest = name.strip_prefix(FILES);
        rest.is_some_and(|key| key.parse::<StorageKey>().is_ok())
    };
    let is_known = [DATABASE, SETTINGS, MANIFEST].contains(&&*name) || is_file(&name);
    match is_known && entry.header().entry_type().is_file() {
        true => Ok(name),
        false => Err(BackupError::new(format!(
            "it has a foreign entry: {name:?}"
        ))),
    }
}

fn read_manifest(
    entry: impl Read,
    open: impl Fn(&str) -> Option<String>,
) -> Result<Manifest, BackupError> {
    let mut note = String::new();
    entry.take(MOST_MANIFEST_BYTES).read_to_string(&mut note)?;
    let text = open(&note).ok_or_else(|| {
        BackupError::new(
            "its manifest is not signed by a key of this site: put the key files of the site that \
             wrote it into the data folder",
        )
    })?;
    let manifest: Manifest = serde_json::from_str(&text)
        .map_err(|error| BackupError::new(format!("its manifest cannot be read: {error}")))?;
    match manifest.palisade_backup {
        FORMAT => Ok(manifest),
        other => Err(BackupError::new(format!(
            "it has the layout {other}, and this program reads {FORMAT}"
        ))),
    }
}

fn require_space(folder: &Path, bytes: u64) -> Result<(), BackupError> {
    match free_bytes(folder) {
        Some(free) if free < bytes.saturating_add(LEAST_FREE) => Err(BackupError::new(format!(
            "{free} bytes are free on the disk of {}, too few for an entry of {bytes}",
            folder.display()
        ))),
        _ => Ok(()),
    }
}

/// Writes a file that does not exist yet.
fn write_new(path: &Path, content: impl Read) -> Result<Content, BackupError> {
    if let Some(parent) = path.parent() {
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(parent)?;
    }
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let mut hashed = Hashed::new(content);
    io::copy(&mut hashed, &mut file)?;
    file.sync_all()?;
    Ok(hashed.content())
}

fn compare(manifest: &Manifest, found: Vec<(String, Content)>) -> Result<(), BackupError> {
    let mut files = 0;
    let mut has_database = false;
    for (name, content) in found {
        let expected = match name.strip_prefix(FILES) {
            Some(key) => manifest.files.get(key),
            None if name == DATABASE => Some(&manifest.database),
            None => continue,
        };
        if expected != Some(&content) {
            return Err(BackupError::new(format!(
                "{name} is not as its manifest says"
            )));
        }
        files += usize::from(name != DATABASE);
        has_database |= name == DATABASE;
    }
    match has_database && files == manifest.files.len() {
        true => Ok(()),
        false => Err(BackupError::new(
            "it has fewer entries than its manifest says",
        )),
    }
}
