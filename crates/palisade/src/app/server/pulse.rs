//! What a connection is doing: waiting for a request, working on one, or waiting for a client to take an answer.

use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// The requests of one connection.
#[derive(Default)]
pub(super) struct Pulse {
    /// With a handler.
    answering: AtomicUsize,
    /// Whose answer is not whole yet.
    open: AtomicUsize,
    /// All there were.
    begun: AtomicUsize,
    /// Of the open ones, those whose handler has nothing to send at the moment.
    quiet: AtomicUsize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beat {
    /// No request is there.
    Idle,
    /// A handler works, or has nothing to send at the moment.
    Working,
    /// Every answer waits for the client to take it.
    Sending,
}

impl Pulse {
    pub(super) fn beat(&self) -> Beat {
        let (answering, open) = (self.answering.load(Ordering::Relaxed), self.open.load(Ordering::Relaxed));
        match (answering, open) {
            (0, 0) => Beat::Idle,
            (0, _) if self.quiet.load(Ordering::Relaxed) == 0 => Beat::Sending,
            _ => Beat::Working,
        }
    }

    /// How many requests there were, finished or not.
    pub(super) fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    /// A request arrived; it is answered when what is returned is turned into an answer or dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        self.answering.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        Answering(self.clone())
    }
}

/// A handler at work.
pub(super) struct Answering(Arc<Pulse>);

impl Answering {
    /// The answer is there.
    pub(super) fn answered(self, body: Body) -> Answer {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Answer { body, pulse: self.0.clone(), is_quiet: false }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer, which says whether it waits for its handler.
pub(super) struct Answer {
    body: Body,
    pulse: Arc<Pulse>,
    is_quiet: bool,
}

impl Answer {
    fn set_quiet(&mut self, is_quiet: bool) {
        match (self.is_quiet, is_quiet) {
            (false, true) => self.pulse.quiet.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.pulse.quiet.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        self.is_quiet = is_quiet;
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.set_quiet(polled.is_pending());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.set_quiet(false);
        self.pulse.open.fetch_sub(1, Ordering::Relaxed);
    }
}
