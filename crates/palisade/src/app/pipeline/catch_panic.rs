//! Catches panics of handlers: a panic becomes an error page and a log line, and the server goes
//! on.

use crate::views::{Error, Place};
use axum::response::{IntoResponse, Response};
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::sync::Once;
use std::task::Poll;

thread_local! {
    /// Whether this thread runs a handler right now.
    static IN_HANDLER: Cell<bool> = const { Cell::new(false) };
    /// Location of this thread's last panic in a handler. It is read right after the panic was
    /// caught, on the same thread.
    static PLACE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Records the location of panics in handlers, so that they are logged once, with the request.
/// Other panics are printed as usual.
pub(in crate::app) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info: &PanicHookInfo<'_>| {
            match info.location() {
                Some(place) if IN_HANDLER.get() => {
                    PLACE.set(Some(Place {
                        file: place.file().to_owned().into(),
                        line: place.line(),
                    }));
                }
                _ => default(info),
            }
        }));
    });
}

/// Runs a handler; a panic becomes an error.
pub(in crate::app) fn catch_panic(
    mut handler: Pin<&mut impl Future<Output = Response>>,
) -> impl Future<Output = Response> {
    std::future::poll_fn(move |context| {
        IN_HANDLER.set(true);
        let polled = catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(context)));
        IN_HANDLER.set(false);
        polled.unwrap_or_else(|panic| {
            let place = PLACE.take().unwrap_or(Place {
                file: "unknown".into(),
                line: 0,
            });
            Poll::Ready(Error::from_panic(message(&*panic), place).into_response())
        })
    })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}
