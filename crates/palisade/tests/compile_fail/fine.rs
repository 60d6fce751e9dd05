use palisade::prelude::*;
#[derive(Form)]
pub struct Bounded {
    title: Line<100>,
}
async fn page() {}
pub fn routes() -> Routes {
    let _ = sql!("SELECT id FROM note WHERE title = ?", "x");
    let _ = palisade::crypto::Secret::new(String::new());
    Routes::new().route("/", public().get(page))
}
