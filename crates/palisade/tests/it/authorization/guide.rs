//! The site of docs/permissions.md. Each item of its examples stands here, and the site runs.

use chrono::{TimeDelta, Utc};
use palisade::auth::Rank;
use palisade::permissions::{Change, Grant, Membership, Recipient, Role, create_grants};
use palisade::prelude::*;
use palisade::testing::{Client, Crawl, TestSite};
use sea_orm::{ActiveModelTrait, DbErr, EntityTrait, QuerySelect, Set};
use sea_orm_migration::prelude::{ColumnDef, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait};

mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Permission, Clone, Copy)]
#[permission(app = "desk")]
enum May {
    ReadReports,
    #[permission(of = note::Entity, label = "Can view a note")]
    ViewNote,
}

fn site() -> App {
    App::new()
        .permissions::<May>()
        .routes(Routes::new().route("/reports", can(May::ReadReports).get(reports)))
}

async fn reports() -> &'static str {
    "reports"
}

async fn front(actor: Actor) -> &'static str {
    if actor.may(May::ReadReports) {
        "with reports"
    } else {
        "without"
    }
}

impl Scoped for note::Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let own = actor.owns(note::Column::OwnerId);
        match verb {
            Verb::View => Rows::none()
                .or("own", own)
                .or("shared", actor.granted::<Self>(May::ViewNote)),
            Verb::Change | Verb::Create => Rows::none().or("own", own),
            _ => Rows::none(),
        }
    }
}

async fn list(actor: Actor, db: Db) -> Result<String> {
    let notes = actor
        .find::<note::Entity>(Verb::View)
        .limit(20)
        .all(&db)
        .await?;
    Ok(format!("{} notes", notes.len()))
}

async fn show(note: Allowed<note::Entity>) -> String {
    note.body.clone()
}

async fn change(db: Db, note: Allowed<note::Entity, Change>) -> Result<Response> {
    let change = note::ActiveModel {
        body: Set("changed".into()),
        ..Default::default()
    };
    db.write(async |tx| note.access().change(tx, change).await)
        .await?;
    Ok(redirect_to(format!("/notes/{}", note.id)))
}

fn routes() -> Routes {
    Routes::new()
        .route("/notes", signed_in().get(list))
        .route("/notes/{note}", signed_in().get(show).post(change))
}

async fn up(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    create_grants::<note::Entity>(manager).await
}

async fn share(actor: Actor, db: Db, Path(id): Path<i32>) -> Result<Response> {
    let grant = Grant::permission(May::ViewNote, Recipient::User(7))
        .until(Utc::now() + TimeDelta::days(30))
        .because("the audit of 2026");
    db.write(async |tx| actor.give::<note::Entity>(tx, id, grant).await)
        .await?;
    Ok(redirect_to("/notes"))
}

async fn promote(actor: Actor, db: Db, Path(user): Path<i32>) -> Result<Response> {
    let membership = Membership::new("readers", user);
    db.write(async |tx| actor.add_member(tx, &membership).await)
        .await?;
    Ok(redirect_to("/team"))
}

async fn rows_of_one_user_do_not_exist_for_another(site: &TestSite, ann: Client, bob: Client) {
    Crawl::new(site, ann, bob).run().await.assert_sealed();
}

struct CreateNotes;

impl MigrationName for CreateNotes {
    fn name(&self) -> &str {
        "desk_0001_note"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateNotes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = ColumnDef::new("id")
            .integer()
            .not_null()
            .primary_key()
            .to_owned();
        let notes = Table::create()
            .table("desk_note")
            .col(key)
            .col(ColumnDef::new("owner_id").integer().not_null())
            .col(ColumnDef::new("body").text().not_null())
            .to_owned();
        manager.create_table(notes).await?;
        up(manager).await
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateNotes)]
    }
}

/// The owner's pages, with a link to each note.
async fn links(page: Page, actor: Actor, db: Db) -> Result<Response> {
    let notes = actor.find::<note::Entity>(Verb::View).all(&db).await?;
    let ids: Vec<i32> = notes.iter().map(|note| note.id).collect();
    page.render("links.html", context! { ids }).await
}

const LINKS: &str = "{% extends \"base.html\" %}{% block main %}{% for id in ids %}\
    <a href=\"/notes/{{ id }}\">{{ id }}</a>\
    <form method=\"post\" action=\"/notes/{{ id }}/share\"><button>Share</button></form>\
    {% endfor %}{% endblock %}";

async fn start() -> TestSite {
    let all = routes()
        .route("/", public().get(front))
        .route("/links", signed_in().get(links))
        .route("/notes/{id}/share", signed_in().post(share));
    let app = site()
        .migrations::<Migrator>()
        .entity::<note::Entity>()
        .templates(palisade::template::Layer::embedded(&[(
            "links.html",
            LINKS,
        )]))
        .routes(all);
    TestSite::start(app, &[]).await
}

async fn add_note(site: &TestSite, owner: i32, id: i32) {
    let note = note::ActiveModel {
        id: Set(id),
        owner_id: Set(owner),
        body: Set("private".into()),
    };
    let insert = async |tx: &Tx| note.insert(tx).await;
    site.site().database().write(insert).await.unwrap();
}

