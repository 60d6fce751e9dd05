//! The development loop of debug builds: static files from the disk, and pages that reload.

use super::{Prepared, Routes};
use crate::permissions::public;
use crate::views::RELOAD;
use palisade_crypto::random;
use std::hash::{DefaultHasher, Hash, Hasher};

impl Prepared {
    /// Serves the static files as they are on the disk, and reloads pages in the browser when a
    /// template, a static file or the program changes. In debug builds and the development profile
    /// only.
    pub(crate) fn watch_files(&mut self) {
        let settings = &self.settings;
        let is_wanted = settings.profile.is_development() && settings.site.live_files;
        if !cfg!(debug_assertions) || !is_wanted {
            return;
        }
        self.static_files.watch();
        self.app.reloads = true;
        let (files, layers) = (self.static_files.clone(), self.app.templates.clone());
        // another process has another number: its program may be another one
        let started = u64::from_le_bytes(random::bytes());
        let state = async move || {
            let mut hasher = DefaultHasher::new();
            (started, files.live_state()).hash(&mut hasher);
            layers
                .iter()
                .for_each(|layer| layer.state().hash(&mut hasher));
            hasher.finish().to_string()
        };
        let route = Routes::new().route(RELOAD, public().get(state).impersonal());
        self.routes = std::mem::take(&mut self.routes).merge(route);
    }
}
