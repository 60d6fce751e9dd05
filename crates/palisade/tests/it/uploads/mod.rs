//! Files of users: what is accepted, where it goes, and who gets it.

mod clamd;
mod corpus;
mod forms;
mod life;
mod pictures;
mod scanning;
mod serving;

use palisade::entity::*;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::{Answer, Client, SentFile, TestDatabase, TestSite};
use palisade::uploads::{Any, Drawing, Paper, Plain};
use std::path::{Path as FilePath, PathBuf};

pub(crate) mod note {
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

pub(crate) fn app() -> App {
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
pub(crate) fn undeclared() -> App {
    let routes = Routes::new()
        .route("/letters/new", public().get(letter))
        .route("/letters", public().post(take_letter));
    App::new().templates(Layer::embedded(PAGES)).routes(routes)
}

/// A site on this database, and a user of it.
pub(crate) async fn site_of(
    database: TestDatabase,
    settings: &[(&str, &str)],
) -> Option<(TestSite, Client)> {
    let own = [("uploads.min_free_bytes", "1")];
    let site = TestSite::start_on(database, app(), &[&own, settings].concat()).await?;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    Some((site, ann))
}

pub(crate) async fn site(settings: &[(&str, &str)]) -> (TestSite, Client) {
    site_of(TestDatabase::Sqlite, settings).await.unwrap()
}

/// Sends a note with one file.
pub(crate) async fn send(
    client: &mut Client,
    (field, name, media_type): (&str, &str, &str),
    content: &[u8],
) -> Answer {
    let file = SentFile {
        field,
        name,
        media_type,
        content,
    };
    client
        .submit_files("/notes/new", "/notes", &[("title", "a note")], &[file])
        .await
}

/// The page of the note that was created, and the URLs of its files.
pub(crate) async fn files_of(client: &mut Client, created: &Answer) -> Vec<String> {
    assert_eq!(created.status, 303, "{}", errors(created));
    let page = client.get(created.header("location")).await.body;
    let links = page.split("<a href=\"").skip(1);
    let urls = links.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    urls.collect()
}

/// The sentences of a form.
pub(crate) fn errors(answer: &Answer) -> String {
    let lists = answer.body.split("<ul class=\"errors\"").skip(1);
    let lists = lists.filter_map(|rest| Some(rest.split_once("</ul>")?.0.to_owned()));
    lists.collect::<Vec<_>>().join("\n")
}

/// All files below a folder.
pub(crate) fn files_below(folder: &FilePath) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_below(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Files in the storage and on their way.
pub(crate) fn stored(site: &TestSite) -> Vec<PathBuf> {
    let mut all = files_below(&site.folder().join("files"));
    all.extend(files_below(&site.folder().join("incoming")));
    all
}

pub(crate) async fn rows(site: &TestSite) -> i64 {
    let count = sql!("SELECT COUNT(*) FROM palisade_file");
    let count: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(count)
        .await
        .unwrap();
    count.unwrap().0
}

/// Entries of the audit log.
pub(crate) async fn events_named(site: &TestSite, event: &str) -> i64 {
    site.site().audit_stored().await.unwrap();
    let count = sql!("SELECT COUNT(*) FROM palisade_audit WHERE event = ?", event);
    let db = site.site().database().handle();
    let count: Option<(i64,)> = db.fetch_one(count).await.unwrap();
    count.unwrap().0
}

/// A picture with a gradient.
pub(crate) fn picture(format: image::ImageFormat) -> Vec<u8> {
    let pixels =
        image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 4, y as u8 * 5, 90]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn png() -> Vec<u8> {
    picture(image::ImageFormat::Png)
}
