use palisade::prelude::*;
use std::rc::Rc;
#[debug_handler]
async fn show(page: Page) -> Result<Response> {
    let shared = Rc::new(1);
    let answer = page.render("x.html", context! {}).await;
    drop(shared);
    answer
}
