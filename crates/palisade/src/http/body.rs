use super::{BodyAllowance, Held};
use axum::body::Body;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// Limits of a request body.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes.
    pub bytes: u64,
    /// Timeout of the whole body.
    pub whole: Duration,
    /// Time before the minimum rate applies.
    pub grace: Duration,
    /// Minimum rate in bytes per second, on average after the grace.
    pub rate: u64,
}

/// Why a body was not read to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Larger than the limit.
    TooLarge = 1,
    /// Slower than the limit.
    TooSlow = 2,
    /// No memory was available.
    NoRoom = 3,
}

/// State of a body for the response: a handler may report a read error as something else.
#[derive(Debug, Clone, Default)]
pub struct BodyFate(Arc<AtomicU8>);

/// Set in a [`BodyFate`] once the body was read to its end.
const READ: u8 = 0x80;

/// A request body with limits.
pub struct Received {
    body: Body,
    limits: BodyLimits,
    /// Start of reading: before it, a delay is not the client's fault.
    since: Option<Instant>,
    taken: u64,
    /// Created when the stream is pending.
    clock: Option<Pin<Box<Sleep>>>,
    fate: BodyFate,
    held: Option<Arc<Held>>,
    allowance: Option<BodyAllowance>,
}

impl BodyFate {
    /// Why it was not read to its end.
    pub fn fault(&self) -> Option<BodyFault> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(BodyFault::TooLarge),
            2 => Some(BodyFault::TooSlow),
            3 => Some(BodyFault::NoRoom),
            _ => None,
        }
    }

    /// Whether it was read to its end.
    pub fn was_read(&self) -> bool {
        self.0.load(Ordering::Relaxed) == READ
    }
}

impl Received {
    /// A body with limits.
    pub fn new(body: Body, limits: BodyLimits) -> Self {
        Self {
            body,
            limits,
            since: None,
            taken: 0,
            clock: None,
            fate: BodyFate::default(),
            held: None,
            allowance: None,
        }
    }

    /// The same with an allowance, which may be granted later.
    #[must_use]
    pub fn with_allowance(mut self, allowance: BodyAllowance) -> Self {
        self.allowance = Some(allowance);
        self
    }

    /// The same, accounted to the memory of its request.
    #[must_use]
    pub fn count_memory(mut self, held: Arc<Held>) -> Self {
        self.held = Some(held);
        self
    }

    /// Its state.
    pub fn fate(&self) -> BodyFate {
        self.fate.clone()
    }

    fn fails(&self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.fate.0.store(fault as u8, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(fault))))
    }

    /// hyper does not always poll a body of known length for its end.
    fn note_end(&self) {
        if self.body.is_end_stream() {
            self.fate.0.store(READ, Ordering::Relaxed);
        }
    }

    /// Waits for data, and for memory for it, until the timeout.
    fn wait(
        &mut self,
        context: &mut Context<'_>,
        fault: BodyFault,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let deadline = self.deadline();
        let is_late = Instant::now() >= deadline;
        // it is unknown when memory will be free
        let next = if fault == BodyFault::NoRoom {
            deadline.min(Instant::now() + ROOM_AFTER)
        } else {
            deadline
        };
        let clock = self
            .clock
            .get_or_insert_with(|| Box::pin(sleep_until(next)));
        clock.as_mut().reset(next);
        let is_over = clock.as_mut().poll(context).is_ready();
        if is_late || (is_over && fault != BodyFault::NoRoom) {
            self.fails(fault)
        } else {
            Poll::Pending
        }
    }

    /// Deadline for the next data.
    fn deadline(&mut self) -> Instant {
        let earned = Duration::from_secs(self.taken / self.limits.rate.max(1));
        *self.since.get_or_insert_with(Instant::now)
            + self.most_time().min(self.limits.grace + earned)
    }

    fn most_time(&self) -> Duration {
        let allowed = self.allowance.as_ref().map(BodyAllowance::time);
        allowed.unwrap_or_default().max(self.limits.whole)
    }

    fn most_bytes(&self) -> u64 {
        let allowed = self.allowance.as_ref().map(BodyAllowance::bytes);
        allowed.unwrap_or_default().max(self.limits.bytes)
    }
}

/// Interval between two attempts to get memory.
const ROOM_AFTER: Duration = Duration::from_millis(50);

impl HttpBody for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.held.as_ref().is_some_and(|held| held.room().is_err()) {
            return self.wait(context, BodyFault::NoRoom);
        }
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => self.wait(context, BodyFault::TooSlow),
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                self.taken += bytes;
                if let Some(held) = &self.held {
                    held.receive(bytes);
                }
                if self.taken > self.most_bytes() {
                    return self.fails(BodyFault::TooLarge);
                }
                self.note_end();
                polled
            }
            Poll::Ready(None) => {
                self.fate.0.store(READ, Ordering::Relaxed);
                polled
            }
            Poll::Ready(Some(Err(_))) => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The request body, shared so that unread data can be drained after the handler.
#[derive(Clone)]
pub struct SharedReceived(Arc<Mutex<Received>>);

impl SharedReceived {
    /// A body that the handler may leave unread.
    pub fn new(body: Received) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    fn lock(&self) -> MutexGuard<'_, Received> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Discards received unread data, and returns whether that was the end.
    pub fn drain(&self) -> bool {
        let (mut body, mut left) = (self.lock(), MOST_DRAINED);
        let mut context = Context::from_waker(Waker::noop());
        while !body.fate.was_read() {
            match Pin::new(&mut *body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => {
                    left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len))
                }
                Poll::Ready(None) => {}
                Poll::Ready(Some(Err(_))) | Poll::Pending => return false,
            }
            if left == 0 {
                return false;
            }
        }
        true
    }
}

const MOST_DRAINED: usize = 64 * 1024;

impl HttpBody for SharedReceived {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.lock().size_hint()
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is longer than this site accepts",
            Self::TooSlow => "the body was sent too slowly",
            Self::NoRoom => "there was no memory for the body",
        })
    }
}

impl std::error::Error for BodyFault {}
