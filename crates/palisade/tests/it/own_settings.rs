//! Settings of the site's own, and tables that refer to users.

use palisade::app::Prepared;
use palisade::checks::{Check, Level};
use palisade::prelude::*;
use palisade::settings::{Origin, Sources};
use palisade::testing::{TestDatabase, TestSite, events_of_this_thread};

palisade::settings! {
    /// The desk.
    struct Desk("desk") {
        /// Address of the mails of visitors
        email: Option<String> = |_| None;
        /// Hours until an unanswered message is reported
        patience_hours: u64 = |profile| if profile.is_development() { 1 } else { 24 };
        /// Key of another service, as a text
        webhook_token: Option<String> = |_| None;
        /// Key of a service
        api_key: Option<palisade::crypto::Secret<String>> = |_| None;
    }
}

palisade::settings! {
    /// A name of the framework's.
    struct Clash("mail") {
        /// Something
        thing: u64 = |_| 1;
    }
}

const CHECKS: &[Check<Desk>] = &[Check {
    id: "desk.impatient",
    django: None,
    level: Level::Error,
    title: "messages are reported at once",
    why: "staff would be flooded",
    fix: "set desk.patience_hours to 1 or more",
    fires: |desk| desk.patience_hours == 0,
}];

async fn show(Settings(desk): Settings<Desk>) -> String {
    let key = desk.api_key.map_or("none", |_| "a key");
    format!(
        "{} {} {key}",
        desk.email.unwrap_or_default(),
        desk.patience_hours
    )
}

async fn unregistered(Settings(_): Settings<Clash>) -> &'static str {
    "never"
}

fn app() -> App {
    App::new().settings::<Desk>(CHECKS).routes(
        Routes::new()
            .route("/", public().get(show))
            .route("/unregistered", public().get(unregistered)),
    )
}

fn prepared(app: App, settings: &[(&str, &str)]) -> Result<Prepared, String> {
    let mut sources = Sources::none();
    for (key, value) in settings {
        sources.set(key, *value, Origin::CommandLine("test"));
    }
    Prepared::new(app, sources).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_site_has_settings_of_its_own() {
    let settings = [
        ("palisade.toml", "[desk]\nemail = \"desk@example.org\"\n"),
        ("desk.api_key", "a secret value"),
        ("desk.webhook_token", "another secret value"),
    ];
    let site = TestSite::start(app(), &settings).await;
    let mut client = site.client();
    assert_eq!(client.get("/").await.body, "desk@example.org 1 a key");
    assert_eq!(
        site.site().own_settings::<Desk>().unwrap().patience_hours,
        1
    );
    assert_eq!(client.get("/unregistered").await.status, 500);
    // `settings` lists them with their sources, and no secret
    let listed = &site.site().settings().effective;
    let shown = |key: &str| listed.iter().find(|one| one.key == key).unwrap();
    assert_eq!(shown("desk.patience_hours").value, "1");
    assert_eq!(
        shown("desk.patience_hours").doc,
        "Hours until an unanswered message is reported"
    );
    assert!(
        !format!("{listed:?}").contains("secret value"),
        "{listed:?}"
    );
    for (key, value, said) in [
        ("desk.patience_hours", "soon", "whole number"),
        (
            "desk.patiense_hours",
            "1",
            "did you mean desk.patience_hours?",
        ),
    ] {
        let error = prepared(app(), &[(key, value)]).err().unwrap();
        assert!(error.contains(said), "{error}");
    }
    let production = prepared(app(), &[("profile", "production")]).unwrap();
    assert!(!production.report().to_string().contains("desk.impatient"));
    let refused = prepared(app(), &[("desk.patience_hours", "0")]).unwrap();
    assert!(refused.report().to_string().contains("desk.impatient"));
    let clash = prepared(App::new().settings::<Clash>(&[]), &[])
        .err()
        .unwrap();
    assert!(clash.contains("another name"), "{clash}");
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
            let note = Table::create()
                .table("own_note")
                .col(pk_auto("id"))
                .col(integer("owner_id"))
                .foreign_key(
                    ForeignKey::create()
                        .from("own_note", "owner_id")
                        .to("auth_user", "id"),
                )
                .take();
            manager.create_table(note).await
        }
    }
}

// B3: a table that refers to users and that no part of the personal data names is reported, and a deletion says so
#[tokio::test]
async fn a_table_that_refers_to_users_is_named_at_the_start() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new().migrations::<migration::Migrator>();
        let Some(site) = TestSite::start_on(database, app, &[]).await else {
            continue;
        };
        let warned = events_of_this_thread("a table refers to users");
        let last = warned.last().expect("a warning");
        assert!(last.contains("own_note"), "{last}");
        let mut ann = site.sign_in("ann", palisade::auth::Rank::Plain).await;
        let id = site.id_of("ann").await;
        let note = sql!("INSERT INTO own_note (owner_id) VALUES (?)", id);
        let db = site.site().database();
        db.write(async |tx| tx.execute_sql(note).await)
            .await
            .unwrap();
        let proof = [("current_password", "correct horse battery staple")];
        let refused = ann
            .submit("/account/delete", "/account/delete", &proof)
            .await;
        assert_eq!(refused.status, 409, "{}", refused.body);
        assert!(
            refused.body.contains("cannot be deleted yet"),
            "{}",
            refused.body
        );
        assert_eq!(ann.get("/account").await.status, 200, "nothing was deleted");
        db.write(async |tx| tx.execute_sql(sql!("DELETE FROM own_note")).await)
            .await
            .unwrap();
        let done = ann
            .submit("/account/delete", "/account/delete", &proof)
            .await;
        assert_eq!(done.status, 303);
    }
}

/// The same site in a release with another table.
mod newer {
    use palisade::sea_orm_migration::{prelude::*, schema::*};

    pub struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(Added)]
        }
    }

    struct Added;

    impl MigrationName for Added {
        fn name(&self) -> &str {
            "own_0002_added"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for Added {
        async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            let table = Table::create().table("own_added").col(pk_auto("id")).take();
            manager.create_table(table).await
        }

        async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
            manager
                .drop_table(Table::drop().table("own_added").take())
                .await
        }
    }
}

// W12: a release that was rolled back starts beside the tables of the newer one, and says so
#[tokio::test]
async fn a_release_starts_beside_a_newer_database() {
    let site = TestSite::start(App::new().migrations::<newer::Migrator>(), &[]).await;
    let older = site.start_beside(app(), &[]).await;
    assert_eq!(older.client().get("/").await.status, 200);
    let warned = events_of_this_thread("migrations of a newer release");
    assert!(
        warned.last().expect("a warning").contains("own_0002_added"),
        "{warned:?}"
    );
}
