//! The members and permissions of one group, as staff see them.

use super::time;
use crate::db::{Db, FromRow};
use crate::sql;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};

/// A member of the group.
pub(crate) struct GroupMember {
    pub(crate) user: i32,
    pub(crate) username: String,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) reason: String,
}

/// The present members of a group, by name; the limit holds for each of the two tables.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn members_of(
    db: &Db,
    group: i32,
    (now, most): (DateTime<Utc>, u64),
) -> Result<Vec<GroupMember>, DbErr> {
    let ending: Vec<(i32, String, i64, String)> = db
        .fetch_all(sql!(
            "SELECT account.id, account.username, membership.until, membership.reason \
             FROM palisade_membership membership JOIN auth_user account ON account.id = membership.user_id \
             WHERE membership.group_id = ? AND membership.until > ? ORDER BY account.username LIMIT ?",
            group,
            now.timestamp(),
            i64::try_from(most).unwrap_or(i64::MAX)
        ))
        .await?;
    let ending = ending
        .into_iter()
        .map(|(user, username, until, reason)| GroupMember {
            user,
            username,
            until: time(until),
            reason,
        });
    let mut all: Vec<GroupMember> = ending.collect();
    for row in db.query_all(lasting(db, group).limit(most)).await? {
        let (user, username) = <(i32, String)>::from_row(&row)?;
        all.push(GroupMember {
            user,
            username,
            until: None,
            reason: String::new(),
        });
    }
    all.sort_by(|one, other| one.username.cmp(&other.username));
    Ok(all)
}

/// The members in Django's table.
fn lasting(db: &Db, group: i32) -> SelectStatement {
    let tables = db.users();
    let members = Query::select()
        .column(Alias::new(&tables.column))
        .from(Alias::new(&tables.groups))
        .and_where(Expr::col("group_id").eq(group))
        .to_owned();
    Query::select()
        .columns(["id", "username"])
        .from("auth_user")
        .and_where(Expr::col("id").in_subquery(members))
        .order_by("username", Order::Asc)
        .to_owned()
}

/// The permissions of a group, as `app.codename`.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn permissions_of(db: &Db, group: i32) -> Result<Vec<String>, DbErr> {
    let rows: Vec<(String, String)> = db
        .fetch_all(sql!(
            "SELECT type.app_label, permission.codename FROM auth_group_permissions link \
             JOIN auth_permission permission ON permission.id = link.permission_id \
             JOIN django_content_type type ON type.id = permission.content_type_id \
             WHERE link.group_id = ? ORDER BY 1, 2",
            group
        ))
        .await?;
    let name = |(app, codename)| format!("{app}.{codename}");
    Ok(rows.into_iter().map(name).collect())
}
