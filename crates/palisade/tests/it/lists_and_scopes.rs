//! Paged lists, routes behind one rule, and messages for the next page.

use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::{TestSite, new_postgres};
use sea_orm::{ActiveModelTrait, EntityTrait, QueryOrder, Set};

mod line {
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "lists_line")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
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
            let line = Table::create()
                .table("lists_line")
                .col(pk_auto("id"))
                .col(string_len("text", 20))
                .take();
            manager.create_table(line).await
        }
    }
}

const PAGES: &[(&str, &str)] = &[(
    "list.html",
    "{% extends \"base.html\" %}{% from \"palisade/form.html\" import page_links %}{% block main %}{% for text in texts %}[{{ text }}]{% endfor %}{{ page_links(pages) }}{% endblock %}",
)];

async fn list(page: Page, db: Db, paging: Paging) -> Result<Response> {
    let all = line::Entity::find().order_by_asc(line::Column::Id);
    let (lines, pages) = paging.load(&db, all, 2).await?;
    let texts: Vec<String> = lines.into_iter().map(|line| line.text).collect();
    page.render("list.html", context! { texts, pages }).await
}

async fn save(flash: Flash) -> Result<Response> {
    flash.success("Saved <b>.").await?;
    flash.warning("Nearly full.").await?;
    flash.error("One is missing.").await?;
    Ok(redirect_to("/lines"))
}

fn app() -> App {
    App::new()
        .templates(Layer::embedded(PAGES))
        .migrations::<migration::Migrator>()
        .routes(
            Routes::new()
                .scope(signed_in(), |lines| {
                    lines.get("/lines", list).post("/lines", save)
                })
                // two rules on one path
                .route("/both", public().get(async || "read"))
                .route("/both", staff().post(async || "written")),
        )
}

#[tokio::test]
async fn a_list_has_pages_whose_links_keep_the_query() {
    let site = TestSite::start(app(), &[]).await;
    for number in 1..=5 {
        let row = line::ActiveModel {
            text: Set(number.to_string()),
            ..Default::default()
        };
        let written = site
            .site()
            .database()
            .write(async |tx| row.insert(tx).await);
        written.await.unwrap();
    }
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    for (query, rows, previous, next) in [
        ("", "[1][2]", None, Some("?page=2")),
        ("?page=", "[1][2]", None, Some("?page=2")),
        ("?page=2", "[3][4]", Some("?page=1"), Some("?page=3")),
        ("?page=3&q=a%26b", "[5]", Some("?q=a%26b&amp;page=2"), None),
        (
            "?q=%22%3E%3Cscript%3E&page=1",
            "[1][2]",
            None,
            Some("?q=%22%3E%3Cscript%3E&amp;page=2"),
        ),
        ("?page=99999", "", Some("?page=99998"), None),
    ] {
        let body = ann.get(&format!("/lines{query}")).await.body;
        assert!(
            body.contains(rows) && !body.contains("<script>"),
            "{query}: {body}"
        );
        for (relation, link) in [("prev", previous), ("next", next)] {
            let expected = link.map(|link| format!("rel=\"{relation}\" href=\"{link}\""));
            match expected {
                Some(expected) => assert!(body.contains(&expected), "{query}: {body}"),
                None => assert!(
                    !body.contains(&format!("rel=\"{relation}\"")),
                    "{query}: {body}"
                ),
            }
        }
    }
    for bad in ["0", "-1", "100001", "x", "1e3", "99999999999999999999"] {
        assert_eq!(
            ann.get(&format!("/lines?page={bad}")).await.status,
            400,
            "{bad}"
        );
    }
}

#[tokio::test]
async fn a_scope_has_one_rule_and_two_lines_of_a_path_have_two() {
    let site = TestSite::start(app(), &[]).await;
    let mut stranger = site.client();
    for path in ["/lines", "/lines?page=2"] {
        assert_eq!(stranger.get(path).await.status, 303, "to the login");
    }
    assert_eq!(
        stranger
            .submit("/account/login", "/lines", &[])
            .await
            .status,
        303
    );
    assert_eq!(stranger.get("/both").await.body, "read");
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    assert_eq!(
        ann.submit("/account/password", "/both", &[]).await.status,
        404,
        "hidden"
    );
    let shown = ann.submit("/account/password", "/lines", &[]).await;
    assert_eq!(shown.status, 303);
    let page = ann.get("/lines").await.body;
    for part in [
        "success\" role=\"status\">Saved &lt;b&gt;.",
        "warning\" role=\"status\">Nearly full.",
        "error\" role=\"status\">One is missing.",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!ann.get("/lines").await.body.contains("Saved"), "once");
}

// B5: a test leaves no database behind
#[tokio::test]
async fn a_test_on_postgresql_leaves_no_database() {
    use palisade::testing::{TestDatabase, connect};
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let url = site.owner_url().unwrap().to_owned();
    let name = url.rsplit('/').next().unwrap().to_owned();
    drop(site);
    let other = new_postgres().await.unwrap();
    let server = connect(other).await;
    let found = sea_orm::Statement::from_sql_and_values(
        sea_orm::DbBackend::Postgres,
        "SELECT 1 FROM pg_database WHERE datname = $1",
        [name.into()],
    );
    let found = sea_orm::ConnectionTrait::query_one_raw(&server, found)
        .await
        .unwrap();
    assert!(found.is_none());
}
