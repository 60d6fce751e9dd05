//! Cross-origin resource sharing
//! ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)). Off, unless a route
//! enables it.

use crate::http::Origin;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// The origins whose scripts may call a route and read its responses.
///
/// ```
/// use palisade::prelude::*;
/// use palisade::headers::Cors;
///
/// let partner = Cors::origins(["https://partner.example"]).allow_headers(["content-type"]);
/// let routes = Routes::<()>::new()
///     .route("/api/status", public().get(async || "fine").cors(&Cors::anyone()))
///     .route("/api/orders", public().get(async || "orders").cors(&partner));
/// ```
///
/// # Security
/// Cookies are included only by [`Cors::origins_with_credentials`], which lists origins; a wildcard
/// with credentials is impossible. A listed origin can read everything that the route shows to the
/// visitor. Unsafe methods also need the origin in `csrf.trusted_origins`, and its token.
#[derive(Debug, Clone)]
pub struct Cors {
    who: Who,
    headers: Vec<HeaderName>,
    exposed: Vec<HeaderName>,
}

#[derive(Debug, Clone)]
enum Who {
    Anyone,
    Listed {
        origins: Vec<HeaderValue>,
        with_credentials: bool,
    },
}

/// Lifetime of preflight responses in seconds; browsers cap it at two hours.
const KEPT_SECS: u64 = 7200;

impl Cors {
    /// All origins, without credentials: they read what any anonymous client can.
    pub fn anyone() -> Self {
        Self {
            who: Who::Anyone,
            headers: Vec::new(),
            exposed: Vec::new(),
        }
    }

    /// These origins, without cookies: `https://partner.example`, exactly as browsers write it.
    ///
    /// # Panics
    /// When one is not an origin, or has plain HTTP and is not on this machine. It stops the start.
    #[track_caller]
    pub fn origins<const N: usize>(origins: [&str; N]) -> Self {
        Self {
            who: Who::Listed {
                origins: parse_origins(&origins),
                with_credentials: false,
            },
            ..Self::anyone()
        }
    }

    /// These origins, on behalf of the signed-in visitor.
    ///
    /// # Panics
    /// As [`Cors::origins`].
    #[track_caller]
    pub fn origins_with_credentials<const N: usize>(origins: [&str; N]) -> Self {
        Self {
            who: Who::Listed {
                origins: parse_origins(&origins),
                with_credentials: true,
            },
            ..Self::anyone()
        }
    }

    /// Request headers that are allowed besides the safelisted ones.
    ///
    /// # Panics
    /// When one is not a header name.
    #[must_use]
    #[track_caller]
    pub fn allow_headers<const N: usize>(mut self, names: [&'static str; N]) -> Self {
        self.headers.extend(names.map(HeaderName::from_static));
        self
    }

    /// Response headers that scripts may read besides the safelisted ones.
    ///
    /// # Panics
    /// When one is not a header name.
    #[must_use]
    #[track_caller]
    pub fn expose_headers<const N: usize>(mut self, names: [&'static str; N]) -> Self {
        self.exposed.extend(names.map(HeaderName::from_static));
        self
    }

    /// The headers for an origin; none for origins that are not allowed.
    fn said_to(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match &self.who {
            Who::Anyone => Some(HeaderValue::from_static("*")),
            Who::Listed { origins, .. } => {
                origins.iter().find(|known| Some(*known) == origin).cloned()
            }
        }
    }

    /// The response to a preflight request, if it is one.
    pub(crate) fn preflight(
        &self,
        method: &Method,
        headers: &HeaderMap,
        declared: &[Method],
    ) -> Option<Response> {
        let asks = *method == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
            && headers.contains_key(ORIGIN);
        if !asks {
            return None;
        }
        let is_allowed = self.said_to(headers.get(ORIGIN)).is_some();
        let mut response = if is_allowed {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::FORBIDDEN
        }
        .into_response();
        let answer = response.headers_mut();
        if is_allowed {
            let methods: Vec<&str> = declared.iter().map(Method::as_str).collect();
            answer.insert(ACCESS_CONTROL_ALLOW_METHODS, list(&methods));
            if !self.headers.is_empty() {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names(&self.headers));
            }
            answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(KEPT_SECS));
        }
        self.apply(headers.get(ORIGIN), answer);
        for name in [
            ACCESS_CONTROL_REQUEST_METHOD,
            ACCESS_CONTROL_REQUEST_HEADERS,
        ] {
            answer.append(VARY, HeaderValue::from_name(name));
        }
        Some(response)
    }

    /// Sets the headers of a response, replacing those of the handler.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            answer.remove(name);
        }
        if matches!(self.who, Who::Listed { .. }) {
            // otherwise a cache would serve one origin's response to another
            answer.append(VARY, HeaderValue::from_name(ORIGIN));
        }
        let Some(said) = self.said_to(origin) else {
            return;
        };
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, said);
        if matches!(
            self.who,
            Who::Listed {
                with_credentials: true,
                ..
            }
        ) {
            answer.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        if !self.exposed.is_empty() {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names(&self.exposed));
        }
    }
}

#[track_caller]
fn parse_origins(origins: &[&str]) -> Vec<HeaderValue> {
    let origin = |text: &&str| {
        let parsed = Origin::parse(text).filter(|origin| {
            origin.to_string() == **text
                && !text.contains('*')
                && (origin.is_secure() || origin.is_local())
        });
        assert!(
            parsed.is_some(),
            "{text:?} is not an origin: write https://partner.example, without a path, and \
                without *"
        );
        HeaderValue::from_str(text).expect("an origin is a header value")
    };
    origins.iter().map(origin).collect()
}

fn names(headers: &[HeaderName]) -> HeaderValue {
    list(&headers.iter().map(HeaderName::as_str).collect::<Vec<_>>())
}

fn list(words: &[&str]) -> HeaderValue {
    HeaderValue::from_str(&words.join(", "))
        .expect("names of methods and headers are header values")
}
