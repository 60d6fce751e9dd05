//! Django's password hash formats. All functions are total: malformed input is `None` or `false`,
//! never a panic.

use crate::algorithm::Algorithm;
use argon2::{Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md5::Md5;
use palisade_crypto::constant_time_eq;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A parsed `algorithm$…` value. Its parameters are bounded, so that a verification stays
/// affordable.
pub(crate) enum Encoded<'a> {
    Pbkdf2 {
        digest: Pbkdf2Digest,
        iterations: u32,
        salt: &'a str,
        hash: Vec<u8>,
    },
    Argon2 {
        variety: argon2::Algorithm,
        params: Params,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Scrypt {
        params: scrypt::Params,
        salt: &'a str,
        hash: Vec<u8>,
    },
    Bcrypt {
        hash: &'a str,
    },
    BcryptSha256 {
        hash: &'a str,
    },
    Md5 {
        salt: &'a str,
        hash: &'a str,
    },
    /// A legacy hash wrapped in another one, so that an attacker with the database has to break
    /// both.
    Wrapped {
        legacy: Legacy,
        salt: &'a str,
        around: Box<Encoded<'a>>,
    },
}

/// Hashes that are too fast to resist guessing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Legacy {
    Md5,
    Sha1,
}

impl Legacy {
    /// `md5` or `sha1`, the salt, and the hash in hexadecimal: Django's `md5$salt$hash`, `sha1$salt$hash`, `sha1$$hash`, `md5$$hash`, and bare MD5.
    fn parse(encoded: &str) -> Option<(Self, &str, &str)> {
        let is_hex = |text: &str, length| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let (legacy, salt, hash, length) = match encoded.split('$').collect::<Vec<_>>()[..] {
            [hash] => (Self::Md5, "", hash, 32),
            ["md5", salt, hash] => (Self::Md5, salt, hash, 32),
            ["sha1", salt, hash] => (Self::Sha1, salt, hash, 40),
            _ => return None,
        };
        is_hex(hash, length).then_some((legacy, salt, hash))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Md5 => "wmd5",
            Self::Sha1 => "wsha1",
        }
    }

    fn hash(self, salt: &str, password: &str) -> String {
        match self {
            Self::Md5 => hex(&Md5::new()
                .chain_update(salt.as_bytes())
                .chain_update(password.as_bytes())
                .finalize()),
            Self::Sha1 => hex(&Sha1::new()
                .chain_update(salt.as_bytes())
                .chain_update(password.as_bytes())
                .finalize()),
        }
    }
}

/// The first five digits of a password's SHA-1, and the rest.
pub(crate) fn range_of(password: &str) -> (String, String) {
    let mut digits = hex(&Sha1::digest(password.as_bytes())).to_ascii_uppercase();
    let rest = digits.split_off(5);
    (digits, rest)
}

/// A legacy hash inside a new one; `None` for anything else.
pub(crate) fn wrap(algorithm: Algorithm, encoded: &str, new_salt: &str) -> Option<String> {
    let (legacy, salt, hash) = Legacy::parse(encoded)?;
    let hash = hash.to_ascii_lowercase();
    let around = match algorithm {
        // Django's column has 128 characters: a salt of 96 random bits and an output of 192 leave room for the old salt
        Algorithm::Argon2id {
            memory_kib,
            passes,
            lanes,
        } => argon2id([memory_kib, passes, lanes], &hash, &new_salt[..16], 24),
        _ => make(algorithm, &hash, new_salt),
    };
    let wrapped = format!("{}${salt}${around}", legacy.name());
    (wrapped.len() <= 128).then_some(wrapped)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pbkdf2Digest {
    Sha1,
    Sha256,
}

// Far above any configuration in use, and far below the cost of a denial of service by a planted
// hash.
const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 64;
const MAX_LANES: u32 = 64;
const MAX_BCRYPT_COST: u32 = 17;

pub(crate) fn make(algorithm: Algorithm, password: &str, salt: &str) -> String {
    match algorithm {
        Algorithm::Argon2id {
            memory_kib,
            passes,
            lanes,
        } => argon2id([memory_kib, passes, lanes], password, salt, 32),
        Algorithm::Pbkdf2Sha256 { iterations } => {
            let hash = pbkdf2_hash(Pbkdf2Digest::Sha256, password, salt, iterations);
            format!(
                "pbkdf2_sha256${iterations}${salt}${}",
                STANDARD.encode(hash)
            )
        }
    }
}

/// Argon2id's encoding, with an output of this length.
fn argon2id(
    [memory_kib, passes, lanes]: [u32; 3],
    password: &str,
    salt: &str,
    length: usize,
) -> String {
    let params = Params::new(memory_kib, passes, lanes, Some(length))
        .expect("settings keep Argon2's parameters in range");
    let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params);
    let hash = argon2_hash(&argon2, password, salt.as_bytes(), length);
    let hash = STANDARD_NO_PAD
        .encode(hash.expect("salts of 16 bytes and more and outputs of 24 and more are in range"));
    format!(
        "argon2$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${}${hash}",
        STANDARD_NO_PAD.encode(salt)
    )
}

