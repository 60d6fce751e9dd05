//! Rights as personal data: a deleted account leaves none behind.

use crate::auth::{PersonalData, User};
use crate::db::{Db, FromRow, RawSql, Tx};
use crate::sql;
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};

/// Memberships with an end, uses of permissions, and grants. Django's memberships and permissions are
/// deleted with the account.
pub(crate) struct OwnRights {
    /// Names of the tables of grants, of which some may not exist.
    pub(crate) grant_tables: Vec<String>,
}

#[async_trait]
impl PersonalData for OwnRights {
    fn name(&self) -> &'static str {
        "rights"
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let memberships: Vec<(String, i64)> = db
            .fetch_all(sql!(
                "SELECT role.name, membership.until FROM palisade_membership membership \
                 JOIN auth_group role ON role.id = membership.group_id WHERE membership.user_id = ?",
                user.id
            ))
            .await?;
        let uses: Vec<(String, i32)> = db
            .fetch_all(sql!(
                "SELECT permission, max(day) FROM palisade_permission_use WHERE user_id = ? GROUP BY permission",
                user.id
            ))
            .await?;
        let mut grants = Vec::new();
        for table in &self.grant_tables {
            if db.fetch_one::<(i32,)>(exists(db, table)).await?.is_some() {
                grants.extend(objects(db, table, user.id).await?);
            }
        }
        let membership = |(group, until): &(String, i64)| json!({ "group": group, "until": until });
        let used = |(permission, day): &(String, i32)| json!({ "permission": permission, "last_day": day });
        Ok(json!({
            "memberships": memberships.iter().map(membership).collect::<Vec<_>>(),
            "uses": uses.iter().map(used).collect::<Vec<_>>(),
            "grants": grants,
        }))
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        for statement in [
            sql!("DELETE FROM palisade_membership WHERE user_id = ?", user.id),
            sql!(
                "DELETE FROM palisade_permission_use WHERE user_id = ?",
                user.id
            ),
        ] {
            tx.execute_sql(statement).await?;
        }
        // with a custom user model, these have no foreign key to the users
        for table in &self.grant_tables {
            if tx.fetch_one::<(i32,)>(exists(tx, table)).await?.is_some() {
                let mut delete = Query::delete();
                delete
                    .from_table(Alias::new(table))
                    .and_where(Expr::col("user_id").eq(user.id));
                tx.execute(&delete).await?;
            }
        }
        Ok(())
    }
}

/// A query for whether a table exists.
fn exists(connection: &impl ConnectionTrait, table: &str) -> RawSql {
    match connection.get_database_backend() {
        DbBackend::Postgres => sql!("SELECT 1 WHERE to_regclass(?) IS NOT NULL", table),
        _ => sql!(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
            table
        ),
    }
}

/// The objects of a user's grants in a table.
async fn objects(db: &Db, table: &str, user_id: i32) -> Result<Vec<Value>> {
    let query = Query::select()
        .expr(Expr::col("object_id").cast_as("text"))
        .column("until")
        .column("reason")
        .from(Alias::new(table))
        .and_where(Expr::col("user_id").eq(user_id))
        .to_owned();
    let mut objects = Vec::new();
    for row in db.query_all(&query).await? {
        let (object, until, reason) = <(String, Option<i64>, String)>::from_row(&row)?;
        objects.push(json!({ "table": table, "object": object, "until": until, "reason": reason }));
    }
    Ok(objects)
}
