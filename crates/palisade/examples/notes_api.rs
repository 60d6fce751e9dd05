//! The API of `docs/api.md`.

mod note {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub title: String,
        pub is_done: bool,
        pub remark: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
            Rows::none()
                .or("own", actor.owns(Column::OwnerId))
                .or("staff", actor.is_staff())
        }
    }

    pub fn complete(actor: &Actor, before: Option<&Model>, row: &mut ActiveModel) {
        if let (None, Some(id)) = (before, actor.id()) {
            row.owner_id = Set(id);
        }
    }
}

use palisade::db::Migration;
use palisade::permissions::Access;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::Table;
use palisade::sea_orm_migration::schema::{boolean, integer, pk_auto, string_len, string_len_null};

#[derive(Resource)]
#[resource(of = note::Entity, order = "-id", fill = note::complete)]
struct Note {
    id: i32,
    #[field(write, filter = "eq has", sort)]
    title: Line<120>,
    #[field(write, filter)]
    is_done: bool,
    #[field(read = staff(), write = staff())]
    remark: Option<Text<2000>>,
}

fn users(scope: &'static str) -> Access {
    signed_in().or(token(scope).on_behalf(signed_in()))
}

fn tables() -> Vec<Migration> {
    let note = Table::create()
        .table("desk_note")
        .col(pk_auto("id"))
        .col(integer("owner_id"))
        .col(string_len("title", 120))
        .col(boolean("is_done"))
        .col(string_len_null("remark", 2000))
        .take();
    vec![Migration::new("desk_0001_note").create_table(note)]
}

/// The site.
pub fn app() -> App {
    App::new()
        .schema(tables)
        .scopes(&[
            ("notes.read", "Read your notes"),
            ("notes.write", "Write and change your notes"),
        ])
        .routes(
            resource::<Note>("/api/notes")
                .read(users("notes.read"))
                .create(users("notes.write"))
                .change(users("notes.write"))
                .routes(),
        )
}

fn main() -> ExitCode {
    app().run()
}
