//! `GET /openapi.json`: the routes of the API that the client may call.

use crate::api::{DescribedRoute, Info, Viewer, document};
use crate::app::Routes;
use crate::forms::Json;
use crate::http::ClientAddress;
use crate::permissions::{Actor, OnBehalf, documented};
use crate::throttle::{By, Limit};
use crate::views::{Error, RequestContext};
use http::request::Parts;
use serde_json::Value;
use std::sync::Arc;

/// Path of the document.
pub(in crate::app) const DOCUMENT: &str = "/openapi.json";

/// The route of the document, for clients with a session or a token. Others get 404 (ASVS 13.4.5).
pub(in crate::app) fn routes(described: Vec<DescribedRoute>, cookie: String) -> Routes {
    let described = Arc::new(described);
    let answer = async move |actor: Actor, context: RequestContext, parts: Parts| {
        // the fields are those that the user of a token may read
        let reader = match parts.extensions.get::<OnBehalf>() {
            Some(user) => user.actor.load().await?.clone(),
            None => actor.clone(),
        };
        let client = parts.extensions.get::<ClientAddress>().copied();
        let client = client.ok_or_else(|| Error::bug("routes must be served by App"))?;
        let info = Info {
            title: &context.site().site_name.to_string(),
            cookie: &cookie,
        };
        let callable = described
            .iter()
            .filter(|route| {
                route
                    .only_from
                    .iter()
                    .all(|networks| networks.contains(client.0))
            })
            .filter(|route| route.access.could_allow(&actor, &parts));
        Ok::<Json<Value>, Error>(Json(document(&info, callable, Viewer::Client(&reader))))
    };
    let limit = Limit::new("api document", By::UserOrAddress, "60/m");
    Routes::new().route(DOCUMENT, documented().get(answer).limit(limit).of_api())
}