/// Django's salted MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SaltedMd5 {
    Accepted,
    Refused,
}

impl<'a> Encoded<'a> {
    pub(crate) fn parse(encoded: &'a str, md5: SaltedMd5) -> Option<Self> {
        let (algorithm, rest) = encoded.split_once('$')?;
        match algorithm {
            "pbkdf2_sha256" => pbkdf2(Pbkdf2Digest::Sha256, rest),
            "pbkdf2_sha1" => pbkdf2(Pbkdf2Digest::Sha1, rest),
            "argon2" => argon2(rest),
            "scrypt" => scrypt(rest),
            "bcrypt" => Some(Self::Bcrypt {
                hash: bcrypt(rest)?,
            }),
            "bcrypt_sha256" => Some(Self::BcryptSha256 {
                hash: bcrypt(rest)?,
            }),
            "wmd5" => parse_wrapped(Legacy::Md5, rest),
            "wsha1" => parse_wrapped(Legacy::Sha1, rest),
            "md5" if md5 == SaltedMd5::Accepted => rest
                .split_once('$')
                .map(|(salt, hash)| Self::Md5 { salt, hash }),
            _ => None,
        }
    }

    pub(crate) fn verifies(&self, password: &str) -> bool {
        match self {
            Self::Pbkdf2 {
                digest,
                iterations,
                salt,
                hash,
            } => same(&pbkdf2_hash(*digest, password, salt, *iterations), hash),
            Self::Argon2 {
                variety,
                params,
                salt,
                hash,
            } => {
                let argon2 = Argon2::new(*variety, Version::V0x13, params.clone());
                argon2_hash(&argon2, password, salt, hash.len())
                    .is_some_and(|ours| same(&ours, hash))
            }
            Self::Scrypt { params, salt, hash } => {
                let mut ours = vec![0; hash.len()];
                scrypt::scrypt(password.as_bytes(), salt.as_bytes(), params, &mut ours).is_ok()
                    && same(&ours, hash)
            }
            // bcrypt truncates to 72 bytes: hashes of longer passwords are verified in the same
            // way, and replaced at a login.
            Self::Bcrypt { hash } => bcrypt::verify(first_72(password), hash).unwrap_or(false),
            Self::BcryptSha256 { hash } => {
                bcrypt::verify(hex(&Sha256::digest(password.as_bytes())), hash).unwrap_or(false)
            }
            Self::Md5 { salt, hash } => {
                !salt.is_empty()
                    && same(Legacy::Md5.hash(salt, password).as_bytes(), hash.as_bytes())
            }
            Self::Wrapped {
                legacy,
                salt,
                around,
            } => around.verifies(&legacy.hash(salt, password)),
        }
    }

    /// Whether a new hash with `algorithm` would be no stronger than this one.
    pub(crate) fn is_at_least(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm) {
            (
                Self::Argon2 {
                    variety, params, ..
                },
                Algorithm::Argon2id {
                    memory_kib,
                    passes,
                    lanes,
                },
            ) => {
                *variety == argon2::Algorithm::Argon2id
                    && params.m_cost() >= memory_kib
                    && params.t_cost() >= passes
                    && params.p_cost() >= lanes
            }
            (
                Self::Pbkdf2 {
                    digest,
                    iterations: ours,
                    salt,
                    ..
                },
                Algorithm::Pbkdf2Sha256 { iterations },
            ) => *digest == Pbkdf2Digest::Sha256 && *ours >= iterations && salt.len() >= 22,
            _ => false,
        }
    }
}

