//! The smallest site. It has every header, check and page of a large one.

use palisade::prelude::*;

fn main() -> ExitCode {
    app().run()
}

/// The site.
pub fn app() -> App {
    App::new().routes(
        Routes::new()
            .route("/", public().get(hello))
            .route("/mine", signed_in().get(mine)),
    )
}

async fn hello() -> &'static str {
    "Hello"
}

async fn mine(user: User) -> String {
    format!("Hello, {}", user.username)
}
