//! What a connection is doing: waiting for a request, working on one, or waiting for a client to take an answer.

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
pub(super) struct Pulse {
    /// With a handler, or with an answer that is not whole yet; over HTTP/1, and with pieces of one that wait for the client.
    open: AtomicUsize,
    /// All there were.
    begun: AtomicUsize,
    /// Over HTTP/2, pieces of answers that the protocol holds because the client does not take them, and since when.
    held: Mutex<BTreeMap<u64, Instant>>,
    numbers: AtomicU64,
    /// When it was made, or when its last request ended.
    rests: Resting,
    /// Who waits for the end of the last answer.
    waiting: AtomicWaker,
}

struct Resting(Mutex<Instant>);

impl Default for Resting {
    fn default() -> Self {
        Self(Mutex::new(Instant::now()))
    }
}

impl Pulse {
    /// Since when there is no request, and no answer on its way.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.is_idle()
            .then(|| *self.rests.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is no request, and no answer on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0 && self.oldest_held().is_none()
    }

    /// Wakes this task when the last answer on its way has ended.
    pub(super) fn wake_at_rest(&self, context: &Context<'_>) {
        self.waiting.register(context.waker());
    }

    /// How many requests there were, finished or not.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// Since when the oldest piece waits for the client.
    pub(super) fn oldest_held(&self) -> Option<Instant> {
        self.lock().first_key_value().map(|(_, since)| *since)
    }

    /// A request arrived; it is answered when what is returned is turned into an answer or dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Answering(Open::new(self))
    }

    fn hold(self: &Arc<Self>) -> Noted {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Instant::now());
        Noted {
            pulse: self.clone(),
            number,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Open(Arc<Pulse>);

impl Open {
    fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.open.fetch_add(1, Ordering::Relaxed);
        Self(pulse.clone())
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

/// A handler at work.
pub(super) struct Answering(Open);

impl Answering {
    /// The answer is there. Over HTTP/2 its pieces have at most so many bytes.
    pub(super) fn answered(
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

/// The body of an answer.
pub(super) struct Answer {
    body: Body,
    /// What did not fit into a piece.
    rest: Bytes,
    piece: Option<usize>,
    /// What the request and its answer hold.
    memory: Option<Arc<crate::http::Held>>,
    open: Open,
}

/// A piece of an answer, which is gone when the client took it.
pub(super) struct Held {
    bytes: Bytes,
    _counted: Option<Counted>,
    _until_taken: Taken,
}

/// Bytes of a piece that count for what its answer holds.
struct Counted {
    memory: Arc<crate::http::Held>,
    bytes: u64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.memory.give_back(self.bytes);
    }
}

/// What shows that a piece waits. HTTP/1 sees in writes for how long.
enum Taken {
    Counted { _open: Open },
    Since { _noted: Noted },
}

struct Noted {
    pulse: Arc<Pulse>,
    number: u64,
}

impl Answer {
    fn piece(&mut self, mut bytes: Bytes) -> Held {
        let pulse = &self.open.0;
        if let Some(piece) = self.piece.filter(|piece| bytes.len() > *piece) {
            self.rest = bytes.split_off(piece);
        }
        let until_taken = match self.piece {
            Some(_) => Taken::Since {
                _noted: pulse.hold(),
            },
            None => Taken::Counted {
                _open: Open::new(pulse),
            },
        };
        // what was counted as a whole when it came is given back piece by piece
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

    fn received(&mut self, bytes: Bytes) -> Held {
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
            frame.map(|frame| frame.map(|frame| frame.map_data(|bytes| self.received(bytes))))
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
        self.pulse.lock().remove(&self.number);
        self.pulse.waiting.wake();
    }
}
