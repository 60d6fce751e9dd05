//! Fields of the site's own on sign-up and on the account page, and its hooks at events of accounts.

use palisade::async_trait::async_trait;
use palisade::auth::{AccountHooks, Profile};
use palisade::forms::FieldValues;
use palisade::prelude::*;
use palisade::testing::{Client, TestDatabase, TestSite};

#[derive(Form)]
struct Company {
    company: Line<20>,
    #[expect(dead_code, reason = "only its limit counts")]
    vat_id: Option<Line<12>>,
}

#[async_trait]
impl Profile for Company {
    async fn load(db: &Db, user: &User) -> Result<FieldValues> {
        let row: Option<(String,)> = db
            .fetch_one(sql!(
                "SELECT company FROM profile_company WHERE user_id = ?",
                user.id
            ))
            .await?;
        let company = row.map(|(company,)| ("company", vec![company]));
        Ok(company.into_iter().collect())
    }

    async fn save(self, tx: &Tx, user: &User) -> Result<()> {
        if &*self.company == "broken" {
            return Err(Error::bug("as asked"));
        }
        tx.execute_sql(sql!(
            "DELETE FROM profile_company WHERE user_id = ?",
            user.id
        ))
        .await?;
        let (id, company) = (user.id, self.company.to_string());
        let row = sql!(
            "INSERT INTO profile_company (user_id, company) VALUES (?, ?)",
            id,
            company
        );
        tx.execute_sql(row).await?;
        Ok(())
    }
}

struct Events;

async fn note(tx: &Tx, user: &User, event: &str) -> Result<()> {
    if user.username == format!("no-{event}") {
        return Err(Error::bug("as asked"));
    }
    let (name, event) = (user.username.clone(), event.to_owned());
    tx.execute_sql(sql!(
        "INSERT INTO profile_event (name, event) VALUES (?, ?)",
        name,
        event
    ))
    .await?;
    Ok(())
}

#[async_trait]
impl AccountHooks for Events {
    async fn signed_up(&self, tx: &Tx, user: &User) -> Result<()> {
        note(tx, user, "sign-up").await
    }

    async fn logged_in(&self, tx: &Tx, user: &User) -> Result<()> {
        note(tx, user, "login").await
    }

    async fn closed(&self, tx: &Tx, user: &User) -> Result<()> {
        note(tx, user, "closing").await
    }
}

/// Its rows are deleted with the account.
struct Data;

#[async_trait]
impl palisade::auth::PersonalData for Data {
    fn name(&self) -> &'static str {
        "company"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<palisade::serde_json::Value> {
        Ok(palisade::serde_json::json!(Company::load(db, user).await?))
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        tx.execute_sql(sql!(
            "DELETE FROM profile_company WHERE user_id = ?",
            user.id
        ))
        .await?;
        Ok(())
    }
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
            let company = Table::create()
                .table("profile_company")
                .col(integer("user_id").primary_key())
                .col(string_len("company", 20))
                .foreign_key(
                    ForeignKey::create()
                        .from("profile_company", "user_id")
                        .to("auth_user", "id"),
                )
                .take();
            manager.create_table(company).await?;
            let event = Table::create()
                .table("profile_event")
                .col(pk_auto("id"))
                .col(string_len("name", 150))
                .col(string_len("event", 20))
                .take();
            manager.create_table(event).await
        }
    }
}

fn app() -> App {
    App::new()
        .migrations::<migration::Migrator>()
        .profile::<Company>()
        .account_hooks(Events)
        .personal_data(Data)
}

const PASSWORD: &str = "correct horse battery staple";

async fn begin(
    client: &mut Client,
    name: &str,
    company: &[(&str, &str)],
) -> palisade::testing::Answer {
    let email = format!("{name}@example.org");
    let fields = [
        ("username", name),
        ("email", &email),
        ("password", PASSWORD),
        ("password_again", PASSWORD),
    ];
    let fields = [&fields[..], company].concat();
    client
        .submit("/account/signup", "/account/signup", &fields)
        .await
}

async fn finish(client: &mut Client, name: &str) -> u16 {
    let page = client.follow_mail(&format!("{name}@example.org")).await;
    let password = [("password", PASSWORD)];
    let answer = client.submit(&page, "/account/confirm", &password).await;
    answer.status.as_u16()
}

async fn events(site: &TestSite) -> Vec<(String, String)> {
    let all = sql!("SELECT name, event FROM profile_event ORDER BY id");
    site.site()
        .database()
        .handle()
        .fetch_all(all)
        .await
        .unwrap()
}

