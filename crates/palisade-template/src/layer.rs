use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A set of templates: those of the site or those of the framework. Earlier layers take precedence,
/// template by template.
#[derive(Debug, Clone, Default)]
pub struct Layer {
    files: BTreeMap<String, String>,
    directory: Option<PathBuf>,
}

impl Layer {
    /// Templates that are part of the program.
    pub fn embedded(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()))
            .collect();
        Self {
            files,
            directory: None,
        }
    }

    /// In debug builds, loads the `.html` files of this directory, and reloads them when one
    /// changes. Release builds never read the disk.
    #[must_use]
    pub fn watching(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = cfg!(debug_assertions)
            .then(|| directory.into())
            .filter(|directory| directory.is_dir());
        self
    }

    /// The folder whose files are read again.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The state of the files in that folder, which changes with each of them.
    pub fn state(&self) -> Vec<(PathBuf, Option<SystemTime>)> {
        Stamp::newest(std::slice::from_ref(self)).map_or_else(Vec::new, |stamp| stamp.0)
    }

    /// The templates as they are now.
    pub fn sources(&self) -> BTreeMap<String, String> {
        let mut sources = self.files.clone();
        for (name, path) in self
            .directory
            .iter()
            .flat_map(|directory| html_files(directory))
        {
            if let Ok(source) = std::fs::read_to_string(path) {
                sources.insert(name, source);
            }
        }
        sources
    }
}

/// The `.html` files of a folder and the folders in it: the name that templates use, and the path. In the order of their names.
pub fn html_files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut files = Vec::new();
    collect(folder, folder, &mut files);
    files.sort();
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if path.is_dir() {
            collect(root, &path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "html")
        {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let name: Vec<_> = relative
                .components()
                .map(|part| part.as_os_str().to_string_lossy())
                .collect();
            files.push((name.join("/"), path.clone()));
        }
    }
}

/// State of the watched files: names and modification times.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<(PathBuf, Option<SystemTime>)>);

impl Stamp {
    /// `None` if no layer is watched.
    pub(crate) fn newest(layers: &[Layer]) -> Option<Self> {
        let directories: Vec<&PathBuf> = layers
            .iter()
            .filter_map(|layer| layer.directory.as_ref())
            .collect();
        let files = directories
            .iter()
            .flat_map(|directory| html_files(directory));
        let changed = files.map(|(_, path)| {
            (
                path.clone(),
                path.metadata()
                    .and_then(|metadata| metadata.modified())
                    .ok(),
            )
        });
        (!directories.is_empty()).then(|| Self(changed.collect()))
    }
}
