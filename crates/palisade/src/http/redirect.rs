use super::Scheme;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use url::Url;

/// A redirect target on this site: a path, with query and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectTarget(HeaderValue);

impl RedirectTarget {
    /// Parses a path from input, as in `?next=`. `None` for everything that a browser could take
    /// for another site (open redirect).
    pub fn from_input(text: &str) -> Option<Self> {
        if !text.starts_with('/')
            || text.chars().any(char::is_control)
            || !is_safe_redirect(text, &[], Scheme::Https)
        {
            return None;
        }
        // serialising by a URL parser percent-encodes characters that must not be in a header
        let url = Url::parse("https://palisade.invalid")
            .ok()?
            .join(text)
            .ok()?;
        let is_local = url.host_str() == Some("palisade.invalid")
            && url.path().starts_with('/')
            && !url.path().starts_with("//");
        HeaderValue::from_str(&url[url::Position::BeforePath..])
            .ok()
            .filter(|_| is_local)
            .map(Self)
    }
}

/// Redirects to a page of this site with GET (303). A URL that is not a path of this site becomes
/// `/`, and is logged.
///
/// ```
/// use palisade::prelude::*;
/// let response = redirect_to("/tickets/7");
/// assert_eq!(response.headers()["location"], "/tickets/7");
/// assert_eq!(redirect_to("//evil.example").headers()["location"], "/");
/// ```
pub fn redirect_to(path: impl AsRef<str>) -> Response {
    let target = RedirectTarget::from_input(path.as_ref()).unwrap_or_else(|| {
        tracing::error!(target: "palisade", path = ?path.as_ref(), "redirect_to was called with a URL that is not a path of this site");
        RedirectTarget(HeaderValue::from_static("/"))
    });
    target.into_response()
}

impl IntoResponse for RedirectTarget {
    fn into_response(self) -> Response {
        (StatusCode::SEE_OTHER, [(header::LOCATION, self.0)]).into_response()
    }
}

/// Whether a URL leads to a path of this site or to one of `allowed_hosts`, in every browser.
/// From a `page` over https, it must not lead to plain HTTP. Verdicts are Django's.
///
/// ```
/// use palisade::http::{Scheme, is_safe_redirect};
/// assert!(is_safe_redirect("/tickets?page=2", &[], Scheme::Https));
/// assert!(!is_safe_redirect("//evil.example", &[], Scheme::Https));
/// assert!(!is_safe_redirect("http://example.org/", &["example.org"], Scheme::Https));
/// ```
pub fn is_safe_redirect(url: &str, allowed_hosts: &[&str], page: Scheme) -> bool {
    let url = url.trim();
    // browsers treat a backslash as a slash, so both readings must be safe
    !url.is_empty()
        && !url.starts_with(is_invisible)
        && is_safe_as_written(url, allowed_hosts, page)
        && is_safe_as_written(&url.replace('\\', "/"), allowed_hosts, page)
}

/// Control and format characters: some browsers skip them in front of a scheme.
fn is_invisible(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || is_format
}

fn is_safe_as_written(url: &str, allowed_hosts: &[&str], page: Scheme) -> bool {
    // browsers remove these everywhere (WHATWG URL, 4.4)
    let url = &url.replace(['\t', '\r', '\n'], "");
    if url.starts_with("///") {
        return false;
    }
    let (scheme, rest) = split_scheme(url);
    let Some(authority) = rest
        .strip_prefix("//")
        .map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default())
    else {
        return scheme.is_none();
    };
    let scheme = scheme.unwrap_or_else(|| "http".into());
    let is_allowed_scheme = scheme == "https" || (scheme == "http" && page == Scheme::Http);
    is_allowed_scheme && !authority.is_empty() && allowed_hosts.contains(&authority)
}

fn split_scheme(url: &str) -> (Option<String>, &str) {
    match url.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme.to_ascii_lowercase()), rest),
        _ => (None, url),
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}
