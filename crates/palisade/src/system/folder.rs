use super::FileName;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// A folder of the machine. Files and folders are opened directly in it: names have one component, and
/// no symbolic link is followed, even if another process puts one there meanwhile.
///
/// ```
/// use palisade::system::{FileName, Folder};
/// # fn example() -> std::io::Result<()> {
/// let reports = Folder::open("/srv/reports")?;
/// let name = FileName::new("2026.pdf").expect("a name");
/// let report = reports.read(&name, 10 * 1024 * 1024)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Folder(Arc<OwnedFd>);

impl Folder {
    /// Opens a folder of the configuration or the program. Its path is not for input.
    ///
    /// # Errors
    /// When it does not exist, or is no folder.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(CWD, path.as_ref(), flags, Mode::empty())?;
        Ok(Self(Arc::new(folder)))
    }

    /// Opens a folder in this one.
    ///
    /// # Errors
    /// When it does not exist, or is a symbolic link or a file.
    pub fn folder(&self, name: &FileName) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.open_beneath(name, flags)
            .map(|folder| Self(Arc::new(folder)))
    }

    /// Opens a file for reading.
    ///
    /// # Errors
    /// When it does not exist, or is a symbolic link, a folder or a device.
    pub fn file(&self, name: &FileName) -> io::Result<File> {
        // without NONBLOCK, a pipe would wait for its writer
        let opened = self.open_beneath(name, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let file = File::from(opened);
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "this is no file",
            )),
        }
    }

    /// Reads a file of at most `most` bytes.
    ///
    /// # Errors
    /// As [`Folder::file`]; for a longer file.
    pub fn read(&self, name: &FileName, most: u64) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.file(name)?.take(most + 1).read_to_end(&mut content)?;
        match content.len() as u64 > most {
            true => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "the file is too long",
            )),
            false => Ok(content),
        }
    }

    /// Writes a new file, readable by this user only. A failure leaves no file.
    ///
    /// # Errors
    /// When there is a file of this name, or it cannot be written.
    pub fn create(&self, name: &FileName, content: &[u8]) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mut file = File::from(self.open_with(name, flags, Mode::RUSR | Mode::WUSR)?);
        let written = file.write_all(content).and_then(|()| file.sync_all());
        if written.is_err() {
            let _ = self.remove(name);
        }
        written
    }

    /// Deletes a file.
    ///
    /// # Errors
    /// When it does not exist, or is a folder.
    pub fn remove(&self, name: &FileName) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(
            self.0.as_fd(),
            &**name,
            AtFlags::empty(),
        )?)
    }

    fn open_beneath(&self, name: &FileName, flags: OFlags) -> io::Result<OwnedFd> {
        self.open_with(name, flags, Mode::empty())
    }

    #[cfg(target_os = "linux")]
    fn open_with(&self, name: &FileName, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let safe = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match rustix::fs::openat2(self.0.as_fd(), &**name, safe, mode, resolve) {
            // an old kernel, or a sandbox that does not know the call
            Err(Errno::NOSYS | Errno::PERM) => Ok(self.open_plain(name, safe, mode)?),
            opened => Ok(opened?),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_with(&self, name: &FileName, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        Ok(self.open_plain(name, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode)?)
    }

    /// A name of one component that is not followed cannot leave the folder either.
    fn open_plain(&self, name: &FileName, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(self.0.as_fd(), &**name, flags, mode)
    }
}
