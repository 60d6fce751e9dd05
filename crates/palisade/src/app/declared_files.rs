use super::SiteSettings;
use crate::checks::{Finding, Level, Weakened};
use crate::uploads::Sealing;

/// The name of files without a scanner in `site.allow_dangerous`.
pub(super) const UNSCANNED: &str = "unscanned_files";

/// Kinds of files that are stored as they came, and weakened protections.
#[derive(Debug, Clone, Default)]
pub(super) struct DeclaredFiles {
    kinds: Vec<&'static str>,
    dangerous: Vec<Weakened>,
    pub(super) sealing: Sealing,
}

impl DeclaredFiles {
    pub(super) fn declare(&mut self, kind: &'static str) {
        self.kinds.push(kind);
    }

    pub(super) fn weaken(&mut self, weakened: Weakened) {
        self.dangerous.push(weakened);
    }

    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.kinds.clone()
    }

    pub(super) fn ledger(&self) -> impl Iterator<Item = Weakened> {
        self.dangerous.iter().cloned()
    }

    /// Files as they came, on the host of the site.
    pub(super) fn missing_origin(&self, settings: &SiteSettings) -> Option<Finding> {
        let is_missing = !self.kinds.is_empty() && settings.uploads.origin.is_none();
        is_missing.then(|| Finding {
            id: "uploads.no_origin".into(),
            django: None,
            level: Level::Info,
            title: "files of users are served by the host of the site".into(),
            why: "a fault in a browser that renders an attachment would run in the origin of the site"
                .into(),
            fix: "let another domain lead to this server, and set uploads.origin".into(),
        })
    }

    /// Files of users that nothing has looked at.
    pub(super) fn missing_scanner(&self, settings: &SiteSettings) -> Option<Finding> {
        let kinds = self.kinds.join(", ");
        let mut dangerous = self.dangerous.iter();
        let is_unscanned = dangerous.any(|weakened| weakened.name == UNSCANNED);
        let is_missing =
            !self.kinds.is_empty() && settings.uploads.clamd.is_none() && !is_unscanned;
        is_missing.then(|| Finding {
            id: "uploads.scanner_missing".into(),
            django: None,
            level: match settings.profile.is_development() {
                true => Level::Warning,
                false => Level::Error,
            },
            title: format!("files are taken without a virus scanner: {kinds}"),
            why: "users download from each other what nothing has looked at (ASVS 5.4.3)".into(),
            fix: "install clamav-daemon, and set uploads.clamd = \"unix:/run/clamav/clamd.ctl\""
                .into(),
        })
    }
}
