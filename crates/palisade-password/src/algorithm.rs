//! Algorithms of new hashes, and their parameters.

/// Algorithm of new hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// Argon2id (RFC 9106). Django reads it where `argon2-cffi` is installed.
    Argon2id {
        /// Memory in KiB, at least 19,456 (OWASP's minimum for two passes).
        memory_kib: u32,
        /// Passes over the memory, at least 2.
        passes: u32,
        /// Lanes, 1 unless the server has cores to spare.
        lanes: u32,
    },
    /// PBKDF2 with HMAC-SHA256, which every Django reads.
    Pbkdf2Sha256 {
        /// Iterations, at least 600,000 (OWASP); Django 6.1 uses 1,500,000.
        iterations: u32,
    },
}

impl Algorithm {
    /// Argon2id with OWASP's parameters: 19 MiB, two passes, one lane.
    pub const ARGON2ID: Self = Self::Argon2id {
        memory_kib: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// PBKDF2-SHA256 with the iterations of Django 6.1.
    pub const PBKDF2_SHA256: Self = Self::Pbkdf2Sha256 {
        iterations: 1_500_000,
    };
}
