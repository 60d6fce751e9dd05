//! Fields of forms: choices from the database, several values, and the same types in JSON.

use axum::body::Body;
use http::Method;
use palisade::forms::Decimal;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::{Answer, Client, TestDatabase, TestSite};

mod tag {
    use palisade::prelude::{Actor, Labelled, Rows, Scoped, Verb};
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "fields_tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub name: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
            Rows::none().or("own", actor.owns(Column::OwnerId))
        }
    }

    impl Labelled for Entity {
        fn label() -> Column {
            Column::Name
        }
    }
}

mod event {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "fields_event")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub day: Date,
        pub begins: Option<DateTimeUtc>,
        pub price: i64,
        pub weight: Decimal,
        pub is_open: bool,
        pub kind: String,
        pub tag_id: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

mod migration {
    use palisade::sea_orm_migration::{prelude::*, schema::*};

    pub struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(Create)]
        }
    }

    #[derive(DeriveMigrationName)]
    struct Create;

    #[async_trait::async_trait]
    impl MigrationTrait for Create {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let tag = Table::create()
                .table("fields_tag")
                .col(pk_auto("id"))
                .col(integer("owner_id"))
                .col(string_len("name", 50))
                .take();
            manager.create_table(tag).await?;
            let event = Table::create()
                .table("fields_event")
                .col(pk_auto("id"))
                .col(string_len("title", 20))
                .col(date("day"))
                .col(timestamp_with_time_zone_null("begins"))
                .col(big_integer("price"))
                .col(decimal_len("weight", 5, 2))
                .col(boolean("is_open"))
                .col(string_len("kind", 20))
                .col(integer("tag_id"))
                .take();
            manager.create_table(event).await
        }
    }
}

#[derive(Choice, Clone, Copy, PartialEq, Debug)]
enum Kind {
    Talk,
    Workshop,
}

#[derive(Form)]
#[form(entity = event::Entity)]
struct Event {
    title: Line<20>,
    day: Day,
    begins: Option<Moment>,
    price: Money<100_000>,
    weight: Decimal<5, 2>,
    is_open: bool,
    kind: Kind,
    tag_id: Pick<tag::Entity>,
    #[form(label = "More tags")]
    more: Many<Pick<tag::Entity>, 3>,
    links: Many<WebUrl<100>, 5>,
}

const PAGES: &[(&str, &str)] = &[(
    "event.html",
    "{% from \"palisade/form.html\" import fields %}<form method=\"post\" action=\"/events\">{{ fields(form) }}</form>",
)];

async fn new(page: Page, form: FormView<Event>) -> Result<Response> {
    page.render("event.html", context! { form => form.blank() })
        .await
}

async fn edit(page: Page, db: Db, Path(id): Path<i32>, form: FormView<Event>) -> Result<Response> {
    use sea_orm::EntityTrait;
    let row = event::Entity::find_by_id(id).one(&db).await?.or_404()?;
    page.render("event.html", context! { form => form.filled(&row) })
        .await
}

async fn create(actor: Actor, db: Db, form: Form<Event>) -> Result<String> {
    use sea_orm::ActiveModelTrait;
    let event = form.valid_or_show("event.html").await?;
    let row = event.changes();
    // the rows of the keys, which the policy has shown
    let more = actor.resolve_all(&event.more, &db).await?.or_404()?;
    let row = db.write(async |tx| row.insert(tx).await).await?;
    Ok(format!("{} {} {}", row.id, event.links.len(), more.len()))
}

#[derive(Form)]
struct Note {
    #[expect(dead_code, reason = "it is only validated")]
    title: Line<5>,
    tags: Many<Line<3>, 2>,
}

