//! The providers, and what is asked of each.

use super::settings::ProviderSettings;

/// How a provider says who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By an ID token (OpenID Connect).
    OpenId,
    /// By their own requests, over OAuth 2.0.
    GitHub,
    Facebook,
    X,
}

/// A provider that need not be described.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) kind: Kind,
    issuer: &'static str,
    scopes: &'static str,
}

/// The ready-made ones. Microsoft's is that of personal accounts; a company names its own tenant as issuer. Apple tells an address only to pages that take
/// forged forms, so it is not asked for one.
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

/// A provider of the site.
pub(super) struct Provider {
    pub(super) settings: ProviderSettings,
    pub(super) kind: Kind,
    /// Whose word it is: what a subject belongs to.
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

/// Where a provider of OAuth 2.0 alone is asked.
pub(super) struct Endpoints {
    pub(super) authorize: String,
    pub(super) token: String,
    pub(super) user: String,
    /// Where addresses are told apart from the rest.
    pub(super) emails: Option<String>,
}

impl Provider {
    /// Those of one that has no metadata.
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
                // GitHub has its programs' interface at another host, a company's own one below the same
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
