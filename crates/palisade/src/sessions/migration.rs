use crate::db::migrate::DjangoTables;
use sea_orm_migration::MigrationTrait;

/// The table `django_session`, exactly as Django makes it.
pub fn migrations() -> Vec<Box<dyn MigrationTrait>> {
    vec![Box::new(DjangoTables {
        name: "sessions_0001_django_session",
        sqlite: include_str!("migrations/django_session.sqlite.sql"),
        postgres: include_str!("migrations/django_session.postgres.sql"),
    })]
}
