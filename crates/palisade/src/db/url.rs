use palisade_crypto::Secret;
use percent_encoding::percent_decode_str;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;
use url::Url;

/// A database URL: `sqlite:FILE` or `postgres://USER:PASSWORD@HOST/NAME`. Printed without the
/// password.
#[derive(Debug, Clone)]
pub enum DatabaseUrl {
    /// An SQLite file; a relative path is below the data folder.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresUrl {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(
            dead_code,
            reason = "a program without PostgreSQL reads the URL to say so"
        )
    )]
    url: Secret<String>,
    shown: String,
    is_local: bool,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "a program without PostgreSQL connects to none")
    )]
    ipv6: Option<Ipv6Addr>,
    has_default_password: bool,
}

impl PostgresUrl {
    /// Whether the server is on this machine: loopback, or a socket. All others get TLS with
    /// certificate and name verified.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// Whether the password is a well-known default.
    pub fn has_default_password(&self) -> bool {
        self.has_default_password
    }

    /// The host, if it is an IPv6 address: the driver keeps the brackets of the URL and would
    /// resolve it as a name.
    #[cfg(feature = "postgres")]
    pub(crate) fn ipv6(&self) -> Option<Ipv6Addr> {
        self.ipv6
    }

    /// The URL for the driver, with our TLS parameters in place of its own.
    #[cfg(feature = "postgres")]
    pub(crate) fn expose(&self) -> &str {
        self.url.expose()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            // as Django's tools read it: two slashes for the authority, which a file does not have,
            // one that ends it
            let path = path
                .strip_prefix("//")
                .map_or(path, |path| path.strip_prefix('/').unwrap_or(path));
            let path = percent_decode_str(path)
                .decode_utf8()
                .map_err(|error| error.to_string())?;
            let is_plain = !path.is_empty() && !path.contains(['?', '#']) && path != ":memory:";
            return if is_plain {
                Ok(Self::Sqlite(path.as_ref().into()))
            } else {
                Err("an SQLite URL has a file only".into())
            };
        }
        let url = Url::parse(text).map_err(|error| format!("{error}; {ENCODE}"))?;
        match url.scheme() {
            // a # in a password that is not encoded ends the URL for the parser
            "postgres" | "postgresql" if url.fragment().is_some() => Err(ENCODE.into()),
            "postgres" | "postgresql" => Ok(Self::Postgres(parse_postgres(url))),
            scheme => Err(format!(
                "the scheme must be sqlite or postgres, and is {scheme}"
            )),
        }
    }
}

const ENCODE: &str = "characters such as # / ? @ : % in a user name or a password are written percent-encoded (%23 %2F %3F %40 %3A %25)";

fn parse_postgres(mut url: Url) -> PostgresUrl {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(key, _)| !key.starts_with("ssl"))
        .map(|(k, v)| (k.into(), v.into()))
        .collect();
    let socket = kept
        .iter()
        .find(|(key, value)| key == "host" && value.starts_with('/'));
    // a host in the query would override the one that is_local checks
    let has_other_host = kept
        .iter()
        .any(|(key, value)| (key == "host" && !value.starts_with('/')) || key == "hostaddr");
    let certificate: Option<String> = url
        .query_pairs()
        .find(|(key, _)| key == "sslrootcert")
        .map(|(_, path)| path.into());
    let host = url
        .host_str()
        .unwrap_or_default()
        .trim_matches(['[', ']'])
        .to_owned();
    let is_loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    let is_local = !has_other_host
        && (is_loopback || socket.is_some() || host.starts_with('/') || host.starts_with("%2F"));
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(certificate.map(|path| ("sslrootcert", path)));
    let password = url.password().unwrap_or_default();
    let has_default_password = ["postgres", "password", "admin", "root"].contains(&password)
        || password == url.username() && !password.is_empty();
    let shown = format!("postgres://{}:***@{}{}", url.username(), host, url.path());
    let ipv6 = host.parse().ok();
    PostgresUrl {
        url: Secret::new(url.into()),
        shown,
        is_local,
        ipv6,
        has_default_password,
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.shown),
        }
    }
}