async fn note(Json(note): Json<Note>) -> String {
    note.tags
        .iter()
        .map(|tag| tag.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

fn app() -> App {
    App::new()
        .templates(Layer::embedded(PAGES))
        .migrations::<migration::Migrator>()
        .entity::<tag::Entity>()
        .setting("site.time_zone", "Europe/Berlin")
        .routes(
            Routes::new()
                .route("/events/new", signed_in().get(new))
                .route("/events/{id}", signed_in().get(edit))
                .route("/events", signed_in().post(create))
                .route("/note", public().post(note)),
        )
}

async fn tags(site: &TestSite, owner: &str, names: &[&str]) -> Vec<i32> {
    use sea_orm::{ActiveModelTrait, Set};
    let owner_id = site.id_of(owner).await;
    let mut ids = Vec::new();
    for name in names {
        let tag = tag::ActiveModel {
            owner_id: Set(owner_id),
            name: Set((*name).to_owned()),
            ..Default::default()
        };
        let row = site
            .site()
            .database()
            .write(async |tx| tag.insert(tx).await);
        ids.push(row.await.unwrap().id);
    }
    ids
}

const EVENT: [(&str, &str); 7] = [
    ("title", "Opening"),
    ("day", "2026-12-01"),
    ("begins", "2026-12-01T18:00"),
    ("price", "12,30"),
    ("weight", "1.5"),
    ("is_open", "on"),
    ("kind", "workshop"),
];

async fn submit(client: &mut Client, more: &[(&str, &str)]) -> Answer {
    let fields = [&EVENT[..], more].concat();
    client.submit("/events/new", "/events", &fields).await
}

// F047: the choices of a form are the rows of its user, and a key of another user's row is no choice
#[tokio::test]
async fn a_form_offers_the_rows_that_its_user_may_view() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
        site.sign_in("eve", palisade::auth::Rank::Plain).await;
        let own = tags(&site, "ann", &["zebra", "<apple>"]).await;
        let foreign = tags(&site, "eve", &["secret"]).await;
        let [zebra, apple, secret] = [own[0], own[1], foreign[0]].map(|id| id.to_string());
        let page = ann.get("/events/new").await.body;
        let (first, second) = (page.find("&lt;apple&gt;"), page.find("zebra"));
        assert!(first.is_some() && first < second, "by label: {page}");
        assert!(!page.contains("secret"), "{page}");
        assert!(page.contains("type=\"datetime-local\"") && page.contains("type=\"date\""));
        let more = [
            ("tag_id", &*zebra),
            ("more", &apple),
            ("more", &zebra),
            ("links", "https://a.example"),
            ("links", ""),
        ];
        let created = submit(&mut ann, &more).await;
        assert_eq!(
            (created.status.as_u16(), &*created.body),
            (200, "1 1 2"),
            "{created:?}"
        );
        // filled from the row, in the zone of the site
        let page = ann.get("/events/1").await.body;
        for part in [
            "value=\"Opening\"",
            "value=\"2026-12-01T18:00\"",
            "value=\"2026-12-01\"",
            "value=\"12.30\"",
            "value=\"1.5",
            "value=\"on\" checked",
            "<option value=\"workshop\" selected>",
            &format!("<option value=\"{zebra}\" selected>"),
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        for (case, more) in [
            ("the row of another user", vec![("tag_id", &*secret)]),
            ("no row", vec![("tag_id", "999999")]),
            ("no key", vec![("tag_id", "1 OR 1=1")]),
            ("nothing", vec![("tag_id", "")]),
            (
                "the row of another user among others",
                vec![("tag_id", &*zebra), ("more", &*apple), ("more", &*secret)],
            ),
            (
                "too many",
                vec![
                    ("tag_id", &*zebra),
                    ("more", "1"),
                    ("more", "2"),
                    ("more", "3"),
                    ("more", "4"),
                ],
            ),
            (
                "a script as a link",
                vec![("tag_id", &*zebra), ("links", "javascript:alert(1)")],
            ),
        ] {
            let refused = submit(&mut ann, &more).await;
            assert_eq!(refused.status, 422, "{case}: {}", refused.body);
            // the choices are there again, and what was typed
            assert!(
                refused.body.contains("zebra") && refused.body.contains("Opening"),
                "{case}"
            );
            assert!(!refused.body.contains(">secret<"), "{case}");
        }
        let twice = submit(&mut ann, &[("tag_id", &zebra), ("tag_id", &apple)]).await;
        assert_eq!(twice.status, 400, "a field of one value");
        let row: Option<(i64,)> = site
            .site()
            .database()
            .handle()
            .fetch_one(sql!("SELECT COUNT(*) FROM fields_event"))
            .await
            .unwrap();
        assert_eq!(row, Some((1,)), "nothing was written by the others");
    }
}

// B8: the log names the field of a form that cannot be read, and not its value
#[tokio::test]
async fn the_log_names_the_field_of_an_unreadable_form() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
    for (more, name) in [
        (vec![("company", "a secret value")], "company"),
        (vec![("title", "a secret value"), ("title", "b")], "title"),
        (vec![("x\ny", "z")], "x\\"),
    ] {
        let answer = submit(&mut ann, &more).await;
        assert_eq!(answer.status, 400);
        let logged = answer.events();
        let refused = logged.iter().find(|line| line.contains("request refused"));
        let last = refused.unwrap();
        assert!(!last.contains('\n'), "one line: {last}");
        assert!(
            last.contains(name) && !last.contains("secret value"),
            "{last}"
        );
    }
}

