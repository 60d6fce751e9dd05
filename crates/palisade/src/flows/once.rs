use super::once_store::{Claimed, KEPT_SECS, OnceServices};
use crate::auth::Visitor;
use crate::db::{Db, Tx};
use crate::forms::{TOKEN_FIELD, is_form};
use crate::permissions::Caller;
use crate::views::{Error, ErrorKind, RequestContext, Result};
use axum::RequestExt;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use palisade_crypto::random;

/// A request that has one effect, however often it is sent: a form that is submitted twice, or an
/// API request that is repeated after a timeout. Wraps the extractor of the body.
///
/// The key is the header `Idempotency-Key`
/// ([draft-ietf-httpapi-idempotency-key-header](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)),
/// or else the token of the form, which is another one on every page. It is bound to the user, the
/// path with its query and the body, and kept for a day in the transaction of the handler.
///
/// | Repeated request | Response |
/// |---|---|
/// | with the same body | the same response, with `Idempotency-Replayed: true` |
/// | while the first one runs | waits for it |
/// | with another body (header only) | 422 |
/// | of another user | a request of its own |
/// | after the first one failed | runs |
///
/// ```
/// use palisade::flows::Once;
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Payment {
///     amount: Money<100_000_00>,
/// }
///
/// async fn pay(user: User, db: Db, once: Once<Form<Payment>>) -> Result<Response> {
///     let (key, form) = once.into_parts();
///     let payment = form.valid_or_show("pay.html").await?;
///     key.write(&db, async |tx| {
///         let paid = sql!("INSERT INTO payment (user_id, amount) VALUES (?, ?)", user.id, payment.amount.minor_units());
///         tx.execute_sql(paid).await?;
///         Ok(redirect_to("/paid"))
///     })
///     .await
/// }
/// let routes: Routes = Routes::new().route("/pay", signed_in().post(pay));
/// ```
///
/// # Errors
/// 400 without a key, and for a header that is none.
pub struct Once<F> {
    key: OnceKey,
    body: F,
}

/// The key of such a request.
pub struct OnceKey {
    /// Of key, user, path and method; for a form also of its body.
    id: String,
    /// Of the body.
    fingerprint: String,
    /// Seconds for which the response is kept.
    kept: i64,
    services: OnceServices,
}

impl<F> Once<F> {
    /// The key, and the body.
    pub fn into_parts(self) -> (OnceKey, F) {
        (self.key, self.body)
    }
}

impl OnceKey {
    /// The key of a request with this body.
    ///
    /// # Errors
    /// 400 without a key.
    pub(crate) async fn of(parts: &Parts, body: &Bytes) -> Result<Self> {
        key_of(parts, body).await
    }

    /// The key of a request that has a name of its own, such as the delivery of a webhook.
    ///
    /// # Errors
    /// Outside of a site.
    pub(crate) fn named(parts: &Parts, name: &[&str], kept: i64) -> Result<Self> {
        let parts_of_name: Vec<&[u8]> = name.iter().map(|part| part.as_bytes()).collect();
        Ok(Self {
            id: hash(&parts_of_name),
            // its sender may describe it in other words the next time
            fingerprint: hash(&[]),
            kept,
            services: services(parts)?.clone(),
        })
    }

    /// Runs a change and keeps its response, in one transaction; or returns the kept response.
    /// After an error nothing is kept.
    ///
    /// # Errors
    /// Those of the change; 422 for a key with another body; 503 where the database does not
    /// answer.
    pub async fn write<R: IntoResponse>(
        self,
        db: &Db,
        change: impl AsyncFnOnce(&Tx) -> Result<R>,
    ) -> Result<Response> {
        let tx = db.begin().await?;
        match self
            .services
            .claim(&tx, (&self.id, &self.fingerprint), self.kept)
            .await?
        {
            Claimed::New => {}
            Claimed::Answered(response) => return Ok(response),
            Claimed::Other => {
                let said = "This Idempotency-Key was used with another request.";
                return Err(Error::new(ErrorKind::Unprocessable, said));
            }
        }
        let response = change(&tx).await?.into_response();
        let response = self.services.keep(&tx, &self.id, response).await?;
        tx.commit().await?;
        Ok(response)
    }
}

impl<S: Send + Sync, F: FromRequest<S>> FromRequest<S> for Once<F>
where
    F::Rejection: IntoResponse,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.with_limited_body().into_parts();
        let body = to_bytes(body, usize::MAX).await;
        let body = body.map_err(|_| Error::new(ErrorKind::TooLarge, "The request is too long."))?;
        let key = OnceKey::of(&parts, &body).await?;
        let request = Request::from_parts(parts, Body::from(body));
        let read = F::from_request(request, state).await;
        let body = read.map_err(|refused| Error::page(refused.into_response()))?;
        Ok(Self { key, body })
    }
}

