//! Passwords: hashing on a bounded pool, and validation of new ones by rules, lists of breached
//! passwords, and the site's name.

use super::breached::Breached;
use super::hash_pool::{HashPool, TooBusy};
use crate::auth::PasswordSettings;
use crate::http::client::Client;
use palisade_password::{Algorithm, Hasher, Policy, UserAttributes, Verdict, is_similar};

/// Hashes, verifies and validates the passwords of a site.
pub(in crate::auth) struct Passwords {
    pool: HashPool,
    alone: Policy,
    /// Shorter ones suffice (NIST SP 800-63B-4, section 3.1.1.2).
    with_factor: Policy,
    breached: Breached,
    /// Name of the site, which its passwords must not resemble.
    site: String,
}

/// How a password is used, which decides about its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum PasswordUse {
    /// It is the only factor.
    Alone,
    /// Each login requires a second factor, too.
    WithFactor,
}

impl Passwords {
    pub(in crate::auth) fn new(
        settings: &PasswordSettings,
        algorithm: Algorithm,
        client: Client,
        site: String,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = match settings.hash_jobs {
            0 => cores,
            jobs => usize::try_from(jobs).unwrap_or(cores).min(512),
        };
        let queue = usize::try_from(settings.hash_queue).unwrap_or(usize::MAX);
        Self {
            pool: HashPool::new(Hasher::new(algorithm), jobs, queue.min(1 << 20)),
            alone: settings.policy(),
            with_factor: settings.policy_with_factor(),
            breached: Breached::new(settings, client),
            site,
        }
    }

    /// Number of hashes computed so far.
    pub(in crate::auth) fn hashes_done(&self) -> u64 {
        self.pool.hashes_done()
    }

    pub(in crate::auth) async fn hash(&self, password: &str) -> Result<String, TooBusy> {
        self.pool.hash(password.to_owned()).await
    }

    /// Verifies a password. Without a hash the work is the same.
    pub(in crate::auth) async fn verify(
        &self,
        password: &str,
        encoded: Option<String>,
    ) -> Result<Verdict, TooBusy> {
        self.pool.verify(password.to_owned(), encoded).await
    }

    /// Wraps a bare MD5 or SHA-1 hash in a strong one.
    pub(in crate::auth) async fn wrap(&self, encoded: &str) -> Result<Option<String>, TooBusy> {
        self.pool.wrap(encoded.to_owned()).await
    }

    /// A sentence for each rule.
    pub(in crate::auth) fn help(&self, usage: PasswordUse) -> Vec<String> {
        self.policy(usage).help()
    }

    /// Validates a new password.
    ///
    /// # Errors
    /// A sentence for each rule it breaks.
    pub(in crate::auth) async fn validate(
        &self,
        usage: PasswordUse,
        password: &str,
        user: UserAttributes<'_>,
    ) -> Result<(), Vec<String>> {
        self.policy(usage)
            .judge(password, &user)
            .map_err(|broken| broken.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // context-specific words, which attackers try first (ASVS 6.2.11)
        if is_similar(password, &self.site) {
            let rule = "This password is too similar to the name of this site.";
            return Err(vec![rule.into()]);
        }
        let breached = self.breached.judge(password).await;
        breached.map_err(|broken| vec![broken])
    }

    fn policy(&self, usage: PasswordUse) -> &Policy {
        match usage {
            PasswordUse::Alone => &self.alone,
            PasswordUse::WithFactor => &self.with_factor,
        }
    }
}
