//! A site with encrypted columns.

use palisade::db::Migration;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::{Index, Table};
use palisade::sea_orm_migration::schema::*;
use palisade::testing::{TestDatabase, TestSite};
use sea_orm::{ConnectionTrait, DatabaseConnection, FromQueryResult, Statement};

pub mod contact {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[derive(Choice, Clone, Copy, PartialEq, Eq, Debug)]
    pub enum Blood {
        A,
        B,
        Zero,
    }

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, EncryptedFields)]
    #[sea_orm(table_name = "contact")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub email: Encrypted<Email>,
        #[blind_index(email, unique)]
        pub email_index: BlindIndex<Email>,
        pub phone: Option<Encrypted<Line<30>>>,
        #[blind_index(phone)]
        pub phone_index: Option<BlindIndex<Line<30>>>,
        pub last_name: Encrypted<Line<80>>,
        pub born: Encrypted<Day>,
        #[blind_index(last_name, born)]
        pub person_index: BlindIndex<(Line<80>, Day)>,
        #[blind_index(last_name, bits = 4)]
        pub name_index: BlindIndex<Line<80>>,
        pub blood: Option<Encrypted<Blood>>,
        #[encrypted(of = owner_id)]
        pub diagnosis: Option<Encrypted<Text<1000>>>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
            Rows::none().or("own", actor.owns(Column::OwnerId))
        }
    }
}

/// Columns with encryption alone, as in a table that an older release wrote.
pub mod plain {
    use palisade::entity::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "contact")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub email: String,
        pub email_index: String,
        pub phone: Option<String>,
        pub phone_index: Option<String>,
        pub last_name: String,
        pub born: String,
        pub person_index: String,
        pub name_index: String,
        pub blood: Option<String>,
        pub diagnosis: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

fn migrations() -> Vec<Migration> {
    let unique = Index::create()
        .name("contact_email_index")
        .table("contact")
        .col("email_index")
        .unique()
        .take();
    let columns = [
        text("email"),
        text("email_index"),
        text_null("phone"),
        text_null("phone_index"),
        text("last_name"),
        text("born"),
        text("person_index"),
        text("name_index"),
        text_null("blood"),
        text_null("diagnosis"),
        text_null("old_phone"),
    ];
    vec![
        Migration::new("contacts_0001_contact")
            .create_table(
                columns
                    .into_iter()
                    .fold(
                        Table::create()
                            .table("contact")
                            .col(pk_auto("id"))
                            .col(integer("owner_id")),
                        |table, column| table.col(column),
                    )
                    .take(),
            )
            .create_index(unique)
            .index("contact", ["phone_index"]),
    ]
}

pub fn app() -> App {
    App::new()
        .schema(migrations)
        .entity::<contact::Entity>()
        .encrypted::<contact::Entity>()
        .routes(Routes::new().route("/contacts/{id}", public().get(show)))
}

async fn show(db: Db, Path(id): Path<i32>) -> Result<String> {
    use palisade::entity::*;
    let row = contact::Entity::find_by_id(id).one(&db).await?.or_404()?;
    Ok(row.open_email(&db)?.expose().to_string())
}

pub fn parse<T: palisade::forms::Field>(text: &str) -> T {
    T::parse(Some(text)).unwrap()
}

/// A contact of a user.
pub fn new(owner: i32, email: &str) -> contact::ActiveModel {
    use palisade::entity::*;
    contact::ActiveModel {
        owner_id: Set(owner),
        email: Set(parse::<Email>(email).into()),
        last_name: Set(parse::<Line<80>>("Lovelace").into()),
        born: Set(parse::<Day>("1815-12-10").into()),
        ..Default::default()
    }
}

/// The site on both databases.
pub async fn on_both(settings: &[(&str, &str)], test: impl AsyncFn(&TestSite)) {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), settings).await else {
            continue;
        };
        test(&site).await;
    }
}

#[derive(FromQueryResult)]
struct Texts {
    text: Option<String>,
}

/// A connection that does what an attacker with access to the database does.
pub async fn attacker(site: &TestSite) -> DatabaseConnection {
    let url = match site.owner_url() {
        Some(url) => url.to_owned(),
        None => format!("sqlite://{}/site.sqlite3", site.site().settings().site.data),
    };
    sea_orm::Database::connect(url).await.unwrap()
}

/// The texts of a column, in the order of ids.
pub async fn column(attacker: &DatabaseConnection, name: &str) -> Vec<String> {
    let sql = format!("SELECT {name} AS text FROM contact ORDER BY id");
    let query = Statement::from_string(attacker.get_database_backend(), sql);
    let rows = Texts::find_by_statement(query).all(attacker).await.unwrap();
    rows.into_iter().filter_map(|row| row.text).collect()
}

/// Sets a column of a row to a text.
pub async fn set(attacker: &DatabaseConnection, (name, id): (&str, i32), text: &str) {
    let sql = format!("UPDATE contact SET {name} = '{text}' WHERE id = {id}");
    attacker.execute_unprepared(&sql).await.unwrap();
}
