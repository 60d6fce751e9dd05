use palisade_password::{Hasher, Verdict};
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Runs password hashes beside the site's other work: so many at once, so many waiting, the rest is refused.
///
/// Each hash takes tens of milliseconds of a core and 19 MiB. Without a bound, a flood of logins would take all of both (D14).
#[derive(Clone)]
pub struct HashPool {
    hasher: Arc<Hasher>,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

/// More hashes are waiting than the pool takes: answer 503 with Retry-After.
#[derive(Debug)]
pub struct TooBusy;

impl fmt::Display for TooBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many password hashes are waiting")
    }
}

impl HashPool {
    /// A pool that runs `jobs` at once and lets `queue` wait.
    pub fn new(hasher: Hasher, jobs: usize, queue: usize) -> Self {
        let running = Arc::new(Semaphore::new(jobs));
        Self { hasher: Arc::new(hasher), running, admitted: Arc::new(Semaphore::new(jobs + queue)) }
    }

    /// Whether a stored hash costs as much to verify as a new one.
    pub(super) fn is_current(&self, encoded: &str) -> bool {
        self.hasher.is_current(encoded)
    }

    /// A new hash.
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn hash(&self, password: String) -> Result<String, TooBusy> {
        self.run(move |hasher| hasher.hash(&password)).await
    }

    /// Compares a password with a stored hash, or with nobody's, which takes as long.
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn verify(&self, password: String, encoded: Option<String>) -> Result<Verdict, TooBusy> {
        self.run(move |hasher| match encoded {
            Some(encoded) => hasher.verify(&password, &encoded),
            None => {
                hasher.verify_nobody(&password);
                Verdict::NoMatch
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, job: impl FnOnce(&Hasher) -> T + Send + 'static) -> Result<T, TooBusy> {
        let admitted = self.admitted.clone().try_acquire_owned().map_err(|_| TooBusy)?;
        let running = self.running.clone().acquire_owned().await.map_err(|_| TooBusy)?;
        let hasher = self.hasher.clone();
        let job = tokio::task::spawn_blocking(move || {
            // a visitor who hangs up does not free the place before the work is done
            let _places = (admitted, running);
            job(&hasher)
        });
        job.await.map_err(|_| TooBusy)
    }
}
