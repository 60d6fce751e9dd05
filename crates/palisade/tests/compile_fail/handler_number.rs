use palisade::prelude::*;
#[debug_handler]
async fn show(page: Page, id: i32) -> Result<Response> {
    page.render("x.html", context! { id }).await
}
