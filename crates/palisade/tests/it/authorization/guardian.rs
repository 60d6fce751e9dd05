//! F048, F049: django-guardian's own answers for object permissions in its tables.
//!
//! Judged differently on purpose:
//! - inactive users and the user `AnonymousUser`: neither is the user of a request here, so both are
//!   left out; a request without a user has no permission.
//! - a superuser has a permission that exists only: the vectors' `fly` and codenames of other models
//!   are not asked.
//! - `get_objects_for_user` without groups: groups always count here.
//! - rows whose content type is not that of their permission, and an `object_pk` with a leading zero:
//!   they give nothing here, as in `has_perm`; `get_objects_for_user` lists some of them.

use palisade::permissions::RowCondition;
use palisade::prelude::*;
use palisade::sea_orm::sea_query::{Alias, Expr, Query as Sql};
use palisade::sea_orm::{ConnectionTrait, DbErr, ModelTrait};
use palisade::testing::{TestDatabase, TestSite, ran, vectors};
use sea_orm_migration::prelude::{ColumnDef, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::BTreeSet;

macro_rules! model {
    ($module:ident, $table:literal, $key:ident: $type:ty) => {
        mod $module {
            use palisade::sea_orm::entity::prelude::*;

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub $key: $type,
                pub name: String,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            impl ActiveModelBehavior for ActiveModel {}
        }

        impl Scoped for $module::Entity {
            fn rows(_: &Actor, _: Verb) -> Rows<Self> {
                ASKED.with_borrow(|asked| {
                    let rows = asked
                        .any
                        .iter()
                        .fold(Rows::none(), |rows, (name, condition)| {
                            rows.or(name, condition.clone())
                        });
                    asked.all.iter().fold(rows, |rows, (name, condition)| {
                        rows.and(name, condition.clone())
                    })
                })
            }
        }
    };
}

model!(project, "shop_project", id: i32);
model!(report, "shop_report", id: String);
model!(page, "shop_page", slug: String);

/// The policy of the case that is asked at this moment.
#[derive(Default)]
struct Asked {
    any: Vec<(&'static str, RowCondition)>,
    all: Vec<(&'static str, RowCondition)>,
}

thread_local! {
    static ASKED: RefCell<Asked> = RefCell::default();
}

struct Tables;

impl MigrationName for Tables {
    fn name(&self) -> &str {
        "shop_0001_guardian"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tables {
    async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
        let text = |name: &'static str| ColumnDef::new(name).text().not_null().to_owned();
        let number = |name: &'static str| ColumnDef::new(name).integer().not_null().to_owned();
        let tables = [
            ("shop_project", vec![number("id"), text("name")]),
            ("shop_report", vec![text("id"), text("name")]),
            ("shop_page", vec![text("slug"), text("name")]),
        ];
        let rows = ["user", "group"].map(|recipient| {
            let columns = vec![
                number("id"),
                ColumnDef::new(Alias::new(format!("{recipient}_id")))
                    .integer()
                    .not_null()
                    .to_owned(),
                number("permission_id"),
                number("content_type_id"),
                text("object_pk"),
            ];
            (recipient, columns)
        });
        let rows = rows
            .into_iter()
            .map(|(recipient, columns)| (format!("guardian_{recipient}objectpermission"), columns));
        let named = tables
            .into_iter()
            .map(|(name, columns)| (name.to_owned(), columns));
        for (name, columns) in named.chain(rows) {
            let mut table = Table::create();
            table.table(Alias::new(name));
            for column in columns {
                table.col(column);
            }
            manager.create_table(table).await?;
        }
        Ok(())
    }
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Tables)]
    }
}

/// Columns of Django's users that the vectors leave out.
const USER_DEFAULTS: [&str; 5] = [
    "password",
    "first_name",
    "last_name",
    "email",
    "date_joined",
];

async fn fill(tx: &Tx, tables: &Json) -> Result<()> {
    for (name, table) in tables.as_object().unwrap() {
        let mut columns = vectors::texts(table, "columns");
        if name == "auth_user" {
            columns.extend(USER_DEFAULTS.map(str::to_owned));
        }
        for row in table["rows"].as_array().unwrap() {
            let mut values: Vec<Expr> = row.as_array().unwrap().iter().map(value).collect();
            if name == "auth_user" {
                values.extend(["", "", "", ""].map(Expr::val));
                values.push(Expr::val(chrono::Utc::now()));
            }
            let mut insert = Sql::insert();
            insert
                .into_table(Alias::new(name.as_str()))
                .columns(columns.iter().map(Alias::new))
                .values_panic(values);
            tx.execute(&insert).await?;
        }
    }
    Ok(())
}

fn value(value: &Json) -> Expr {
    match value {
        Json::Bool(is) => Expr::val(*is),
        Json::Number(number) => Expr::val(i32::try_from(number.as_i64().unwrap()).unwrap()),
        other => Expr::val(other.as_str().unwrap()),
    }
}

async fn clear(tx: &Tx) -> Result<()> {
    for statement in [
        sql!("DELETE FROM guardian_userobjectpermission"),
        sql!("DELETE FROM guardian_groupobjectpermission"),
        sql!("DELETE FROM auth_user_groups"),
        sql!("DELETE FROM auth_user_user_permissions"),
        sql!("DELETE FROM auth_group_permissions"),
        sql!("DELETE FROM auth_permission"),
        sql!("DELETE FROM django_content_type"),
        sql!("DELETE FROM auth_group"),
        sql!("DELETE FROM auth_user"),
        sql!("DELETE FROM shop_project"),
        sql!("DELETE FROM shop_report"),
        sql!("DELETE FROM shop_page"),
    ] {
        tx.execute_sql(statement).await?;
    }
    Ok(())
}

/// The active users of a case, by name.
async fn actors(site: &TestSite, case: &Json) -> Vec<(String, Actor)> {
    let mut actors = Vec::new();
    for row in case["tables"]["auth_user"]["rows"].as_array().unwrap() {
        let is = |column: usize| row[column].as_bool().unwrap();
        let user = User {
            id: i32::try_from(row[0].as_i64().unwrap()).unwrap(),
            username: row[1].as_str().unwrap().into(),
            first_name: String::new(),
            last_name: String::new(),
            email: String::new(),
            is_staff: is(3),
            is_superuser: is(4),
        };
        if is(2) && user.username != "AnonymousUser" {
            let actor = site.site().actor(&user).await.unwrap();
            actors.push((user.username, actor));
        }
    }
    actors
}

/// Names of permissions live as long as the program.
fn named(codename: &str) -> &'static str {
    format!("shop.{codename}").leak()
}

