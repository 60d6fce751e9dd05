use crate::forms::read_json_object;
use crate::views::{Error, Result};
use axum::extract::{FromRequest, Request};
use serde_json::Value;

/// The JSON object of a request body, without repeated names, within the limits of the site.
pub(crate) struct Object(pub(crate) Vec<(String, Value)>);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        read_json_object(request, state).await.map(Self)
    }
}
