use crate::system::{Priority, Workers};
use palisade_password::{Hasher, Verdict};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// A bounded pool for password hashes: fixed concurrency and queue; requests beyond it are refused.
///
/// Each hash takes tens of milliseconds of CPU time and 19 MiB. Unbounded, a flood of logins would
/// exhaust both (D14).
///
/// The pool has its own threads, each with the memory of one hash: a flood holds `jobs` times 19
/// MiB, and not one buffer per runtime thread.
#[derive(Clone)]
pub struct HashPool {
    hasher: Arc<Hasher>,
    workers: Arc<Workers>,
    admitted: Arc<Semaphore>,
    costs: Arc<Costs>,
    done: Arc<AtomicU64>,
}

/// Verification time per kind of hash. Sites with legacy hashes have several kinds, and the time of
/// a refusal must not reveal which one, if any, an account has.
#[derive(Default)]
struct Costs(Mutex<HashMap<String, Duration>>);

/// Most kinds that are tracked.
const MAX_KINDS: usize = 32;
/// Longest time that a refusal is delayed to match the slowest kind.
const MAX_WAIT: Duration = Duration::from_secs(2);

impl Costs {
    /// Records one verification, and returns the time of the slowest kind.
    fn note(&self, kind: &str, took: Duration) -> Duration {
        let mut costs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(average) = costs.get_mut(kind) {
            *average = (*average * 7 + took) / 8;
        } else if costs.len() < MAX_KINDS {
            costs.insert(kind.to_owned(), took);
        }
        costs
            .values()
            .max()
            .copied()
            .unwrap_or_default()
            .min(MAX_WAIT)
    }
}

/// The Unicode forms in which a password may have been hashed: Django hashes the input as typed.
fn spellings(password: &str) -> Vec<String> {
    let mut spellings = vec![password.to_owned()];
    let others = [
        password.nfc().collect(),
        password.nfkc().collect(),
        password.nfd().collect(),
    ];
    for other in others {
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

/// Kind of a stored hash: algorithm and parameters; without a hash, that of new hashes.
fn kind(encoded: Option<&str>) -> &str {
    let encoded = encoded.unwrap_or("argon2$argon2id$v=19$");
    // legacy formats begin with the salt
    let place = usize::from(!encoded.starts_with('w'));
    let end = encoded
        .match_indices('$')
        .nth(place)
        .map_or(encoded.len(), |(at, _)| at);
    &encoded[..end.min(64)]
}

/// The queue is full: respond with 503 and Retry-After.
#[derive(Debug)]
pub struct TooBusy;

impl fmt::Display for TooBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many password hashes are queued")
    }
}

impl HashPool {
    /// A pool with `jobs` threads and a queue of `queue`.
    pub fn new(hasher: Hasher, jobs: usize, queue: usize) -> Self {
        Self {
            hasher: Arc::new(hasher),
            workers: Arc::new(Workers::new("hash", jobs, Priority::Normal)),
            admitted: Arc::new(Semaphore::new(jobs + queue)),
            costs: Arc::default(),
            done: Arc::default(),
        }
    }

    /// Number of hashes computed, for tests of constant work.
    pub(in crate::auth) fn hashes_done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// Hashes a password in Unicode NFC, because keyboards encode one letter in several ways (NIST
    /// SP 800-63B, 3.1.1.2).
    ///
    /// # Errors
    /// When the queue is full.
    pub async fn hash(&self, password: String) -> Result<String, TooBusy> {
        self.run(move |hasher| hasher.hash(&password.nfc().collect::<String>()))
            .await
    }

    /// Wraps a legacy hash in a new one; `None` for any other.
    ///
    /// # Errors
    /// When the queue is full.
    pub async fn wrap(&self, encoded: String) -> Result<Option<String>, TooBusy> {
        self.run(move |hasher| hasher.wrap(&encoded)).await
    }

    /// Verifies a password against a stored hash, or against a dummy. A refusal takes as long as
    /// the slowest kind of hash seen so far.
    ///
    /// # Errors
    /// When the queue is full.
    pub async fn verify(
        &self,
        password: String,
        encoded: Option<String>,
    ) -> Result<Verdict, TooBusy> {
        let costs = self.costs.clone();
        let job = move |hasher: &Hasher| {
            let started = Instant::now();
            let (mut verdict, mut judged) = (Verdict::NoMatch, 0);
            for spelling in spellings(&password) {
                judged += 1;
                match &encoded {
                    Some(encoded) => verdict = hasher.verify(&spelling, encoded),
                    None => hasher.verify_nobody(&spelling),
                }
                if verdict.is_match() {
                    break;
                }
            }
            let took = started.elapsed();
            (
                verdict,
                (costs.note(kind(encoded.as_deref()), took / judged.max(1)) * judged)
                    .saturating_sub(took),
            )
        };
        let (verdict, missing) = self.run(job).await?;
        if !verdict.is_match() {
            tokio::time::sleep(missing).await;
        }
        Ok(verdict)
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Hasher) -> T + Send + 'static,
    ) -> Result<T, TooBusy> {
        let admitted = self
            .admitted
            .clone()
            .try_acquire_owned()
            .map_err(|_| TooBusy)?;
        let (done, hasher) = (self.done.clone(), self.hasher.clone());
        let job = move || {
            done.fetch_add(1, Ordering::Relaxed);
            // a client that disconnects does not free the slot before the work is done
            let _place = admitted;
            job(&hasher)
        };
        self.workers.run(job).await.ok_or(TooBusy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D06: a refusal is delayed to the slowest kind of hash that is stored here
    #[test]
    fn a_refusal_is_as_dear_as_the_dearest_hash() {
        let costs = Costs::default();
        let millis = Duration::from_millis;
        assert_eq!(costs.note(kind(None), millis(30)), millis(30));
        assert_eq!(
            costs.note(kind(Some("pbkdf2_sha256$1000000$salt$hash")), millis(200)),
            millis(200)
        );
        assert_eq!(
            costs.note(
                kind(Some("argon2$argon2id$v=19$m=19456,t=2,p=1$x$y")),
                millis(30)
            ),
            millis(200),
            "our hash and a missing one"
        );
        assert_eq!(
            costs.note(kind(Some("bcrypt$$2b$17$x")), Duration::from_secs(60)),
            MAX_WAIT,
            "but the wait is bounded"
        );
        for number in 0..1000 {
            costs.note(&format!("junk{number}$1"), millis(1));
        }
        assert!(costs.0.lock().is_ok_and(|kinds| kinds.len() <= MAX_KINDS));
    }
}
