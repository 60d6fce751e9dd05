use crate::db::{self, DbFailure};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use sea_orm::{DbErr, SqlErr};
use std::any::Any;
use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

/// Result of a handler.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Kind of an error. "Denied" and "unknown" are different kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Malformed input. 400.
    BadRequest,
    /// The visitor has no permission. 403.
    Forbidden,
    /// It does not exist, or the visitor may not know that it does. 404.
    NotFound,
    /// A concurrent change. 409.
    Conflict,
    /// A link or a file that is no longer there. 410.
    Gone,
    /// Well-formed input that cannot be processed. 422.
    Unprocessable,
    /// The request is too large. 413.
    TooLarge,
    /// The content type is not supported. 415.
    UnsupportedType,
    /// Too many requests of one client. 429.
    TooMany,
    /// A bug in the program. 500.
    Internal,
    /// A dependency does not answer, so the result is unknown. 503.
    Unavailable,
    /// Overload. 503 with Retry-After.
    Busy,
    /// A page that is shown instead, such as a form with its errors.
    Page,
}

/// A location in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// File as the compiler names it.
    pub file: Cow<'static, str>,
    /// Line, from 1.
    pub line: u32,
}

impl Place {
    #[track_caller]
    fn caller() -> Self {
        let caller = Location::caller();
        Self {
            file: Cow::Borrowed(caller.file()),
            line: caller.line(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// An error that becomes an error page. Any error converts by `?`.
///
/// The visitor sees the status, [`Error::public_message`] and the request id; the log gets the
/// cause and the location.
///
/// ```
/// use palisade::prelude::*;
/// async fn reserve() -> Result<Response> {
///     // the message is shown to the visitor; details belong in the log
///     Err(Error::new(ErrorKind::Conflict, "This seat was taken meanwhile."))
/// }
/// let routes: Routes = Routes::new().route("/seats", signed_in().post(reserve));
/// ```
pub struct Error {
    kind: ErrorKind,
    message: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    /// The type of the source.
    #[cfg_attr(
        not(feature = "sentry"),
        expect(dead_code, reason = "reports of errors read it")
    )]
    of: &'static str,
    place: Place,
    /// In a mutex only because a body is not Sync and an error must be.
    page: Option<(StatusCode, Box<Mutex<Response>>)>,
}

impl Error {
    /// An error with a message for the visitor.
    #[track_caller]
    pub fn new(kind: ErrorKind, public_message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            message: Some(public_message.into()),
            source: None,
            of: "Error",
            place: Place::caller(),
            page: None,
        }
    }

    /// The same with a cause for the log only.
    #[must_use]
    pub(crate) fn because(mut self, cause: impl Into<String>) -> Self {
        self.source = Some(cause.into().into());
        self
    }

    /// 404.
    #[track_caller]
    pub fn not_found() -> Self {
        Self {
            message: None,
            ..Self::new(ErrorKind::NotFound, "")
        }
    }

    /// 409 with this sentence: the state of the row does not allow the request.
    #[track_caller]
    pub fn conflict(public_message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Conflict, public_message)
    }

    /// 403.
    #[track_caller]
    pub fn forbidden() -> Self {
        Self {
            message: None,
            ..Self::new(ErrorKind::Forbidden, "")
        }
    }

    /// A bug, with a message for the log only.
    #[track_caller]
    pub fn bug(message: impl Into<String>) -> Self {
        Self {
            message: None,
            source: Some(message.into().into()),
            ..Self::new(ErrorKind::Internal, "")
        }
    }

    /// A handler that panicked at `place`.
    pub(crate) fn from_panic(message: &str, place: Place) -> Self {
        Self {
            place,
            of: "panic",
            ..Self::bug(format!("the handler panicked: {message}"))
        }
    }

    /// A page that is shown instead of the response.
    #[track_caller]
    pub fn page(page: Response) -> Self {
        let page = Some((page.status(), Box::new(Mutex::new(page))));
        Self {
            message: None,
            page,
            ..Self::new(ErrorKind::Page, "")
        }
    }

    /// Whether a unique constraint was violated.
    pub(crate) fn is_duplicate(&self) -> bool {
        let error = self.source.as_deref();
        let error = error.and_then(|source| source.downcast_ref::<DbErr>());
        error.is_some_and(|error| db::failure(error) == DbFailure::Duplicate)
    }

