//! Handlers of a resource.

use super::{Body, Entry, Handles, ListQuery, Object, Problem};
use crate::db::{Db, Tx, Values};
use crate::flows::OnceKey;
use crate::permissions::Actor;
use crate::views::{Error, ErrorKind, RequestContext, Result};
use axum::RequestExt;
use axum::body::{Body as RequestBody, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use palisade_crypto::KeyRing;
use std::sync::Arc;

/// The key ring of a site, for cursors, and its resources.
#[derive(Clone)]
pub(crate) struct ResourceServices {
    pub(crate) ring: KeyRing,
    pub(crate) all: Arc<Handles>,
}

/// A request for a resource.
pub(crate) struct ResourceRequest {
    actor: Actor,
    db: Db,
    context: RequestContext,
    services: ResourceServices,
    path: String,
    query: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ResourceRequest {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let actor = Actor::from_request_parts(parts, state).await?;
        let db = Db::from_request_parts(parts, state).await;
        let db = db.map_err(|(_, why)| Error::bug(why))?;
        let context = RequestContext::from_request_parts(parts, state).await?;
        let services = context.site().services.get::<ResourceServices>().cloned();
        let services = services.ok_or_else(|| Error::bug("the resource has no site"))?;
        Ok(Self {
            actor,
            db,
            context,
            services,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
        })
    }
}

impl ResourceRequest {
    fn refuse(&self, problem: Problem) -> Error {
        problem.into_error(&self.context)
    }

    /// `GET` of the list.
    pub(crate) async fn list(self, entry: Arc<Entry>) -> Result<Response> {
        let zone = self.context.site().time_zone;
        let list = ListQuery::parse(&entry, &self.actor, (&self.query, zone));
        let list = list.map_err(|problem| self.refuse(problem))?;
        let services = (&self.services.ring, &*self.services.all);
        let page = entry.page((&self.actor, &self.db), &list, services).await?;
        let page = page.map_err(|problem| self.refuse(problem))?;
        let link = page.next.as_deref().map(|next| self.next_link(next));
        let mut response = json(StatusCode::OK, page.body);
        if let Some(Ok(link)) = link.as_deref().map(HeaderValue::from_str) {
            response.headers_mut().insert(header::LINK, link);
        }
        Ok(response)
    }

    /// [RFC 8288](https://www.rfc-editor.org/rfc/rfc8288).
    fn next_link(&self, next: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let kept = url::form_urlencoded::parse(self.query.as_bytes());
        query.extend_pairs(kept.filter(|(name, _)| name != "after"));
        query.append_pair("after", next);
        format!("<{}?{}>; rel=\"next\"", self.path, query.finish())
    }

    /// `GET` of a row.
    pub(crate) async fn item(self, entry: Arc<Entry>, key: String) -> Result<Response> {
        let unexpected = ListQuery::parse(&entry, &self.actor, (&self.query, chrono_tz::UTC));
        if !self.query.is_empty() {
            let problem = unexpected.err();
            let problem = problem.unwrap_or_else(|| Problem::bad("A row takes no parameters."));
            return Err(self.refuse(problem));
        }
        let body = entry.item((&self.actor, &self.db), &key).await?;
        Ok(json(StatusCode::OK, body))
    }

    fn values(&self, entry: &Entry, body: (Object, Body)) -> Result<Values> {
        let zone = self.context.site().time_zone;
        let values = entry.values(&self.actor, body, zone);
        values.map_err(|problem| self.refuse(problem))
    }

    /// `POST` of a new row, once for an `Idempotency-Key`.
    pub(crate) async fn create(
        self,
        entry: Arc<Entry>,
        (object, once): (Object, Option<OnceKey>),
    ) -> Result<Response> {
        let values = self.values(&entry, (object, Body::New))?;
        let (actor, db) = (&self.actor, &self.db);
        let insert = async |tx: &Tx| entry.insert((actor, tx), &values).await;
        let key = match once {
            Some(once) => {
                let kept = async |tx: &Tx| {
                    let key = insert(tx).await?;
                    Ok(json(StatusCode::CREATED, key.into_bytes()))
                };
                let kept = once.write(db, kept).await?;
                return self.created(&entry, kept).await;
            }
            None => db.write(insert).await?,
        };
        let response = json(StatusCode::CREATED, key.into_bytes());
        self.created(&entry, response).await
    }

    /// The response about the row whose key is in the body of `kept`.
    async fn created(&self, entry: &Entry, kept: Response) -> Result<Response> {
        let (parts, body) = kept.into_parts();
        let key = to_bytes(body, MOST_KEY).await?;
        let key = String::from_utf8_lossy(&key).into_owned();
        let body = match entry.item((&self.actor, &self.db), &key).await {
            Ok(body) => body,
            // it may be created, and not be viewed
            Err(error) if error.kind() == ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => return Err(error),
        };
        let place = format!("{}/{key}", self.path.trim_end_matches('/'));
        let mut response = Response::from_parts(parts, RequestBody::from(body));
        if let Ok(place) = HeaderValue::from_str(&place) {
            response.headers_mut().insert(header::LOCATION, place);
        }
        Ok(response)
    }

    /// `PUT` and `PATCH`.
    pub(crate) async fn change(
        self,
        entry: Arc<Entry>,
        key: String,
        body: (Object, Body),
    ) -> Result<Response> {
        let values = self.values(&entry, body)?;
        let actor = &self.actor;
        let change = async |tx: &Tx| entry.change((actor, tx), &key, &values).await;
        self.db.write(change).await?;
        let body = entry.item((actor, &self.db), &key).await?;
        Ok(json(StatusCode::OK, body))
    }

    /// `DELETE`.
    pub(crate) async fn delete(self, entry: Arc<Entry>, key: String) -> Result<StatusCode> {
        entry.delete((&self.actor, &self.db), &key).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

/// Longest key in bytes.
const MOST_KEY: usize = 1000;

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body).into_response()
}

/// A body, and the key of an idempotent request where it has one.
pub(crate) struct OnceObject(pub(crate) Object, pub(crate) Option<OnceKey>);

impl<S: Send + Sync> FromRequest<S> for OnceObject {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        if !request.headers().contains_key("idempotency-key") {
            return Object::from_request(request, state)
                .await
                .map(|object| Self(object, None));
        }
        let (parts, body) = request.with_limited_body().into_parts();
        let body = to_bytes(body, usize::MAX).await;
        let body = body.map_err(|_| Error::new(ErrorKind::TooLarge, "The request is too long."))?;
        let key = OnceKey::of(&parts, &body).await?;
        let request = Request::from_parts(parts, RequestBody::from(body));
        let object = Object::from_request(request, state).await?;
        Ok(Self(object, Some(key)))
    }
}
