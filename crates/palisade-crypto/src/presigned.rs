//! Links to objects of S3-compatible storages, signed with AWS Signature Version 4 in the query
//! ([reference](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html)).

use crate::{Secret, hex, hmac_sha256};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use std::fmt;

/// A bucket: where its objects are, and who may read them.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Scheme, host and base path of the service; `None` for that of the region at AWS.
    pub endpoint: Option<String>,
    /// The region that is signed for.
    pub region: String,
    /// The place of the name in a link.
    pub addressing: Addressing,
    /// The access key.
    pub access_key: String,
    /// The secret key.
    pub secret_key: Secret<String>,
    /// The token of temporary keys.
    pub session_token: Option<Secret<String>>,
}

/// The place of a bucket's name in a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `https://host/bucket/key`.
    Path,
    /// `https://bucket.host/key`, where the name can be one label of a host.
    Virtual,
}

/// A link to read one object.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The key of the object.
    pub key: &'a str,
    /// The version of the object; `None` for the newest.
    pub version: Option<&'a str>,
    /// Headers of the answer, such as `response-content-disposition`, in this order.
    pub response: &'a [(&'a str, &'a str)],
    /// The time in UTC: `20261130T120000Z`.
    pub now: &'a str,
    /// Seconds, at most [`MOST_SECONDS`].
    pub seconds: u64,
}

/// Longest life of a link, in seconds.
pub const MOST_SECONDS: u64 = 900;

/// Why no link is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkError {
    /// The bucket's name has other characters than letters, digits, dots, hyphens and underscores.
    Bucket,
    /// The endpoint is no URL with a scheme and a host.
    Endpoint,
    /// The time is not of the form `20261130T120000Z`.
    Time,
    /// The link would be valid for longer than [`MOST_SECONDS`], or not at all.
    Seconds,
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bucket => "this is no name of a bucket",
            Self::Endpoint => "the endpoint is no URL",
            Self::Time => "the time is not of the form 20261130T120000Z",
            Self::Seconds => "a link is valid for 1 to 900 seconds",
        })
    }
}

impl std::error::Error for LinkError {}

/// RFC 3986, 2.3: unreserved characters stay.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const IN_PATH: &AsciiSet = &ENCODED.remove(b'/');

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Scheme, host and path of an object.
struct Place {
    scheme: String,
    host: String,
    path: String,
}

impl Bucket {
    /// A link that anyone who has it can read one object with, for a short time. Content type and
    /// disposition are part of the signature.
    ///
    /// ```
    /// use palisade_crypto::Secret;
    /// use palisade_crypto::presigned::{Addressing, Bucket, Link};
    /// let bucket = Bucket {
    ///     name: "reports".into(),
    ///     endpoint: Some("https://objects.example.org".into()),
    ///     region: "eu-west-1".into(),
    ///     addressing: Addressing::Path,
    ///     access_key: "an access key".into(),
    ///     secret_key: Secret::new("a secret key".into()),
    ///     session_token: None,
    /// };
    /// let response = [("response-content-disposition", "attachment")];
    /// let link = Link { key: "a.pdf", version: None, response: &response, now: "20261130T120000Z", seconds: 60 };
    /// assert!(bucket.sign(&link)?.starts_with("https://objects.example.org/reports/a.pdf?response-content"));
    /// # Ok::<(), palisade_crypto::presigned::LinkError>(())
    /// ```
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn sign(&self, link: &Link<'_>) -> Result<String, LinkError> {
        if !(1..=MOST_SECONDS).contains(&link.seconds) {
            return Err(LinkError::Seconds);
        }
        let is_time = link.now.len() == 16 && link.now.is_ascii() && link.now.as_bytes()[8] == b'T';
        let day = link
            .now
            .get(..8)
            .filter(|_| is_time)
            .ok_or(LinkError::Time)?;
        let place = self.place(link.key)?;
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let query = self.query(link, &scope);
        let mut sorted = query.clone();
        sorted.sort();
        let request = format!(
            "GET\n{}\n{}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD",
            place.path,
            joined(&sorted),
            place.host
        );
        let text = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            link.now,
            hex(&Sha256::digest(request))
        );
        let signature = hex(&hmac_sha256(&self.key_of(day), text.as_bytes()));
        Ok(format!(
            "{}://{}{}?{}&X-Amz-Signature={signature}",
            place.scheme,
            place.host,
            place.path,
            joined(&query)
        ))
    }

    /// Encoded names and values, in the order of the link.
    fn query(&self, link: &Link<'_>, scope: &str) -> Vec<(String, String)> {
        let credential = format!("{}/{scope}", self.access_key);
        let seconds = link.seconds.to_string();
        let mut query: Vec<(&str, &str)> = link.response.to_vec();
        query.extend(link.version.map(|version| ("versionId", version)));
        query.extend([
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", link.now),
            ("X-Amz-Expires", &seconds),
            ("X-Amz-SignedHeaders", "host"),
        ]);
        let token = self.session_token.as_ref();
        query.extend(token.map(|token| ("X-Amz-Security-Token", token.expose().as_str())));
        let encoded = |(name, value): &(&str, &str)| (encode(name), encode(value));
        query.iter().map(encoded).collect()
    }

    /// The key of a day, by which a leaked one is worth little.
    fn key_of(&self, day: &str) -> [u8; 32] {
        let secret = format!("AWS4{}", self.secret_key.expose());
        let of_day = hmac_sha256(secret.as_bytes(), day.as_bytes());
        let of_region = hmac_sha256(&of_day, self.region.as_bytes());
        hmac_sha256(&hmac_sha256(&of_region, b"s3"), b"aws4_request")
    }

    fn place(&self, key: &str) -> Result<Place, LinkError> {
        let is_valid = |letter: char| letter.is_ascii_alphanumeric() || ".-_".contains(letter);
        if self.name.is_empty() || self.name.len() > 255 || !self.name.chars().all(is_valid) {
            return Err(LinkError::Bucket);
        }
        let key = utf8_percent_encode(key, IN_PATH);
        let endpoint = self
            .endpoint
            .clone()
            .unwrap_or_else(|| self.endpoint_of_aws());
        let (scheme, rest) = endpoint.split_once("://").ok_or(LinkError::Endpoint)?;
        let (host, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.is_empty() {
            return Err(LinkError::Endpoint);
        }
        let base = base.trim_end_matches('/');
        let (host, path) = match self.is_virtual(host) {
            true => (format!("{}.{host}", self.name), format!("{base}/{key}")),
            false => (host.to_owned(), format!("{base}/{}/{key}", self.name)),
        };
        Ok(Place {
            scheme: scheme.to_owned(),
            host,
            path,
        })
    }

    fn endpoint_of_aws(&self) -> String {
        let region = &self.region;
        let domain = match region.starts_with("cn-") {
            true => "amazonaws.com.cn",
            false => "amazonaws.com",
        };
        match region.as_str() {
            "us-east-1" => format!("https://s3.{domain}"),
            _ => format!("https://s3.{region}.{domain}"),
        }
    }

    /// Whether the name is a label in front of this host: not before an address.
    fn is_virtual(&self, host: &str) -> bool {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = self.name.as_bytes();
        let is_label = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|byte| is_letter(*byte) || *byte == b'-')
            && is_letter(bytes[0])
            && is_letter(bytes[bytes.len() - 1]);
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_address = name.starts_with('[') || name.parse::<std::net::Ipv4Addr>().is_ok();
        self.addressing == Addressing::Virtual && is_label && !is_address
    }
}

fn joined(query: &[(String, String)]) -> String {
    let pairs: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}
