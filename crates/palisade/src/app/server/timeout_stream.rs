//! A stream with timeouts: a client that sends nothing, sends too slowly, or does not read is
//! disconnected.
//!
//! Bytes in the kernel's send buffer are not delivered yet: a closed connection lingers until the
//! client closes it too, for as long as the unsent bytes may take at the minimum rate, and is reset
//! after that.

use super::Socket;
use super::activity::ConnectionActivity;
use super::framing::Framing;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

/// Timeouts of a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) header: Duration,
    pub(super) keep_alive: Duration,
    pub(super) grace: Duration,
    /// Bytes per second.
    pub(super) rate: u64,
}

/// Largest part of a response that waits in the kernel, or in HTTP/2, for the client to read it.
pub(super) const ON_THE_WAY: u32 = 64 * 1024;

impl Timeouts {
    /// Time in which a client must have read the waiting part.
    fn to_take_all(self) -> Duration {
        self.grace + Duration::from_secs(u64::from(ON_THE_WAY) / self.rate.max(1))
    }
}

/// The protocol, which decides whether the first bytes are headers or frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// The timeout that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a request.
    Request,
    /// For the rest of its headers.
    Headers,
    /// None, or a timeout of another layer.
    Nothing,
}

/// A stream with read and write timeouts.
pub(super) struct TimeoutStream<S> {
    /// `None` once the connection has ended.
    stream: Option<S>,
    lingering: Arc<Semaphore>,
    peer: IpAddr,
    activity: Arc<ConnectionActivity>,
    protocol: Protocol,
    timeouts: Timeouts,
    waiting: Waiting,
    /// Number of requests at the last check.
    begun: usize,
    /// The deadline.
    until: Instant,
    /// Armed only when no bytes are available, because timers take a lock of the runtime.
    reading: Pin<Box<Sleep>>,
    framing: Framing,
    write_rate: WriteRate,
}

/// Rate at which a response is read.
struct WriteRate {
    clock: Pin<Box<Sleep>>,
    /// Since when the client does not read.
    stalled: Option<Instant>,
    /// Total time of earlier stalls.
    lost: Duration,
    /// Bytes read since the first stall.
    taken: u64,
}

/// Response to slow headers
/// ([RFC 9110 section 15.5.9](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9)).
const TOO_LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Response to ambiguous message framing (request smuggling).
const BAD_REQUEST: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the end of the connection discard unsent bytes (TCP RST).
    fn reset_at_end(&self);
}

impl Stream for Socket {
    fn reset_at_end(&self) {
        if let Self::Left(tcp) = self {
            let _ = tcp.set_zero_linger();
        }
    }
}

impl Stream for TlsStream<Socket> {
    fn reset_at_end(&self) {
        self.get_ref().0.reset_at_end();
    }
}

/// Most bytes that are read and ignored while a connection lingers.
const MOST_IGNORED: u64 = 64 * 1024;

