use super::policy::{Evidence, Refusal, judge, judge_source};
use super::{CsrfSecret, CsrfSettings};
use crate::forms::{FormStart, RawError, TOKEN_FIELD, is_form, multipart_token, single};
use crate::http::cookies::{Cookie, SameSite, Transport};
use crate::http::{BodyFault, InputLimits, OriginPattern, Scheme};
use axum::body::Body;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use palisade_crypto::{KeyRing, Secret, random};
use std::sync::{Arc, OnceLock};

/// The CSRF checks and token generation of a site.
pub struct Csrf {
    ring: KeyRing,
    trusted: Vec<OriginPattern>,
    cookie: Cookie<'static>,
    /// Owner of the CSRF secret.
    storage: SecretStorage,
    /// Most fields of a form.
    max_fields: usize,
    /// Bytes of a form that are searched for the token.
    max_form_bytes: usize,
}

/// Where the CSRF secret of a visitor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretStorage {
    /// This site: derived from the session key, or from a cookie before there is one.
    Site,
    /// Django's cookie, which this site reads and sets (`CSRF_COOKIE_NAME`).
    DjangoCookie,
    /// Django's session (`CSRF_USE_SESSIONS`).
    DjangoSession,
}

/// Django's session entry of the secret.
pub(crate) const KEPT_SECRET: &str = "_csrftoken";
/// Django's CSRF_COOKIE_AGE: a year.
const YEAR_SECS: u64 = 31_449_600;

/// The CSRF tokens of one visitor, bound to the session, or to a separate cookie before there is
/// one.
pub struct FormTokens {
    ring: KeyRing,
    storage: SecretStorage,
    bound_to: Option<Secret<String>>,
    new_cookie: OnceLock<Secret<String>>,
}

/// Result of the checks.
pub(crate) type Checked = Result<Result<(), Refusal>, StatusCode>;

impl Csrf {
    /// Checks configured by these settings.
    pub fn new(
        settings: &CsrfSettings,
        ring: KeyRing,
        transport: Transport,
        limits: InputLimits,
    ) -> Self {
        let transport = if settings.cookie_secure {
            transport
        } else {
            Transport::Plain
        };
        let cookie = Cookie {
            name: "forms",
            transport,
            same_site: SameSite::Lax,
            max_age_secs: None,
        };
        let (max_fields, max_form_bytes) = (limits.form_fields, limits.form_bytes);
        Self {
            ring,
            trusted: settings.trusted_origins.clone(),
            cookie,
            storage: SecretStorage::Site,
            max_fields,
            max_form_bytes,
        }
    }

    /// The same, with secrets that Django owns: both sides accept each other's tokens.
    #[must_use]
    pub fn beside_django(mut self, cookie: String, storage: SecretStorage) -> Self {
        self.storage = storage;
        self.cookie.name = cookie.leak(); // once in a process
        self.cookie.max_age_secs = Some(YEAR_SECS);
        if self.cookie.transport == Transport::Secure {
            self.cookie.transport = Transport::Shared;
        }
        self
    }

    /// Whether the secret is in the session.
    pub(crate) fn asks_session(&self) -> bool {
        self.storage == SecretStorage::DjangoSession
    }

    /// The tokens of a request's visitor; `session` is the key in the session cookie, `kept` the
    /// secret in the session, if it is there.
    pub(crate) fn tokens(
        &self,
        headers: &HeaderMap,
        session: Option<&str>,
        kept: Option<String>,
    ) -> Arc<FormTokens> {
        let of_cookie = || self.cookie.read(headers).map(str::to_owned);
        let bound_to = match self.storage {
            SecretStorage::Site => session.map(str::to_owned).or_else(of_cookie),
            SecretStorage::DjangoCookie => {
                of_cookie().filter(|secret| CsrfSecret::from_django(secret).is_some())
            }
            SecretStorage::DjangoSession => {
                kept.filter(|secret| CsrfSecret::from_django(secret).is_some())
            }
        };
        let bound_to = bound_to.map(Secret::new);
        Arc::new(FormTokens {
            ring: self.ring.clone(),
            storage: self.storage,
            bound_to,
            new_cookie: OnceLock::new(),
        })
    }

    /// The cookie to set, if a token was generated for a visitor without one.
    pub(crate) fn new_cookie(&self, tokens: &FormTokens) -> Option<HeaderValue> {
        let value = tokens.new_cookie.get().filter(|_| !self.asks_session())?;
        let line = self.cookie.set(value.expose())?;
        // scripts of Django's pages read its cookie
        let is_read = self.storage == SecretStorage::DjangoCookie;
        if is_read {
            HeaderValue::from_str(&line.to_str().ok()?.replace("; HttpOnly", "")).ok()
        } else {
            Some(line)
        }
    }

