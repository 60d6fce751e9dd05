//! Files of a site: the kinds that it takes, where they are stored, and the work on them.

use super::declared_files::{DeclaredFiles, UNSCANNED};
use super::route::Reason;
use super::{App, BootError, Prepared, Site, SiteSettings};
use crate::checks::{Finding, Level};
use crate::clock::Clock;
use crate::crypto::KeyRing;
use crate::db::Database;
use crate::forms::FileReceiver;
use crate::permissions::EntityPolicy;
use crate::storage::{self, Storage, StorageError, StorageSettings, StorageUrl};
use crate::uploads::{FileKind, Scanner, ScannerParts, Sealing, UploadParts, Uploads};
use crate::views;
use http::Extensions;
use palisade_template::Layer;
use std::panic::Location;
use std::path::PathBuf;
use std::sync::Arc;

impl App {
    /// Takes files of a kind that is stored as it comes, such as `Paper`. In production they need a
    /// virus scanner: `uploads.clamd`. Pictures and drawings, which are encoded again,
    /// need no declaration.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// use palisade::uploads::Paper;
    /// App::new().files::<Paper>();
    /// ```
    #[must_use]
    pub fn files<K: FileKind>(mut self) -> Self {
        // that of `Any` takes a reason, and others than stored ones need none
        if K::KIND.needs_scan() && K::KIND.name != "any" {
            self.files.declare(K::KIND.name);
        }
        self
    }

    /// Takes files of any kind: `Upload<Any, …>`. Their content is not looked at, except by the
    /// virus scanner. In production it must be named in `site.allow_dangerous`.
    #[must_use]
    #[track_caller]
    pub fn dangerous_any_file(mut self, reason: Reason) -> Self {
        self.files.declare("any");
        let weakened = reason.weakens("any_file", Location::caller());
        self.files.weaken(weakened);
        self
    }

    /// Stores files without a virus scanner, also in production, where it must be named in
    /// `site.allow_dangerous`.
    #[must_use]
    #[track_caller]
    pub fn dangerous_unscanned_files(mut self, reason: Reason) -> Self {
        let weakened = reason.weakens(UNSCANNED, Location::caller());
        self.files.weaken(weakened);
        self
    }
}

impl App {
    /// Stores files without encryption, for a bucket that serves them itself: users are redirected to a
    /// link of one minute to attachments; pictures are still served by the site. Readers of the bucket or
    /// the disk are readers of the files. In production it must be named in `site.allow_dangerous`.
    #[must_use]
    #[track_caller]
    pub fn dangerous_unsealed_files(mut self, reason: Reason) -> Self {
        let weakened = reason.weakens("unsealed_files", Location::caller());
        self.files.weaken(weakened);
        self.files.sealing = Sealing::Off;
        self
    }
}

impl Prepared {
    /// The folder of the files, if it is within one that is served or holds the program's source.
    pub(super) fn served_storage(&self) -> Option<Finding> {
        let StorageUrl::Folder(folder) = &self.settings.storage.url else {
            return None;
        };
        let folder = std::path::absolute(self.settings.data().join(folder)).ok()?;
        let templates = self.app.templates.iter().filter_map(Layer::directory);
        let mut served = templates.chain(self.static_files.folder());
        let inside = served.find(|served| folder.starts_with(served))?;
        Some(Finding {
            id: "storage.served".into(),
            django: None,
            level: Level::Error,
            title: format!(
                "files of users would be stored in {}, which the site serves or is built from",
                inside.display()
            ),
            why: "a file of a user would be a page or a template of the site (ASVS 5.3.1)".into(),
            fix: "set storage.url to a folder of its own, outside of static files and templates"
                .into(),
        })
    }
}

/// The storage of the settings.
pub(crate) fn storage(settings: &SiteSettings) -> Result<Arc<dyn Storage>, StorageError> {
    let StorageSettings { url, .. } = &settings.storage;
    storage::open(url, &settings.storage.keys(), settings.data())
}

/// Folder of files on their way, which have no names.
fn incoming(settings: &SiteSettings) -> PathBuf {
    settings.data().join("incoming")
}

/// Adds the service of files to those of the site's pages.
pub(super) fn add_service(
    services: &mut Extensions,
    settings: &SiteSettings,
    (database, ring, clock): (&Database, &KeyRing, &Arc<dyn Clock>),
    (files, policies): (&DeclaredFiles, &[Arc<dyn EntityPolicy>]),
) -> Result<(), BootError> {
    let scanner = settings.uploads.clamd.clone().map(|address| {
        Scanner::new(ScannerParts {
            address,
            time: settings.uploads.scan_secs.duration(),
            clock: clock.clone(),
            most_bytes: settings.uploads.max_form_bytes,
            folder: incoming(settings),
        })
    });
    let uploads = Uploads::new(UploadParts {
        settings: settings.uploads.clone(),
        database: database.clone(),
        clock: clock.clone(),
        ring: ring.clone(),
        storage: storage(settings).map_err(BootError::Storage)?,
        incoming: incoming(settings),
        declared: files.kinds(),
        scanner,
        policies: policies.to_vec(),
        sealing: files.sealing,
    });
    services.insert(FileReceiver(Arc::new(uploads.clone())));
    services.insert(uploads);
    Ok(())
}

impl Site {
    pub(crate) fn uploads(&self) -> Option<&Uploads> {
        self.views.services.get()
    }

    /// Deletes expired files and those of deleted rows, as the server does every ten minutes, and
    /// returns their number.
    ///
    /// # Errors
    /// When the database or the storage does not answer.
    #[doc(hidden)]
    pub async fn files_swept(&self) -> views::Result<u64> {
        match self.uploads() {
            Some(uploads) => uploads.sweep().await,
            None => Ok(0),
        }
    }

    /// Scans files that wait for the virus scanner, as the server does every minute, and returns the
    /// number of verdicts.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn files_scanned(&self) -> views::Result<u64> {
        match self.uploads() {
            Some(uploads) => uploads.scan_waiting().await,
            None => Ok(0),
        }
    }
}
