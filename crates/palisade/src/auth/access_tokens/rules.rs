//! Rules and outcomes of personal access tokens.

use crate::auth::user::User;
use crate::views::Error;

/// A scope of the site's API, for the page where users make tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeclaredScope {
    /// Its name, as in [`token`](crate::permissions::token).
    pub name: &'static str,
    /// A description for users.
    pub label: &'static str,
}

/// Rules of a site for personal access tokens.
#[derive(Debug, Clone, Default)]
pub(crate) struct AccessTokenRules {
    pub(crate) scopes: Vec<DeclaredScope>,
    pub(crate) most_days: u32,
    pub(crate) most: usize,
}

/// A new token.
pub(crate) struct NewAccessToken<'a> {
    pub(crate) name: &'a str,
    pub(crate) scopes: &'a [&'a str],
    /// Days until its end, 1 to [`AccessTokenRules::most_days`].
    pub(crate) days: u32,
    /// One address or network per line; empty for all.
    pub(crate) networks: &'a str,
}

/// Why a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenEnd {
    ByOwner,
    ByOperator,
    Found,
    Exposed,
}

impl TokenEnd {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::ByOwner => "ended by its owner",
            Self::ByOperator => "ended by an operator",
            Self::Found => "reported as found",
            Self::Exposed => "sent in a URL",
        }
    }
}

/// Why a token is refused.
#[derive(Debug)]
pub(crate) enum TokenRefusal {
    /// The token is invalid.
    Wrong(&'static str),
    /// It cannot be validated now.
    Unknown(String),
}

impl From<Error> for TokenRefusal {
    fn from(error: Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

/// The user on whose behalf a token was sent.
#[derive(Debug, Clone)]
pub(crate) struct TokenUser {
    pub(crate) user: User,
    /// Whether the token was made with a second factor.
    pub(crate) has_factor: bool,
}
