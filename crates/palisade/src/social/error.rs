use super::Provider;
use crate::views::{Error, ErrorKind};
use std::fmt;

/// Why a login failed.
#[derive(Debug, Clone)]
pub(crate) enum ProviderError {
    /// The provider is unreachable.
    Unreachable(String),
    /// The response is invalid.
    InvalidResponse(String),
    /// The provider is misconfigured, here or there; a visitor cannot fix it.
    Misconfigured(String),
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unreachable(what) | Self::InvalidResponse(what) | Self::Misconfigured(what)) =
            self;
        f.write_str(what)
    }
}

impl ProviderError {
    /// The message for the visitor; the details are logged.
    pub(super) fn to_page_error(&self, provider: &Provider) -> Error {
        let label = &provider.settings.label;
        tracing::warn!(target: "palisade", provider = provider.settings.name, trouble = %self, "a social login failed");
        match self {
            Self::Unreachable(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "{label} does not answer right now. Try again, or use another login method."
                ),
            ),
            Self::Misconfigured(_) => Error::new(
                ErrorKind::Unavailable,
                format!(
                    "Login with {label} does not work at the moment. Use another login method, \
                        or contact the operators of this site."
                ),
            ),
            Self::InvalidResponse(_) => Error::new(
                ErrorKind::BadRequest,
                format!(
                    "The response of {label} does not belong to a login that was started in this \
                        browser. Start again."
                ),
            ),
        }
    }
}
