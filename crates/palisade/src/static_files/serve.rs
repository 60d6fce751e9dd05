use super::Store;
use super::store::{File, Named, Variant};
use crate::http::{Wanted, range_not_satisfiable};
use crate::views::Error;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, ETag, HeaderMapExt, IfNoneMatch, IfRange, Range};
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};

/// Cache-Control of hashed URLs, which are immutable
/// ([RFC 8246](https://www.rfc-editor.org/rfc/rfc8246)).
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Cached, and revalidated each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("public, no-cache");

impl Store {
    /// The response to GET of a URL: a file, a range of it, 304, or 404.
    pub fn answer(&self, url: &str, headers: &HeaderMap) -> Response {
        if let Some(file) = self.read_live(url) {
            let named = Named {
                at: 0,
                is_hashed: false,
            };
            return answer(&file, named, headers);
        }
        match self.find(url) {
            Some((file, named)) => answer(file, named, headers),
            None => Error::not_found().into_response(),
        }
    }
}

fn answer(file: &File, named: Named, headers: &HeaderMap) -> Response {
    // ranges refer to the unencoded file
    let wanted: Option<Range> = headers.typed_get();
    let variant = if wanted.is_some() {
        &file.plain
    } else {
        choose_variant(file, headers)
    };
    let tag = || {
        variant
            .tag
            .to_str()
            .ok()
            .and_then(|tag| tag.parse::<ETag>().ok())
    };
    let is_known = headers
        .typed_get::<IfNoneMatch>()
        .and_then(|known| Some((known, tag()?)))
        .is_some_and(|(known, tag)| !known.precondition_passes(&tag));
    let is_newer = headers
        .typed_get::<IfRange>()
        .is_some_and(|known| known.is_modified(tag().as_ref(), None));
    let mut response = match wanted {
        _ if is_known => StatusCode::NOT_MODIFIED.into_response(),
        Some(_) if !is_newer => part(variant, headers),
        _ => Body::from(variant.bytes.clone()).into_response(),
    };
    // caches must not store a 416 response
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    describe(response.headers_mut(), file, variant, named);
    response.extensions_mut().insert(SharedBody);
    response
}

/// Marks a response whose body is shared in memory by all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedBody;

fn describe(headers: &mut HeaderMap, file: &File, variant: &Variant, named: Named) {
    headers.insert(CONTENT_TYPE, file.content_type.clone());
    headers.insert(
        CACHE_CONTROL,
        if named.is_hashed {
            FOR_A_YEAR
        } else {
            ASK_AGAIN
        },
    );
    headers.insert(ETAG, variant.tag.clone());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if !file.compressed_variants().is_empty() {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    if let Some(coding) = variant.coding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
}

/// A single range of a file. Multiple ranges get the whole file.
fn part(variant: &Variant, headers: &HeaderMap) -> Response {
    let length = variant.bytes.len() as u64;
    match Wanted::of(headers, length) {
        Wanted::Whole => Body::from(variant.bytes.clone()).into_response(),
        Wanted::Unsatisfiable => range_not_satisfiable(length),
        Wanted::Part(range) => {
            let bytes = range.start as usize..range.end as usize;
            let body = Body::from(variant.bytes.slice(bytes));
            let mut response = (StatusCode::PARTIAL_CONTENT, body).into_response();
            if let Ok(range) = ContentRange::bytes(range, length) {
                response.headers_mut().typed_insert(range);
            }
            response
        }
    }
}

/// The variant with the client's highest preference; of several, the smallest.
fn choose_variant<'a>(file: &'a File, headers: &HeaderMap) -> &'a Variant {
    let lines = headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let accepted: Vec<(&str, f32)> = lines
        .flat_map(|line| line.split(','))
        .map(parse_weight)
        .collect();
    let all = file.compressed_variants().iter().map(|variant| {
        (
            variant,
            weight(&accepted, variant.coding.unwrap_or_default()),
        )
    });
    let best = all
        .filter(|(_, weight)| *weight > 0.0)
        .rev()
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map_or(&file.plain, |(variant, _)| variant)
}

/// A content coding with its weight
/// ([RFC 9110 section 12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
fn parse_weight(entry: &str) -> (&str, f32) {
    let (name, parameter) = entry.split_once(';').unwrap_or((entry, "q=1"));
    let weight = parameter
        .trim()
        .strip_prefix("q=")
        .and_then(|weight| weight.parse().ok())
        .unwrap_or(0.0);
    (name.trim(), weight)
}

/// The client's weight of a coding
/// ([RFC 9110 section 12.5.3](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3)); 0 if it is
/// not listed.
fn weight(accepted: &[(&str, f32)], coding: &str) -> f32 {
    let of = |wanted: &str| {
        accepted
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, weight)| *weight)
    };
    of(coding).or_else(|| of("*")).unwrap_or(0.0)
}
