//! Log formats that add the request id to every line, including those of other crates.

use crate::views::current_request;
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// A format that appends the request id.
pub(super) struct OfRequest<F> {
    format: F,
    /// End of a line, and the syntax of the id.
    end: &'static str,
    before: &'static str,
    after: &'static str,
}

impl<F> OfRequest<F> {
    /// As a further key of the JSON object.
    pub(super) fn json(format: F) -> Self {
        Self {
            format,
            end: "}\n",
            before: ",\"request_id\":\"",
            after: "\"}\n",
        }
    }

    /// As a further field.
    pub(super) fn text(format: F) -> Self {
        Self {
            format,
            end: "\n",
            before: " request_id=",
            after: "\n",
        }
    }
}

impl<S, N, F> FormatEvent<S, N> for OfRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let Some(id) = current_request() else {
            return self.format.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.format
            .format_event(context, Writer::new(&mut line), event)?;
        // an id is url-safe base64, and needs no quotes
        write!(
            writer,
            "{}{}{id}{}",
            line.strip_suffix(self.end).unwrap_or(&line),
            self.before,
            self.after
        )
    }
}
