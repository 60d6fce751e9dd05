use crate::db::migrate::DjangoTables;
use async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use sea_orm_migration::prelude::{ColumnDef, Index, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table `django_session`, exactly as in Django; the users of sessions; and revoked
/// cookie-based sessions.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    let django = DjangoTables {
        name: "sessions_0001_django_session",
        sqlite: include_str!("migrations/django_session.sqlite.sql"),
        postgres: include_str!("migrations/django_session.postgres.sql"),
        needs: &[("django_session", "django.contrib.sessions")],
    };
    vec![
        Box::new(django),
        Box::new(CreateOwners),
        Box::new(CreateEnded),
        Box::new(RewriteTimes),
    ]
}

struct CreateOwners;

impl MigrationName for CreateOwners {
    fn name(&self) -> &str {
        "sessions_0002_palisade_session"
    }
}

#[async_trait]
impl MigrationTrait for CreateOwners {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_session")
            .if_not_exists()
            .col(
                ColumnDef::new("session_key")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("user_id").integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let of_user = Index::create()
            .name("palisade_session_user")
            .table("palisade_session")
            .col("user_id")
            .if_not_exists()
            .to_owned();
        manager.create_index(of_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_session").to_owned())
            .await
    }
}

struct CreateEnded;

impl MigrationName for CreateEnded {
    fn name(&self) -> &str {
        "sessions_0003_palisade_ended"
    }
}

#[async_trait]
impl MigrationTrait for CreateEnded {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_ended")
            .if_not_exists()
            .col(
                ColumnDef::new("session_key")
                    .string_len(40)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new("until").big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        let by_end = Index::create()
            .name("palisade_ended_until")
            .table("palisade_ended")
            .col("until")
            .if_not_exists()
            .to_owned();
        manager.create_index(by_end).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("palisade_ended").to_owned())
            .await
    }
}

/// Rewrites expiry times in Django's format: SQLite compares them as text.
struct RewriteTimes;

impl MigrationName for RewriteTimes {
    fn name(&self) -> &str {
        "sessions_0004_django_times"
    }
}

#[async_trait]
impl MigrationTrait for RewriteTimes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DbBackend::Sqlite {
            return Ok(());
        }
        let rewrite = "UPDATE django_session SET expire_date = replace(substr(expire_date, 1, 26), 'T', ' ') WHERE substr(expire_date, 11, 1) = 'T'";
        manager
            .get_connection()
            .execute_unprepared(rewrite)
            .await
            .map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
