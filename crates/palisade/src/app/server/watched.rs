//! A connection with a clock: who sends nothing, too slowly, or does not read is cut off.

use super::framing::Framing;
use super::pulse::{Beat, Pulse};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) header: Duration,
    pub(super) keep_alive: Duration,
    pub(super) grace: Duration,
    /// Bytes a second.
    pub(super) rate: u64,
}

/// Whether the first bytes of a request begin its headers, or frames of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What the clock is set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    /// For the first byte of a request.
    Request,
    /// For the rest of its headers.
    Headers,
    /// For nothing of the client's, or for what has a limit of its own.
    Nothing,
}

/// A stream whose reads and writes end in time.
pub(super) struct Watched<S> {
    stream: S,
    peer: IpAddr,
    pulse: Arc<Pulse>,
    protocol: Protocol,
    patience: Patience,
    waiting: Waiting,
    /// Requests there were when it was looked at last.
    begun: usize,
    reading: Pin<Box<Sleep>>,
    framing: Framing,
    pace: Pace,
}

/// How fast an answer is taken.
struct Pace {
    clock: Pin<Box<Sleep>>,
    /// Since when the client takes nothing.
    stalled: Option<Instant>,
    /// For how long it took nothing, before.
    lost: Duration,
    /// Bytes it took since it was slow for the first time.
    taken: u64,
}

/// To a client whose headers take too long ([RFC 9110 section 15.5.9](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9)).
const TOO_LATE: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// To a request whose end is not the same for everybody.
const BAD_REQUEST: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

impl<S> Watched<S> {
    pub(super) fn new(stream: S, peer: IpAddr, pulse: Arc<Pulse>, protocol: Protocol, patience: Patience) -> Self {
        let clock = || Box::pin(sleep_until(Instant::now() + patience.header));
        let pace = Pace { clock: clock(), stalled: None, lost: Duration::ZERO, taken: 0 };
        Self {
            stream,
            peer,
            pulse,
            protocol,
            patience,
            waiting: Waiting::Request,
            begun: 0,
            reading: clock(),
            framing: Framing::new(),
            pace,
        }
    }

    /// Sets the clock for what the connection does now.
    fn notice(&mut self, beat: Beat) {
        let begun = self.pulse.begun();
        let has_new = std::mem::replace(&mut self.begun, begun) != begun;
        if beat != Beat::Idle {
            self.waiting = Waiting::Nothing;
        } else if has_new || self.waiting == Waiting::Nothing {
            self.wait(Waiting::Request, self.patience.keep_alive);
            self.pace.restart();
        }
    }

    fn gives_up(&self, on: &str) {
        tracing::info!(target: "palisade", client = %self.peer, on, "a slow client was cut off");
    }

    /// The client did not take an answer in time.
    fn too_slow<T>(&self) -> io::Result<T> {
        self.gives_up("an answer");
        Err(io::ErrorKind::TimedOut.into())
    }

    fn wait(&mut self, waiting: Waiting, time: Duration) {
        self.waiting = waiting;
        self.reading.as_mut().reset(Instant::now() + time);
    }
}

impl Pace {
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

    /// The client takes nothing right now: whether that is so for longer than what it took before allows.
    fn poll_lost(&mut self, patience: &Patience, context: &mut Context<'_>) -> Poll<()> {
        if self.stalled.is_none() {
            let now = Instant::now();
            self.stalled = Some(now);
            let earned = Duration::from_secs(self.taken / patience.rate.max(1));
            self.clock.as_mut().reset(now + (patience.grace + earned).saturating_sub(self.lost));
        }
        self.clock.as_mut().poll(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    /// A last word, where no answer is on its way.
    fn say(&mut self, answer: &[u8], context: &mut Context<'_>) {
        if self.pace.stalled.is_none() {
            let _ = Pin::new(&mut self.stream).poll_write(context, answer);
            let _ = Pin::new(&mut self.stream).poll_flush(context);
        }
    }

    /// Nothing came: whether it is time to give up.
    fn poll_patience(&mut self, beat: Beat, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // over HTTP/2 a client that takes nothing shows in the answers that wait, not in writes
        if beat == Beat::Sending && self.protocol == Protocol::Http2 {
            return self.pace.poll_lost(&self.patience, context).map(|()| self.too_slow());
        }
        if self.waiting == Waiting::Nothing || self.reading.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        if self.waiting == Waiting::Headers {
            self.gives_up("headers");
            self.say(TOO_LATE, context);
        }
        // as if the client had left
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let beat = me.pulse.beat();
        me.notice(beat);
        let before = buffer.filled().len();
        let polled = Pin::new(&mut me.stream).poll_read(context, buffer);
        let has_come = buffer.filled().len() > before;
        if me.protocol == Protocol::Http1
            && let Err(ambiguous) = me.framing.read(&buffer.filled()[before..])
        {
            tracing::info!(target: "palisade", client = %me.peer, found = ambiguous.0, "a request could be read in two ways");
            buffer.set_filled(before);
            if beat == Beat::Idle {
                me.say(BAD_REQUEST, context);
            }
            // as if the client had left: what came is never read
            return Poll::Ready(Ok(()));
        }
        if has_come && me.waiting == Waiting::Request && me.protocol == Protocol::Http1 {
            me.wait(Waiting::Headers, me.patience.header);
        }
        if polled.is_pending() { me.poll_patience(beat, context) } else { polled }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    fn judge(&mut self, polled: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Pending => self.pace.poll_lost(&self.patience, context).map(|()| self.too_slow()),
            Poll::Ready(Ok(bytes)) => {
                // a flush of nothing is no progress
                if bytes > 0 {
                    self.pace.took(bytes);
                }
                Poll::Ready(Ok(bytes))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let polled = Pin::new(&mut me.stream).poll_write(context, bytes);
        me.judge(polled, context)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        let polled = Pin::new(&mut me.stream).poll_write_vectored(context, slices);
        me.judge(polled, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let polled = Pin::new(&mut me.stream).poll_flush(context);
        me.judge(polled.map_ok(|()| 0), context).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let polled = Pin::new(&mut me.stream).poll_shutdown(context);
        me.judge(polled.map_ok(|()| 0), context).map_ok(drop)
    }
}
