//! The built-in identity providers.

/// How a provider reports an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By an ID token (OpenID Connect).
    OpenId,
    /// By an API request, over OAuth 2.0.
    GitHub,
    Facebook,
    X,
}

/// A built-in provider.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    pub(super) issuer: &'static str,
    pub(super) scopes: &'static str,
}

/// The built-in providers. Microsoft's is that of personal accounts; an organisation sets its
/// tenant as issuer. Apple returns an email address only by a cross-site POST, so none is
/// requested.
pub(super) const BUILT_IN: [BuiltIn; 7] = [
    BuiltIn {
        name: "google",
        label: "Google",
        kind: Kind::OpenId,
        issuer: "https://accounts.google.com",
        scopes: OPEN_ID,
    },
    BuiltIn {
        name: "github",
        label: "GitHub",
        kind: Kind::GitHub,
        issuer: "https://github.com",
        scopes: "read:user user:email",
    },
    BuiltIn {
        name: "microsoft",
        label: "Microsoft",
        kind: Kind::OpenId,
        issuer: "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        scopes: OPEN_ID,
    },
    BuiltIn {
        name: "apple",
        label: "Apple",
        kind: Kind::OpenId,
        issuer: "https://appleid.apple.com",
        scopes: "openid",
    },
    BuiltIn {
        name: "facebook",
        label: "Facebook",
        kind: Kind::Facebook,
        issuer: "https://www.facebook.com",
        scopes: "email public_profile",
    },
    BuiltIn {
        name: "gitlab",
        label: "GitLab",
        kind: Kind::OpenId,
        issuer: "https://gitlab.com",
        scopes: OPEN_ID,
    },
    BuiltIn {
        name: "x",
        label: "X",
        kind: Kind::X,
        issuer: "https://x.com",
        scopes: "users.read tweet.read",
    },
];

pub(super) const OPEN_ID: &str = "openid email profile";

pub(super) fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|known| known.name == name)
}