    /// Whether a database refused a deletion, because rows of other tables refer to the row.
    pub(crate) fn is_reference(&self) -> bool {
        let error = self
            .source
            .as_deref()
            .and_then(|source| source.downcast_ref::<DbErr>());
        let violation = error.and_then(DbErr::sql_err);
        matches!(violation, Some(SqlErr::ForeignKeyConstraintViolation(_)))
    }

    /// The type of the cause in the program, and the code of a database's error.
    #[cfg(feature = "sentry")]
    pub(crate) fn cause(&self) -> (&'static str, Option<String>) {
        let error = self.source.as_deref();
        let error = error.and_then(|source| source.downcast_ref::<DbErr>());
        (self.of, error.and_then(db::code))
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message for the visitor.
    pub fn public_message(&self) -> &str {
        self.message
            .as_deref()
            .unwrap_or_else(|| self.kind.public_message())
    }

    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        self.page
            .as_ref()
            .map_or_else(|| self.kind.status(), |(status, _)| *status)
    }
}

impl ErrorKind {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Gone => StatusCode::GONE,
            Self::Unprocessable => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal | Self::Page => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn public_message(self) -> &'static str {
        match self {
            Self::BadRequest => "The request could not be understood.",
            Self::Forbidden => "You are not allowed to do this.",
            Self::NotFound => "This page does not exist.",
            Self::Conflict => "This was changed by another user in the meantime.",
            Self::Gone => "This is no longer here.",
            Self::Unprocessable => "The request could not be processed.",
            Self::TooLarge => "That was more than this site accepts.",
            Self::UnsupportedType => "This content type is not supported.",
            Self::TooMany => "Too many requests. Please wait a moment.",
            Self::Internal | Self::Page => "Something went wrong on our side.",
            Self::Unavailable => {
                "This site is not available right now. Please try again in a moment."
            }
            Self::Busy => "This site is busy. Please try again in a few seconds.",
        }
    }

    /// Seconds until a retry makes sense.
    fn retry_after(self) -> Option<HeaderValue> {
        matches!(self, Self::Busy | Self::TooMany | Self::Unavailable)
            .then(|| HeaderValue::from_static("5"))
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    #[track_caller]
    fn from(source: E) -> Self {
        let kind = match (&source as &dyn Any)
            .downcast_ref::<DbErr>()
            .map(db::failure)
        {
            Some(DbFailure::Unavailable | DbFailure::TooSlow) => ErrorKind::Unavailable,
            Some(DbFailure::Duplicate) => ErrorKind::Conflict,
            Some(DbFailure::Bug) | None => ErrorKind::Internal,
        };
        Self {
            kind,
            message: None,
            source: Some(Box::new(source)),
            of: std::any::type_name::<E>(),
            place: Place::caller(),
            page: None,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} at {}", self.place)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        let mut cause = self.source.as_deref().map(|source| source as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// An [`Error`] as an extension of the response, for the log and the error page.
#[derive(Clone)]
pub struct Failure(Arc<Error>);

impl Failure {
    /// The error.
    pub fn error(&self) -> &Error {
        &self.0
    }

    /// Where in the source it was created.
    pub fn place(&self) -> &Place {
        &self.0.place
    }
}

impl IntoResponse for Error {
    fn into_response(mut self) -> Response {
        if let Some((_, page)) = self.page.take() {
            return page.into_inner().unwrap_or_else(PoisonError::into_inner);
        }
        let mut response = self.status().into_response();
        if let Some(seconds) = self.kind.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}

/// Turns `None` into 404.
///
/// ```
/// use palisade::prelude::*;
/// async fn show(db: Db, Path(id): Path<i32>) -> Result<String> {
///     let found: Option<(String,)> =
///         db.fetch_one(sql!("SELECT subject FROM ticket WHERE id = ?", id)).await?;
///     Ok(found.or_404()?.0)
/// }
/// let routes: Routes = Routes::new().route("/tickets/{id}", signed_in().get(show));
/// ```
pub trait Or404<T> {
    /// The value, or 404.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    fn or_404(self) -> Result<T>;
}

impl<T> Or404<T> for Option<T> {
    #[track_caller]
    fn or_404(self) -> Result<T> {
        match self {
            Some(value) => Ok(value),
            None => Err(Error::not_found()),
        }
    }
}
