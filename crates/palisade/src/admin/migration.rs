use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{Index, SchemaManager, Table, TableCreateStatement};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, integer_null, string, text,
};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of the admin.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "admin_0001_palisade_change"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [changes(), bin(), proposals(), views()] {
            manager.create_table(table).await?;
        }
        for (table, name, columns) in INDEXES {
            let mut index = Index::create();
            index.name(*name).table(*table).if_not_exists();
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index.take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "palisade_view",
            "palisade_proposal",
            "palisade_bin",
            "palisade_change",
        ] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}

/// Tables, names and columns of indexes.
const INDEXES: &[(&str, &str, &[&str])] = &[
    (
        "palisade_change",
        "palisade_change_object",
        &["resource", "object_id", "id"],
    ),
    ("palisade_change", "palisade_change_batch", &["batch"]),
    ("palisade_change", "palisade_change_at", &["at"]),
    ("palisade_bin", "palisade_bin_until", &["until"]),
    (
        "palisade_bin",
        "palisade_bin_resource",
        &["resource", "object_id"],
    ),
    ("palisade_proposal", "palisade_proposal_until", &["until"]),
    (
        "palisade_view",
        "palisade_view_resource",
        &["resource", "user_id"],
    ),
];

fn key() -> sea_orm_migration::prelude::ColumnDef {
    let mut key = big_integer("id");
    key.auto_increment().primary_key();
    key
}

fn text_key() -> sea_orm_migration::prelude::ColumnDef {
    let mut key = string("id");
    key.primary_key();
    key
}

fn changes() -> TableCreateStatement {
    Table::create()
        .table("palisade_change")
        .if_not_exists()
        .col(key())
        .col(big_integer("at"))
        .col(integer_null("user_id"))
        .col(string("resource"))
        .col(string("object_id"))
        .col(text("label"))
        .col(string("verb"))
        .col(text("diff"))
        .col(string("address"))
        .col(string("request"))
        .col(text("why"))
        .col(string("batch"))
        .col(big_integer_null("undoes"))
        .col(text("people"))
        .col(string("salt"))
        .take()
}

fn bin() -> TableCreateStatement {
    Table::create()
        .table("palisade_bin")
        .if_not_exists()
        .col(text_key())
        .col(big_integer("at"))
        .col(big_integer("until"))
        .col(integer_null("user_id"))
        .col(string("resource"))
        .col(string("object_id"))
        .col(text("label"))
        .col(text("sealed"))
        .col(text("people"))
        .col(string("batch"))
        .take()
}

fn proposals() -> TableCreateStatement {
    Table::create()
        .table("palisade_proposal")
        .if_not_exists()
        .col(text_key())
        .col(big_integer("at"))
        .col(big_integer("until"))
        .col(integer("by_id"))
        .col(string("resource"))
        .col(string("verb"))
        .col(text("label"))
        .col(text("sealed"))
        .col(integer_null("decided_by"))
        .col(string("decision"))
        .take()
}

fn views() -> TableCreateStatement {
    Table::create()
        .table("palisade_view")
        .if_not_exists()
        .col(key())
        .col(integer("user_id"))
        .col(string("resource"))
        .col(string("name"))
        .col(text("query"))
        .col(boolean("is_shared"))
        .take()
}
