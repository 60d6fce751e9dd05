//! A forum that is migrated from Django one URL at a time. The migrated pages are here; the rest is
//! the project in `django/`.

mod entity;
mod latest;

use palisade::prelude::*;

/// Permissions of the migrated pages.
#[derive(Permission, Clone, Copy)]
#[permission(app = "forum")]
enum May {
    #[permission(label = "Can moderate the forum")]
    Moderate,
}

/// The site.
pub fn app() -> App {
    App::new()
        .templates(include_templates!("templates"))
        .permissions::<May>()
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
        .route("/moderate", can(May::Moderate).get(latest::moderate))
}
