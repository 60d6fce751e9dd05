//! The virus scanner clamd, which is believed only while it finds the test virus (D53).

mod clamd;
mod self_test;

pub use clamd::ClamdAddress;
pub(super) use clamd::{Clamd, ScannerAway, Verdict};

use crate::clock::Clock;
use crate::storage::ByteStream;
use chrono::{DateTime, TimeDelta, Utc};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};

/// A scanner with its self-test.
pub(crate) struct Scanner {
    clamd: Clamd,
    clock: Arc<dyn Clock>,
    /// The longest file that it must look into to its end.
    most_bytes: u64,
    folder: PathBuf,
    passed: Mutex<Option<Passed>>,
    slots: Semaphore,
}

/// A self-test that was passed.
struct Passed {
    at: DateTime<Utc>,
    version: String,
}

/// The self-test counts for an hour.
const TEST_COUNTS: TimeDelta = TimeDelta::hours(1);
/// Scans at the same time.
const MOST_SCANS: usize = 4;

/// Parts of a scanner.
pub(crate) struct ScannerParts {
    pub(crate) address: ClamdAddress,
    pub(crate) time: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) most_bytes: u64,
    /// For the file of the self-test.
    pub(crate) folder: PathBuf,
}

impl Scanner {
    pub(crate) fn new(parts: ScannerParts) -> Self {
        Self {
            clamd: Clamd::new(parts.address, parts.time),
            clock: parts.clock,
            most_bytes: parts.most_bytes,
            folder: parts.folder,
            passed: Mutex::new(None),
            slots: Semaphore::new(MOST_SCANS),
        }
    }

    /// Looks at a file. The version is that of the scanner and its signatures.
    ///
    /// # Errors
    /// When the scanner does not answer, answers something else than a verdict, or has not found
    /// the test virus: nothing is known about the file then.
    pub(super) async fn scan(&self, content: ByteStream) -> Result<(Verdict, String), ScannerAway> {
        let _slot = self.slots.acquire().await;
        let version = self.ready().await?;
        Ok((self.clamd.scan(content).await?, version))
    }

    /// The version of a scanner that has passed its self-test within the hour, and since its last
    /// new signatures.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub(crate) async fn ready(&self) -> Result<String, ScannerAway> {
        let mut passed = self.passed.lock().await;
        let (version, now) = (self.clamd.version().await?, self.clock.now());
        let is_known = passed
            .as_ref()
            .is_some_and(|test| test.version == version && now - test.at < TEST_COUNTS);
        if !is_known {
            *passed = None;
            self_test::run(&self.clamd, self.most_bytes, &self.folder).await?;
            *passed = Some(Passed {
                at: now,
                version: version.clone(),
            });
        }
        Ok(version)
    }
}
