//! Notes: users see their own.

mod note;

use note::{Column, Entity, NoteRow};
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::sea_orm_migration::schema::*;

/// The site.
pub fn app() -> App {
    App::new()
        .templates(include_templates!("templates"))
        .schema(migrations)
        .entity::<Entity>()
        .personal_data(PersonalRows::<Entity, NoteRow>::of(
            "notes",
            Column::OwnerId,
        ))
        .setting("site.home", "/notes")
        .routes(note::routes())
        .routes(Routes::new().route("/", public().get(show_template("front.html"))))
}

fn migrations() -> Vec<Migration> {
    let columns = [string_len("title", 120), text("body")];
    vec![Migration::new("notes_0001_note").create_owned("note", "owner_id", columns)]
}
