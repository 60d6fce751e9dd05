use palisade::prelude::*;
pub struct Note;
#[debug_handler]
async fn show(page: Page) -> Note {
    let _ = page;
    Note
}