async fn key_of(parts: &Parts, body: &Bytes) -> Result<OnceKey> {
    let services = services(parts)?;
    let scope = scope(parts).await?;
    let path = parts.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str());
    let place = [parts.method.as_str(), path];
    let fingerprint = hash(&[body]);
    let key = header_key(&parts.headers)?;
    let id = match key {
        Some(key) => hash(&[
            b"header",
            scope.as_bytes(),
            place[0].as_bytes(),
            place[1].as_bytes(),
            key.as_bytes(),
        ]),
        // the token differs on every page: the same form with the same token is the same click
        None if is_form(&parts.headers) && has_token(body) => hash(&[
            b"form",
            scope.as_bytes(),
            place[0].as_bytes(),
            place[1].as_bytes(),
            body,
        ]),
        None => {
            let said = "Send the header Idempotency-Key, with a value of its own for each request, such as a UUID.";
            return Err(Error::new(ErrorKind::BadRequest, said));
        }
    };
    Ok(OnceKey {
        id,
        fingerprint,
        kept: KEPT_SECS,
        services: services.clone(),
    })
}

fn services(parts: &Parts) -> Result<&OnceServices> {
    let context = parts.extensions.get::<RequestContext>();
    let services = context.and_then(|context| context.site().services.get::<OnceServices>());
    services.ok_or_else(|| Error::bug("routes must be served by App"))
}

fn has_token(body: &[u8]) -> bool {
    let fields = url::form_urlencoded::parse(body);
    fields
        .into_iter()
        .any(|(name, value)| name == TOKEN_FIELD && value.len() >= 32)
}

/// The API client or the user, or else the session, or else the address of a client.
async fn scope(parts: &Parts) -> Result<String> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(format!("caller {} of {}", caller.subject, caller.issuer));
    }
    let visitor = parts.extensions.get::<Visitor>();
    let visitor = visitor.ok_or_else(|| Error::bug("routes must be served by App"))?;
    if let Some(user) = visitor.user().await? {
        return Ok(format!("user {}", user.id));
    }
    Ok(match visitor.session().cookie_key() {
        Some(key) => format!("session {}", random::stored_hash(key)),
        None => format!("client {}", visitor.client()),
    })
}

/// The value of the header: a string in quotation marks, or without them, of 1 to 255 printable
/// characters.
fn header_key(headers: &HeaderMap) -> Result<Option<String>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let invalid = || {
        let said = "Idempotency-Key must be one text of at most 255 printable characters.";
        Error::new(ErrorKind::BadRequest, said)
    };
    let text = HeaderValue::to_str(value).map_err(|_| invalid())?.trim();
    let text = text
        .strip_prefix('"')
        .map_or(Some(text), |rest| rest.strip_suffix('"'));
    let is_key = |text: &&str| {
        (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match (text.filter(is_key), values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(invalid()),
    }
}

/// 256 bits of several parts, as 43 characters.
pub(super) fn hash(parts: &[&[u8]]) -> String {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let add = |hash: Sha256, part: &&[u8]| {
        hash.chain_update((part.len() as u64).to_be_bytes())
            .chain_update(part)
    };
    let digest = parts.iter().fold(Sha256::new(), add).finalize();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest)
}