fn parse_wrapped(legacy: Legacy, rest: &str) -> Option<Encoded<'_>> {
    let (salt, around) = rest.split_once('$')?;
    let around = Encoded::parse(around, SaltedMd5::Refused)
        .filter(|around| !matches!(around, Encoded::Wrapped { .. }))?;
    Some(Encoded::Wrapped {
        legacy,
        salt,
        around: Box::new(around),
    })
}

fn pbkdf2<'a>(digest: Pbkdf2Digest, rest: &'a str) -> Option<Encoded<'a>> {
    let [iterations, salt, hash] = fields(rest)?;
    let iterations = iterations
        .parse()
        .ok()
        .filter(|count| (1..=MAX_ITERATIONS).contains(count))?;
    let hash = STANDARD.decode(hash).ok().filter(|hash| !hash.is_empty())?;
    Some(Encoded::Pbkdf2 {
        digest,
        iterations,
        salt,
        hash,
    })
}

fn argon2(rest: &str) -> Option<Encoded<'_>> {
    let [variety, version, parameters, salt, hash] = fields(rest)?;
    let variety = argon2::Algorithm::new(variety).ok()?;
    if version != "v=19" {
        return None;
    }
    let [memory, passes, lanes] = parameters.split(',').collect::<Vec<_>>().try_into().ok()?;
    let number = |text: &str, name: &str, max: u32| {
        text.strip_prefix(name)?
            .parse()
            .ok()
            .filter(|value| *value <= max)
    };
    let hash = STANDARD_NO_PAD
        .decode(hash)
        .ok()
        .filter(|hash| (4..=64).contains(&hash.len()))?;
    let params = Params::new(
        number(memory, "m=", MAX_MEMORY_KIB)?,
        number(passes, "t=", MAX_PASSES)?,
        number(lanes, "p=", MAX_LANES)?,
        Some(hash.len()),
    );
    Some(Encoded::Argon2 {
        variety,
        params: params.ok()?,
        salt: STANDARD_NO_PAD.decode(salt).ok()?,
        hash,
    })
}

fn scrypt(rest: &str) -> Option<Encoded<'_>> {
    let [work, salt, block, lanes, hash] = fields(rest)?;
    let (work, block, lanes): (u64, u32, u32) =
        (work.parse().ok()?, block.parse().ok()?, lanes.parse().ok()?);
    let memory_kib = work.checked_mul(u64::from(block))? / 8;
    if !work.is_power_of_two()
        || work < 2
        || memory_kib > u64::from(MAX_MEMORY_KIB)
        || lanes > MAX_LANES
    {
        return None;
    }
    let hash = STANDARD
        .decode(hash)
        .ok()
        .filter(|hash| (16..=64).contains(&hash.len()))?;
    let params = scrypt::Params::new(work.ilog2() as u8, block, lanes).ok()?;
    Some(Encoded::Scrypt { params, salt, hash })
}

fn first_72(password: &str) -> &[u8] {
    password.as_bytes().get(..72).unwrap_or(password.as_bytes())
}

/// `$2b$12$…` behind a `$` of Django's own.
fn bcrypt(rest: &str) -> Option<&str> {
    let cost: u32 = rest.strip_prefix("$2")?.get(2..4)?.parse().ok()?;
    (rest.len() == 60 && cost <= MAX_BCRYPT_COST).then_some(rest)
}

fn fields<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split('$').collect::<Vec<_>>().try_into().ok()
}

fn pbkdf2_hash(digest: Pbkdf2Digest, password: &str, salt: &str, iterations: u32) -> Vec<u8> {
    let (password, salt) = (password.as_bytes(), salt.as_bytes());
    match digest {
        Pbkdf2Digest::Sha256 => {
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password, salt, iterations).into()
        }
        Pbkdf2Digest::Sha1 => {
            pbkdf2::pbkdf2_hmac_array::<Sha1, 20>(password, salt, iterations).into()
        }
    }
}

fn argon2_hash(argon2: &Argon2<'_>, password: &str, salt: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut hash = vec![0; length];
    argon2
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .ok()?;
    Some(hash)
}

fn same(ours: &[u8], theirs: &[u8]) -> bool {
    constant_time_eq(ours, theirs)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
