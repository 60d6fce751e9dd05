use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{Index, SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, integer, pk_auto, string_len, text};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of the audit log.
pub(crate) fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

/// The migration that creates the tables.
pub(crate) const AUDIT_TABLES: &str = "audit_log_0001_palisade_audit";

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        AUDIT_TABLES
    }
}

const ENTRIES: &str = "palisade_audit";
const PEOPLE: &str = "palisade_audit_who";
const INBOX: &str = "palisade_audit_inbox";
const HEAD: &str = "palisade_audit_head";

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let entries = Table::create()
            .table(ENTRIES)
            .col(big_integer("seq").primary_key())
            .col(big_integer("at"))
            .col(string_len("event", 200))
            .col(string_len("severity", 10))
            .col(string_len("outcome", 10))
            .col(string_len("actor", 32))
            .col(string_len("subject", 32))
            .col(string_len("request", 200))
            .col(string_len("route", 200))
            .col(string_len("detail", 200))
            .col(string_len("who", 64))
            .col(string_len("link", 64))
            .col(string_len("seal", 64))
            .col(string_len("mac", 64))
            .col(string_len("key", 8))
            .take();
        manager.create_table(entries).await?;
        for column in ["at", "event", "actor", "subject"] {
            index(manager, ENTRIES, column).await?;
        }
        let people = Table::create()
            .table(PEOPLE)
            .col(big_integer("seq").primary_key())
            .col(string_len("salt", 32))
            .col(string_len("name", 200))
            .col(string_len("address", 45))
            .col(string_len("agent", 200))
            .take();
        manager.create_table(people).await?;
        index(manager, PEOPLE, "name").await?;
        let inbox = Table::create()
            .table(INBOX)
            .col(pk_auto("id").big_integer())
            .col(big_integer("at"))
            .col(text("record"))
            .col(string_len("seal", 64))
            .col(string_len("key", 8))
            .take();
        manager.create_table(inbox).await?;
        let head = Table::create()
            .table(HEAD)
            .col(integer("id").primary_key())
            .col(big_integer("seq"))
            .col(string_len("link", 64))
            .col(big_integer("pruned_seq"))
            .col(string_len("pruned_link", 64))
            .col(big_integer("erased"))
            .col(string_len("mac", 64))
            .col(string_len("key", 8))
            .take();
        manager.create_table(head).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [HEAD, INBOX, PEOPLE, ENTRIES] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}

async fn index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    let index = Index::create()
        .name(format!("{table}_{column}"))
        .table(table)
        .col(column)
        .take();
    manager.create_index(index).await
}
