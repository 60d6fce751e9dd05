//! The rights of one user, as staff manage them.

use super::{own_permissions_query, time};
use crate::db::{Db, FromRow};
use crate::sql;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};

/// A membership of the user.
pub(crate) struct OwnMembership {
    pub(crate) group: String,
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) reason: String,
}

/// The memberships of a user that have not ended, by group.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn memberships_of(
    db: &Db,
    user: i32,
    now: DateTime<Utc>,
) -> Result<Vec<OwnMembership>, DbErr> {
    let ending: Vec<(String, i64, String)> = db
        .fetch_all(sql!(
            "SELECT role.name, membership.until, membership.reason FROM palisade_membership membership \
             JOIN auth_group role ON role.id = membership.group_id \
             WHERE membership.user_id = ? AND membership.until > ?",
            user,
            now.timestamp()
        ))
        .await?;
    let ending = ending
        .into_iter()
        .map(|(group, until, reason)| OwnMembership {
            group,
            until: time(until),
            reason,
        });
    let mut all: Vec<OwnMembership> = ending.collect();
    for row in db.query_all(&lasting(db, user)).await? {
        let (group,) = <(String,)>::from_row(&row)?;
        all.push(OwnMembership {
            group,
            until: None,
            reason: String::new(),
        });
    }
    all.sort_by(|one, other| one.group.cmp(&other.group));
    Ok(all)
}

/// The names of the groups in Django's table.
fn lasting(db: &Db, user: i32) -> SelectStatement {
    let tables = db.users();
    let groups = Query::select()
        .column("group_id")
        .from(Alias::new(&tables.groups))
        .and_where(Expr::col(Alias::new(&tables.column)).eq(user))
        .to_owned();
    Query::select()
        .column("name")
        .from("auth_group")
        .and_where(Expr::col("id").in_subquery(groups))
        .to_owned()
}

/// The permissions of a user that no group gives.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn permissions_of(db: &Db, user: i32) -> Result<Vec<String>, DbErr> {
    let tables = db.users();
    let of_user = Expr::col((Alias::new(&tables.permissions), Alias::new(&tables.column)));
    let mut query = own_permissions_query(tables);
    query.and_where(of_user.eq(user));
    let name = |row| {
        <(i32, String, String)>::from_row(row).map(|(_, app, codename)| format!("{app}.{codename}"))
    };
    let rows = db.query_all(&query).await?;
    let mut all: Vec<String> = rows.iter().map(name).collect::<Result<_, _>>()?;
    all.sort();
    all.dedup();
    Ok(all)
}
