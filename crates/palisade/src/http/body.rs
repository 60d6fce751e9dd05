use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// How much a client may send, and how slowly.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes: u64,
    /// Time for the whole.
    pub whole: Duration,
    /// Time before the rate counts.
    pub grace: Duration,
    /// Bytes a second, on average after the grace.
    pub rate: u64,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// More than is accepted.
    TooLarge = 1,
    /// Slower than is accepted.
    TooSlow = 2,
}

/// What happened to a body, for whoever answers: handlers that read it may report it as something else.
#[derive(Debug, Clone, Default)]
pub struct BodyFate(Arc<AtomicU8>);

/// The body of a request, which ends in time and at its limit.
pub struct Received {
    body: Body,
    limits: BodyLimits,
    /// When it was first asked for: until then the client is not the one who is slow.
    since: Option<Instant>,
    taken: u64,
    /// Made when there is something to wait for.
    clock: Option<Pin<Box<Sleep>>>,
    fate: BodyFate,
}

impl BodyFate {
    /// Why it was not read to its end, if it was not.
    pub fn fault(&self) -> Option<BodyFault> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(BodyFault::TooLarge),
            2 => Some(BodyFault::TooSlow),
            _ => None,
        }
    }
}

impl Received {
    /// A body within limits.
    pub fn new(body: Body, limits: BodyLimits) -> Self {
        Self { body, limits, since: None, taken: 0, clock: None, fate: BodyFate::default() }
    }

    /// What becomes of it.
    pub fn fate(&self) -> BodyFate {
        self.fate.clone()
    }

    fn fails(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.fate.0.store(fault as u8, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(fault))))
    }

    /// By when more must have come.
    fn deadline(&mut self) -> Instant {
        let earned = Duration::from_secs(self.taken / self.limits.rate.max(1));
        *self.since.get_or_insert_with(Instant::now) + self.limits.whole.min(self.limits.grace + earned)
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => {
                let deadline = self.deadline();
                let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                clock.as_mut().reset(deadline);
                if clock.as_mut().poll(context).is_ready() { self.fails(BodyFault::TooSlow) } else { Poll::Pending }
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.taken += frame.data_ref().map_or(0, |data| data.len() as u64);
                if self.taken > self.limits.bytes { self.fails(BodyFault::TooLarge) } else { polled }
            }
            Poll::Ready(_) => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is longer than this site accepts",
            Self::TooSlow => "the body came too slowly",
        })
    }
}

impl std::error::Error for BodyFault {}
