use super::{Database, Db};
use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

/// Request extension of [`Db`], instead of the pools themselves, with which a handler of GET could
/// write.
#[derive(Clone)]
pub(crate) struct Attached(pub(crate) Database);

impl<S: Sync> FromRequestParts<S> for Db {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let database = parts
            .extensions
            .get::<Attached>()
            .map(|attached| attached.0.clone());
        let database = database.ok_or((
            StatusCode::INTERNAL_SERVER_ERROR,
            "this site has no database: routes must be served by App",
        ))?;
        Ok(Self::new(database, parts.method.clone()))
    }
}
