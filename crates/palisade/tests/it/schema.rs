//! Migrations as lists of changes, and the columns that pages and APIs may see.

use palisade::auth::Rank;
use palisade::db::{Links, Migration};
use palisade::entity::*;
use palisade::prelude::*;
use palisade::sea_orm_migration::schema::*;
use palisade::template::Layer;
use palisade::testing::{TestDatabase, TestSite};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "schema_note")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub owner_id: i32,
    pub title: String,
    pub r#type: Option<String>,
    pub secret: String,
    pub written_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
        Rows::none().or("own", actor.owns(Column::OwnerId))
    }
}

#[derive(Columns)]
#[columns(entity = Entity)]
struct Row {
    id: i32,
    title: String,
    r#type: Option<String>,
    written_at: DateTimeUtc,
}

const TAGS: Links = Links::between("schema_note", "schema_tag");

fn migrations() -> Vec<Migration> {
    let note = [
        string_len("title", 20),
        string_len_null("type", 10),
        text("secret"),
    ];
    let tag = [string_len("name", 20)];
    let company = [string_len("company", 20)];
    let title = sql!(
        "UPDATE schema_note SET title = 'changed' WHERE title = ?",
        "old"
    );
    let back = sql!(
        "UPDATE schema_note SET title = ? WHERE title = 'changed'",
        "old"
    );
    vec![
        Migration::new("schema_0001_note").create_owned("schema_note", "owner_id", note),
        Migration::new("schema_0002_tags")
            .create_owned("schema_tag", "owner_id", tag)
            .create_links(TAGS),
        Migration::new("schema_0003_company").create_profile("schema_company", "user_id", company),
        Migration::new("schema_0004_written")
            .add_column(
                "schema_note",
                timestamp_with_time_zone("written_at").default("2026-11-29T10:00:00Z"),
            )
            .index("schema_note", ["title", "written_at"])
            .sql(title, back),
    ]
}

const PAGES: &[(&str, &str)] = &[(
    "list.html",
    "{% for row in rows %}[{{ row.id }} {{ row.title }} {{ row.type }} {{ row.written_at|datetime }} {{ row.secret is defined }}]{% endfor %}{{ pages.number }}",
)];

async fn list(page: Page, own: AllowedRows<Entity>) -> Result<Response> {
    let (rows, pages) = own
        .page::<Row>(own.find().order_by_asc(Column::Id), 10)
        .await?;
    page.render("list.html", context! { rows => &rows, pages })
        .await
}

async fn json(note: Allowed<Entity>) -> Json<Row> {
    Json(Row::from(&*note))
}

async fn create(actor: Actor, db: Db, now: Now) -> Result<Response> {
    let row = ActiveModel {
        owner_id: Set(actor.user_id()?),
        title: Set("a <b>".into()),
        secret: Set("hidden".into()),
        written_at: Set(*now),
        ..Default::default()
    };
    db.write(async |tx| actor.insert(tx, row).await).await?;
    Ok(redirect_to("/rows"))
}

/// A field whose name is a keyword.
#[derive(Form)]
#[form(entity = Entity)]
struct Kind {
    r#type: Option<Line<10>>,
}

async fn set_type(db: Db, note: Allowed<Entity, Change>, form: Form<Kind>) -> Result<Response> {
    let changes = form.valid_or_show("list.html").await?.changes();
    db.write(async |tx| note.access().change(tx, changes).await)
        .await?;
    Ok(redirect_to("/rows"))
}

async fn write_anonymously(actor: Actor) -> Result<String> {
    Ok(actor.user_id()?.to_string())
}

fn app() -> App {
    let personal = PersonalRows::<Entity, Row>::of("rows", Column::OwnerId);
    App::new()
        .templates(Layer::embedded(PAGES))
        .schema(migrations)
        .entity::<Entity>()
        .personal_data(personal)
        .setting("site.time_zone", "Europe/Berlin")
        .routes(
            Routes::new()
                .route("/rows", signed_in().get(list).post(create))
                .route("/rows/{id}", signed_in().get(json).post(set_type))
                .route(
                    "/today",
                    public().get(async |now: Now| now.today().to_string()),
                )
                .route("/anonymous", public().get(write_anonymously)),
        )
}

