use super::CsrfSecret;
use crate::http::{Origin, OriginPattern, Scheme};
use http::Method;

/// The properties of a request that the policy uses.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Method.
    pub method: &'a Method,
    /// Whether the connection was encrypted.
    pub scheme: Scheme,
    /// Host header, with port.
    pub host: &'a str,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// The visitor's secret for each key of the ring; empty without a cookie.
    pub secrets: &'a [CsrfSecret],
    /// The token of the form, or else of the header.
    pub token: Option<&'a str>,
    /// Trusted origins.
    pub trusted: &'a [OriginPattern],
}

/// Why a request is refused. Passed to the site's refusal page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// `Sec-Fetch-Site` says that the request is cross-site.
    CrossSite,
    /// `Origin` is neither this site nor trusted.
    Origin,
    /// Encrypted, and neither `Origin` nor `Referer`.
    RefererMissing,
    /// `Referer` is not a URL.
    RefererMalformed,
    /// `Referer` has plain HTTP, and the request came over HTTPS.
    RefererInsecure,
    /// `Referer` is neither this site nor trusted.
    Referer,
    /// There is no cookie that a token could belong to.
    NoCookie,
    /// There is no token.
    NoToken,
    /// No token in a header, and the body is of a type that is not searched for one.
    NoForm,
    /// The token belongs to another visitor, or to an old session.
    WrongToken,
}

/// Whether a request passes.
///
/// # Errors
/// The reason for the refusal.
pub fn judge(evidence: &Evidence<'_>) -> Result<(), Refusal> {
    if is_safe(evidence.method) {
        return Ok(());
    }
    judge_source(evidence)?;
    judge_token(evidence)
}

/// Safe methods ([RFC 9110, 9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)). An
/// unknown method is not safe.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

pub(super) fn judge_source(evidence: &Evidence<'_>) -> Result<(), Refusal> {
    let own = Origin::of_request(evidence.scheme, evidence.host);
    let is_ours = |origin: &Origin| own.as_ref() == Some(origin);
    let is_trusted = |origin: &Origin| {
        evidence
            .trusted
            .iter()
            .any(|pattern| pattern.matches(origin))
    };
    let origin = evidence.origin.map(Origin::parse);
    if let Some(origin) = &origin
        && !origin
            .as_ref()
            .is_some_and(|origin| is_ours(origin) || is_trusted(origin))
    {
        return Err(Refusal::Origin);
    }
    match evidence.fetch_site {
        Some("same-origin" | "none") => return Ok(()),
        // a sibling domain is another origin, unless it is trusted
        Some(_) if !matches!(&origin, Some(Some(origin)) if is_trusted(origin)) => {
            return Err(Refusal::CrossSite);
        }
        _ if origin.is_some() => return Ok(()),
        _ => {}
    }
    let same_host = |origin: &Origin| own.as_ref().is_some_and(|own| own.is_same_host(origin));
    match (
        evidence.scheme,
        evidence.referer,
        evidence.referer.and_then(Origin::of_url),
    ) {
        (Scheme::Https, None, _) => Err(Refusal::RefererMissing),
        (Scheme::Https, Some(_), None) => Err(Refusal::RefererMalformed),
        (Scheme::Https, _, Some(referer)) if !referer.is_secure() => Err(Refusal::RefererInsecure),
        // over plain HTTP a Referer proves nothing, but one of another site is a reason to refuse
        (_, _, Some(referer)) if !same_host(&referer) && !is_trusted(&referer) => {
            Err(Refusal::Referer)
        }
        _ => Ok(()),
    }
}

fn judge_token(evidence: &Evidence<'_>) -> Result<(), Refusal> {
    if evidence.secrets.is_empty() {
        return Err(Refusal::NoCookie);
    }
    let token = evidence
        .token
        .filter(|token| !token.is_empty())
        .ok_or(Refusal::NoToken)?;
    let is_ours = evidence.secrets.iter().any(|secret| secret.is_token(token));
    if is_ours {
        Ok(())
    } else {
        Err(Refusal::WrongToken)
    }
}
