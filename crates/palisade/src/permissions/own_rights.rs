//! Rights as personal data: a deleted account leaves none behind.

use super::grants::list::{all_grants, grant_tables};
use crate::auth::{PersonalData, User};
use crate::db::{Db, Tx};
use crate::sql;
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::ConnectionTrait;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query};
use serde_json::{Value, json};

/// Memberships with an end, uses of permissions, and grants. Django's memberships and permissions are
/// deleted with the account.
pub(crate) struct OwnRights;

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
        let own = Condition::all().add(Expr::col("user_id").eq(user.id));
        let mut grants = Vec::new();
        for grant in all_grants(db, &own).await? {
            let (object, until, reason) = (grant.object, grant.until, grant.reason);
            grants.push(json!({ "object": object, "until": until, "reason": reason }));
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
        let mut tables = grant_tables(tx).await?;
        // with a custom user model, these have no foreign key to the users
        tables.extend(["palisade_membership", "palisade_permission_use"].map(str::to_owned));
        for table in &tables {
            let mut delete = Query::delete();
            delete
                .from_table(Alias::new(table))
                .and_where(Expr::col("user_id").eq(user.id));
            tx.execute(&delete).await?;
        }
        Ok(())
    }
}
