//! A site with files, as a test runs it in its process and `examples/files.rs` as a program.

use palisade::entity::*;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::uploads::{Any, Drawing, Paper, Plain};

pub mod note {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "uploads_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub title: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// A note is viewed by its owner and by staff.
    impl Scoped for Entity {
        fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
            Rows::none()
                .or("own", actor.owns(Column::OwnerId))
                .or("staff", actor.is_staff())
        }
    }
}

mod migration {
    use palisade::db::Migration;
    use palisade::sea_orm_migration::prelude::Table;
    use palisade::sea_orm_migration::schema::*;

    pub(super) fn all() -> Vec<Migration> {
        let table = Table::create()
            .table("uploads_note")
            .col(pk_auto("id"))
            .col(integer("owner_id"))
            .col(string("title"))
            .take();
        vec![Migration::new("uploads_0001_note").create_table(table)]
    }
}

#[derive(Form)]
struct NewNote {
    title: Line<40>,
    shot: Option<Upload<Picture, { 2 * MIB }>>,
    drawing: Option<Upload<Drawing, { MIB }>>,
    paper: Option<Upload<Paper, { 2 * MIB }>>,
    plain: Option<Upload<Plain, { MIB }>>,
    any: Option<Upload<Any, { MIB }>>,
    many: Many<Upload<Picture, { MIB }>, 3>,
}

#[derive(Form)]
struct Letter {
    plain: Upload<Plain, { MIB }>,
}

/// A form for visitors without an account.
async fn letter(page: Page) -> Result<Response> {
    page.render("letter.html", context! { form => Form::<Letter>::blank() })
        .await
}

async fn take_letter(form: Form<Letter>) -> Result<String> {
    let letter = form.valid_or_show("letter.html").await?;
    Ok(letter.plain.name().to_owned())
}

const PAGES: &[(&str, &str)] = &[
    (
        "note.html",
        "<form method=\"post\" action=\"/notes\">{% from \"palisade/form.html\" import fields %}{{ fields(form) }}<button>Send</button></form>\
         <form method=\"post\" action=\"/other\"><button>Other</button></form>",
    ),
    (
        "letter.html",
        "<form method=\"post\" action=\"/letters\">{% from \"palisade/form.html\" import fields %}{{ fields(form) }}<button>Send</button></form>",
    ),
    (
        "notes.html",
        "{% for file in files %}<p class=\"{{ file.state }}\">{% if file.is_picture %}<img src=\"{{ file.url }}\" alt=\"\">{% endif %}<a href=\"{{ file.url }}\">{{ file.name }}</a> {{ file.size }}</p>{% endfor %}",
    ),
];

async fn blank(page: Page) -> Result<Response> {
    page.render("note.html", context! { form => Form::<NewNote>::blank() })
        .await
}

async fn create(user: User, db: Db, form: Form<NewNote>) -> Result<Response> {
    let new = form.valid_or_show("note.html").await?;
    let id = db
        .write(async |tx| {
            let row = note::ActiveModel {
                owner_id: Set(user.id),
                title: Set(new.title.to_string()),
                ..Default::default()
            };
            let row = row.insert(tx).await?;
            if let Some(file) = new.shot {
                file.keep(tx, &row).await?;
            }
            if let Some(file) = new.drawing {
                file.keep(tx, &row).await?;
            }
            if let Some(file) = new.paper {
                file.keep(tx, &row).await?;
            }
            if let Some(file) = new.plain {
                file.keep(tx, &row).await?;
            }
            if let Some(file) = new.any {
                file.keep(tx, &row).await?;
            }
            for file in new.many {
                file.keep(tx, &row).await?;
            }
            Ok::<_, Error>(row.id)
        })
        .await?;
    Ok(redirect_to(format!("/notes/{id}")))
}

async fn show(page: Page, db: Db, note: Allowed<note::Entity>) -> Result<Response> {
    let files = StoredFile::of(&db, &*note).await?;
    page.render("notes.html", context! { files }).await
}

pub fn app() -> App {
    let routes = Routes::new()
        .route("/notes/new", signed_in().get(blank))
        .route("/notes", signed_in().post(create))
        .route("/notes/{id}", signed_in().get(show))
        .route("/letters/new", public().get(letter))
        .route("/letters", public().post(take_letter));
    App::new()
        .templates(Layer::embedded(PAGES))
        .schema(migration::all)
        .entity::<note::Entity>()
        .files::<Paper>()
        .files::<Plain>()
        .dangerous_any_file(Reason::new("a test needs files of all kinds"))
        .routes(routes)
}

/// A form with a file of a kind that the site does not declare.
pub fn undeclared() -> App {
    let routes = Routes::new()
        .route("/letters/new", public().get(letter))
        .route("/letters", public().post(take_letter));
    App::new().templates(Layer::embedded(PAGES)).routes(routes)
}
