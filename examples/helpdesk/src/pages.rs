//! The front page.

use palisade::prelude::*;

/// `GET /`
pub async fn front(page: Page) -> Result<Response> {
    page.render("front.html", context! {}).await
}
