use super::DatabaseUrl;
use crate::checks::{Check, Level};
use crate::settings::{Setting, section};

impl Setting for DatabaseUrl {
    const SHAPE: &'static str = "sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME";

    fn from_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|why| format!("cannot be used: {why}"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

section! {
    /// The database.
    DatabaseSettings("database") {
        /// The database: sqlite:FILE (relative to the data folder) or
        /// postgres://USER:PASSWORD@HOST/NAME
        url: DatabaseUrl = |_| DatabaseUrl::Sqlite("site.sqlite3".into());
        /// Connections of the read pool
        read_connections: u64 = |_| 8;
        /// Connections of the write pool, on PostgreSQL; SQLite has one
        write_connections: u64 = |_| 8;
    }
}

impl DatabaseSettings {
    /// The file of an SQLite database.
    pub(crate) fn file(&self, data: &std::path::Path) -> Option<std::path::PathBuf> {
        match &self.url {
            DatabaseUrl::Sqlite(path) => Some(data.join(path)),
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

/// Configuration checks of the database.
pub const CHECKS: &[Check<DatabaseSettings>] = &[
    Check {
        id: "database.default_password",
        django: None,
        level: Level::Error,
        title: "the database has a well-known default password",
        why: "everyone with access to the port can read and change the data (ASVS 13.2.3)",
        fix: "set another password for the database user and write it into DATABASE_URL or \
            DATABASE_URL_FILE",
        fires: |settings| matches!(&settings.url, DatabaseUrl::Postgres(url) if url.has_default_password() && !url.is_local()),
    },
    Check {
        id: "database.no_postgres",
        django: None,
        level: Level::Error,
        title: "the database is PostgreSQL, and this program was built without the feature postgres",
        why: "the site does not start",
        fix: "build with the feature postgres (postgres-tls for a server on another machine)",
        fires: |settings| {
            !cfg!(feature = "postgres") && matches!(&settings.url, DatabaseUrl::Postgres(_))
        },
    },
    Check {
        id: "database.no_tls",
        django: None,
        level: Level::Error,
        title: "the database is on another machine and this program was built without TLS for it",
        why: "data and password would be sent in plaintext, so the connection will be refused",
        fix: "build with the feature postgres-tls",
        fires: |settings| {
            !cfg!(feature = "postgres-tls")
                && matches!(&settings.url, DatabaseUrl::Postgres(url) if !url.is_local())
        },
    },
];
