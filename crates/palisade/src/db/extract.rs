use super::{Database, Db};
use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

impl<S: Sync> FromRequestParts<S> for Db {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let database = parts.extensions.get::<Database>().cloned();
        let database =
            database.ok_or((StatusCode::INTERNAL_SERVER_ERROR, "this site has no database: routes must be served by App"))?;
        Ok(Self::new(database, parts.method.clone()))
    }
}
