//! Captured log lines, for assertions.

use std::fmt::Write;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::{self, ThreadId};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::prelude::*;

static LINES: Mutex<Vec<(ThreadId, String)>> = Mutex::new(Vec::new());

struct Capture;

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if !event.metadata().target().starts_with("palisade") {
            return;
        }
        let mut line = Line(event.metadata().target().to_owned());
        event.record(&mut line);
        LINES
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((thread::current().id(), line.0));
    }
}

struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = write!(self.0, " {}={value}", field.name());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

pub(super) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let _ = tracing_subscriber::registry().with(Capture).try_init();
    });
}

/// All lines that Palisade logged in this process and that contain `text`: a request id, a name.
pub fn events(text: &str) -> Vec<String> {
    lines(|_, line| line.contains(text))
}

/// As [`events`], of this thread alone: a test that counts lines, or expects none, does not count
/// those of concurrent tests.
pub fn events_of_this_thread(text: &str) -> Vec<String> {
    let own = thread::current().id();
    lines(|thread, line| thread == own && line.contains(text))
}

fn lines(is_wanted: impl Fn(ThreadId, &str) -> bool) -> Vec<String> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines
        .iter()
        .filter(|(thread, line)| is_wanted(*thread, line))
        .map(|(_, line)| line.clone())
        .collect()
}
