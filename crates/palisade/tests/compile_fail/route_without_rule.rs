use palisade::prelude::*;
async fn page() {}
pub fn routes() -> Routes {
    Routes::new().route("/", palisade::axum::routing::get(page))
}
