//! A site to attack: it has a route of every kind.

use palisade::prelude::*;

mod note {
    use palisade::prelude::*;
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub use note::{ActiveModel as NewNote, Column as NoteColumn, Entity as Notes};

pub use migration::Migrator;

mod migration {
    use sea_orm_migration::{prelude::*, schema};

    pub struct Migrator;

    impl MigratorTrait for Migrator {
        fn migrations() -> Vec<Box<dyn MigrationTrait>> {
            vec![Box::new(CreateNotes)]
        }
    }

    struct CreateNotes;

    impl MigrationName for CreateNotes {
        fn name(&self) -> &str {
            "test_0001_note"
        }
    }

    #[async_trait::async_trait]
    impl MigrationTrait for CreateNotes {
        async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
            let table = Table::create()
                .table("note")
                .col(schema::pk_auto("id"))
                .col(schema::string_len_uniq("title", 100))
                .take();
            manager.create_table(table).await
        }
    }
}

#[derive(Choice, Clone, Copy, PartialEq, Debug)]
enum Order {
    Newest,
    Oldest,
}

#[derive(Form)]
struct Listing {
    order: Option<Order>,
    page_size: Option<Number<1, 100>>,
}

#[derive(Form)]
struct Title {
    title: Line<100>,
}

/// Permissions of the test site.
#[derive(Permission, Clone, Copy)]
#[permission(app = "test")]
pub enum May {
    Work,
}

pub fn app() -> App {
    let routes = Routes::new()
        .route("/", public().get(async || "front"))
        .route("/list", public().get(list))
        .route(
            "/notes",
            public()
                .get(async || "notes")
                .post(write)
                .put(write)
                .patch(write)
                .delete(write),
        )
        .route("/notes/json", public().post(write_json))
        .route("/mine", signed_in().get(mine).post(mine))
        .route(
            "/staff",
            staff().get(async || "staff").post(async || "staff"),
        )
        .route("/work", can(May::Work).get(async || "work"))
        .route(
            "/odd",
            when("odd ids", |user, _| {
                user.is_some_and(|user| user.id % 2 == 1)
            })
            .get(async || "odd"),
        )
        .route("/either", can(May::Work).or(staff()).get(async || "either"))
        .route("/write-in-get", public().get(write_in_get))
        .route(
            "/write-without-transaction",
            public().post(write_without_transaction),
        )
        .route("/half-done", public().post(half_done))
        .route("/panic", public().get(panics).post(panics_while_writing))
        .route("/bug", public().get(bug))
        .route("/go", public().get(go))
        .route(
            "/echo/{*rest}",
            public().get(async |Path(rest): Path<String>| rest),
        )
        .route(
            "/slow",
            public().get(async || tokio::time::sleep(std::time::Duration::from_secs(3600)).await),
        )
        .route(
            "/hook",
            public()
                .post(write)
                .dangerous_without_csrf(Reason::new("signed by the sender; no cookies")),
        );
    App::new()
        .migrations::<Migrator>()
        .permissions::<May>()
        .routes(routes)
}

async fn list(Query(listing): Query<Listing>) -> String {
    format!(
        "{:?} {}",
        listing.order.unwrap_or(Order::Newest),
        listing.page_size.map_or(20, Number::get)
    )
}

async fn mine(user: User) -> String {
    user.username
}

async fn write(db: Db, form: Form<Title>) -> Result<Response> {
    let new = form.valid_or_show("account/login.html").await?;
    let tx = db.begin().await?;
    tx.execute_sql(sql!(
        "INSERT INTO note (title) VALUES (?)",
        new.title.to_string()
    ))
    .await?;
    tx.commit().await?;
    Ok("written".into_response())
}

async fn write_json(db: Db, body: String) -> Result<String> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO note (title) VALUES (?)", body))
        .await?;
    tx.commit().await?;
    Ok("written".into())
}

async fn write_in_get(db: Db) -> Result<&'static str> {
    use palisade::sea_orm::{ActiveModelTrait, Set};
    NewNote {
        title: Set("from a GET".into()),
        ..Default::default()
    }
    .insert(&db)
    .await?;
    Ok("written")
}

async fn write_without_transaction(db: Db) -> Result<&'static str> {
    use palisade::sea_orm::{ActiveModelTrait, Set};
    NewNote {
        title: Set("without a transaction".into()),
        ..Default::default()
    }
    .insert(&db)
    .await?;
    Ok("written")
}

async fn half_done(db: Db) -> Result<&'static str> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO note (title) VALUES ('half')"))
        .await?;
    Err(Error::bug("in the middle, with s3cret-cause in it"))
}

async fn panics() -> &'static str {
    panic!("a bug with s3cret-cause in it")
}

async fn panics_while_writing(db: Db) -> Result<&'static str> {
    let tx = db.begin().await?;
    tx.execute_sql(sql!("INSERT INTO note (title) VALUES ('panic')"))
        .await?;
    panic!("while writing")
}

async fn bug(db: Db) -> Result<String> {
    let row: Option<(i64,)> = db
        .fetch_one(sql!("SELECT no_such_column FROM note"))
        .await?;
    Ok(format!("{row:?}"))
}

async fn go(Query(query): Query<To>) -> Response {
    redirect_to(query.to.as_deref().unwrap_or_default())
}

#[derive(Form)]
struct To {
    to: Option<Line<1000>>,
}
