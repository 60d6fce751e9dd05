use crate::http::InputLimits;
use crate::views::{Error, ErrorKind, RequestContext, Result};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A JSON body ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)), as extractor and response. It
/// accepts the fields of `T` only, at most `http.max_json_bytes` long and `http.max_json_depth`
/// deep.
///
/// ```
/// use palisade::prelude::*;
///
/// #[derive(palisade::serde::Deserialize)]
/// #[serde(crate = "palisade::serde")]
/// struct Rename { title: String }
///
/// async fn rename(Json(new): Json<Rename>) -> Json<usize> {
///     Json(new.title.len())
/// }
/// ```
///
/// # Errors
/// 415 for another content type, 413 for a body that is too large or too deep, 400 with line and
/// column for invalid JSON or an invalid `T`: unknown and repeated fields are refused, against mass
/// assignment. Inside of types with serde's `flatten`, `tag` or `untagged`, which serde buffers
/// itself, unknown fields are ignored instead; `deny_unknown_fields` refuses them there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if !is_json(request.headers()) {
            return Err(Error::new(
                ErrorKind::UnsupportedType,
                "Send this request as application/json.",
            ));
        }
        let limits = limits(&request)?;
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|_| {
            Error::new(
                ErrorKind::BadRequest,
                "The JSON was incomplete. Please try again.",
            )
        })?;
        if depth(&body) > limits.json_depth {
            let message = format!(
                "The JSON is nested deeper than {} levels.",
                limits.json_depth
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let unreadable = |message: String| {
            let message: String = message.chars().take(LONGEST_MESSAGE).collect();
            Error::new(
                ErrorKind::BadRequest,
                format!("The JSON cannot be read: {message}."),
            )
        };
        read(&body).map(Self).map_err(unreadable)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => (
                [(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/json"),
                )],
                text,
            )
                .into_response(),
            Err(error) => Error::from(error).into_response(),
        }
    }
}

/// Longest error message, in characters: it may quote an invalid value.
const LONGEST_MESSAGE: usize = 200;

/// The limits of the site.
pub(super) fn limits(request: &Request) -> Result<InputLimits> {
    let context = request.extensions().get::<RequestContext>();
    let context = context
        .ok_or_else(|| Error::bug("there is no request context: routes must be served by App"))?;
    Ok(context.site().input_limits)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut unknown = None;
    let value = serde_ignored::deserialize(&mut reader, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    let value = value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| error.to_string())?;
    match unknown {
        Some(path) => Err(format!("{path:?} is an unknown field")),
        None => Ok(value),
    }
}

/// Nesting depth. The result for invalid JSON is arbitrary: it is refused afterwards.
pub(super) fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
