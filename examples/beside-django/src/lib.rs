//! A forum that is migrated from Django one URL at a time. The migrated pages are here; the rest is
//! the project in `django/`.

mod entity;
mod latest;

use palisade::prelude::*;

/// The site.
pub fn app() -> App {
    App::new()
        .templates(include_templates!("templates"))
        .permissions(&[("forum.moderate", "Can moderate the forum")])
        .setting("django.beside", "true")
        .routes(routes())
}

fn routes() -> Routes {
    Routes::new()
        .route("/latest", public().get(latest::list))
        .route(
            "/latest/{id}/answer",
            signed_in().get(latest::ask).post(latest::answer),
        )
        .route("/moderate", can("forum.moderate").get(latest::moderate))
}
