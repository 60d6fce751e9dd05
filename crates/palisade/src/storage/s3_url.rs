use super::ObjectName;
use crate::crypto::Secret;
use std::fmt;
use std::str::FromStr;
use url::Url;

/// A bucket of an S3-compatible storage: `s3://BUCKET/PREFIX?region=REGION&endpoint=https://HOST`.
///
/// Without an endpoint it is one of AWS. Only an endpoint on this machine may be without TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Url {
    pub(super) bucket: String,
    /// Empty, or with a slash at its end.
    pub(super) prefix: String,
    pub(super) region: String,
    pub(super) endpoint: Option<String>,
}

/// The keys of a bucket.
#[derive(Debug, Clone, Default)]
pub(crate) struct StorageKeys {
    pub(crate) access_key: Option<String>,
    pub(crate) secret_key: Option<Secret<String>>,
    #[cfg_attr(
        not(feature = "s3"),
        expect(dead_code, reason = "without S3 no request is signed")
    )]
    pub(crate) session_token: Option<Secret<String>>,
}

impl StorageKeys {
    pub(crate) fn are_set(&self) -> bool {
        self.access_key.is_some() && self.secret_key.is_some()
    }
}

/// Region of storages that have none.
const NO_REGION: &str = "us-east-1";

impl S3Url {
    /// The key of an object in the bucket.
    #[cfg_attr(
        not(feature = "s3"),
        expect(dead_code, reason = "without S3 there is no bucket")
    )]
    pub(super) fn key(&self, name: &ObjectName) -> String {
        format!("{}{name}", self.prefix)
    }
}

impl FromStr for S3Url {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let bucket = url.host_str().unwrap_or_default();
        let prefix = url.path().trim_matches('/');
        let is_plain = url.scheme() == "s3"
            && !text.contains("..")
            && is_bucket(bucket)
            && url.username().is_empty()
            && url.password().is_none()
            && url.port().is_none()
            && url.fragment().is_none()
            && (prefix.is_empty() || prefix.split('/').all(is_part));
        let mut found = Self {
            bucket: bucket.to_owned(),
            prefix: match prefix {
                "" => String::new(),
                prefix => format!("{prefix}/"),
            },
            region: NO_REGION.to_owned(),
            endpoint: None,
        };
        for (name, value) in url.query_pairs() {
            match &*name {
                "region" if is_part(&value) => found.region = value.into_owned(),
                "endpoint" => found.endpoint = Some(endpoint(&value).ok_or(())?),
                _ => return Err(()),
            }
        }
        is_plain.then_some(found).ok_or(())
    }
}

/// Names of buckets, by the rules of AWS since 2018.
fn is_bucket(name: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    (3..=63).contains(&name.len()) && name.bytes().all(is_allowed) && !name.contains("..")
}

fn is_part(part: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !part.is_empty() && !part.contains("..") && part.bytes().all(is_allowed)
}

/// An endpoint over TLS, or on this machine.
fn endpoint(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    let is_own = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    let is_safe = url.scheme() == "https" || url.scheme() == "http" && is_own;
    let is_bare = url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none();
    (is_safe && is_bare).then(|| text.trim_end_matches('/').to_owned())
}

impl fmt::Display for S3Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            bucket,
            prefix,
            region,
            endpoint,
        } = self;
        write!(f, "s3://{bucket}/{prefix}?region={region}")?;
        match endpoint {
            Some(endpoint) => write!(f, "&endpoint={endpoint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn buckets_are_parsed() {
        let text = "s3://my-files/site/a?region=eu-west-1&endpoint=https://objects.example.org";
        let url = text.parse::<S3Url>().unwrap();
        assert_eq!((&*url.bucket, &*url.prefix), ("my-files", "site/a/"));
        assert_eq!(url.to_string().parse::<S3Url>().unwrap(), url);
        let plain = "s3://my-files".parse::<S3Url>().unwrap();
        assert_eq!((&*plain.prefix, &*plain.region), ("", "us-east-1"));
    }

    // V12.2.1: keys and files go over TLS, unless they stay on the machine
    #[test]
    fn only_this_machine_is_reached_without_tls() {
        let is_taken = |endpoint: &str| {
            format!("s3://files?endpoint={endpoint}")
                .parse::<S3Url>()
                .is_ok()
        };
        for own in [
            "http://127.0.0.1:9000",
            "http://localhost:9000",
            "http://[::1]:9000",
        ] {
            assert!(is_taken(own), "{own}");
        }
        for other in [
            "http://objects.example.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
            "ftp://127.0.0.1",
            "https://user:password@objects.example.org",
            "objects.example.org",
        ] {
            assert!(!is_taken(other), "{other}");
        }
    }

    #[test]
    fn other_urls_are_refused() {
        for text in [
            "s3://",
            "s3://ab",
            "s3://Bucket_1",
            "s3://key:secret@files",
            "s3://files:80",
            "s3://files/../other",
            "s3://files/a b",
            "s3://files?acl=public-read",
            "s3://files#a",
            "https://files",
        ] {
            assert!(text.parse::<S3Url>().is_err(), "{text}");
        }
    }
}
