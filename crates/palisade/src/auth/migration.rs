use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

/// Users, groups, permissions, content types and their links, exactly as Django makes them.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(DjangoAuth)]
}

struct DjangoAuth;

impl MigrationName for DjangoAuth {
    fn name(&self) -> &str {
        "auth_0001_django_auth"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for DjangoAuth {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = match manager.get_database_backend() {
            DbBackend::Postgres => include_str!("migrations/django_auth.postgres.sql"),
            _ => include_str!("migrations/django_auth.sqlite.sql"),
        };
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("a table that Django may use is never dropped".into()))
    }
}
