//! Who else's pages may read answers of a route ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)). Off, unless a route says otherwise.

use crate::http::Origin;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

/// Which other sites' scripts may call a route and read what it answers.
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
/// Cookies go along only by [`Cors::origins_with_credentials`], which names sites; there is no way to let everybody read what a visitor may see. Whoever is
/// named can read whatever the route shows that visitor. A request that changes something needs the origin in `csrf.trusted_origins` and its token as
/// well.
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

/// Seconds for which a browser need not ask again; none keeps it longer than two hours.
const KEPT_SECS: u64 = 7200;

impl Cors {
    /// Everybody, as a stranger: what they read is what anybody can read.
    pub fn anyone() -> Self {
        Self {
            who: Who::Anyone,
            headers: Vec::new(),
            exposed: Vec::new(),
        }
    }

    /// These sites, without cookies: `https://partner.example`, exactly as browsers write it.
    ///
    /// # Panics
    /// When one is no origin, or one in clear of another machine. It stops the start.
    #[track_caller]
    pub fn origins<const N: usize>(origins: [&str; N]) -> Self {
        Self {
            who: Who::Listed {
                origins: listed(&origins),
                with_credentials: false,
            },
            ..Self::anyone()
        }
    }

    /// These sites, on behalf of the visitor who is signed in here.
    ///
    /// # Panics
    /// As [`Cors::origins`].
    #[track_caller]
    pub fn origins_with_credentials<const N: usize>(origins: [&str; N]) -> Self {
        Self {
            who: Who::Listed {
                origins: listed(&origins),
                with_credentials: true,
            },
            ..Self::anyone()
        }
    }

    /// Headers that a request may carry beside those that every page may send.
    ///
    /// # Panics
    /// When one is no name of a header.
    #[must_use]
    #[track_caller]
    pub fn allow_headers<const N: usize>(mut self, names: [&'static str; N]) -> Self {
        self.headers.extend(names.map(HeaderName::from_static));
        self
    }

    /// Headers of the answer that a script may read beside the usual ones.
    ///
    /// # Panics
    /// When one is no name of a header.
    #[must_use]
    #[track_caller]
    pub fn expose_headers<const N: usize>(mut self, names: [&'static str; N]) -> Self {
        self.exposed.extend(names.map(HeaderName::from_static));
        self
    }

    /// What the answer says to an origin; nothing for those that are not let in.
    fn said_to(&self, origin: Option<&HeaderValue>) -> Option<HeaderValue> {
        match &self.who {
            Who::Anyone => Some(HeaderValue::from_static("*")),
            Who::Listed { origins, .. } => {
                origins.iter().find(|known| Some(*known) == origin).cloned()
            }
        }
    }

    /// The answer to a browser that asks before it sends a request, if that is what this is.
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

    /// Says on an answer who may read it. What the handler said is replaced.
    pub(crate) fn apply(&self, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
        for name in [
            ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_ALLOW_CREDENTIALS,
            ACCESS_CONTROL_EXPOSE_HEADERS,
        ] {
            answer.remove(name);
        }
        if matches!(self.who, Who::Listed { .. }) {
            // or a cache would give one site what was said to another
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
fn listed(origins: &[&str]) -> Vec<HeaderValue> {
    let origin = |text: &&str| {
        let parsed = Origin::parse(text).filter(|origin| {
            origin.to_string() == **text
                && !text.contains('*')
                && (origin.is_secure() || origin.is_local())
        });
        assert!(
            parsed.is_some(),
            "{text:?} is no origin: write https://partner.example, without a path, and without *"
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