fn granted(actor: &Actor, model: &str, codename: &str) -> RowCondition {
    match model {
        "project" => actor.guardian::<project::Entity>(named(codename)),
        "report" => actor.guardian_uuid::<report::Entity>(named(codename)),
        _ => actor.guardian::<page::Entity>(named(codename)),
    }
}

/// The keys of the rows that the policy allows, as guardian writes them.
async fn keys(site: &TestSite, actor: &Actor, model: &str) -> BTreeSet<String> {
    async fn of<E: Scoped>(db: &Db, actor: &Actor) -> BTreeSet<String>
    where
        E::Model: ModelTrait,
    {
        let rows = actor.find::<E>(Verb::View).all(db).await.unwrap();
        let key = |row: &E::Model| match row.get_primary_key_value().into_iter().next() {
            Some(palisade::sea_orm::Value::Int(Some(number))) => number.to_string(),
            Some(palisade::sea_orm::Value::String(Some(text))) => text.to_string(),
            other => panic!("no key: {other:?}"),
        };
        rows.iter().map(key).collect()
    }
    let db = site.site().database().handle();
    match model {
        "project" => of::<project::Entity>(&db, actor).await,
        "report" => of::<report::Entity>(&db, actor).await,
        _ => of::<page::Entity>(&db, actor).await,
    }
}

fn key_text(model: &str, key: &Json) -> String {
    match key.as_str() {
        Some(text) if model == "report" => text.replace('-', ""),
        Some(text) => text.to_owned(),
        None => key.to_string(),
    }
}

/// The codenames of a model.
fn codenames(document: &Json, model: &str) -> Vec<String> {
    let rows = |table: &str| {
        document["tables"][table]["rows"]
            .as_array()
            .unwrap()
            .clone()
    };
    let types = rows("django_content_type");
    let id = &types
        .iter()
        .find(|row| row[1] == "shop" && row[2] == model)
        .unwrap()[0];
    let own = rows("auth_permission")
        .into_iter()
        .filter(|row| row[1] == *id);
    own.map(|row| row[2].as_str().unwrap().to_owned()).collect()
}

