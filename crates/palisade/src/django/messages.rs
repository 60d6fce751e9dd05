//! Flash messages in the cookie of `django.contrib.messages`.

use palisade_crypto::KeyRing;
use palisade_crypto::signing::{self, Compress};
use serde_json::{Value, json};

/// A message, with one of Django's levels: 10 debug, 20 info, 25 success, 30 warning, 40 error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) level: i64,
    pub(crate) text: String,
}

/// Django's salts and keys: `CookieStorage.key_salt`, `MessageEncoder.message_key`.
const SALT: &str = "django.contrib.messages";
const MESSAGE: &str = "__json_message";
/// Django moves the rest into the session, and marks the cookie with this; browsers may drop longer
/// cookies.
const LONGEST: usize = 2048;

/// The messages of a cookie; none, if its signature is invalid.
pub(crate) fn read(ring: &KeyRing, cookie: &str) -> Vec<Said> {
    let signed = signing::cookie_value(ring, SALT).loads(cookie);
    let all = signed
        .ok()
        .and_then(|(value, _)| Some(value.as_array()?.iter().filter_map(read_message).collect()));
    all.unwrap_or_default()
}

fn read_message(value: &Value) -> Option<Said> {
    let parts = value
        .as_array()
        .filter(|parts| parts.first().is_some_and(|first| first == MESSAGE))?;
    Some(Said {
        level: parts.get(2)?.as_i64()?,
        text: parts.get(3)?.as_str()?.to_owned(),
    })
}

/// The cookie of messages. If it is too long, the oldest are dropped. (Not marked as safe: Django
/// escapes them.)
pub(crate) fn write(ring: &KeyRing, all: &[Said], now: u64) -> String {
    let one = |said: &Said| json!([MESSAGE, 0, said.level, said.text]);
    let mut first = 0;
    loop {
        let value = Value::Array(all[first..].iter().map(one).collect());
        let cookie = signing::cookie_value(ring, SALT).dumps(&value, now, Compress::IfShorter);
        if cookie.len() <= LONGEST || first == all.len() {
            return cookie;
        }
        first += 1;
    }
}
