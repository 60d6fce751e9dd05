use super::built_in::{BUILT_IN, Kind, built_in};
use crate::checks::{Check, Level};
use crate::settings::{Setting, section};
use palisade_crypto::Secret;
use url::Url;

section! {
    /// Identity providers of social login.
    SocialSettings("social") {
        /// Providers: tables with name, client_id, client_secret, and issuer for one that is not
        /// built in
        providers: Vec<ProviderSettings> = |_| Vec::new();
    }
}

/// A provider. In `palisade.toml` a table; in the environment `NAME CLIENT_ID CLIENT_SECRET`,
/// optionally followed by the issuer and the flags `trusts_email`, `keeps_tokens` and `logs_out`,
/// separated by spaces.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Name in URLs: `google`, `github`, `microsoft`, `apple`, `facebook`, `gitlab`, `x`, or a
    /// custom one.
    pub name: String,
    /// Display name.
    pub label: String,
    /// Client id of this site at the provider.
    pub client_id: String,
    /// Client secret. With `team_id` and `key_id` (Apple), the private key that signs it, as PEM.
    pub client_secret: Secret<String>,
    /// Issuer URL. Required for providers that are not built in, and for self-hosted GitHub, GitLab
    /// and Microsoft tenants.
    pub issuer: Option<String>,
    /// Whether an address that the provider has verified is trusted: only then does a login find an
    /// account by its address.
    pub trusts_email: bool,
    /// Whether the provider's tokens are stored, encrypted, for later requests to it.
    pub keeps_tokens: bool,
    /// Additional scopes.
    pub scopes: Vec<String>,
    /// Whether a logout here continues at the provider.
    pub logs_out: bool,
    /// Apple's team id.
    pub team_id: Option<String>,
    /// Apple's key id.
    pub key_id: Option<String>,
}

const KEYS: [&str; 11] = [
    "name",
    "label",
    "client_id",
    "client_secret",
    "issuer",
    "trusts_email",
    "keeps_tokens",
    "scopes",
    "logs_out",
    "team_id",
    "key_id",
];

/// Flags of a provider.
const FLAGS: [&str; 3] = ["trusts_email", "keeps_tokens", "logs_out"];

impl ProviderSettings {
    fn validate(self) -> Result<Self, String> {
        let is_name = |name: &str| {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            (1..=30).contains(&name.len()) && name.chars().all(is_plain)
        };
        if !is_name(&self.name) {
            return Err(
                "has a name that is not of 1 to 30 letters a to z, digits and hyphens".into(),
            );
        }
        if ["address", "confirm", "password", "remove"].contains(&self.name.as_str()) {
            return Err(format!(
                "has the name {}, which is that of a page",
                self.name
            ));
        }
        if self.client_id.is_empty() || self.client_secret.expose().is_empty() {
            return Err(format!(
                "has no client_id or no client_secret for {}",
                self.name
            ));
        }
        if self.team_id.is_some() != self.key_id.is_some() {
            return Err(format!(
                "has only one of team_id and key_id for {}",
                self.name
            ));
        }
        match (&self.issuer, built_in(&self.name)) {
            (None, None) => {
                let known: Vec<&str> = BUILT_IN.iter().map(|known| known.name).collect();
                Err(format!(
                    "has no issuer for {}, and only {} are built in",
                    self.name,
                    known.join(", ")
                ))
            }
            (Some(issuer), _) if !is_issuer(issuer) => Err(format!(
                "has an issuer for {} that is not an https:// URL without query and fragment",
                self.name
            )),
            _ => Ok(self),
        }
    }
}

/// Whether a URL can be an issuer
/// ([OpenID Connect Discovery, section 2](https://openid.net/specs/openid-connect-discovery-1_0.html));
/// plain HTTP is for loopback only.
pub(crate) fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    url.query().is_none() && url.fragment().is_none() && is_safe(&url)
}

/// Whether requests to a URL are encrypted, or stay on this machine.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    url.has_host()
        && url.username().is_empty()
        && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

impl Setting for ProviderSettings {
    const SHAPE: &'static str = "tables [[social.providers]]; in the environment, NAME CLIENT_ID CLIENT_SECRET and perhaps ISSUER, separated by commas";
    const IS_SECRET: bool = true;

