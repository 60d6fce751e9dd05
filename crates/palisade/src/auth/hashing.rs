use palisade_password::{Hasher, Verdict};
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// Runs password hashes beside the site's other work: so many at once, so many waiting, the rest is refused.
///
/// Each hash takes tens of milliseconds of a core and 19 MiB. Without a bound, a flood of logins would take all of both (D14).
///
/// The threads are its own: each keeps the memory of one hash, so a flood holds `jobs` times 19 MiB and not a hash for every thread of the runtime.
#[derive(Clone)]
pub struct HashPool {
    jobs: Sender<Job>,
    admitted: Arc<Semaphore>,
    costs: Arc<Costs>,
    done: Arc<AtomicU64>,
}

/// Work for one of the threads.
type Job = Box<dyn FnOnce(&Hasher) + Send>;

/// What a verification takes, by kind of hash: a site that came from elsewhere has several, and a refusal must not tell which one, or none, it was.
#[derive(Default)]
struct Costs(Mutex<HashMap<String, Duration>>);

/// Most kinds of hashes that are told apart.
const MAX_KINDS: usize = 32;
/// Longest that a refusal waits for the dearest kind.
const MAX_WAIT: Duration = Duration::from_secs(2);

impl Costs {
    /// Takes note of one verification, and says how long the dearest kind takes.
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

/// A password as it was typed, and as it may have been stored: what Django stored is as it came from the keyboard of that day.
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

/// Algorithm and parameters of a stored hash; those of new ones for nobody.
fn kind(encoded: Option<&str>) -> &str {
    let encoded = encoded.unwrap_or("argon2$argon2id$v=19$");
    // the salt comes first in those of old sites
    let place = usize::from(!encoded.starts_with('w'));
    let end = encoded
        .match_indices('$')
        .nth(place)
        .map_or(encoded.len(), |(at, _)| at);
    &encoded[..end.min(64)]
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
        let (sender, receiver) = std::sync::mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for number in 0..jobs.max(1) {
            let (receiver, hasher) = (receiver.clone(), hasher.clone());
            let thread = std::thread::Builder::new().name(format!("hash-{number}"));
            // a thread that cannot be had is missing, not fatal: the others do the work
            let _ = thread.spawn(move || work(&receiver, &hasher));
        }
        Self {
            jobs: sender,
            admitted: Arc::new(Semaphore::new(jobs + queue)),
            costs: Arc::default(),
            done: Arc::default(),
        }
    }

    /// How many hashes were computed: what a test of equal work counts.
    pub(super) fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    /// A new hash, of the password in Unicode NFC: keyboards write one letter in several ways (NIST SP 800-63B, 3.1.1.2).
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn hash(&self, password: String) -> Result<String, TooBusy> {
        self.run(move |hasher| hasher.hash(&password.nfc().collect::<String>()))
            .await
    }

    /// A legacy hash inside a new one; `None` for any other.
    ///
    /// # Errors
    /// When too many are waiting.
    pub async fn wrap(&self, encoded: String) -> Result<Option<String>, TooBusy> {
        self.run(move |hasher| hasher.wrap(&encoded)).await
    }

    /// Compares a password with a stored hash, or with nobody's. A refusal takes as long as the dearest kind of hash that was met so far.
    ///
    /// # Errors
    /// When too many are waiting.
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
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let done = self.done.clone();
        let job = Box::new(move |hasher: &Hasher| {
            done.fetch_add(1, Ordering::Relaxed);
            // a visitor who hangs up does not free the place before the work is done
            let _place = admitted;
            let _ = sender.send(job(hasher));
        });
        self.jobs.send(job).map_err(|_| TooBusy)?;
        receiver.await.map_err(|_| TooBusy)
    }
}

/// Does one job after another, until the pool is gone.
fn work(jobs: &Mutex<Receiver<Job>>, hasher: &Hasher) {
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            // a hash that panics takes its own answer with it and nothing else
            Ok(job) => drop(std::panic::catch_unwind(AssertUnwindSafe(|| job(hasher)))),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // D06: whoever is refused waits for the dearest kind of hash that is stored here
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
            "ours and nobody's"
        );
        assert_eq!(
            costs.note(kind(Some("bcrypt$$2b$17$x")), Duration::from_secs(60)),
            MAX_WAIT,
            "but nobody waits for ever"
        );
        for number in 0..1000 {
            costs.note(&format!("junk{number}$1"), millis(1));
        }
        assert!(costs.0.lock().is_ok_and(|kinds| kinds.len() <= MAX_KINDS));
    }
}
