use super::choices::check;
use super::flat::{read_flat, read_object};
use super::group_names::without_groups;
use super::input::Input;
use super::show::problem;
use super::{Fields, JsonBody};
use crate::http::InputLimits;
use crate::views::{Error, ErrorKind, RequestContext, Result};
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

/// A JSON body ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)), as extractor and response. It
/// accepts the fields of `T` only, at most `http.max_json_bytes` long and `http.max_json_depth`
/// deep.
///
/// ```
/// use palisade::prelude::*;
///
/// #[derive(Form)]
/// struct Rename { title: Line<120> }
///
/// async fn rename(Json(new): Json<Rename>) -> Json<usize> {
///     Json(new.title.len())
/// }
/// ```
///
/// # Errors
/// 415 for another content type, 413 for a body that is too large or too deep, 422 with the errors
/// of each field for a form (`#[derive(Form)]`), 400 with line and column for invalid JSON or an
/// invalid structure (`#[derive(Deserialize, JsonBody)]`). Unknown and repeated fields are refused,
/// against mass assignment. Inside of types with serde's `flatten`, `tag` or `untagged`, which serde
/// buffers itself, unknown fields are ignored instead; `deny_unknown_fields` refuses them there.
///
/// # Security
/// A type without a limit, such as `String`, does not compile as a field:
///
/// ```compile_fail
/// use palisade::prelude::*;
/// #[derive(palisade::serde::Deserialize, JsonBody)]
/// #[serde(crate = "palisade::serde")]
/// struct Unbounded { title: String }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: JsonBody> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let extensions = request.extensions().clone();
        let body = read_limited(request, state).await?;
        T::read_json(&body, &extensions).await.map(Self)
    }
}

/// The JSON object of a request, within the same limits.
pub(crate) async fn read_json_object<S: Send + Sync>(
    request: Request,
    state: &S,
) -> Result<Vec<(String, serde_json::Value)>> {
    read_object(&read_limited(request, state).await?)
}

async fn read_limited<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes> {
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
    Ok(body)
}

/// An object whose values are those of a form's fields.
impl<T: Fields> JsonBody for T {
    async fn read_json(body: &[u8], extensions: &Extensions) -> Result<Self> {
        let () = const { without_groups(T::FIELDS) };
        let request = extensions.get::<RequestContext>().ok_or_else(no_context)?;
        let typed = read_flat(body, T::FIELDS)?;
        let mut input = Input::new(typed, request.site().time_zone);
        check(&mut input, T::FIELDS, extensions).await?;
        let value = T::read(&mut input);
        let (_, errors) = input.into_parts();
        value.ok_or_else(|| {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Error::page(problem(request, status, (&errors.general, &errors.fields)))
        })
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

/// The limits of the site.
pub(super) fn limits(request: &Request) -> Result<InputLimits> {
    let context = request.extensions().get::<RequestContext>();
    Ok(context.ok_or_else(no_context)?.site().input_limits)
}

fn no_context() -> Error {
    Error::bug("there is no request context: routes must be served by App")
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
