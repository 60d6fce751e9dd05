use super::reach::NotPublic;
use std::error::Error;
use std::fmt;

/// Kind of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The URL is not allowed: not http or https, with a password, or from https to http.
    Address,
    /// The address is not public.
    Refused,
    /// The connection or the TLS handshake failed.
    Unreachable,
    /// The response took longer than `client.timeout_secs`.
    TooSlow,
    /// The response was longer than `client.max_bytes`.
    TooLarge,
    /// There were more redirects than `client.max_redirects`.
    TooManyRedirects,
}

/// A failed outgoing request. The text names the host, never the path or the content.
#[derive(Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    host: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl FetchError {
    pub(super) fn new(kind: FetchErrorKind, host: &str) -> Self {
        Self {
            kind,
            host: host.to_owned(),
            source: None,
        }
    }

    /// Categorises an error of the HTTP library.
    pub(super) fn from_reqwest(error: reqwest::Error, host: &str) -> Self {
        let error = error.without_url();
        let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
        let is_refused = causes.any(|cause| cause.is::<NotPublic>());
        let kind = match () {
            () if is_refused => FetchErrorKind::Refused,
            () if error.is_timeout() => FetchErrorKind::TooSlow,
            () => FetchErrorKind::Unreachable,
        };
        Self {
            kind,
            host: host.to_owned(),
            source: Some(error.into()),
        }
    }

    /// The kind.
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        match self.kind {
            FetchErrorKind::Address => {
                write!(
                    f,
                    "{host:?} is not an allowed URL: write https://host/path, without a password"
                )
            }
            FetchErrorKind::Refused => write!(
                f,
                "{host} is not allowed: it has no public address and is not in \
                    client.private_networks, or it is not in client.only_hosts"
            ),
            FetchErrorKind::Unreachable => write!(f, "{host} does not answer"),
            FetchErrorKind::TooSlow => {
                write!(f, "{host} did not answer within client.timeout_secs")
            }
            FetchErrorKind::TooLarge => {
                write!(f, "the response of {host} is longer than client.max_bytes")
            }
            FetchErrorKind::TooManyRedirects => {
                write!(f, "{host} redirects more often than client.max_redirects")
            }
        }?;
        let mut cause = self
            .source
            .as_deref()
            .filter(|_| self.kind == FetchErrorKind::Unreachable)
            .and_then(|source| source.source());
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn Error + 'static))
    }
}
