//! Double submission (two clicks on one button). A form that rotates the key of a signed-in session
//! (a new factor, a new password) leaves the second request with a stale key: it gets a copy of the
//! first response, with the new cookie and content that is displayed once, such as recovery codes.
//!
//! Only a request with the same session cookie, path and body, CSRF token included, gets the copy,
//! and only for [`GOOD_FOR`]; it lives in the memory of this process. The response to a login is
//! never repeated: a replayed code or assertion is not accepted (ASVS 6.5.1).

use crate::sessions::Session;
use axum::body::{Body, Bytes, HttpBody};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, StatusCode};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Turns, OwnedMutexGuard};

/// Longest form and longest stored response, in bytes.
pub(super) const MAX_BYTES: usize = 32 * 1024;
const GOOD_FOR: Duration = Duration::from_secs(10);

/// Most forms that are in progress or have a stored response. Those beyond are handled one by one.
const MAX_FORMS: usize = 256;

pub(super) type Key = [u8; 32];

type Slot = Arc<Turns<Option<Answer>>>;

/// Forms in progress, and stored responses of those that rotated a session key.
#[derive(Default)]
pub(in crate::app) struct Repeats(Mutex<HashMap<Key, Slot>>);

/// A stored response.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    extensions: Extensions,
    body: Bytes,
}

/// The nonce in a page that was rendered for another request.
#[derive(Clone)]
pub(in crate::app) struct NonceOf(pub(in crate::app) String);

/// How a request is handled.
pub(in crate::app) enum Entered {
    /// As any other.
    Alone,
    /// As the first with this form.
    First(Turn),
    /// As a repetition.
    Again(Response),
}

/// The turn of one request; requests with the same form wait for its end.
pub(in crate::app) struct Turn {
    repeats: Arc<Repeats>,
    key: Key,
    answer: OwnedMutexGuard<Option<Answer>>,
}

impl Repeats {
    pub(super) async fn enter(self: &Arc<Self>, key: Key) -> Entered {
        let Some(slot) = self.slot(key) else {
            return Entered::Alone;
        };
        let answer = slot.lock_owned().await;
        match answer.as_ref() {
            Some(answer) => Entered::Again(answer.response()),
            None => Entered::First(Turn {
                repeats: self.clone(),
                key,
                answer,
            }),
        }
    }

    fn slot(&self, key: Key) -> Option<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = slots.len() < MAX_FORMS || slots.contains_key(&key);
        has_room.then(|| slots.entry(key).or_default().clone())
    }

    fn forget(&self, key: &Key) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

impl Turn {
    /// Stores a short response for some seconds, if it rotated the session key and was not a login.
    pub(in crate::app) async fn finish(
        mut self,
        session: &Session,
        nonce: &str,
        response: Response,
    ) -> Response {
        let is_short = response
            .body()
            .size_hint()
            .upper()
            .is_some_and(|most| most <= MAX_BYTES as u64);
        let is_rotated = session.future_key() != session.cookie_key() && !session.is_renewed();
        if !is_rotated || !is_short || response.status().is_server_error() {
            return response;
        }
        let (head, body) = response.into_parts();
        let Ok(body) = axum::body::to_bytes(body, MAX_BYTES).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        let mut extensions = head.extensions;
        extensions.insert(NonceOf(nonce.to_owned()));
        let answer = Answer {
            status: head.status,
            headers: head.headers,
            extensions,
            body,
        };
        let response = answer.response();
        *self.answer = Some(answer);
        let (repeats, key) = (self.repeats.clone(), self.key);
        tokio::spawn(async move {
            tokio::time::sleep(GOOD_FOR).await;
            repeats.forget(&key);
        });
        response
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.answer.is_none() {
            self.repeats.forget(&self.key);
        }
    }
}

impl Answer {
    fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        *response.extensions_mut() = self.extensions.clone();
        response
    }
}