async fn compare_has_perm(site: &TestSite, (document, case): (&Json, &Json)) -> usize {
    let actors = actors(site, case).await;
    let mut compared = 0;
    for (username, actor) in &actors {
        for model in ["project", "report", "page"] {
            for codename in codenames(document, model) {
                let is_superuser = actor.user().unwrap().is_superuser;
                ask(
                    vec![granted(actor, model, &codename), is_superuser.into()],
                    Vec::new(),
                );
                let ours = keys(site, actor, model).await;
                for row in case["has_perm"].as_array().unwrap() {
                    if row["user"] != **username || row["model"] != model {
                        continue;
                    }
                    let expected = vectors::texts(row, "granted").contains(&codename);
                    let is_granted = ours.contains(&key_text(model, &row["pk"]));
                    assert_eq!(is_granted, expected, "{}: {codename}: {row}", case["name"]);
                    compared += 1;
                }
            }
        }
    }
    compared
}

fn ask(any: Vec<RowCondition>, all: Vec<RowCondition>) {
    ASKED.with_borrow_mut(|asked| {
        asked.any = any
            .into_iter()
            .map(|condition| ("any", condition))
            .collect();
        asked.all = all
            .into_iter()
            .map(|condition| ("all", condition))
            .collect();
    });
}

/// Whether a case has rows that are read differently on purpose.
fn has_odd_rows(case: &Json) -> bool {
    vectors::text(case, "name").starts_with("rows that point at no object")
}

async fn compare_lists(site: &TestSite, (document, case): (&Json, &Json)) -> usize {
    let actors = actors(site, case).await;
    let mut compared = 0;
    for row in case["objects_for_user"].as_array().unwrap() {
        let Some((_, actor)) = actors.iter().find(|(name, _)| row["user"] == **name) else {
            continue;
        };
        let model = vectors::text(row, "model");
        for answer in row["answers"].as_array().unwrap() {
            let Some(listed) = answer["answer"].as_array() else {
                continue;
            };
            let expected: BTreeSet<String> =
                listed.iter().map(|key| key_text(model, key)).collect();
            for options in vectors::text(answer, "options").split(' ') {
                let [any, true, global, superusers] = flags(options) else {
                    continue;
                };
                let ours = list(site, (document, row), (actor, [any, global, superusers])).await;
                let message = format!("{}: {row}: {options}", case["name"]);
                match has_odd_rows(case) {
                    true => assert!(ours.is_subset(&expected), "{message}: {ours:?}"),
                    false => assert_eq!(ours, expected, "{message}"),
                }
                compared += 1;
            }
        }
    }
    compared
}

fn flags(options: &str) -> [bool; 4] {
    let flags: Vec<bool> = options.chars().map(|letter| letter == 'T').collect();
    flags.try_into().unwrap()
}

/// The list that a policy selects which is written as `get_objects_for_user` with these options.
async fn list(
    site: &TestSite,
    (document, row): (&Json, &Json),
    (actor, [any, global, superusers]): (&Actor, [bool; 3]),
) -> BTreeSet<String> {
    let model = vectors::text(row, "model");
    let mut perms = vectors::texts(row, "perms");
    let (is_any, names_none) = (any || perms.is_empty(), perms.is_empty());
    if names_none {
        perms = codenames(document, model);
    }
    let user = actor.user().unwrap();
    if superusers && user.is_superuser {
        ask(vec![true.into()], Vec::new());
        return keys(site, actor, model).await;
    }
    // a superuser is no superuser with this option off, and `may` would be true
    let counts = global && superusers && !user.is_superuser && !names_none;
    let holds = |codename: &str| counts && actor.may(named(codename));
    let conditions = perms.iter().map(|codename| match holds(codename) {
        true => true.into(),
        false => granted(actor, model, codename),
    });
    match is_any {
        true => ask(conditions.collect(), Vec::new()),
        false => ask(vec![true.into()], conditions.collect()),
    }
    keys(site, actor, model).await
}

#[tokio::test]
async fn guardian_vectors() {
    let document = vectors::document("guardian.json");
    let cases = vectors::cases("guardian.json");
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new().migrations::<Migrator>();
        let Some(site) = TestSite::start_on(database, app, &[]).await else {
            continue;
        };
        let (mut checks, mut lists) = (0, 0);
        for case in &cases {
            let replace = async |tx: &Tx| {
                clear(tx).await?;
                fill(tx, &document["tables"]).await?;
                fill(tx, &case["tables"]).await
            };
            site.site().database().write(replace).await.unwrap();
            checks += compare_has_perm(&site, (&document, case)).await;
            lists += compare_lists(&site, (&document, case)).await;
        }
        assert!(checks > 1_000 && lists > 1_000, "{checks} {lists}");
        ran(&format!(
            "{checks} checks and {lists} lists of guardian on {database:?}"
        ));
    }
}
