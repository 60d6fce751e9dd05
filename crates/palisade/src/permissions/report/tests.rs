#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::AccessRow;
use crate::app::App;
use crate::auth::{Rank, RightChange};
use crate::db::Tx;
use crate::permissions::{Role, create_grants, set_member};
use crate::sql;
use crate::testing::{TestDatabase, TestSite};
use sea_orm::entity::prelude::*;
use sea_orm_migration::prelude::{ColumnDef, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait};

mod paper {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_paper")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A table with grants whose entity is not registered, and guardian's tables.
struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Migrator)]
    }
}

impl MigrationName for Migrator {
    fn name(&self) -> &str {
        "papers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migrator {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let papers = Table::create()
            .table("desk_paper")
            .col(ColumnDef::new("id").integer().not_null().primary_key())
            .to_owned();
        manager.create_table(papers).await?;
        create_grants::<paper::Entity>(manager).await?;
        for (table, recipient) in [
            ("guardian_userobjectpermission", "user_id"),
            ("guardian_groupobjectpermission", "group_id"),
        ] {
            let columns = [recipient, "permission_id", "content_type_id"];
            let mut objects = Table::create();
            objects
                .table(table)
                .col(ColumnDef::new("object_pk").string_len(255).not_null());
            for column in columns {
                objects.col(ColumnDef::new(column).integer().not_null());
            }
            manager.create_table(objects.to_owned()).await?;
        }
        // no table of grants, in spite of its name
        let named = Table::create()
            .table("desk_student_grant")
            .col(ColumnDef::new("object_id").integer())
            .col(ColumnDef::new("user_id").integer())
            .to_owned();
        manager.create_table(named).await
    }
}

async fn fill(tx: &Tx, ann: i32) -> Result<(), DbErr> {
    for (name, end) in [
        ("editors", None),
        ("keepers", None),
        ("auditors", Some(9_000_000_000_i64)),
    ] {
        tx.execute_sql(sql!(
            "INSERT INTO auth_group (name) VALUES (?) ON CONFLICT DO NOTHING",
            name
        ))
        .await?;
        if let Some(end) = end {
            tx.execute_sql(sql!(
                "INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) \
                 SELECT ?, id, ?, 0, '' FROM auth_group WHERE name = ?",
                ann,
                end,
                name
            ))
            .await?;
        } else {
            set_member(tx, ann, (name, RightChange::Grant)).await?;
        }
    }
    for statement in [
        sql!("INSERT INTO desk_paper (id) VALUES (7)"),
        sql!("INSERT INTO django_content_type (app_label, model) VALUES ('desk', 'paper')"),
        sql!(
            "INSERT INTO auth_permission (content_type_id, codename, name) SELECT id, 'read_paper', '' \
             FROM django_content_type WHERE model = 'paper'"
        ),
        sql!(
            "INSERT INTO desk_paper_grant (object_id, user_id, permission_id, given_at, reason) \
             SELECT 7, ?, id, 0, '' FROM auth_permission WHERE codename = 'read_paper'",
            ann
        ),
        sql!(
            "INSERT INTO guardian_userobjectpermission (object_pk, user_id, permission_id, content_type_id) \
             SELECT '8', ?, id, content_type_id FROM auth_permission WHERE codename = 'read_paper'",
            ann
        ),
        sql!(
            "INSERT INTO guardian_groupobjectpermission (object_pk, group_id, permission_id, content_type_id) \
             SELECT '9', role.id, permission.id, content_type_id FROM auth_permission permission, auth_group role \
             WHERE codename = 'read_paper' AND role.name = 'editors'"
        ),
    ] {
        tx.execute_sql(statement).await?;
    }
    Ok(())
}

fn shown(row: &AccessRow) -> String {
    let until = row.until.as_ref().map_or("", |_| ", with an end");
    format!("{} by {}{until}", row.permission, row.source)
}

// F052: nothing that a user may do is missing from the report: ranks, memberships without
// permissions, grants of entities that are not registered, and guardian's tables
#[tokio::test]
async fn the_report_is_complete() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new()
            .migrations::<Migrator>()
            .role(Role::new("keepers"))
            .role(Role::new("auditors").never_with("keepers"));
        let Some(site) = TestSite::start_on(database, app, &[]).await else {
            continue;
        };
        site.client().sign_up("ann").await;
        site.set_rank("ann", Rank::Staff).await;
        let ann = site.id_of("ann").await;
        let write = async |tx: &Tx| fill(tx, ann).await;
        site.site().database().write(write).await.unwrap();
        let (rows, findings) = site.site().access_report().await.unwrap();
        let rows: Vec<String> = rows.iter().map(shown).collect();
        assert_eq!(
            rows,
            [
                "desk.read_paper by guardian on desk_paper 8",
                "desk.read_paper by guardian on desk_paper 9",
                "desk.read_paper by on desk_paper 7",
                "member of auditors by membership, with an end",
                "member of editors by membership",
                "member of keepers by membership",
                "staff by own",
            ]
        );
        let exclusive = "ann has auditors and keepers, which exclude each other";
        assert_eq!(findings, [exclusive]);
    }
}
