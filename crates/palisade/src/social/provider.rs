//! The identity providers, and their endpoints.

use super::built_in::{Kind, OPEN_ID, built_in};
use super::settings::ProviderSettings;

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
