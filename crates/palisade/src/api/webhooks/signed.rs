use super::SignedName;
use crate::db::{Db, Tx};
use crate::flows::OnceKey;
use crate::views::{Error, ErrorKind, Result};
use axum::body::Bytes;
use axum::extract::{FromRequest, MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

/// A verified delivery of a webhook, as JSON, on a route with
/// [`signed_by`](crate::permissions::signed_by). Each delivery has its effect once: an attempt after
/// the first success gets its response again, and one after a failure runs.
///
/// ```
/// use palisade::api::{Signed, WebhookScheme};
/// use palisade::prelude::*;
///
/// #[derive(palisade::serde::Deserialize)]
/// #[serde(crate = "palisade::serde")]
/// struct Paid { order: i32 }
///
/// async fn paid(db: Db, event: Signed<Paid>) -> Result<Response> {
///     event
///         .once(&db, async |tx, paid| {
///             let done = sql!("UPDATE orders SET is_paid = TRUE WHERE id = ?", paid.order);
///             tx.execute_sql(done).await?;
///             Ok("ok")
///         })
///         .await
/// }
///
/// let app = App::new()
///     .webhook_source("pay", WebhookScheme::Standard)
///     .routes(Routes::new().route("/hooks/pay", signed_by("pay").post(paid)));
/// ```
///
/// # Errors
/// 400 for a body that is not such JSON.
pub struct Signed<T> {
    key: OnceKey,
    event: T,
}

impl<T> Signed<T> {
    /// Runs the effect of the delivery in one transaction with the mark that it is done.
    ///
    /// # Errors
    /// Those of the effect; nothing is written or marked then.
    pub async fn once<R: IntoResponse>(
        self,
        db: &Db,
        effect: impl AsyncFnOnce(&Tx, T) -> Result<R>,
    ) -> Result<Response> {
        let Self { key, event } = self;
        key.write(db, async |tx| effect(tx, event).await).await
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Signed<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let signed = parts.extensions.get::<SignedName>();
        let signed = signed.ok_or_else(|| Error::bug("the route has no rule signed_by(…)"))?;
        // a source may send to several routes
        let route = parts.extensions.get::<MatchedPath>();
        let route = route.map_or("", MatchedPath::as_str);
        let name = ["webhook", route, signed.source, &signed.name];
        let key = OnceKey::named(&parts, &name, signed.kept)?;
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await;
        let body =
            body.map_err(|_| Error::new(ErrorKind::BadRequest, "The body is incomplete."))?;
        let event = serde_json::from_slice(&body);
        let event = event.map_err(|error| {
            Error::new(
                ErrorKind::BadRequest,
                format!("The JSON cannot be read: {error}."),
            )
        })?;
        Ok(Self { key, event })
    }
}