    fn from_text(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [name, client_id, client_secret, rest @ ..] = words.as_slice() else {
            return Err("is not NAME CLIENT_ID CLIENT_SECRET".into());
        };
        let (flags, issuers): (Vec<&str>, Vec<&str>) =
            rest.iter().partition(|word| FLAGS.contains(word));
        if issuers.len() > 1 {
            return Err(format!(
                "has more words than NAME CLIENT_ID CLIENT_SECRET ISSUER and {}",
                FLAGS.join(", ")
            ));
        }
        let label = built_in(name).map_or(*name, |known| known.label);
        Self {
            name: (*name).into(),
            label: label.into(),
            client_id: (*client_id).into(),
            client_secret: Secret::new((*client_secret).into()),
            issuer: issuers.first().map(|issuer| (*issuer).into()),
            trusts_email: flags.contains(&FLAGS[0]),
            keeps_tokens: flags.contains(&FLAGS[1]),
            scopes: Vec::new(),
            logs_out: flags.contains(&FLAGS[2]),
            team_id: None,
            key_id: None,
        }
        .validate()
    }

    fn from_toml(value: &toml::Value) -> Result<Self, String> {
        let Some(table) = value.as_table() else {
            return value
                .as_str()
                .map_or(Err("is no table".into()), Self::from_text);
        };
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!(
                "has {unknown}, which is not a flag; the flags are {}",
                KEYS.join(", ")
            ));
        }
        let text = |key: &str| {
            table
                .get(key)
                .and_then(toml::Value::as_str)
                .map(str::to_owned)
        };
        let is_set = |key: &str| {
            table
                .get(key)
                .and_then(toml::Value::as_bool)
                .unwrap_or_default()
        };
        let name = text("name").unwrap_or_default();
        let label = text("label")
            .or_else(|| built_in(&name).map(|known| known.label.to_owned()))
            .unwrap_or_else(|| name.clone());
        let scopes = table
            .get("scopes")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten();
        Self {
            label,
            client_id: text("client_id").unwrap_or_default(),
            client_secret: Secret::new(text("client_secret").unwrap_or_default()),
            issuer: text("issuer"),
            trusts_email: is_set("trusts_email"),
            keeps_tokens: is_set("keeps_tokens"),
            scopes: scopes
                .filter_map(toml::Value::as_str)
                .map(str::to_owned)
                .collect(),
            logs_out: is_set("logs_out"),
            team_id: text("team_id"),
            key_id: text("key_id"),
            name,
        }
        .validate()
    }

    fn show(&self) -> String {
        format!(
            "{} {} (secret) {}",
            self.name,
            self.client_id,
            self.issuer.as_deref().unwrap_or_default()
        )
        .trim_end()
        .to_owned()
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<SocialSettings>] = &[
    Check {
        id: "social.not_built",
        django: None,
        level: Level::Error,
        title: "this program was built without social login",
        why: "users who can only log in through a provider are locked out",
        fix: "build it with the feature social, or remove social.providers",
        fires: |settings| !settings.providers.is_empty() && !cfg!(feature = "social"),
    },
    Check {
        id: "social.twice",
        django: None,
        level: Level::Error,
        title: "two providers have the same name",
        why: "identities of the two providers would be mixed up (ASVS 6.8.1)",
        fix: "give each table of social.providers a unique name",
        fires: |settings| {
            let names: std::collections::BTreeSet<&str> = settings
                .providers
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            names.len() != settings.providers.len()
        },
    },
    Check {
        id: "social.in_clear",
        django: None,
        level: Level::Error,
        title: "a provider is contacted over plain HTTP",
        why: "a man in the middle could log in as any user",
        fix: "use https:// in the issuer of social.providers",
        fires: |settings| {
            settings
                .providers
                .iter()
                .filter_map(|one| one.issuer.as_ref())
                .any(|issuer| issuer.starts_with("http:"))
        },
    },
    Check {
        id: "social.unverified_trusted",
        django: None,
        level: Level::Error,
        title: "a provider that does not verify addresses is trusted for them",
        why: "an attacker who types a user's address there gets access to the user's account here",
        fix: "remove trusts_email from facebook and x",
        fires: |settings| {
            settings.providers.iter().any(|one| {
                one.trusts_email
                    && built_in(&one.name)
                        .is_some_and(|known| !matches!(known.kind, Kind::OpenId | Kind::GitHub))
            })
        },
    },
];
