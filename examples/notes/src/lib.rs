//! Notes with tags: users see their own, and editors see all.

mod company;
mod contact;
mod migration;
mod note;
mod notes;
mod tag;

use contact::Contact;
use notes::Draft;
use palisade::prelude::*;
use tag::NewTag;

/// Permissions of the site.
#[derive(Permission, Clone, Copy)]
#[permission(app = "notes")]
enum May {
    #[permission(label = "Can see the notes of all users")]
    SeeAll,
}

/// The site.
pub fn app() -> App {
    let notes = PersonalRows::<note::Entity, note::NoteRow>::of("notes", note::Column::OwnerId);
    let tags = PersonalRows::<tag::Entity, tag::TagRow>::of("tags", tag::Column::OwnerId);
    App::new()
        .templates(include_templates!("templates"))
        .static_files(include_static!("static"))
        .schema(migration::migrations)
        .permissions::<May>()
        .role(Role::new("editors").may([May::SeeAll]))
        .entity::<note::Entity>()
        .entity::<tag::Entity>()
        .personal_data(notes)
        .personal_data(tags)
        .profile_table::<company::Company>(company::Column::UserId)
        .setting("site.home", "/notes")
        .page_value("due", note::due)
        .task("delete old notes", Schedule::daily(3, 30), note::delete_old)
        .routes(routes())
}

fn routes() -> Routes {
    let messages = Limit::new("contact", By::Address, "5/h");
    Routes::new()
        .route("/", public().get(show_template("front.html")))
        .route(
            "/contact",
            public().get(show_form::<Contact>("contact.html")),
        )
        .route("/contact", public().post(contact::send).limit(messages))
        .route("/all", can(May::SeeAll).get(notes::all))
        .scope(signed_in(), |site| {
            site.get("/notes", notes::list)
                .get("/notes.json", notes::json)
                .get("/notes/new", show_form::<Draft>("notes/form.html"))
                .post("/notes/new", notes::create)
                .get("/notes/{id}", notes::show)
                .get("/notes/{id}/edit", notes::edit)
                .post("/notes/{id}/edit", notes::update)
                .post("/notes/{id}/delete", notes::delete)
                .get("/import", show_template("notes/import.html"))
                .post("/import", notes::import)
                .get("/tags/new", show_form::<NewTag>("tags/new.html"))
                .post("/tags/new", tag::create)
        })
}
