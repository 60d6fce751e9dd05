use super::{TableName, UserModel, UserTables};
use crate::checks::{Check, Level, Weakened};
use crate::settings::{section, setting_from_str};
use palisade_crypto::Secret;
use std::fmt;
use std::str::FromStr;
use url::Url;

section! {
    /// The Django project.
    DjangoSettings("django") {
        /// Whether it shares this site's database and key: sessions, CSRF tokens and messages then
        /// have Django's formats
        beside: bool = |_| false;
        /// Its AUTH_USER_MODEL
        user_model: UserModel = |_| "auth.User".parse().expect("a model");
        /// The db_table of that model, if it has one
        user_table: Option<TableName> = |_| None;
        /// Its SESSION_COOKIE_NAME
        session_cookie: CookieName = |_| CookieName("sessionid".into());
        /// Its CSRF_COOKIE_NAME
        csrf_cookie: CookieName = |_| CookieName("csrftoken".into());
        /// Its CSRF_USE_SESSIONS
        csrf_use_sessions: bool = |_| false;
        /// Path prefix of its password reset links, such as /accounts/reset; this site serves them,
        /// and generates its own in this format
        reset_path: ResetPath = |_| ResetPath("/account/reset".into());
        /// Its URL, such as http://127.0.0.1:8001: requests without a route here are proxied to it
        upstream: Option<Upstream> = |_| None;
        /// Its SECURED_FIELDS_KEY, FIELD_ENCRYPTION_KEY, FERNET_KEYS or CRYPTOGRAPHY_KEY, newest
        /// first, for `data encrypt --format`
        field_keys: Vec<Secret<String>> = |_| Vec::new();
        /// Its SALT_KEY or CRYPTOGRAPHY_SALT
        field_salts: Vec<Secret<String>> = |_| Vec::new();
        /// Its FERNET_USE_HKDF
        field_keys_hkdf: bool = |_| true;
    }
}

/// The name of another application's cookie
/// ([RFC 6265 section 4.1.1](https://www.rfc-editor.org/rfc/rfc6265#section-4.1.1)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieName(String);

setting_from_str!(
    CookieName,
    "a name of letters, digits, - and _, such as sessionid"
);

impl FromStr for CookieName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_name = (1..=60).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if is_name {
            Ok(Self(text.into()))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for CookieName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetPath(String);

setting_from_str!(
    ResetPath,
    "a path such as /accounts/reset, without a slash at its end"
);

impl FromStr for ResetPath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_part = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b))
        };
        let is_path = text.len() <= 100
            && text
                .strip_prefix('/')
                .is_some_and(|rest| rest.split('/').all(is_part));
        if is_path {
            Ok(Self(text.into()))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for ResetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// URL of the upstream: on this machine, over plain HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream(String);

setting_from_str!(
    Upstream,
    "http:// and an address of this machine with its port, such as http://127.0.0.1:8001"
);

impl Upstream {
    /// Host and port.
    pub fn authority(&self) -> &str {
        &self.0
    }
}

impl FromStr for Upstream {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let is_bare = url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty();
        let port = url.port_or_known_default().ok_or(())?;
        let host = url.host_str().ok_or(())?;
        if url.scheme() == "http" && is_here && is_bare {
            Ok(Self(format!("{host}:{port}")))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

impl DjangoSettings {
    /// Protections that sharing weakens, for the report.
    pub(crate) fn weakening(&self) -> Option<Weakened> {
        let reason = "Django looks for sessions under their keys, so the database holds the keys and not their hashes";
        self.beside.then(|| Weakened {
            name: "shared_sessions".into(),
            reason,
            source: "django.beside".into(),
        })
    }

    /// Its user tables.
    pub(crate) fn tables(&self) -> UserTables {
        UserTables::for_model(&self.user_model, self.user_table.as_ref())
    }
}

/// Configuration checks.
pub const CHECKS: &[Check<DjangoSettings>] = &[Check {
    id: "django.shared_sessions",
    django: None,
    level: Level::Warning,
    title: "session keys are stored in plaintext, because Django reads them there",
    why: "read access to the table, or to a backup of it, gives access to all sessions; without \
        sharing only hashes are stored",
    fix: "move the last page from Django, then set django.beside = false; all users log in once \
        more",
    fires: |settings| settings.beside,
}];