// B6: the same types, limits and sentences in JSON
#[tokio::test]
async fn json_has_the_limits_and_sentences_of_forms() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let token = client.get("/account/login").await.token().unwrap();
    for (body, status, part) in [
        (r#"{"title": "abc", "tags": ["a", "b"]}"#, 200, "a,b"),
        (r#"{"title": "abc"}"#, 200, ""),
        (r#"{"title": 12, "tags": null}"#, 200, ""),
        (
            r#"{"title": "abcdef"}"#,
            422,
            "Use at most 5 characters; these are 6.",
        ),
        (
            r#"{"title": "", "tags": ["abcd"]}"#,
            422,
            "This field is required.",
        ),
        (
            r#"{"title": "a", "tags": ["a", "b", "c"]}"#,
            422,
            "Choose at most 2.",
        ),
        (r#"{}"#, 422, "This field is required."),
        (r#"{"title": "a\u202eb"}"#, 422, "Control characters"),
        (r#"{"title": ["a"]}"#, 400, "another type"),
        (r#"{"title": {"a": 1}}"#, 400, "another type"),
        (r#"{"title": "a", "is_staff": true}"#, 400, "is_staff"),
        (r#"{"title": "a", "title": "b"}"#, 400, "twice"),
        (r#"["a"]"#, 400, "an object"),
        ("", 400, ""),
    ] {
        let request = client
            .request(Method::POST, "/note")
            .header("x-csrftoken", &token)
            .header("accept", "application/json")
            .header("content-type", "application/json");
        let answer = client.send(request, Body::from(body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.body.contains(part), "{body}: {}", answer.body);
    }
}

async fn picked(Json(event): Json<Picked>) -> String {
    event.tags.len().to_string()
}

#[derive(Form)]
struct Picked {
    tags: Many<Pick<tag::Entity>, 3>,
}

// D19: a list of keys is bounded before they are compared; two spellings of one key are no two rows
#[tokio::test]
async fn keys_of_other_rows_get_through_in_no_form() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let routes = Routes::new().route("/picked", signed_in().post(picked));
        let app = app().routes(routes);
        let Some(site) = TestSite::start_on(database, app, &[]).await else {
            continue;
        };
        let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
        site.sign_in("eve", palisade::auth::Rank::Plain).await;
        let own = tags(&site, "ann", &["a", "b"]).await;
        let others = tags(&site, "eve", &["c"]).await;
        let token = ann.get("/account/email").await.token().unwrap();
        let mut send = async |body: String| {
            let request = ann.request(Method::POST, "/picked");
            let request = request.header("content-type", "application/json");
            let request = request.header("x-csrftoken", &token);
            ann.send(request, Body::from(body)).await
        };
        let answer = send(format!(r#"{{"tags": [{}, {}]}}"#, own[0], own[1])).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "2"));
        for keys in [
            format!("{}", others[0]),
            format!("{}, {}", own[0], others[0]),
            format!(r#"{}, "0{}""#, own[0], own[0]),
            format!(r#""{}", " {}""#, own[0], own[0]),
            "999999".into(),
            "9999999999999999999999".into(),
            r#""x""#.into(),
        ] {
            let answer = send(format!(r#"{{"tags": [{keys}]}}"#)).await;
            assert_eq!(answer.status, 422, "{keys}: {}", answer.body);
            assert!(answer.body.contains("tags"), "{}", answer.body);
        }
        let many: Vec<String> = (0..100_000).map(|key| key.to_string()).collect();
        let answer = send(format!(r#"{{"tags": [{}]}}"#, many.join(","))).await;
        assert_eq!(answer.status, 422);
        assert!(answer.body.contains("at most 3"), "{}", answer.body);
    }
}
