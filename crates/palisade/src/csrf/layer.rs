use super::policy::{Evidence, Refusal, is_safe, judge, judge_source};
use super::{CsrfSecret, CsrfSettings};
use crate::forms::{RawError, is_form, pairs};
use crate::http::cookies::{Cookie, SameSite, Transport};
use crate::http::{BodyFault, OriginPattern};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use palisade_crypto::{KeyRing, Secret, random};
use std::sync::{Arc, OnceLock};

/// Checks requests and makes tokens, for one site.
pub struct Csrf {
    ring: KeyRing,
    trusted: Vec<OriginPattern>,
    cookie: Cookie<'static>,
    /// Most fields of a form.
    max_fields: usize,
}

/// The tokens of one visitor's forms. Bound to the session, or to a cookie of its own before there is one.
pub struct FormTokens {
    ring: KeyRing,
    bound_to: Option<Secret<String>>,
    new_cookie: OnceLock<Secret<String>>,
}

/// What became of a request that was checked.
pub(crate) type Checked = Result<Result<Request, Refusal>, StatusCode>;

impl Csrf {
    /// The checks of a site.
    pub fn new(settings: &CsrfSettings, ring: KeyRing, transport: Transport, max_fields: usize) -> Self {
        let transport = if settings.cookie_secure { transport } else { Transport::Plain };
        let cookie = Cookie { name: "forms", transport, same_site: SameSite::Lax, max_age_secs: None };
        Self { ring, trusted: settings.trusted_origins.clone(), cookie, max_fields }
    }

    /// The tokens of the visitor who sent these headers; `session` is the key in the session cookie.
    pub(crate) fn tokens(&self, headers: &HeaderMap, session: Option<&str>) -> Arc<FormTokens> {
        let bound_to = session.or_else(|| self.cookie.read(headers)).map(|value| Secret::new(value.to_owned()));
        Arc::new(FormTokens { ring: self.ring.clone(), bound_to, new_cookie: OnceLock::new() })
    }

    /// The cookie to set, if a token was made for a visitor who has none yet.
    pub(crate) fn new_cookie(&self, tokens: &FormTokens) -> Option<HeaderValue> {
        tokens.new_cookie.get().and_then(|value| self.cookie.set(value.expose()))
    }

    /// The request again if it may change something, or why not. A form's body is read for its token, within the site's limits.
    pub(crate) async fn check(&self, request: Request, tokens: &FormTokens, is_secure: bool) -> Checked {
        if is_safe(request.method()) {
            return Ok(Ok(request));
        }
        // where it came from needs no body: a forged request costs nothing to refuse
        if let Err(refusal) = judge_source(&self.evidence(&request, &[], None, is_secure)) {
            return Ok(Err(refusal));
        }
        let (request, form_token) = self.form_token(request).await?;
        let secrets: Vec<_> = tokens.bound_to.iter().flat_map(|bound| CsrfSecret::of_cookie(&self.ring, bound.expose())).collect();
        let verdict = judge(&self.evidence(&request, &secrets, form_token.as_deref(), is_secure));
        let is_other = !is_form(request.headers()) && request.headers().contains_key(header::CONTENT_TYPE);
        Ok(match verdict {
            Err(Refusal::NoToken) if is_other => Err(Refusal::NoForm),
            verdict => verdict.map(|()| request),
        })
    }

    fn evidence<'a>(
        &'a self,
        request: &'a Request,
        secrets: &'a [CsrfSecret],
        form_token: Option<&'a str>,
        is_secure: bool,
    ) -> Evidence<'a> {
        let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("unreadable"));
        Evidence {
            method: request.method(),
            is_secure,
            host: text(header::HOST.as_str()).unwrap_or_default(),
            fetch_site: text("sec-fetch-site"),
            origin: text("origin"),
            referer: text("referer"),
            secrets,
            token: form_token.filter(|token| !token.is_empty()).or_else(|| text("x-csrftoken")),
            trusted: &self.trusted,
        }
    }

    async fn form_token(&self, request: Request) -> Result<(Request, Option<String>), StatusCode> {
        if !is_form(request.headers()) {
            return Ok((request, None));
        }
        let (parts, body) = request.into_parts();
        // the way of the request ends it in time and at its limit
        let bytes = to_bytes(body, usize::MAX).await.map_err(|error| fault_or_broken(&error))?;
        let fields = pairs(&bytes, self.max_fields).map_err(|error| match error {
            RawError::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        })?;
        let token = fields.get("csrfmiddlewaretoken").cloned();
        Ok((Request::from_parts(parts, Body::from(bytes)), token))
    }
}

/// Too much, too slow, or something that is no body: cut off in the middle, or in pieces that are none.
fn fault_or_broken(error: &axum::Error) -> StatusCode {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(BodyFault::TooLarge) => return StatusCode::PAYLOAD_TOO_LARGE,
            Some(BodyFault::TooSlow) => return StatusCode::REQUEST_TIMEOUT,
            None => {}
        }
        cause = error.source();
    }
    StatusCode::BAD_REQUEST
}

impl FormTokens {
    /// A token for a form, under a fresh mask; `session` is the key that the browser will hold when it sends the form.
    pub(crate) fn masked(&self, session: Option<&str>) -> String {
        let own = || self.bound_to.as_ref().unwrap_or_else(|| self.new_cookie.get_or_init(random::token)).expose();
        CsrfSecret::of_cookie(&self.ring, session.unwrap_or_else(|| own())).next().map(|secret| secret.masked()).unwrap_or_default()
    }
}
