use crate::algorithm::Algorithm;
use crate::formats::{self, Encoded, SaltedMd5};
use palisade_crypto::random;

/// Result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right and its hash is as strong as new ones.
    Match,
    /// The password is right; store a new hash of it, because this one is weaker than new ones.
    MatchButWeak,
    /// The password is wrong, or the stored value is not a verifiable hash.
    NoMatch,
}

impl Verdict {
    /// Whether the password is right.
    pub fn is_match(self) -> bool {
        self != Self::NoMatch
    }
}

/// Creates and verifies password hashes.
#[derive(Debug, Clone)]
pub struct Hasher {
    algorithm: Algorithm,
    md5: SaltedMd5,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new(Algorithm::ARGON2ID)
    }
}

impl Hasher {
    /// A hasher that uses `algorithm` for new hashes and verifies all formats except MD5.
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            md5: SaltedMd5::Refused,
        }
    }

    /// Also verifies Django's salted `md5$…`, for migrating old accounts. New hashes are never MD5.
    ///
    /// # Security
    /// An attacker with the table finds most of these passwords in minutes. `reason` is for
    /// reviewers.
    #[must_use]
    pub fn dangerous_with_md5(mut self, reason: &'static str) -> Self {
        debug_assert!(
            !reason.trim().is_empty(),
            "say why MD5 hashes must be accepted"
        );
        self.md5 = SaltedMd5::Accepted;
        self
    }

    /// A new hash of `password` with a fresh salt, as text for Django's `auth_user.password`.
    pub fn hash(&self, password: &str) -> String {
        let salt = random::alphanumeric(22);
        formats::make(self.algorithm, password, salt.expose())
    }

    /// Wraps an MD5 or SHA-1 hash, with Django's salt or none, in a new one: the password still
    /// verifies, and an attacker has to break both. `None` for any other hash. It is replaced at
    /// the next login.
    pub fn wrap(&self, encoded: &str) -> Option<String> {
        formats::wrap(self.algorithm, encoded, random::alphanumeric(22).expose())
    }

    /// Compares a password with a stored hash.
    ///
    /// Never panics. A value that is not a hash in a known format with bounded parameters is
    /// [`Verdict::NoMatch`].
    pub fn verify(&self, password: &str, encoded: &str) -> Verdict {
        let Some(parsed) = Encoded::parse(encoded, self.md5) else {
            return Verdict::NoMatch;
        };
        match parsed.verifies(password) {
            false => Verdict::NoMatch,
            true if parsed.is_at_least(self.algorithm) => Verdict::Match,
            true => Verdict::MatchButWeak,
        }
    }

    /// The work of one verification, for an unknown user: the response takes as long as for an
    /// existing one (user enumeration).
    pub fn verify_nobody(&self, password: &str) {
        std::hint::black_box(formats::make(
            self.algorithm,
            password,
            "a salt of 22 character",
        ));
    }
}

/// SHA-1 of a password in hexadecimal: the five digits of a range query to a list of breached
/// passwords, and the rest to compare.
pub fn range_of(password: &str) -> (String, String) {
    formats::range_of(password)
}

/// A value for a user without a password: no password ever matches it. Django's `!` and 40 random
/// characters.
pub fn unusable() -> String {
    format!("!{}", random::alphanumeric(40).expose())
}

/// Whether a stored value can match a password at all.
pub fn is_usable(encoded: &str) -> bool {
    !encoded.starts_with('!') && !encoded.is_empty()
}