// F115; ASVS 15.3.1: a page and an API see the columns of a struct, in the zone of the site
#[tokio::test]
async fn pages_and_apis_see_the_named_columns() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut eve = site.sign_in("eve", Rank::Plain).await;
        ann.submit("/account/email", "/rows", &[]).await;
        let page = ann.get("/rows").await.body;
        assert!(
            page.starts_with("[1 a &lt;b&gt;  ") && page.ends_with(" False]1"),
            "{page}"
        );
        let zone = chrono_tz::Europe::Berlin;
        let written = site.site().now().with_timezone(&zone);
        let written = written.format("%-d %B %Y, %H:%M").to_string();
        assert!(page.contains(&written), "{page} {written}");
        let set = ann
            .submit("/account/email", "/rows/1", &[("type", "kind")])
            .await;
        assert_eq!(set.status, 303);
        let row = ann.get("/rows/1").await.body;
        assert!(row.contains("\"type\":\"kind\""), "{row}");
        let row: serde_json::Value = serde_json::from_str(&row).unwrap();
        let names: Vec<&String> = row.as_object().unwrap().keys().collect();
        assert_eq!(names, ["id", "title", "type", "written_at"]);
        // rows of others are on no list
        assert_eq!(eve.get("/rows").await.body, "1");
        assert_eq!(eve.get("/rows/1").await.status, 404);
        assert_eq!(site.client().get("/anonymous").await.status, 403);
        // at eleven in the evening of UTC, it is tomorrow in Berlin
        let now = site.site().now();
        let evening = now.date_naive().and_hms_opt(23, 0, 0).unwrap().and_utc();
        site.clock().advance(evening - now);
        let tomorrow = now.date_naive().succ_opt().unwrap();
        assert_eq!(site.site().today(), tomorrow);
        assert_eq!(site.client().get("/today").await.body, tomorrow.to_string());
    }
}

/// Entities that differ from their tables.
mod drifted {
    pub mod note {
        use palisade::entity::*;
        use palisade::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "schema_note")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            pub owner_id: i32,
            pub title: DateTimeUtc,
            pub r#type: String,
            pub due: Option<Date>,
            pub count: i64,
            pub written_at: DateTimeUtc,
        }

        impl ActiveModelBehavior for ActiveModel {}

        impl Scoped for Entity {
            fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
                Rows::none().or("own", actor.owns(Column::OwnerId))
            }
        }
    }

    pub mod missing {
        use palisade::entity::*;
        use palisade::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "schema_missing")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
        }

        impl ActiveModelBehavior for ActiveModel {}

        impl Scoped for Entity {
            fn rows(_: &Actor, _: Verb) -> Rows<Self> {
                Rows::none()
            }
        }
    }
}

// W12: entities are compared with their tables
#[tokio::test]
async fn entities_are_compared_with_their_tables() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let none: [&str; 0] = [];
        assert_eq!(site.site().schema_differences().await.unwrap(), none);
        let drifted = app()
            .entity::<drifted::note::Entity>()
            .entity::<drifted::missing::Entity>();
        let Some(site) = TestSite::start_on(database, drifted, &[]).await else {
            continue;
        };
        let found = site.site().schema_differences().await.unwrap();
        let is_said = |part: &str| found.iter().any(|difference| difference.contains(part));
        for part in [
            "schema_note.type can be null, and is no Option in the entity",
            "schema_note has no column due",
            "schema_note has no column count",
            "schema_note.secret is required, and the entity does not have it",
            "there is no table schema_missing",
        ] {
            assert!(is_said(part), "{part}: {found:?}");
        }
        assert!(
            is_said("schema_note.title is ")
                && is_said("and timestamp_with_time_zone in the entity"),
            "{found:?}"
        );
        assert_eq!(found.len(), 6, "{found:?}");
    }
}

async fn shape(site: &TestSite) -> (Vec<String>, i64) {
    let db = site.site().database().handle();
    let postgres = sql!(
        "SELECT table_name || '.' || column_name FROM information_schema.columns \
         WHERE table_name LIKE 'schema_%' AND table_schema = current_schema() ORDER BY 1"
    );
    let sqlite = sql!(
        "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name LIKE 'schema_%' ORDER BY 1"
    );
    let columns = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => postgres,
        _ => sqlite,
    };
    let columns: Vec<(String,)> = db.fetch_all(columns).await.unwrap();
    let index = match db.get_database_backend() {
        sea_orm::DbBackend::Postgres => {
            sql!("SELECT COUNT(*) FROM pg_indexes WHERE indexname LIKE 'schema_%_idx'")
        }
        _ => sql!(
            "SELECT COUNT(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'schema_%_idx'"
        ),
    };
    let count: Option<(i64,)> = db.fetch_one(index).await.unwrap();
    (
        columns.into_iter().map(|(name,)| name).collect(),
        count.unwrap().0,
    )
}

// W12: every change has its reverse
#[tokio::test]
async fn migrations_are_run_and_reverted() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let (columns, indexes) = shape(&site).await;
        let links = [
            "schema_note_schema_tag.schema_note_id",
            "schema_note_schema_tag.schema_tag_id",
        ];
        for column in links.into_iter().chain([
            "schema_company.user_id",
            "schema_note.written_at",
            "schema_note.owner_id",
        ]) {
            assert!(
                columns.iter().any(|known| known == column),
                "{column}: {columns:?}"
            );
        }
        assert_eq!(indexes, 3, "two owners, and the last migration");
        site.migrate_to(app(), "schema_0001_note").await;
        let (columns, indexes) = shape(&site).await;
        assert!(
            columns
                .iter()
                .all(|column| column.starts_with("schema_note.")),
            "{columns:?}"
        );
        assert!(!columns.contains(&"schema_note.written_at".to_owned()));
        assert_eq!(indexes, 1);
        site.migrate_to(app(), "schema_0004_written").await;
        assert_eq!(shape(&site).await.1, 3);
    }
}

