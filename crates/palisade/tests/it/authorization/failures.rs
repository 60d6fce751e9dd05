//! Failures in the middle of a decision: nothing is shown, and nothing is written.

use super::desk::{app, note};
use super::tenants::{OF_ANN, Tenants, denials};
use palisade::prelude::*;
use palisade::sea_orm::{ColumnTrait, EntityTrait};
use palisade::testing::{TestDatabase, TestSite, connect, ran};
use sea_orm::ConnectionTrait;

/// The notes once more, with a policy that fails.
mod broken {
    use palisade::prelude::*;
    use palisade::sea_orm::entity::prelude::*;
    use palisade::sea_orm::sea_query::Func;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: Option<i32>,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            assert!(verb != Verb::Delete, "a policy that panics");
            let invalid = Expr::from(Func::cust("no_such_function"));
            let own = actor.owns(Column::OwnerId);
            match verb {
                Verb::View => Rows::none().or("own", own).or("invalid", invalid),
                _ => Rows::none().or("own", own),
            }
        }
    }
}

async fn list(actor: Actor, db: Db) -> Result<String> {
    let notes = actor.find::<broken::Entity>(Verb::View).all(&db).await?;
    Ok(notes.iter().map(|note| note.body.as_str()).collect())
}

async fn show(note: Allowed<broken::Entity>) -> String {
    note.body.clone()
}

async fn delete(db: Db, actor: Actor, Path(id): Path<i32>) -> Result<&'static str> {
    let delete = async |tx: &Tx| actor.row::<broken::Entity>(id).delete(tx).await;
    db.write(delete).await?;
    Ok("deleted")
}

fn broken_app() -> App {
    app().routes(
        Routes::new()
            .route("/broken", signed_in().get(list))
            .route("/broken/{id}", signed_in().get(show))
            .route("/broken/{id}/delete", signed_in().post(delete)),
    )
}

// ASVS 16.5.3, D56: a policy that panics or is invalid SQL denies
#[tokio::test]
async fn a_policy_that_fails_denies() {
    for mut desk in Tenants::on_each(broken_app).await {
        let before = desk.notes().await;
        for path in ["/broken", "/broken/1"] {
            let answer = desk.ann.get(path).await;
            assert_eq!(answer.status, 500, "{path}");
            assert!(!answer.body.contains("secret of"), "{path}");
            assert_eq!(denials(&answer), 0, "{path}: no decision was made");
        }
        let path = "/broken/1/delete";
        let answer = desk.ann.submit("/account", path, &[]).await;
        assert_eq!(answer.status, 500, "{path}");
        assert_eq!(desk.notes().await, before);
    }
}

// ASVS 16.5.3: without a database, pages are refused, and come back with it
#[tokio::test]
async fn a_database_that_stops_denies() {
    let Some(site) = TestSite::start_on(TestDatabase::Postgres, app(), &[]).await else {
        return;
    };
    let mut desk = Tenants::fill(site).await;
    assert_eq!(desk.ann.get("/notes/1").await.body, "secret of 1");
    let server = connect(std::env::var("PALISADE_TEST_POSTGRES").unwrap()).await;
    let owner = desk.site.owner_url().unwrap().to_owned();
    let name = owner.rsplit('/').next().unwrap();
    let stop = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    server.execute_unprepared(&stop).await.unwrap();
    for path in ["/notes", "/notes/1", "/notes/2"] {
        let answer = desk.ann.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(!answer.body.contains("secret of"), "{path}");
    }
    let start = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    server.execute_unprepared(&start).await.unwrap();
    let mut status = 0;
    for _ in 0..20 {
        // the pool notices that its connections are gone
        status = desk.ann.get("/notes/1").await.status.as_u16();
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200);
    let note = note::Entity::find_by_id(OF_ANN);
    let note = sea_orm::QueryFilter::filter(note, note::Column::Body.eq("secret of 1"));
    let db = desk.site.site().database().handle();
    assert!(note.one(&db).await.unwrap().is_some());
    ran("authorization without its database");
}
