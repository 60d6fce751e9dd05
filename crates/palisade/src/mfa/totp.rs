use palisade_crypto::{Secret, constant_time_eq, random};
use qrcode::{Color, QrCode};
use std::fmt::Write;
use totp_rs::{Builder, Totp};

/// The secret of an authenticator app, and what it is shown as. SHA-1, six digits, 30 seconds or a counter: what every app takes, and what the QR code says (D15).
pub struct Authenticator {
    totp: Totp,
    counts: bool,
}

/// Bytes of a secret: as many as SHA-1 uses ([RFC 4226 section 4](https://www.rfc-editor.org/rfc/rfc4226#section-4), R6).
const SECRET: usize = 20;

/// Codes of one step and codes of one count are made alike.
const STEP_SECS: u64 = 30;
const LOOK_AHEAD: i64 = 10;

impl Authenticator {
    /// A new secret, random.
    pub(super) fn new_secret() -> Secret<Vec<u8>> {
        Secret::new(random::bytes::<SECRET>().to_vec())
    }

    /// The app of a user of a site. Neither name may hold a colon, which is what divides them.
    pub(super) fn of(secret: &Secret<Vec<u8>>, site: &str, username: &str) -> Self {
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

    /// One that counts its codes ([RFC 4226](https://www.rfc-editor.org/rfc/rfc4226)), in place of looking at the clock.
    pub(super) fn counting(self, counts: bool) -> Self {
        Self { counts, ..self }
    }

    /// The counter whose code this is, behind the last one that was used: buttons are pressed by mistake, ten times at the most (RFC 4226, section 7.4).
    pub(super) fn counter_of(&self, code: &str, last: i64) -> Option<i64> {
        let is_it = |counter: &i64| {
            let shown = u64::try_from(*counter)
                .ok()
                .map(|counter| self.totp.generate(counter * STEP_SECS).to_string());
            shown.is_some_and(|shown| constant_time_eq(shown.as_bytes(), code.as_bytes()))
        };
        (last + 1..=last + LOOK_AHEAD).find(is_it)
    }

    /// The step whose code this is: the one of now, or one beside it.
    pub(super) fn step_of(&self, code: &str, now: i64) -> Option<i64> {
        let step = self.totp.check(code, u64::try_from(now).ok()?)?;
        i64::try_from(step).ok()
    }

    /// The secret for those who type it, in groups of four.
    pub(super) fn typed(&self) -> String {
        let text = self.totp.secret().to_base32();
        let groups: Vec<&str> = text
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        groups.join(" ")
    }

    /// What the QR code says, as one path of squares for SVG, and how many squares a side has.
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

/// The code that an app with this secret, as it is typed, shows at a time in seconds since 1970: for tests.
#[doc(hidden)]
pub fn code_at(typed: &str, seconds: i64) -> Option<String> {
    let secret = totp_rs::Secret::try_from_base32(typed.replace(' ', "")).ok()?;
    let totp = Builder::new()
        .with_secret(secret)
        .with_account_name("x")
        .build_noncompliant();
    Some(totp.generate(u64::try_from(seconds).ok()?).to_string())
}
