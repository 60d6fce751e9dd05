//! Activity of a connection: waiting for a request, handling one, or waiting for the client to read
//! a response.

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures_util::task::AtomicWaker;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::time::Instant;

/// The requests of one connection.
#[derive(Default)]
pub(super) struct ConnectionActivity {
    /// Requests in a handler or with an unfinished response; over HTTP/1, with unread parts of one.
    open: AtomicUsize,
    /// Total number of requests.
    begun: AtomicUsize,
    /// Over HTTP/2, parts of responses that wait for the client to read them, and since when.
    held: Mutex<BTreeMap<u64, Instant>>,
    numbers: AtomicU64,
    /// Time of creation, or of the end of the last request.
    rests: Resting,
    /// Task to wake at the end of the last response.
    waiting: AtomicWaker,
}

struct Resting(Mutex<Instant>);

impl Default for Resting {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl ConnectionActivity {
    /// Since when the connection is idle.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle()
            .then(|| *self.rests.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the connection is idle: no request, and no response in transit.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && self.oldest_held().is_none()
    }

    /// Wakes this task when the last response in transit ends.
    pub(super) fn wake_at_rest(&self, context: &Context<'_>) {
        self.waiting.register(context.waker());
    }

    /// Total number of requests, finished or not.
    pub(super) fn requests_begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Since when the oldest part waits for the client.
    pub(super) fn oldest_held(&self) -> Option<Instant> {
        self.lock().first_key_value().map(|(_, since)| *since)
    }

    /// Marks the start of a request. It ends when the returned value becomes a response, or is
    /// dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Answering(Open::new(self))
    }

    fn hold(self: &Arc<Self>) -> Noted {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Instant::now());
        Noted {
            activity: self.clone(),
            number,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Open(Arc<ConnectionActivity>);

impl Open {
    fn new(activity: &Arc<ConnectionActivity>) -> Self {
        activity.open.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self
                .0
                .rests
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Instant::now();
            self.0.waiting.wake();
        }
    }
}

/// A request in its handler.
pub(super) struct Answering(Open);

impl Answering {
    /// Wraps the response. Over HTTP/2 its parts have a maximum size.
    pub(super) fn attach_to(
        self,
        body: Body,
        piece: Option<usize>,
        memory: Option<Arc<crate::http::Held>>,
    ) -> Answer {
        Answer {
            body,
            rest: Bytes::new(),
            piece,
            memory,
            open: self.0,
        }
    }
}

/// The body of a response.
pub(super) struct Answer {
    body: Body,
    /// The rest of a frame that exceeded the part size.
    rest: Bytes,
    piece: Option<usize>,
    /// Memory accounted to the request and its response.
    memory: Option<Arc<crate::http::Held>>,
    open: Open,
}

/// A part of a response, dropped when the client has read it.
pub(super) struct Held {
    bytes: Bytes,
    _counted: Option<Counted>,
    _until_taken: Taken,
}

/// Accounted bytes of a part.
struct Counted {
    memory: Arc<crate::http::Held>,
    bytes: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// Marks a waiting part. HTTP/1 measures it by its writes.
enum Taken {
    Counted { _open: Open },
    Since { _noted: Noted },
}

struct Noted {
    activity: Arc<ConnectionActivity>,
    number: u64,
}

impl Answer {
    fn piece(&mut self, mut bytes: Bytes) -> Held {
        let activity = &self.open.0;
        if let Some(piece) = self.piece.filter(|piece| bytes.len() > *piece) {
            self.rest = bytes.split_off(piece);
        }
        let until_taken = match self.piece {
            Some(_) => Taken::Since {
                _noted: activity.hold(),
            },
            None => Taken::Counted {
                _open: Open::new(activity),
            },
        };
        // memory that was accounted as a whole is released part by part
        let counted = |memory: &Arc<crate::http::Held>| Counted {
            memory: memory.clone(),
            bytes: bytes.len() as u64,
        };
        let _counted = self.memory.as_ref().map(counted);
        Held {
            bytes,
            _counted,
            _until_taken: until_taken,
        }
    }

    fn hold(&mut self, bytes: Bytes) -> Held {
        if let Some(memory) = &self.memory {
            memory.add(bytes.len() as u64);
        }
        self.piece(bytes)
    }
}

impl HttpBody for Answer {
    type Data = Held;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Held>, axum::Error>>> {
        if !self.rest.is_empty() {
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(self.piece(rest)))));
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.hold(bytes))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}

impl Buf for Held {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.activity.lock().remove(&self.number);
        self.activity.waiting.wake();
    }
}
