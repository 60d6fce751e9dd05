use super::Database;
use super::backend::Pool;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// The table of a restore that is not complete, on a server.
pub(crate) const RESTORING: &str = "palisade_restoring";

impl Database {
    /// Whether a restore into this database has begun and is not complete.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn is_restoring(&self) -> Result<bool, DbErr> {
        let Pool::Server(server) = self.writer() else {
            return Ok(false);
        };
        let sql = format!("SELECT to_regclass('{RESTORING}') IS NOT NULL");
        let row = server
            .query_one_raw(Statement::from_string(DbBackend::Postgres, sql))
            .await?;
        row.map_or(Ok(false), |row| row.try_get_by_index(0))
    }
}
