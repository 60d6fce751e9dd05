use palisade_crypto::{KeyRing, Secret, constant_time_eq, random};

/// The secret behind a visitor's tokens: 32 letters and digits, derived from the key in the
/// visitor's cookie.
#[derive(Debug, Clone)]
pub struct CsrfSecret(Secret<String>);

const LENGTH: usize = 32;
/// Django's alphabet, in Django's order, so that both sides accept each other's tokens.
const ALPHABET: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

impl CsrfSecret {
    /// A secret of Django's: exactly 32 letters and digits.
    pub fn from_django(text: &str) -> Option<Self> {
        let is_secret =
            text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_secret.then(|| Self(Secret::new(text.to_owned())))
    }

    /// The secret of a cookie, for each key of the ring, newest first.
    pub(super) fn of_cookie<'a>(
        ring: &'a KeyRing,
        cookie: &'a str,
    ) -> impl Iterator<Item = Self> + 'a {
        ring.derive("csrf", cookie.as_bytes()).map(|bytes| {
            // 256 is not a multiple of 62: eight characters are slightly more likely, which leaves
            // 190 of 190.5 bits
            let text = bytes
                .iter()
                .map(|byte| char::from(ALPHABET[usize::from(byte % 62)]))
                .collect();
            Self(Secret::new(text))
        })
    }

    /// The secret with a fresh mask: 64 characters that differ on every page, against compression
    /// attacks (BREACH).
    pub fn mask(&self) -> String {
        let mask = random::alphanumeric(LENGTH);
        let cipher = combine(self.0.expose(), mask.expose(), |secret, mask| secret + mask);
        format!("{}{cipher}", mask.expose())
    }

    /// Whether a token is this secret with any mask. The bare secret is not accepted.
    pub fn is_token(&self, token: &str) -> bool {
        if token.len() != 2 * LENGTH || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return false;
        }
        let (mask, cipher) = token.split_at(LENGTH);
        let secret = combine(cipher, mask, |cipher, mask| cipher + 62 - mask);
        constant_time_eq(secret.as_bytes(), self.0.expose().as_bytes())
    }
}

fn combine(left: &str, right: &str, with: fn(usize, usize) -> usize) -> String {
    let index = |byte: u8| match byte {
        b'a'..=b'z' => usize::from(byte - b'a'),
        b'A'..=b'Z' => usize::from(byte - b'A') + 26,
        _ => usize::from(byte.wrapping_sub(b'0')) + 52,
    };
    left.bytes()
        .zip(right.bytes())
        .map(|(left, right)| char::from(ALPHABET[with(index(left), index(right)) % 62]))
        .collect()
}
