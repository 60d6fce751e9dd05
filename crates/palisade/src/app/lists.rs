//! Block lists: networks from the settings and from files, which are read again when they change.

use super::BootError;
use crate::http::{HttpSettings, ListError, Networks};
use arc_swap::ArcSwap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Who is not served.
pub(crate) struct BlockLists {
    /// Of the settings.
    fixed: Networks,
    files: Vec<ListFile>,
}

struct ListFile {
    path: PathBuf,
    networks: ArcSwap<Networks>,
    seen: Mutex<Option<(SystemTime, u64)>>,
}

impl BlockLists {
    /// Reads every list once.
    ///
    /// # Errors
    /// A list that cannot be read: a site that should block somebody does not start without.
    pub(super) fn load(settings: &HttpSettings) -> Result<Self, BootError> {
        let files = settings.block_lists.iter().map(|path| ListFile::load(PathBuf::from(path))).collect::<Result<_, _>>()?;
        Ok(Self { fixed: settings.blocked_networks.iter().copied().collect(), files })
    }

    /// Whether an address is on any list.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.fixed.contains(address) || self.files.iter().any(|file| file.networks.load().contains(address))
    }

    /// Reads again what changed. A list that cannot be read stays as it was.
    pub(crate) fn refresh(&self) {
        self.files.iter().for_each(ListFile::refresh);
    }
}

impl ListFile {
    fn load(path: PathBuf) -> Result<Self, BootError> {
        let seen = Mutex::new(stamp(&path));
        match read(&path) {
            Ok(networks) => Ok(Self { networks: ArcSwap::from_pointee(networks), seen, path }),
            Err(why) => Err(BootError::List(path, why)),
        }
    }

    fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if now == *seen {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok(networks) => {
                self.networks.store(networks.into());
                tracing::info!(target: "palisade", list = %self.path.display(), "a block list was read again");
            }
            Err(why) => {
                tracing::error!(target: "palisade", list = %self.path.display(), why, "a block list cannot be read: the one before stays");
            }
        }
    }
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<Networks, String> {
    let list = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Networks::read(&list).map_err(|error: ListError| error.to_string())
}
