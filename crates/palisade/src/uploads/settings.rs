use super::origin::FileOrigin;
use super::scan::ClamdAddress;
use crate::settings::{Secs, section};

section! {
    /// Files of users.
    UploadSettings("uploads") {
        /// Most bytes of a form with files
        max_form_bytes: u64 = |_| 20 * MIB;
        /// Time for a form with files in seconds
        timeout_secs: Secs = |_| Secs(300);
        /// Most bytes of all files of one user
        user_bytes: u64 = |_| 1024 * MIB;
        /// Most bytes of all files that visitors without an account have sent and that belong to no row yet
        anonymous_bytes: u64 = |_| 256 * MIB;
        /// Most bytes of all files
        site_bytes: u64 = |_| 100 * 1024 * MIB;
        /// Free bytes on the disk below which no file is accepted
        min_free_bytes: u64 = |_| 1024 * MIB;
        /// Most pixels of a picture in millions
        max_megapixels: u64 = |_| 40;
        /// Most files that are validated or transformed at the same time
        max_work: u64 = |_| 2;
        /// URL of the site that serves files, such as `https://files.example.net`: another domain, for the same
        /// server, without cookies; users are redirected there for a minute
        origin: Option<FileOrigin> = |_| None;
        /// The virus scanner clamd: unix:/run/clamav/clamd.ctl, or tcp:HOST:PORT
        clamd: Option<ClamdAddress> = |_| None;
        /// Time limit of a scan in seconds
        scan_secs: Secs = |_| Secs(60);
        /// Seconds that a form waits for the scan of its file, which is checked later if it takes longer
        scan_wait_secs: Secs = |_| Secs(10);
        /// Days in which files are scanned again after the scanner got new signatures
        rescan_days: u64 = |_| 7;
        /// Days that refused files stay in quarantine
        quarantine_days: u64 = |_| 30;
    }
}

/// Bytes of a mebibyte, for the limits of files: `Upload<Picture, { 5 * MIB }>`.
pub const MIB: u64 = 1024 * 1024;
