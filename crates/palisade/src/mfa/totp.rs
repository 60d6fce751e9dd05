use palisade_crypto::{Secret, constant_time_eq, random};
use qrcode::{Color, QrCode};
use std::fmt::Write;
use totp_rs::{Builder, Totp};

/// The secret of an authenticator app. SHA-1, six digits, and 30 seconds or a counter: the
/// parameters that all apps support, as in the QR code (D15).
pub struct Authenticator {
    totp: Totp,
    counts: bool,
}

/// Length of a secret in bytes: that of a SHA-1 output
/// ([RFC 4226 section 4](https://www.rfc-editor.org/rfc/rfc4226#section-4), R6).
const SECRET: usize = 20;

/// Codes of a time step and of a counter use the same algorithm.
const STEP_SECS: u64 = 30;
const LOOK_AHEAD: i64 = 10;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// Time-based (TOTP).
    Time,
    /// Counter-based (HOTP, [RFC 4226](https://www.rfc-editor.org/rfc/rfc4226)).
    Counter,
}

impl Authenticator {
    /// A new random secret.
    pub(super) fn new_secret() -> Secret<Vec<u8>> {
        Secret::new(random::bytes::<SECRET>().to_vec())
    }

    /// The key URI for a user and a site. Neither name may contain a colon, the separator.
    pub(super) fn new(secret: &Secret<Vec<u8>>, site: &str, username: &str) -> Self {
        let without_colons = |name: &str| name.replace(':', " ");
        let builder = Builder::new()
            .with_secret(secret.expose().clone())
            .with_issuer(Some(without_colons(site)));
        Self {
            totp: builder
                .with_account_name(without_colons(username))
                .build_noncompliant(),
            counts: false,
        }
    }

    /// The same of this kind.
    pub(super) fn of_kind(self, kind: TokenKind) -> Self {
        let counts = kind == TokenKind::Counter;
        Self { counts, ..self }
    }

    /// The counter of a code, after the last used one, within a look-ahead window of ten (RFC 4226,
    /// section 7.4).
    pub(super) fn counter_of(&self, code: &str, last: i64) -> Option<i64> {
        let is_it = |counter: &i64| {
            let shown = u64::try_from(*counter)
                .ok()
                .map(|counter| self.totp.generate(counter * STEP_SECS).to_string());
            shown.is_some_and(|shown| constant_time_eq(shown.as_bytes(), code.as_bytes()))
        };
        (last + 1..=last + LOOK_AHEAD).find(is_it)
    }

    /// The time step of a code: the current one, or an adjacent one.
    pub(super) fn step_of(&self, code: &str, now: i64) -> Option<i64> {
        let step = self.totp.check(code, u64::try_from(now).ok()?)?;
        i64::try_from(step).ok()
    }

    /// The secret for manual entry, in groups of four.
    pub(super) fn grouped_secret(&self) -> String {
        let text = self.totp.secret().to_base32();
        let groups: Vec<&str> = text
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        groups.join(" ")
    }

    /// The QR code as an SVG path of squares, with the number of squares per side.
    pub(super) fn picture(&self) -> Option<(String, usize)> {
        let url = self.totp.to_url().ok()?;
        let url = if self.counts {
            format!("{}&counter=0", url.replacen("://totp/", "://hotp/", 1))
        } else {
            url
        };
        let code = QrCode::new(url).ok()?;
        let width = code.width();
        let mut path = String::new();
        let dark = code
            .to_colors()
            .into_iter()
            .enumerate()
            .filter(|(_, color)| *color == Color::Dark);
        for (place, _) in dark {
            let _ = write!(path, "M{} {}h1v1h-1z", place % width, place / width);
        }
        Some((path, width))
    }
}

/// The code of a typed secret at a time in seconds since 1970: for tests.
#[doc(hidden)]
pub fn code_at(typed: &str, seconds: i64) -> Option<String> {
    let secret = totp_rs::Secret::try_from_base32(typed.replace(' ', "")).ok()?;
    let totp = Builder::new()
        .with_secret(secret)
        .with_account_name("x")
        .build_noncompliant();
    Some(totp.generate(u64::try_from(seconds).ok()?).to_string())
}