    /// The secret to store in the session, if it belongs there and is new.
    pub(crate) fn new_kept<'a>(&self, tokens: &'a FormTokens) -> Option<&'a str> {
        tokens
            .new_cookie
            .get()
            .filter(|_| self.asks_session())
            .map(|secret| secret.expose().as_str())
    }

    /// Checks the origin of an unsafe request by its headers alone, so that refusing a cross-site
    /// request costs nothing.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub(crate) fn check_source(&self, parts: &Parts, scheme: Scheme) -> Result<(), Refusal> {
        judge_source(&self.evidence(parts, &[], None, scheme))
    }

    /// Checks an unsafe request, token included. The beginning of a form is read for it.
    pub(crate) async fn check(
        &self,
        parts: &Parts,
        body: &mut Body,
        tokens: &FormTokens,
        scheme: Scheme,
    ) -> Checked {
        let form_token = self.form_token(parts, body).await?;
        let secrets = tokens.secrets();
        let verdict = judge(&self.evidence(parts, &secrets, form_token.as_deref(), scheme));
        let is_other = !is_form(&parts.headers) && parts.headers.contains_key(header::CONTENT_TYPE);
        Ok(match verdict {
            Err(Refusal::NoToken) if is_other => Err(Refusal::NoForm),
            verdict => verdict,
        })
    }

    fn evidence<'a>(
        &'a self,
        parts: &'a Parts,
        secrets: &'a [CsrfSecret],
        form_token: Option<&'a str>,
        scheme: Scheme,
    ) -> Evidence<'a> {
        let text = |name: &str| {
            parts
                .headers
                .get(name)
                .map(|value| value.to_str().unwrap_or("unreadable"))
        };
        Evidence {
            method: &parts.method,
            scheme,
            host: text(header::HOST.as_str()).unwrap_or_default(),
            fetch_site: text("sec-fetch-site"),
            origin: text("origin"),
            referer: text("referer"),
            secrets,
            token: form_token
                .filter(|token| !token.is_empty())
                .or_else(|| text("x-csrftoken")),
            trusted: &self.trusted,
        }
    }

    async fn form_token(
        &self,
        parts: &Parts,
        body: &mut Body,
    ) -> Result<Option<String>, StatusCode> {
        if !is_form(&parts.headers) {
            let token = match parts.headers.contains_key("x-csrftoken") {
                true => Ok(None),
                false => multipart_token(&parts.headers, body).await,
            };
            return token.map_err(|error| fault_or_broken(&error));
        }
        let start = FormStart::read(body, self.max_form_bytes)
            .await
            .map_err(|error| fault_or_broken(&error))?;
        let fields = start.fields(self.max_fields).map_err(|error| match error {
            RawError::TooMany => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        })?;
        let token = single(&fields, TOKEN_FIELD).map_err(|_| StatusCode::BAD_REQUEST)?;
        match token {
            // our pages put the token first: without one, the rest of the form is not read
            None if !start.is_whole && !parts.headers.contains_key("x-csrftoken") => {
                Err(StatusCode::PAYLOAD_TOO_LARGE)
            }
            token => Ok(token.map(str::to_owned)),
        }
    }
}

/// A body that is too large, too slow, or malformed.
fn fault_or_broken(error: &axum::Error) -> StatusCode {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref() {
            Some(BodyFault::TooLarge) => return StatusCode::PAYLOAD_TOO_LARGE,
            Some(BodyFault::TooSlow) => return StatusCode::REQUEST_TIMEOUT,
            Some(BodyFault::NoRoom) => return StatusCode::SERVICE_UNAVAILABLE,
            None => {}
        }
        cause = error.source();
    }
    StatusCode::BAD_REQUEST
}

fn random_secret() -> Secret<String> {
    random::alphanumeric(32)
}

impl FormTokens {
    /// The secret that the tokens are bound to, that of the session or of a cookie before there is
    /// one; `None` before the first form.
    pub(crate) fn bound_to(&self) -> Option<&str> {
        self.bound_to.as_ref().map(|bound| bound.expose().as_str())
    }

    /// All valid secrets of this visitor.
    fn secrets(&self) -> Vec<CsrfSecret> {
        let bound_to = self.bound_to.iter().map(|bound| bound.expose().as_str());
        match self.storage {
            SecretStorage::Site => bound_to
                .flat_map(|bound| CsrfSecret::of_cookie(&self.ring, bound))
                .collect(),
            _ => bound_to.filter_map(CsrfSecret::from_django).collect(),
        }
    }

    /// Discards the old secret when the session gets another user, because an attacker may have
    /// planted it (session fixation).
    pub(crate) fn rotate(&self) {
        if self.storage == SecretStorage::DjangoCookie {
            self.new_cookie.get_or_init(random_secret);
        }
    }

    /// A token for a form, with a fresh mask; `session` is the key that the browser will have when
    /// it submits the form.
    pub(crate) fn mask(&self, session: Option<&str>) -> String {
        if self.storage != SecretStorage::Site {
            let secret = self
                .bound_to
                .as_ref()
                .unwrap_or_else(|| self.new_cookie.get_or_init(random_secret))
                .expose();
            return CsrfSecret::from_django(secret)
                .map(|secret| secret.mask())
                .unwrap_or_default();
        }
        let own = || {
            self.bound_to
                .as_ref()
                .unwrap_or_else(|| self.new_cookie.get_or_init(random::token))
                .expose()
        };
        CsrfSecret::of_cookie(&self.ring, session.unwrap_or_else(|| own()))
            .next()
            .map(|secret| secret.mask())
            .unwrap_or_default()
    }
}
