use crate::db::migrate::DjangoTables;
use sea_orm_migration::MigrationTrait;

/// Users, groups, permissions, content types and their links, exactly as Django makes them.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(DjangoTables {
        name: "auth_0001_django_auth",
        sqlite: include_str!("migrations/django_auth.sqlite.sql"),
        postgres: include_str!("migrations/django_auth.postgres.sql"),
    })]
}
