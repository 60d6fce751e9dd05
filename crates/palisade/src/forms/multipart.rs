use super::json::limits;
use super::start::multipart_token;
use crate::views::{Error, ErrorKind, Result};
use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field as AxumField, Multipart as AxumMultipart, MultipartError};
use axum::extract::{FromRequest, Request};
use bytes::BytesMut;
use http::{StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A multipart form (`multipart/form-data`, [RFC 7578](https://www.rfc-editor.org/rfc/rfc7578)),
/// streamed part by part: at most `http.max_parts` of them, in a body of at most
/// `http.max_body_bytes`.
///
/// ```
/// use palisade::prelude::*;
/// use palisade::forms::Multipart;
///
/// async fn lengths(mut form: Multipart) -> Result<String> {
///     let mut lengths = Vec::new();
///     while let Some(part) = form.next().await? {
///         lengths.push(part.bytes(64 * 1024).await?.len().to_string()); // more than 64 KiB is 413
///     }
///     Ok(lengths.join(" "))
/// }
/// ```
///
/// The CSRF token is the first part, where templates put it, or in the header `X-CSRFToken`. It is
/// not among the parts of [`Multipart::next`].
///
/// # Security
/// Names and types of files are the client's claims. Content is neither stored nor validated.
pub struct Multipart {
    parts: AxumMultipart,
    left: usize,
}

/// One part.
pub struct Part<'a>(AxumField<'a>);

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let left = limits(&request)?.parts;
        let (head, mut body) = request.into_parts();
        let token = multipart_token(&head.headers, &mut body).await;
        let body = Body::new(Paced {
            body,
            has_given: false,
        });
        let request = Request::from_parts(head, body);
        let parts = AxumMultipart::from_request(request, state).await;
        let mut parts = parts.map_err(|_| {
            Error::new(
                ErrorKind::UnsupportedType,
                "Send this form as multipart/form-data.",
            )
        })?;
        if token.is_ok_and(|token| token.is_some()) {
            parts.next_field().await.map_err(unreadable)?;
        }
        Ok(Self { parts, left })
    }
}

/// A body that is read piece by piece. The parser takes all that is there into memory at once, which
/// is the whole file of a fast client.
struct Paced {
    body: Body,
    has_given: bool,
}

impl HttpBody for Paced {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, axum::Error>>> {
        if std::mem::take(&mut self.has_given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.has_given = frame.is_ready();
        frame
    }
}

impl Multipart {
    /// The next part; `None` after the last.
    ///
    /// # Errors
    /// 413 for too many parts, 400 for a malformed form.
    pub async fn next(&mut self) -> Result<Option<Part<'_>>> {
        let Some(part) = self.parts.next_field().await.map_err(unreadable)? else {
            return Ok(None);
        };
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Error::new(ErrorKind::TooLarge, "The form has too many parts."))?;
        Ok(Some(Part(part)))
    }
}

impl Part<'_> {
    /// Name of the field; empty if the client sent none.
    pub fn name(&self) -> &str {
        self.0.name().unwrap_or_default()
    }

    /// File name as the client claims: input, not a path.
    pub fn file_name(&self) -> Option<&str> {
        self.0.file_name()
    }

    /// Content type as the client claims, unparsed.
    pub fn content_type(&self) -> Option<&str> {
        let claimed = self.0.headers().get(header::CONTENT_TYPE)?;
        Some(claimed.to_str().unwrap_or("unreadable"))
    }

    /// The next chunk of the content; `None` at its end.
    ///
    /// # Errors
    /// A body that is truncated, too large or too slow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.0.chunk().await.map_err(unreadable)
    }

    /// The whole content as text.
    ///
    /// # Errors
    /// 400 when it is not UTF-8; and as [`Part::bytes`].
    pub async fn text(self, max_bytes: usize) -> Result<String> {
        let bytes = self.bytes(max_bytes).await?.to_vec();
        String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::BadRequest, "The text is not UTF-8."))
    }

    /// The whole content, in memory.
    ///
    /// # Errors
    /// 413 when it is longer than `max_bytes`; and as [`Part::chunk`].
    pub async fn bytes(mut self, max_bytes: usize) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if whole.len() + piece.len() > max_bytes {
                return Err(Error::new(
                    ErrorKind::TooLarge,
                    format!("This part is longer than {max_bytes} bytes."),
                ));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

fn unreadable(error: MultipartError) -> Error {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(ErrorKind::TooLarge, "That was more than this site accepts.")
        }
        _ => Error::new(
            ErrorKind::BadRequest,
            "The form is not valid multipart/form-data.",
        ),
    }
}
