//! The identity providers, and their endpoints.

use super::settings::ProviderSettings;

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
    issuer: &'static str,
    scopes: &'static str,
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

const OPEN_ID: &str = "openid email profile";

pub(super) fn built_in(name: &str) -> Option<&'static BuiltIn> {
    BUILT_IN.iter().find(|known| known.name == name)
}

/// A configured provider.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    pub(super) kind: Kind,
    /// The issuer, which scopes its subjects.
    pub(super) issuer: String,
    pub(super) scopes: String,
}

impl Provider {
    pub(super) fn new(settings: ProviderSettings) -> Self {
        let known = built_in(&settings.name);
        let own = settings.issuer.clone();
        let issuer =
            own.unwrap_or_else(|| known.map_or_else(String::new, |known| known.issuer.to_owned()));
        let scopes = std::iter::once(known.map_or(OPEN_ID, |known| known.scopes));
        let scopes: Vec<&str> = scopes
            .chain(settings.scopes.iter().map(String::as_str))
            .collect();
        Self {
            kind: known.map_or(Kind::OpenId, |known| known.kind),
            issuer,
            scopes: scopes.join(" "),
            settings,
        }
    }
}

/// API URL of a provider without OpenID Connect.
pub(super) struct Endpoints {
    pub(super) authorize: String,
    pub(super) token: String,
    pub(super) user: String,
    /// API URL of its email addresses.
    pub(super) emails: Option<String>,
}

impl Provider {
    /// Endpoints of a provider without metadata.
    pub(super) fn endpoints(&self) -> Option<Endpoints> {
        let base = self.issuer.trim_end_matches('/');
        let endpoints =
            |authorize: &str, token: &str, user: &str, emails: Option<&str>| Endpoints {
                authorize: authorize.into(),
                token: token.into(),
                user: user.into(),
                emails: emails.map(str::to_owned),
            };
        match self.kind {
            Kind::OpenId => None,
            Kind::GitHub => {
                // GitHub has its API on another host, GitHub Enterprise on the same
                let api = if base == "https://github.com" {
                    "https://api.github.com".to_owned()
                } else {
                    format!("{base}/api/v3")
                };
                let [authorize, token] =
                    ["authorize", "access_token"].map(|name| format!("{base}/login/oauth/{name}"));
                Some(endpoints(
                    &authorize,
                    &token,
                    &format!("{api}/user"),
                    Some(&format!("{api}/user/emails")),
                ))
            }
            Kind::Facebook => {
                let host = if base == "https://www.facebook.com" {
                    "https://graph.facebook.com"
                } else {
                    base
                };
                let graph = format!("{host}/v21.0");
                let authorize = format!("{base}/v21.0/dialog/oauth");
                Some(endpoints(
                    &authorize,
                    &format!("{graph}/oauth/access_token"),
                    &format!("{graph}/me?fields=id,name,email"),
                    None,
                ))
            }
            Kind::X => {
                let host = if base == "https://x.com" {
                    "https://api.x.com"
                } else {
                    base
                };
                let api = format!("{host}/2");
                Some(endpoints(
                    &format!("{base}/i/oauth2/authorize"),
                    &format!("{api}/oauth2/token"),
                    &format!("{api}/users/me"),
                    None,
                ))
            }
        }
    }
}
