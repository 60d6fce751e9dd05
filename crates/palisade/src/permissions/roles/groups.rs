//! Groups, as operators manage them.

use crate::db::{Db, Tx};
use crate::permissions::grants::id_of;
use crate::permissions::store::{group_id, permission_id};
use crate::sql;
use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};

/// A group with its permissions and members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupRow {
    pub(crate) name: String,
    pub(crate) permissions: Vec<String>,
    pub(crate) members: i64,
}

/// All groups by name.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn list_groups(db: &Db) -> Result<Vec<GroupRow>, DbErr> {
    let query = sql!(
        "SELECT role.name, type.app_label, permission.codename FROM auth_group role \
         JOIN auth_group_permissions link ON link.group_id = role.id \
         JOIN auth_permission permission ON permission.id = link.permission_id \
         JOIN django_content_type type ON type.id = permission.content_type_id ORDER BY 1, 2, 3"
    );
    let permissions: Vec<(String, String, String)> = db.fetch_all(query).await?;
    let mut rows = Vec::new();
    for (name, members) in member_counts(db).await? {
        let own = permissions.iter().filter(|(group, ..)| *group == name);
        rows.push(GroupRow {
            permissions: own
                .map(|(_, app, codename)| format!("{app}.{codename}"))
                .collect(),
            members,
            name,
        });
    }
    Ok(rows)
}

/// Members of each group, by Django's memberships and those with an end.
async fn member_counts(db: &Db) -> Result<Vec<(String, i64)>, DbErr> {
    let of_group = |table: &str| {
        Query::select()
            .expr(Expr::col(Asterisk).count())
            .from(Alias::new(table))
            .and_where(Expr::col((Alias::new(table), "group_id")).equals(("auth_group", "id")))
            .to_owned()
    };
    let query = Query::select()
        .column("name")
        .expr(Expr::from(of_group(&db.users().groups)))
        .expr(Expr::from(of_group("palisade_membership")))
        .from("auth_group")
        .order_by("name", sea_orm::Order::Asc)
        .to_owned();
    let rows = db.query_all(&query).await?;
    let counted = rows
        .iter()
        .map(<(String, i64, i64) as crate::db::FromRow>::from_row);
    let all: Result<Vec<_>, DbErr> = counted.collect();
    Ok(all?
        .into_iter()
        .map(|(name, members, ending)| (name, members + ending))
        .collect())
}

/// Creates a group. `false` if there is one of this name.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn create_group(tx: &Tx, name: &str) -> Result<bool, DbErr> {
    if group_id(tx, name).await?.is_some() {
        return Ok(false);
    }
    tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES (?)", name))
        .await
        .map(|_| true)
}

/// Deletes a group with its permissions, memberships and grants. `false` if it does not exist.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn delete_group(tx: &Tx, name: &str) -> Result<bool, DbErr> {
    let Some(id) = group_id(tx, name).await? else {
        return Ok(false);
    };
    let mut members = Query::delete();
    members
        .from_table(Alias::new(&tx.users().groups))
        .and_where(Expr::col("group_id").eq(id));
    tx.execute(&members).await?;
    // memberships with an end, and grants, by their foreign keys
    for statement in [
        sql!("DELETE FROM auth_group_permissions WHERE group_id = ?", id),
        sql!("DELETE FROM auth_group WHERE id = ?", id),
    ] {
        tx.execute_sql(statement).await?;
    }
    Ok(true)
}

/// Grants a group a permission. `None` if there is no such group or permission.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn grant_group(
    tx: &Tx,
    group: &str,
    permission: &str,
) -> Result<Option<()>, DbErr> {
    let ids = (
        group_id(tx, group).await?,
        permission_id(tx, permission).await?,
    );
    let (Some(group), Some(permission)) = ids else {
        return Ok(None);
    };
    tx.execute_sql(sql!(
        "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
        group,
        permission
    ))
    .await?;
    Ok(Some(()))
}

/// Revokes a permission of a group. `None` if there is no such group or permission.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn revoke_group(
    tx: &Tx,
    group: &str,
    permission: &str,
) -> Result<Option<()>, DbErr> {
    let Some(group) = group_id(tx, group).await? else {
        return Ok(None);
    };
    if permission_id(tx, permission).await?.is_none() {
        return Ok(None);
    }
    let mut query = Query::delete();
    query
        .from_table("auth_group_permissions")
        .and_where(Expr::col("group_id").eq(group))
        .and_where(Expr::col("permission_id").in_subquery(id_of(permission)));
    tx.execute(&query).await.map(|_| Some(()))
}
