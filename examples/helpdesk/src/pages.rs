//! The front page, and the number of open tickets.

use crate::status::Status;
use crate::ticket;
use palisade::prelude::*;
use std::collections::BTreeMap;

/// `GET /`
pub async fn front(page: Page) -> Result<Response> {
    page.render("front.html", context! {}).await
}

/// `GET /status`: number of open tickets, as JSON, for a wall display.
pub async fn status(db: Db) -> Result<Json<BTreeMap<String, i64>>> {
    let in_hand = [Status::Open, Status::Waiting, Status::Resolved];
    Ok(Json(
        ticket::count(&db, &in_hand).await?.into_iter().collect(),
    ))
}
