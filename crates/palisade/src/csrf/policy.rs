use super::CsrfSecret;
use crate::http::{Origin, OriginPattern};
use http::Method;

/// What one request says about where it came from.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// Method.
    pub method: &'a Method,
    /// Whether the connection was encrypted.
    pub is_secure: bool,
    /// Host header, with port.
    pub host: &'a str,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// The secret of this visitor under each key of the ring; empty without a cookie.
    pub secrets: &'a [CsrfSecret],
    /// The token of the form, or else of the header.
    pub token: Option<&'a str>,
    /// Other origins whose forms are accepted.
    pub trusted: &'a [OriginPattern],
}

/// Why a request is refused. The site's refusal page gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The browser says that another site sent it.
    CrossSite,
    /// `Origin` is neither this site nor trusted.
    Origin,
    /// Encrypted, and neither `Origin` nor `Referer`.
    RefererMissing,
    /// `Referer` is not an address.
    RefererMalformed,
    /// `Referer` was sent in clear to an encrypted site.
    RefererInsecure,
    /// `Referer` is neither this site nor trusted.
    Referer,
    /// There is no cookie that a token could belong to.
    NoCookie,
    /// There is no token.
    NoToken,
    /// There is no token in a header, and the body is of a type in which none is looked for.
    NoForm,
    /// The token belongs to somebody else, or to an old session.
    WrongToken,
}

/// Whether a request may change anything.
///
/// # Errors
/// Why not.
pub fn judge(evidence: &Evidence<'_>) -> Result<(), Refusal> {
    if is_safe(evidence.method) {
        return Ok(());
    }
    judge_source(evidence)?;
    judge_token(evidence)
}

/// Methods that change nothing ([RFC 9110, 9.2.1](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.1)). An unknown method is not one.
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
    )
}

pub(super) fn judge_source(evidence: &Evidence<'_>) -> Result<(), Refusal> {
    let own = Origin::of_request(evidence.is_secure, evidence.host);
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
        // a sibling domain is another site, unless it is named
        Some(_) if !matches!(&origin, Some(Some(origin)) if is_trusted(origin)) => {
            return Err(Refusal::CrossSite);
        }
        _ if origin.is_some() => return Ok(()),
        _ => {}
    }
    let same_host = |origin: &Origin| own.as_ref().is_some_and(|own| own.is_same_host(origin));
    match (
        evidence.is_secure,
        evidence.referer,
        evidence.referer.and_then(Origin::of_url),
    ) {
        (true, None, _) => Err(Refusal::RefererMissing),
        (true, Some(_), None) => Err(Refusal::RefererMalformed),
        (true, _, Some(referer)) if !referer.is_secure() => Err(Refusal::RefererInsecure),
        // in clear a Referer proves nothing, but one that names another site says enough
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