/// Waits until the client has closed the connection too, and resets it after a timeout.
async fn linger<S: Stream>(stream: S, time: Duration, _room: OwnedSemaphorePermit) {
    let mut rest = stream.take(MOST_IGNORED);
    let ended = timeout(time, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    if ended.is_err() || rest.limit() == 0 {
        rest.get_ref().reset_at_end();
    }
}

/// The connection of a stream.
pub(super) struct StreamOwner {
    /// Permits for lingering connections.
    pub(super) lingering: Arc<Semaphore>,
    pub(super) peer: IpAddr,
    pub(super) activity: Arc<ConnectionActivity>,
}

impl<S: Stream> TimeoutStream<S> {
    pub(super) fn new(
        stream: S,
        protocol: Protocol,
        timeouts: Timeouts,
        owner: StreamOwner,
    ) -> Self {
        let StreamOwner {
            lingering,
            peer,
            activity,
        } = owner;
        let clock = || Box::pin(sleep_until(Instant::now() + timeouts.header));
        let write_rate = WriteRate {
            clock: clock(),
            stalled: None,
            lost: Duration::ZERO,
            taken: 0,
        };
        Self {
            stream: Some(stream),
            lingering,
            peer,
            activity,
            protocol,
            timeouts,
            waiting: Waiting::Request,
            begun: 0,
            until: Instant::now() + timeouts.header,
            reading: clock(),
            framing: Framing::new(),
            write_rate,
        }
    }

    /// Sets the deadline for the connection's current state.
    fn notice(&mut self) {
        let begun = self.activity.requests_begun();
        let has_new = std::mem::replace(&mut self.begun, begun) != begun;
        if !self.activity.is_idle() {
            self.waiting = Waiting::Nothing;
        } else if has_new || self.waiting == Waiting::Nothing {
            self.wait(Waiting::Request, self.timeouts.keep_alive);
            self.write_rate.restart();
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut S>> {
        self.stream
            .as_mut()
            .map(Pin::new)
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn gives_up(&self, on: &str) {
        tracing::info!(target: "palisade", client = %self.peer, on, "a slow client was disconnected");
    }

    /// A write timeout: unsent bytes are discarded.
    fn too_slow<T>(&self) -> io::Result<T> {
        self.gives_up("an answer");
        if let Some(stream) = &self.stream {
            stream.reset_at_end();
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    fn wait(&mut self, waiting: Waiting, time: Duration) {
        self.waiting = waiting;
        self.until = Instant::now() + time;
    }
}

impl WriteRate {
    fn restart(&mut self) {
        (self.stalled, self.lost, self.taken) = (None, Duration::ZERO, 0);
    }

    fn took(&mut self, bytes: usize) {
        if let Some(since) = self.stalled.take() {
            self.lost += since.elapsed();
        }
        if self.lost > Duration::ZERO {
            self.taken = self.taken.saturating_add(bytes as u64);
        }
    }

    /// The client does not read right now: whether the stall exceeds the minimum rate.
    fn poll_lost(&mut self, timeouts: &Timeouts, context: &mut Context<'_>) -> Poll<()> {
        if self.stalled.is_none() {
            let now = Instant::now();
            self.stalled = Some(now);
            let earned = Duration::from_secs(self.taken / timeouts.rate.max(1));
            self.clock
                .as_mut()
                .reset(now + (timeouts.grace + earned).saturating_sub(self.lost));
        }
        self.clock.as_mut().poll(context)
    }
}

impl<S: Stream> TimeoutStream<S> {
    fn poll_clock(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.reading.deadline() != self.until {
            self.reading.as_mut().reset(self.until);
        }
        self.reading.as_mut().poll(context)
    }

    /// Writes a final response, unless another one is in transit.
    fn say(&mut self, answer: &[u8], context: &mut Context<'_>) {
        if self.write_rate.stalled.is_none()
            && let Ok(mut stream) = self.stream()
        {
            let _ = stream.as_mut().poll_write(context, answer);
            let _ = stream.poll_flush(context);
        }
    }

    /// Nothing was read: whether the deadline has passed.
    fn poll_timeouts(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // over HTTP/2 a slow reader shows in waiting parts, not in writes, even if it sends other
        // frames
        if self.protocol == Protocol::Http2
            && let Some(since) = self.activity.oldest_held()
        {
            self.write_rate
                .clock
                .as_mut()
                .reset(since + self.timeouts.to_take_all());
            return self
                .write_rate
                .clock
                .as_mut()
                .poll(context)
                .map(|()| self.too_slow());
        }
        // the idle time begins at the end of the response, which nothing else reports
        self.activity.wake_at_rest(context);
        self.notice();
        if self.waiting == Waiting::Nothing || self.poll_clock(context).is_pending() {
            return Poll::Pending;
        }
        if self.waiting == Waiting::Headers {
            self.gives_up("headers");
            self.say(TOO_LATE, context);
        }
        // as if the client had disconnected
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        me.notice();
        let before = buffer.filled().len();
        let polled = me.stream()?.poll_read(context, buffer);
        let has_come = buffer.filled().len() > before;
        if me.protocol == Protocol::Http1
            && let Err(ambiguous) = me.framing.read(&buffer.filled()[before..])
        {
            tracing::info!(target: "palisade", client = %me.peer, found = ambiguous.0, "ambiguous message framing (request smuggling)");
            buffer.set_filled(before);
            if me.activity.is_idle() {
                me.say(BAD_REQUEST, context);
            }
            // as if the client had disconnected: the bytes are never read
            return Poll::Ready(Ok(()));
        }
        if has_come && me.waiting == Waiting::Request && me.protocol == Protocol::Http1 {
            me.wait(Waiting::Headers, me.timeouts.header);
        }
        if polled.is_pending() {
            me.poll_timeouts(context)
        } else {
            polled
        }
    }
}

impl<S: Stream> TimeoutStream<S> {
    fn judge(
        &mut self,
        polled: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => self
                .write_rate
                .poll_lost(&self.timeouts, context)
                .map(|()| self.too_slow()),
            Poll::Ready(Ok(bytes)) => {
                self.write_rate.took(bytes);
                Poll::Ready(Ok(bytes))
            }
            failed => failed,
        }
    }
}

impl<S: Stream> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let polled = me.stream()?.poll_write(context, bytes);
        me.judge(polled, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let polled = me.stream()?.poll_write_vectored(context, slices);
        me.judge(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let polled = me.stream()?.poll_flush(context);
        me.judge(polled.map_ok(|()| 0), context).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let Ok(stream) = me.stream() else {
            return Poll::Ready(Ok(()));
        };
        let polled = stream.poll_shutdown(context);
        let ended = me.judge(polled.map_ok(|()| 0), context).map_ok(drop);
        if ended.is_ready()
            && let Some(stream) = me.stream.take()
        {
            match me.lingering.clone().try_acquire_owned() {
                Ok(room) => drop(tokio::spawn(linger(
                    stream,
                    me.timeouts.to_take_all(),
                    room,
                ))),
                Err(_) => stream.reset_at_end(),
            }
        }
        ended
    }
}
