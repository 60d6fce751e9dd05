use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{Index, SchemaManager, Table};
use sea_orm_migration::schema::{big_integer, big_integer_null, integer, string_len, text};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The tables of scheduled tasks and of jobs.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(Create)]
}

struct Create;

impl MigrationName for Create {
    fn name(&self) -> &str {
        "tasks_0001_palisade_task"
    }
}

#[async_trait]
impl MigrationTrait for Create {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let task = Table::create()
            .table("palisade_task")
            .col(string_len("name", 100).primary_key())
            .col(big_integer("due"))
            .col(big_integer("leased_until").default(0))
            .col(big_integer("runs").default(0))
            .col(integer("failures").default(0))
            .col(big_integer_null("started"))
            .col(big_integer_null("succeeded"))
            .take();
        manager.create_table(task).await?;
        let job = Table::create()
            .table("palisade_job")
            .col(string_len("id", 32).primary_key())
            .col(string_len("name", 100))
            .col(text("sealed"))
            .col(string_len("state", 10))
            .col(big_integer("queued"))
            .col(big_integer("due"))
            .col(big_integer("leased_until").default(0))
            .col(big_integer("runs").default(0))
            .col(integer("tries").default(0))
            .col(big_integer("done").default(0))
            .col(big_integer("total").default(0))
            .col(big_integer_null("ended"))
            .take();
        manager.create_table(job).await?;
        let by_due = Index::create()
            .name("palisade_job_due")
            .table("palisade_job")
            .col("state")
            .col("due")
            .take();
        manager.create_index(by_due).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["palisade_job", "palisade_task"] {
            manager
                .drop_table(Table::drop().table(table).take())
                .await?;
        }
        Ok(())
    }
}
