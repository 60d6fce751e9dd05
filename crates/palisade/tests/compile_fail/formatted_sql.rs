use palisade::prelude::*;
pub fn find(name: &str) {
    let _ = sql!(format!("SELECT id FROM note WHERE title = '{name}'"));
}