async fn count(site: &TestSite, sql: palisade::db::RawSql) -> i64 {
    let row: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(sql)
        .await
        .unwrap();
    row.unwrap().0
}

#[tokio::test]
async fn sign_up_has_fields_of_the_site_in_its_transaction() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &[]).await else {
            continue;
        };
        let mut ann = site.client();
        let page = ann.get("/account/signup").await.body;
        assert!(
            page.contains("name=\"company\"") && page.contains("name=\"vat_id\""),
            "{page}"
        );
        for (case, company) in [
            ("nothing", vec![]),
            ("too long", vec![("company", "more than twenty characters")]),
            (
                "an optional field",
                vec![("company", "Müller"), ("vat_id", "more than twelve")],
            ),
        ] {
            let refused = begin(&mut ann, "ann", &company).await;
            assert_eq!(refused.status, 422, "{case}");
            assert!(
                refused.body.contains("value=\"ann\""),
                "{case}: what was typed is there"
            );
        }
        let unknown = [("company", "Müller"), ("is_staff", "on")];
        assert_eq!(
            begin(&mut ann, "ann", &unknown).await.status,
            400,
            "mass assignment"
        );
        assert_eq!(
            begin(&mut ann, "ann", &[("company", "Müller")])
                .await
                .status,
            303
        );
        assert_eq!(
            events(&site).await,
            [],
            "no account before the link is opened"
        );
        assert_eq!(finish(&mut ann, "ann").await, 303);
        let named = |event: &str| ("ann".to_owned(), event.to_owned());
        assert_eq!(events(&site).await, [named("sign-up"), named("login")]);
        let page = ann.get("/account/profile").await.body;
        assert!(page.contains("value=\"Müller\""), "{page}");
        assert!(ann.get("/account").await.body.contains("/account/profile"));
        let change = |company: &'static str| [("company", company)];
        let refused = ann
            .submit("/account/profile", "/account/profile", &change(""))
            .await;
        assert_eq!(refused.status, 422);
        let saved = ann
            .submit("/account/profile", "/account/profile", &change("Söhne"))
            .await;
        assert_eq!(saved.status, 303);
        assert!(
            saved
                .events()
                .iter()
                .any(|event| event.contains("profile_changed")),
            "{:?}",
            saved.events()
        );
        assert!(
            ann.get("/account/profile")
                .await
                .body
                .contains("value=\"Söhne\"")
        );

        // a failure of the site's own code leaves no account, and the link can be used again
        for (name, company) in [("bob", "broken"), ("no-sign-up", "Müller")] {
            let mut client = site.client();
            assert_eq!(
                begin(&mut client, name, &[("company", company)])
                    .await
                    .status,
                303
            );
            assert_eq!(finish(&mut client, name).await, 500, "{name}");
        }
        assert_eq!(
            count(&site, sql!("SELECT COUNT(*) FROM auth_user")).await,
            1
        );
        assert_eq!(
            count(&site, sql!("SELECT COUNT(*) FROM profile_company")).await,
            1
        );
        // a failing hook is a failing login
        let mut client = site.client();
        begin(&mut client, "no-login", &[("company", "x")]).await;
        assert_eq!(finish(&mut client, "no-login").await, 500);
        assert_eq!(
            client.get("/account/profile").await.status,
            303,
            "not signed in"
        );
        // closing and deletion
        let mut eve = site.client();
        begin(&mut eve, "eve", &[("company", "x")]).await;
        finish(&mut eve, "eve").await;
        let proof = [("current_password", PASSWORD)];
        assert_eq!(
            eve.submit("/account/close", "/account/close", &proof)
                .await
                .status,
            303
        );
        assert_eq!(
            events(&site).await.last(),
            Some(&("eve".into(), "closing".into()))
        );
        assert_eq!(
            ann.submit("/account/delete", "/account/delete", &proof)
                .await
                .status,
            303
        );
        let left = sql!("SELECT COUNT(*) FROM profile_company WHERE company = 'Söhne'");
        assert_eq!(count(&site, left).await, 0);
    }
}

#[test]
#[should_panic(expected = "sign-up has a field \"email\" already")]
fn a_profile_cannot_replace_a_field_of_sign_up() {
    #[derive(Form)]
    #[expect(dead_code, reason = "only its names count")]
    struct Clash {
        email: Line<20>,
    }

    #[async_trait]
    impl Profile for Clash {
        async fn load(_: &Db, _: &User) -> Result<FieldValues> {
            Ok(Vec::new())
        }

        async fn save(self, _: &Tx, _: &User) -> Result<()> {
            Ok(())
        }
    }
    let _ = App::new().profile::<Clash>();
}
