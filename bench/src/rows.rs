//! A list of 20 of a million rows by a policy with own, granted and role conditions, compared with
//! the same query written by hand.

use crate::load::median;
use palisade::auth::{NewUser, Rank};
use palisade::permissions::{Grant, Recipient, Role, create_grants};
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, connect};
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, QuerySelect};
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait};
use std::time::Instant;

const ROUNDS: usize = 21;
const QUERIES: u32 = 20;

mod organisation {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bench_organisation")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod note {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "bench_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub organisation_id: i32,
        pub body: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Permission, Clone, Copy)]
#[permission(app = "bench")]
enum May {
    ViewNote,
}

impl Scoped for note::Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let organisation = note::Column::OrganisationId;
        match verb {
            Verb::View => Rows::none()
                .or("own", actor.owns(note::Column::OwnerId))
                .or("granted", actor.granted::<Self>(May::ViewNote))
                .or(
                    "role",
                    actor.granted_on::<organisation::Entity>(organisation, May::ViewNote),
                ),
            _ => Rows::none(),
        }
    }
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "bench_0001_note"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key = || {
            ColumnDef::new("id")
                .integer()
                .not_null()
                .primary_key()
                .to_owned()
        };
        let organisations = Table::create()
            .table("bench_organisation")
            .col(key())
            .to_owned();
        manager.create_table(organisations).await?;
        let notes = Table::create()
            .table("bench_note")
            .col(key())
            .col(ColumnDef::new("owner_id").integer().not_null())
            .col(ColumnDef::new("organisation_id").integer().not_null())
            .col(ColumnDef::new("body").text().not_null())
            .to_owned();
        manager.create_table(notes).await?;
        for column in ["owner_id", "organisation_id"] {
            let name = format!("bench_note_{column}");
            let index = Index::create()
                .name(name)
                .table("bench_note")
                .col(column)
                .to_owned();
            manager.create_index(index).await?;
        }
        create_grants::<organisation::Entity>(manager).await?;
        create_grants::<note::Entity>(manager).await
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }
}

/// A million notes of 5,000 users in 1,000 organisations. The user owns 200 of them, was granted
/// 500, and has a role in five organisations.
async fn fill(tx: &Tx, user: &User) -> Result<()> {
    tx.execute_sql(sql!(
        "INSERT INTO bench_organisation (id) WITH RECURSIVE number(i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 1000) SELECT i FROM number"
    ))
    .await?;
    tx.execute_sql(sql!(
        "INSERT INTO bench_note (id, owner_id, organisation_id, body) WITH RECURSIVE number(i) AS \
         (SELECT 1 UNION ALL SELECT i + 1 FROM number WHERE i < 1000000) \
         SELECT i, i % 5000 + ?, i % 1000 + 1, 'The printer of the third floor smokes.' FROM number",
        user.id
    ))
    .await?;
    for number in 1..=5 {
        let role = Grant::role("agents", Recipient::User(user.id));
        role.store::<organisation::Entity>(tx, number * 197).await?;
    }
    for number in 1..=500 {
        let grant = Grant::permission(May::ViewNote, Recipient::User(user.id));
        grant.store::<note::Entity>(tx, number * 1_999).await?;
    }
    Ok(())
}

async fn by_policy(db: &Db, actor: &Actor) -> Vec<note::Model> {
    let visible = actor.find::<note::Entity>(Verb::View);
    let newest = visible.order_by_desc(note::Column::Id).limit(20);
    newest.all(db).await.unwrap()
}

/// The same list by a query for this case alone. Like a policy, it knows the permission by its name:
/// keys of permissions differ between databases.
async fn by_hand(db: &Db, (user, now): (i32, i64)) -> Vec<(i32, i32, i32, String)> {
    let query = sql!(
        "SELECT id, owner_id, organisation_id, body FROM bench_note WHERE owner_id = ? \
         OR id IN (SELECT object_id FROM bench_note_grant WHERE user_id = ? \
         AND (until IS NULL OR until > ?) AND permission_id = (SELECT permission.id FROM auth_permission permission \
         JOIN django_content_type type ON type.id = permission.content_type_id \
         WHERE type.app_label = 'bench' AND permission.codename = 'view_note')) \
         OR organisation_id IN (SELECT object_id FROM bench_organisation_grant WHERE user_id = ? \
         AND (until IS NULL OR until > ?) AND role_id IN \
         (SELECT group_id FROM auth_group_permissions WHERE permission_id = (SELECT permission.id FROM auth_permission permission \
         JOIN django_content_type type ON type.id = permission.content_type_id \
         WHERE type.app_label = 'bench' AND permission.codename = 'view_note'))) \
         ORDER BY id DESC LIMIT ?",
        user,
        user,
        now,
        user,
        now,
        20_i64
    );
    db.fetch_all(query).await.unwrap()
}

/// Updates the statistics of the query planner.
async fn analyse(site: &TestSite) {
    if let Some(owner) = site.owner_url() {
        let owner = connect(owner).await;
        owner.execute_unprepared("ANALYZE").await.unwrap();
        return;
    }
    let analyse = async |tx: &Tx| tx.execute_sql(sql!("ANALYZE")).await;
    site.site().database().write(analyse).await.unwrap();
}

/// Prints the time of the list by policy and by hand, and their ratio.
pub async fn measure() {
    println!(
        "{:<44}{:>14}{:>14}{:>10}",
        "20 of 1,000,000 rows by their policy", "by policy", "by hand", "ratio"
    );
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new()
            .migrations::<Migrator>()
            .permissions::<May>()
            .role(Role::new("agents").may([May::ViewNote]));
        let Some(site) = TestSite::start_on(database, app, &[]).await else {
            println!("{database:?}: no server");
            continue;
        };
        compare(database, &site).await;
    }
}

async fn compare(database: TestDatabase, site: &TestSite) {
    let new = NewUser {
        username: "ann",
        email: "ann@example.org",
        password: "correct horse battery staple",
        rank: Rank::Plain,
    };
    let user = site.site().accounts().sign_up(new).await.unwrap();
    let write = async |tx: &Tx| fill(tx, &user).await;
    site.site().database().write(write).await.unwrap();
    analyse(site).await;
    let now = site.site().accounts().now();
    let actor = site.site().actor(&user).await.unwrap();
    let db = site.site().database().handle();
    let question = (user.id, now.timestamp());
    let (policy, hand) = (by_policy(&db, &actor).await, by_hand(&db, question).await);
    let ids: Vec<i32> = policy.iter().map(|note| note.id).collect();
    assert!(ids.len() == 20 && ids.iter().eq(hand.iter().map(|(id, ..)| id)));
    let (mut policies, mut hands) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..QUERIES {
            by_policy(&db, &actor).await;
        }
        policies.push(begun.elapsed().as_secs_f64() * 1e3 / f64::from(QUERIES));
        let begun = Instant::now();
        for _ in 0..QUERIES {
            by_hand(&db, question).await;
        }
        hands.push(begun.elapsed().as_secs_f64() * 1e3 / f64::from(QUERIES));
    }
    let (policy, hand) = (median(policies), median(hands));
    let name = format!("{database:?}");
    println!(
        "{name:<44}{policy:>11.2} ms{hand:>11.2} ms{:>10.2}",
        policy / hand
    );
}