#[tokio::test]
async fn the_guide_runs() {
    let site = start().await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    add_note(&site, site.id_of("ann").await, 3).await;
    assert_eq!(ann.get("/").await.body, "without");
    site.grant("ann", May::ReadReports).await;
    assert_eq!(ann.get("/").await.body, "with reports");
    assert_eq!(ann.get("/reports").await.body, "reports");
    assert_eq!(ann.get("/notes").await.body, "1 notes");
    assert_eq!(ann.get("/notes/3").await.body, "private");
    assert_eq!(ann.submit("/account", "/notes/3", &[]).await.status, 303);
    assert_eq!(ann.get("/notes/3").await.body, "changed");
    // the owner does not hold the permission to view, and cannot give it
    assert_eq!(
        ann.submit("/account", "/notes/3/share", &[]).await.status,
        403
    );
}

// F045, ASVS 8.2.2: the promotion of the guide, with the right to it and without
#[tokio::test]
async fn the_guide_promotes() {
    let app = site()
        .role(Role::new("readers"))
        .role(Role::new("leads").gives("readers"))
        .routes(Routes::new().route("/team/{user}", signed_in().post(promote)));
    let site = TestSite::start(app, &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    site.sign_in("bob", Rank::Plain).await;
    let path = format!("/team/{}", site.id_of("bob").await);
    assert_eq!(ann.submit("/account", &path, &[]).await.status, 403);
    site.join("ann", "leads").await;
    assert_eq!(ann.submit("/account", &path, &[]).await.status, 303);
    let members = sql!("SELECT user_id FROM auth_user_groups ORDER BY user_id");
    let db = site.site().database().handle();
    let members: Vec<(i32,)> = db.fetch_all(members).await.unwrap();
    assert_eq!(members.len(), 2, "ann leads, and bob reads");
}

// F047, ASVS 8.2.2: the crawl of the guide, and one that must find a hole
#[tokio::test]
async fn the_crawl_of_the_guide_finds_nothing() {
    let site = start().await;
    let ann = site.sign_in("ann", Rank::Plain).await;
    add_note(&site, site.id_of("ann").await, 3).await;
    let bob = site.sign_in("bob", Rank::Plain).await;
    let report = Crawl::new(&site, ann.clone(), bob.clone()).run().await;
    report.assert_sealed();
    assert_eq!(report.paths.len(), 2, "{:?}", report.paths);
    assert_eq!(
        report.requests, 3,
        "GET and POST of the note, POST of the share"
    );
    rows_of_one_user_do_not_exist_for_another(&site, ann, bob).await;
}

// the crawl finds a handler that reads without the policy, and one that changes
#[tokio::test]
async fn the_crawl_finds_planted_holes() {
    async fn read(db: Db, Path(id): Path<i32>) -> Result<String> {
        let note = note::Entity::find_by_id(id).one(&db).await?.or_404()?;
        Ok(note.body)
    }
    async fn write(db: Db, Path(id): Path<i32>) -> Result<Response> {
        let change = sql!("UPDATE desk_note SET body = 'taken over' WHERE id = ?", id);
        db.write(async |tx| tx.execute_sql(change).await).await?;
        Err(Error::not_found())
    }
    let holes = Routes::new()
        .route("/notes", signed_in().get(list))
        .route("/links", signed_in().get(links))
        .route("/notes/{id}", signed_in().get(read))
        .route("/notes/{id}/share", signed_in().post(write));
    let app = App::new()
        .permissions::<May>()
        .migrations::<Migrator>()
        .templates(palisade::template::Layer::embedded(&[(
            "links.html",
            LINKS,
        )]))
        .routes(holes);
    let site = TestSite::start(app, &[]).await;
    let ann = site.sign_in("ann", Rank::Plain).await;
    add_note(&site, site.id_of("ann").await, 3).await;
    let bob = site.sign_in("bob", Rank::Plain).await;
    let report = Crawl::new(&site, ann, bob).run().await;
    assert_eq!(
        report.faults,
        [
            "GET /notes/3: 200 OK",
            "POST /notes/3/share: 0 events of a denied access",
            "GET /notes/3: the owner's page has changed",
        ]
    );
}

/// Items of the examples that the page shows without a definition here.
#[test]
fn the_page_shows_this_code() {
    let page = include_str!("../../../../../docs/permissions.md");
    let own = squeeze(include_str!("guide.rs"));
    let mut items = 0;
    for block in page.split("```rust\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let code: String = block
            .lines()
            .filter(|line| !line.starts_with("use "))
            .collect::<Vec<_>>()
            .join("\n");
        for item in code.split("\n\n").filter(|item| !item.trim().is_empty()) {
            assert!(own.contains(&squeeze(item)), "not in guide.rs:\n{item}");
            items += 1;
        }
    }
    assert!(items >= 12, "{items} items");
}

/// Code without its line breaks and trailing commas: the page is narrower.
fn squeeze(code: &str) -> String {
    let text: String = code.split_whitespace().collect();
    text.replace(",)", ")").replace(",}", "}")
}
