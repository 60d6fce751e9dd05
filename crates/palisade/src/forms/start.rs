use super::input::{RawError, Values, values};
use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue, header};

/// The first bytes of a form: enough to find its token, however long the rest is.
pub(crate) struct FormStart {
    bytes: Bytes,
    /// Whether it is the whole form.
    pub(crate) is_whole: bool,
}

impl FormStart {
    /// Reads about `most` bytes of a body, and leaves the body intact.
    ///
    /// # Errors
    /// Errors of the body.
    pub(crate) async fn read(body: &mut Body, most: usize) -> Result<Self, axum::Error> {
        let mut rest = std::mem::take(body).into_data_stream();
        let (bytes, is_whole) = first_bytes(&mut rest, most).await?;
        *body = if is_whole {
            Body::from(bytes.clone())
        } else {
            let first = bytes.clone();
            Body::from_stream(stream::once(async { Ok(first) }).chain(rest))
        };
        Ok(Self { bytes, is_whole })
    }

    /// The form, if it is complete.
    pub(crate) fn whole(&self) -> Option<&[u8]> {
        self.is_whole.then_some(&self.bytes[..])
    }

    /// The complete fields.
    ///
    /// # Errors
    /// See [`RawError`].
    pub(crate) fn fields(&self, most: usize) -> Result<Values, RawError> {
        let end = self
            .bytes
            .iter()
            .rposition(|byte| *byte == b'&')
            .filter(|_| !self.is_whole)
            .unwrap_or(self.bytes.len());
        values(&self.bytes[..end], most, |_| true)
    }
}

/// The CSRF token of a multipart form: the content of its first part, if that has the token's name.
/// The body stays intact.
///
/// # Errors
/// Errors of the body.
pub(crate) async fn multipart_token(
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Option<String>, axum::Error> {
    let Some(content_type) = multipart_type(headers) else {
        return Ok(None);
    };
    let start = FormStart::read(body, MOST_OF_TOKEN_PART).await?;
    let mut request = Request::new(Body::from(start.bytes));
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type.clone());
    // a form that cannot be parsed has no token
    let Ok(mut parts) = Multipart::from_request(request, &()).await else {
        return Ok(None);
    };
    Ok(match parts.next_field().await {
        Ok(Some(part)) if part.name() == Some(TOKEN_FIELD) => part.text().await.ok(),
        _ => None,
    })
}

/// The fields of text of a multipart form, as far as they are within the first `most` bytes of its
/// body, which stays intact. The CSRF token is not among them.
///
/// # Errors
/// Errors of the body.
pub(crate) async fn multipart_text(
    headers: &HeaderMap,
    body: &mut Body,
    most: usize,
) -> Result<Vec<(String, String)>, axum::Error> {
    let mut fields = Vec::new();
    let Some(content_type) = multipart_type(headers) else {
        return Ok(fields);
    };
    let start = FormStart::read(body, most).await?;
    let mut request = Request::new(Body::from(start.bytes));
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type.clone());
    let Ok(mut parts) = Multipart::from_request(request, &()).await else {
        return Ok(fields);
    };
    // the first part that is not whole ends it
    while let Ok(Some(part)) = parts.next_field().await {
        let name = part.name().unwrap_or_default().to_owned();
        if part.file_name().is_some() || name == TOKEN_FIELD {
            continue;
        }
        match part.text().await {
            Ok(text) => fields.push((name, text)),
            Err(_) => break,
        }
    }
    Ok(fields)
}

/// The content type, if it is that of a multipart form.
pub(super) fn multipart_type(headers: &HeaderMap) -> Option<&HeaderValue> {
    let content_type = headers.get(header::CONTENT_TYPE)?;
    let text = content_type.to_str().ok()?.to_ascii_lowercase();
    text.starts_with("multipart/form-data")
        .then_some(content_type)
}

/// Name of the field with the CSRF token.
pub(crate) const TOKEN_FIELD: &str = "csrfmiddlewaretoken";

/// Bytes of a multipart form that are searched for its first part.
const MOST_OF_TOKEN_PART: usize = 4096;

async fn first_bytes(body: &mut BodyDataStream, most: usize) -> Result<(Bytes, bool), axum::Error> {
    let Some(first) = body.next().await.transpose()? else {
        return Ok((Bytes::new(), true));
    };
    let mut bytes = BytesMut::from(first);
    while bytes.len() <= most {
        match body.next().await.transpose()? {
            Some(more) => bytes.extend_from_slice(&more),
            None => return Ok((bytes.freeze(), true)),
        }
    }
    Ok((bytes.freeze(), false))
}
