//! The front page, and how busy the desk is.

use crate::status::Status;
use crate::ticket;
use palisade::prelude::*;
use std::collections::BTreeMap;

/// `GET /`
pub async fn front(page: Page) -> Result<Response> {
    page.render("front.html", context! {}).await
}

/// `GET /status`: how many tickets are in hand, as JSON, for a screen on the wall.
pub async fn status(db: Db) -> Result<Json<BTreeMap<String, i64>>> {
    let in_hand = [Status::Open, Status::Waiting, Status::Resolved];
    Ok(Json(
        ticket::count(&db, &in_hand).await?.into_iter().collect(),
    ))
}
