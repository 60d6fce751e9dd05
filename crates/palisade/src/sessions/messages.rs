//! Flash messages where a Django project reads them too: in Django's cookie, not in the session.

use crate::django::{Said, read, write};
use crate::http::cookies::{self, Cookie, SameSite, Transport};
use http::{HeaderMap, HeaderValue};
use palisade_crypto::KeyRing;
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Level of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageLevel {
    /// Success.
    Success,
    /// Warning.
    Warning,
    /// Error.
    Error,
}

/// Messages in a visitor's cookie.
pub(super) struct Messages(Mutex<State>);

struct State {
    all: Vec<Said>,
    is_changed: bool,
}

/// Django's cookie name.
const NAME: &str = "messages";
/// Most pending messages.
const MOST: usize = 10;

impl Messages {
    pub(super) fn new(ring: &KeyRing, headers: &HeaderMap) -> Self {
        let all = cookies::read(headers, NAME)
            .map(|value| read(ring, value.trim_matches('"')))
            .unwrap_or_default();
        Self(Mutex::new(State {
            all,
            is_changed: false,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn are_there(&self) -> bool {
        !self.state().all.is_empty()
    }

    pub(super) fn add(&self, level: MessageLevel, text: String) {
        let level = match level {
            MessageLevel::Success => 25,
            MessageLevel::Warning => 30,
            MessageLevel::Error => 40,
        };
        let mut state = self.state();
        state.all.push(Said { level, text });
        let first = state.all.len().saturating_sub(MOST);
        state.all.drain(..first);
        state.is_changed = true;
    }

    pub(super) fn take(&self) -> Vec<Value> {
        let mut state = self.state();
        state.is_changed |= !state.all.is_empty();
        let shown = |said: Said| json!({ "level": word(said.level), "text": said.text });
        std::mem::take(&mut state.all)
            .into_iter()
            .map(shown)
            .collect()
    }

    /// The cookie to set, if it has changed.
    pub(super) fn cookie(
        &self,
        ring: &KeyRing,
        now: u64,
        transport: Transport,
    ) -> Option<HeaderValue> {
        let state = self.state();
        let cookie = Cookie {
            name: NAME,
            transport,
            same_site: SameSite::Lax,
            max_age_secs: None,
        };
        match (state.is_changed, state.all.is_empty()) {
            (false, _) => None,
            (true, true) => cookie.clear(),
            (true, false) => cookie.set(&write(ring, &state.all, now)),
        }
    }
}

fn word(level: i64) -> &'static str {
    match level {
        ..=24 => "info",
        25..=29 => "success",
        30..=39 => "warning",
        _ => "error",
    }
}
