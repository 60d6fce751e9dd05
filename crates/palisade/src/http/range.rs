use axum::response::{IntoResponse, Response};
use headers::{ContentRange, HeaderMapExt, Range as RangeHeader};
use http::{HeaderMap, StatusCode, header};
use std::ops::{Bound, Range};

/// The bytes that a request wants
/// ([RFC 9110 section 14](https://www.rfc-editor.org/rfc/rfc9110#section-14)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All: without a range, and with several, which would multiply the work of a request.
    Whole,
    /// One range.
    Part(Range<u64>),
    /// A range outside of the file. 416.
    Unsatisfiable,
}

impl Wanted {
    /// The part of a file of `length` bytes that the headers of a request ask for.
    pub(crate) fn of(headers: &HeaderMap, length: u64) -> Self {
        let Some(ranges) = headers.typed_get::<RangeHeader>() else {
            return Self::Whole;
        };
        if is_longer_than_all(headers, length) {
            return Self::Part(0..length);
        }
        let mut parts = ranges.satisfiable_ranges(length);
        match (parts.next(), parts.next()) {
            (None, _) => Self::Unsatisfiable,
            (Some(_), Some(_)) => Self::Whole,
            (Some(bounds), None) => {
                bytes_of(bounds, length).map_or(Self::Unsatisfiable, Self::Part)
            }
        }
    }
}

/// Whether a suffix range is longer than the file, which selects all of it (RFC 9110 section
/// 14.1.2).
fn is_longer_than_all(headers: &HeaderMap, length: u64) -> bool {
    let asked = headers.get(header::RANGE).and_then(|range| {
        range
            .to_str()
            .ok()?
            .strip_prefix("bytes=-")?
            .parse::<u64>()
            .ok()
    });
    asked.is_some_and(|last| last > length)
}

/// The first byte and the exclusive end.
fn bytes_of((start, end): (Bound<u64>, Bound<u64>), length: u64) -> Option<Range<u64>> {
    let first = match start {
        Bound::Included(first) => first,
        Bound::Excluded(before) => before.checked_add(1)?,
        Bound::Unbounded => 0,
    };
    let end = match end {
        Bound::Included(last) => last.saturating_add(1).min(length),
        Bound::Excluded(end) => end.min(length),
        Bound::Unbounded => length,
    };
    (first < end).then_some(first..end)
}

/// 416 with the length of the file.
pub(crate) fn range_not_satisfiable(length: u64) -> Response {
    let mut response = StatusCode::RANGE_NOT_SATISFIABLE.into_response();
    response
        .headers_mut()
        .typed_insert(ContentRange::unsatisfied_bytes(length));
    response
}
