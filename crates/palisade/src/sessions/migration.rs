use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// The table `django_session`, exactly as Django makes it.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(DjangoSession)]
}

struct DjangoSession;

impl MigrationName for DjangoSession {
    fn name(&self) -> &str {
        "sessions_0001_django_session"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for DjangoSession {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Postgres => include_str!("migrations/django_session.postgres.sql"),
            _ => include_str!("migrations/django_session.sqlite.sql"),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("a table that Django may use is never dropped".into()))
    }
}
