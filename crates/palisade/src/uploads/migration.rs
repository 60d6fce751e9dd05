use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table, TableCreateStatement};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer_null, string, string_null, text,
};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of files.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "uploads_0001_palisade_file"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(files()).await?;
        for (name, columns) in &INDEXES {
            let mut index = Index::create();
            index.name(*name).table("palisade_file").if_not_exists();
            for column in *columns {
                index.col(*column);
            }
            manager.create_index(index.take()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::drop().table("palisade_file").take();
        manager.drop_table(table).await
    }
}

/// Names and columns of indexes.
const INDEXES: [(&str, &[&str]); 5] = [
    ("palisade_file_token", &["token"]),
    ("palisade_file_user", &["user_id", "bytes"]),
    ("palisade_file_owner", &["owner_table", "owner_key"]),
    ("palisade_file_until", &["until"]),
    ("palisade_file_state", &["state", "id"]),
];

fn files() -> TableCreateStatement {
    let id = ColumnDef::new("id")
        .big_integer()
        .not_null()
        .auto_increment()
        .primary_key()
        .to_owned();
    let mut key = string("key");
    Table::create()
        .table("palisade_file")
        .if_not_exists()
        .col(id)
        .col(key.unique_key())
        .col(string("token"))
        .col(string("binding"))
        .col(integer_null("user_id"))
        .col(string("kind"))
        .col(string("field"))
        .col(string("name"))
        .col(string("media_type"))
        .col(big_integer("bytes"))
        .col(string("sha256"))
        .col(text("sealed"))
        .col(string("store"))
        .col(string("state"))
        .col(string("verdict"))
        .col(string("scanned_with"))
        .col(big_integer("tried"))
        .col(string_null("owner_table"))
        .col(string_null("owner_key"))
        .col(big_integer("created"))
        .col(big_integer_null("until"))
        .col(integer_null("proposed_by"))
        .col(big_integer_null("proposed_at"))
        .take()
}
