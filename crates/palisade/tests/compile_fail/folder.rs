use palisade::prelude::*;

pub fn app() -> App {
    App::new().static_files(include_static!("tests/static"))
}