// the links of a row are replaced, and deleted with it
#[tokio::test]
async fn links_are_replaced_and_deleted_with_their_rows() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        ann.submit("/account/email", "/rows", &[]).await;
        let db = site.site().database();
        let tag = |name: &'static str| {
            sql!(
                "INSERT INTO schema_tag (owner_id, name) SELECT id, ? FROM auth_user",
                name
            )
        };
        let write = async |tx: &Tx| {
            for name in ["a", "b", "c"] {
                tx.execute_sql(tag(name)).await?;
            }
            TAGS.set(tx, 1, [1, 2]).await?;
            TAGS.set(tx, 1, [2, 3]).await
        };
        db.write(write).await.unwrap();
        let linked = async || -> Vec<(i32,)> {
            let links = sql!("SELECT schema_tag_id FROM schema_note_schema_tag ORDER BY 1");
            db.handle().fetch_all(links).await.unwrap()
        };
        assert_eq!(linked().await, [(2,), (3,)]);
        // a key that does not exist undoes the whole change
        assert!(
            db.write(async |tx| TAGS.set(tx, 1, [1, 99]).await)
                .await
                .is_err()
        );
        assert_eq!(linked().await, [(2,), (3,)]);
        let of_tag = Entity::find().filter(Column::Id.in_subquery(TAGS.sources(3)));
        assert_eq!(of_tag.count(&db.handle()).await.unwrap(), 1);
        db.write(async |tx| TAGS.set(tx, 1, Vec::<i32>::new()).await)
            .await
            .unwrap();
        assert_eq!(linked().await, []);
        db.write(async |tx| TAGS.set(tx, 1, [1]).await)
            .await
            .unwrap();
        db.write(async |tx| tx.execute_sql(sql!("DELETE FROM schema_note")).await)
            .await
            .unwrap();
        assert_eq!(linked().await, []);
    }
}

fn failing() -> Vec<Migration> {
    let mut all = migrations();
    let note = [string_len("title", 20)];
    all.push(
        Migration::new("schema_0005_fails")
            .create_owned("schema_half", "owner_id", note)
            .sql(
                sql!("INSERT INTO schema_nowhere VALUES (1)"),
                sql!("SELECT 1"),
            ),
    );
    all
}

// a migration that fails leaves nothing, and the site starts again without it
#[tokio::test]
async fn a_migration_is_run_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("site.sqlite3").display());
    let mut urls = vec![file];
    urls.extend(palisade::testing::new_postgres().await);
    for url in urls {
        let settings = [("database.url", url.as_str())];
        let refused = TestSite::try_start(App::new().schema(failing), &settings).await;
        assert!(refused.is_err());
        let refused = TestSite::try_start(App::new().schema(failing), &settings).await;
        let said = refused.err().expect("it fails again").to_string();
        assert!(
            said.contains("schema_nowhere"),
            "not because of a half: {said}"
        );
        let site = TestSite::start(App::new().schema(migrations), &settings).await;
        let (columns, _) = shape(&site).await;
        assert!(
            !columns
                .iter()
                .any(|column| column.starts_with("schema_half")),
            "{columns:?}"
        );
    }
}

/// A form that names the user's column.
#[derive(Form)]
#[form(entity = profile::Entity)]
struct Profile {
    user_id: i32,
    company: Line<20>,
}

mod profile {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "schema_company")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        pub company: String,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

// a profile stays that of its user, also if its form names the column
#[tokio::test]
async fn a_profile_is_not_moved_to_another_user() {
    let app = app().profile_table::<Profile>(profile::Column::UserId);
    let site = TestSite::start(app, &[]).await;
    let mut ann = site.client();
    ann.sign_up_with("ann", &[("user_id", "99"), ("company", "first")])
        .await;
    let id = site.id_of("ann").await;
    let rows = async || -> Vec<(i32, String)> {
        let rows = sql!("SELECT user_id, company FROM schema_company");
        site.site()
            .database()
            .handle()
            .fetch_all(rows)
            .await
            .unwrap()
    };
    assert_eq!(rows().await, [(id, "first".into())]);
    let fields = [("user_id", "99"), ("company", "second")];
    let saved = ann
        .submit("/account/profile", "/account/profile", &fields)
        .await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    assert_eq!(rows().await, [(id, "second".into())]);
}
