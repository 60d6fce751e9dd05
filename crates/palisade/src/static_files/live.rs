//! Static files as they are on the disk at this moment: in debug builds, for `serve` in the
//! development profile.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder whose files are read for each request.
#[derive(Debug)]
pub(super) struct LiveFolder(PathBuf);

impl LiveFolder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The content of a file. The name is compared with those of the files, so that no request
    /// becomes a path.
    pub(super) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let files = self.files();
        let (_, path) = files.iter().find(|(known, _)| known == name)?;
        std::fs::read(path).ok()
    }

    /// The names of the files below `/static/`, and their paths.
    pub(super) fn files(&self) -> Vec<(String, PathBuf)> {
        let mut files = Vec::new();
        collect(&self.0, "", &mut files);
        files
    }

    /// The state of the files, which changes with each of them.
    pub(super) fn state(&self) -> Vec<(String, Option<SystemTime>)> {
        let modified = |path: PathBuf| path.metadata().and_then(|file| file.modified()).ok();
        let files = self.files().into_iter();
        files.map(|(name, path)| (name, modified(path))).collect()
    }
}

/// As `include_static!`: without hidden files and symbolic links.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(kind) = entry.file_type().ok().filter(|_| !name.starts_with('.')) else {
            continue;
        };
        if kind.is_dir() {
            collect(&entry.path(), &format!("{prefix}{name}/"), files);
        } else if kind.is_file() {
            files.push((format!("{prefix}{name}"), entry.path()));
        }
    }
}
