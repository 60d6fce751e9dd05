//! The access report: the authorization of each user, by source and last use.

pub(in crate::permissions) mod uses;

use crate::db::{Database, Db, FromRow, Tx};
use crate::permissions::rows::explain::EntityPolicy;
use crate::sql;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A permission of a user by one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AccessRow {
    pub(crate) user: String,
    /// `app.codename`, or `*` for a superuser.
    pub(crate) permission: String,
    /// `own`, `group NAME`, `superuser`, or a grant on an object.
    pub(crate) source: String,
    /// End, as an RFC 3339 time.
    pub(crate) until: Option<String>,
    /// Day of the last use.
    pub(crate) last_use: Option<String>,
}

/// A user, as the report needs it.
#[derive(Debug, Clone)]
pub(crate) struct ReportedUser {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) is_superuser: bool,
    pub(crate) last_login: Option<DateTime<Utc>>,
}

/// A grant on an object.
struct GrantRow {
    user: Option<i32>,
    group: Option<i32>,
    permissions: Vec<String>,
    source: String,
    until: Option<i64>,
}

/// Days after which an unused permission, or an account without a login, is reported.
pub(crate) const UNUSED_DAYS: i64 = 90;
/// Days before an end that is reported.
pub(crate) const NEAR_DAYS: i64 = 14;

/// The rows of the report at a time.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn access_rows(
    database: &Database,
    (users, policies): (&[ReportedUser], &[Arc<dyn EntityPolicy>]),
    now: DateTime<Utc>,
) -> Result<Vec<AccessRow>, DbErr> {
    let db = database.handle();
    let mut held = superusers(users);
    held.extend(own_permissions(&db).await?);
    let members = members(&db, now).await?;
    held.extend(group_permissions(&db, &members).await?);
    for policy in policies {
        if database
            .has_table(&format!("{}_grant", policy.table()))
            .await?
        {
            let grants = grants(&db, policy.table(), now).await?;
            held.extend(grants.iter().flat_map(|grant| of_grant(grant, &members)));
        }
    }
    let uses = last_uses(&db).await?;
    let names: BTreeMap<i32, &str> = users
        .iter()
        .map(|user| (user.id, user.name.as_str()))
        .collect();
    let row = |held: Held| {
        let user = (*names.get(&held.user)?).to_owned();
        let last_use = uses.get(&(held.user, held.permission.clone())).copied();
        Some(AccessRow {
            user,
            permission: held.permission,
            source: held.source,
            until: held.until.and_then(time).map(|end| end.to_rfc3339()),
            last_use: last_use
                .and_then(|day| time(i64::from(day) * 24 * 3600))
                .map(|day| day.format("%Y-%m-%d").to_string()),
        })
    };
    let rows: BTreeSet<AccessRow> = held.into_iter().filter_map(row).collect();
    Ok(rows.into_iter().collect())
}

fn time(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

struct Held {
    user: i32,
    permission: String,
    source: String,
    until: Option<i64>,
}

/// Users of each group, with the end of the membership.
type Members = BTreeMap<i32, Vec<(i32, Option<i64>)>>;

fn superusers(users: &[ReportedUser]) -> Vec<Held> {
    let held = |user: &ReportedUser| Held {
        user: user.id,
        permission: "*".into(),
        source: "superuser".into(),
        until: None,
    };
    users
        .iter()
        .filter(|user| user.is_superuser)
        .map(held)
        .collect()
}

/// Permissions joined to a table that refers to them.
fn permissions_by(link: &str, column: &str) -> SelectStatement {
    let link = Alias::new(link);
    let content_type = Expr::col(("django_content_type", "id"));
    Query::select()
        .column((link.clone(), Alias::new(column)))
        .column(("django_content_type", "app_label"))
        .column(("auth_permission", "codename"))
        .from(link.clone())
        .inner_join(
            "auth_permission",
            Expr::col(("auth_permission", "id")).equals((link, "permission_id")),
        )
        .inner_join(
            "django_content_type",
            content_type.equals(("auth_permission", "content_type_id")),
        )
        .to_owned()
}

async fn own_permissions(db: &Db) -> Result<Vec<Held>, DbErr> {
    let query = permissions_by(&db.users().permissions, &db.users().column);
    let rows = db.query_all(&query).await?;
    let held = |row| {
        <(i32, String, String)>::from_row(row).map(|(user, app, codename)| Held {
            user,
            permission: format!("{app}.{codename}"),
            source: "own".into(),
            until: None,
        })
    };
    rows.iter().map(held).collect()
}

async fn members(db: &Db, now: DateTime<Utc>) -> Result<Members, DbErr> {
    let tables = db.users();
    let query = Query::select()
        .column(Alias::new(&tables.column))
        .column("group_id")
        .from(Alias::new(&tables.groups))
        .to_owned();
    let mut members = Members::new();
    for row in db.query_all(&query).await? {
        let (user, group) = <(i32, i32)>::from_row(&row)?;
        members.entry(group).or_default().push((user, None));
    }
    let ending = sql!(
        "SELECT user_id, group_id, until FROM palisade_membership WHERE until > ?",
        now.timestamp()
    );
    for (user, group, until) in db.fetch_all::<(i32, i32, i64)>(ending).await? {
        members.entry(group).or_default().push((user, Some(until)));
    }
    Ok(members)
}

async fn group_permissions(db: &Db, members: &Members) -> Result<Vec<Held>, DbErr> {
    let names: Vec<(i32, String)> = db
        .fetch_all(sql!("SELECT id, name FROM auth_group"))
        .await?;
    let names: BTreeMap<i32, String> = names.into_iter().collect();
    let query = permissions_by("auth_group_permissions", "group_id");
    let mut held = Vec::new();
    for row in db.query_all(&query).await? {
        let (group, app, codename) = <(i32, String, String)>::from_row(&row)?;
        let name = names.get(&group).map_or("", String::as_str);
        for (user, until) in members.get(&group).into_iter().flatten() {
            held.push(Held {
                user: *user,
                permission: format!("{app}.{codename}"),
                source: format!("group {name}"),
                until: *until,
            });
        }
    }
    Ok(held)
}

/// The grants of an entity that have not ended.
async fn grants(db: &Db, table: &'static str, now: DateTime<Utc>) -> Result<Vec<GrantRow>, DbErr> {
    let permissions = permissions_by_id(db).await?;
    let roles = roles(db).await?;
    let has_not_ended = Condition::any()
        .add(Expr::col("until").is_null())
        .add(Expr::col("until").gt(now.timestamp()));
    let query = Query::select()
        .columns(["user_id", "group_id", "permission_id", "role_id", "until"])
        .expr(Expr::col("object_id").cast_as("text"))
        .from(Alias::new(format!("{table}_grant")))
        .cond_where(has_not_ended)
        .to_owned();
    let rows = db.query_all(&query).await?;
    let grant = |row: &QueryResult| {
        let permission: Option<i32> = row.try_get_by_index(2)?;
        let role: Option<i32> = row.try_get_by_index(3)?;
        let object: String = row.try_get_by_index(5)?;
        let (permissions, name) = match (permission, role.and_then(|role| roles.get(&role))) {
            (Some(id), _) => (
                permissions.get(&id).cloned().into_iter().collect(),
                String::new(),
            ),
            (None, Some((name, permissions))) => (permissions.clone(), format!("role {name} ")),
            (None, None) => (Vec::new(), String::new()),
        };
        Ok(GrantRow {
            user: row.try_get_by_index(0)?,
            group: row.try_get_by_index(1)?,
            permissions,
            source: format!("{name}on {table} {object}"),
            until: row.try_get_by_index(4)?,
        })
    };
    rows.iter().map(grant).collect()
}

async fn permissions_by_id(db: &Db) -> Result<BTreeMap<i32, String>, DbErr> {
    let query = sql!(
        "SELECT permission.id, type.app_label, permission.codename FROM auth_permission permission \
         JOIN django_content_type type ON type.id = permission.content_type_id"
    );
    let rows: Vec<(i32, String, String)> = db.fetch_all(query).await?;
    let named = |(id, app, codename)| (id, format!("{app}.{codename}"));
    Ok(rows.into_iter().map(named).collect())
}

/// Names and permissions of groups.
async fn roles(db: &Db) -> Result<BTreeMap<i32, (String, Vec<String>)>, DbErr> {
    let query = sql!(
        "SELECT role.id, role.name, type.app_label, permission.codename FROM auth_group role \
         JOIN auth_group_permissions link ON link.group_id = role.id \
         JOIN auth_permission permission ON permission.id = link.permission_id \
         JOIN django_content_type type ON type.id = permission.content_type_id"
    );
    let mut roles = BTreeMap::new();
    for (id, name, app, codename) in db.fetch_all::<(i32, String, String, String)>(query).await? {
        let role: &mut (String, Vec<String>) =
            roles.entry(id).or_insert_with(|| (name, Vec::new()));
        role.1.push(format!("{app}.{codename}"));
    }
    Ok(roles)
}

/// The rows of a grant: one for each user and permission.
fn of_grant<'a>(grant: &'a GrantRow, members: &Members) -> Vec<Held> {
    let own = grant.user.map(|user| (user, None));
    let of_group = grant.group.and_then(|group| members.get(&group));
    let users = own
        .into_iter()
        .chain(of_group.into_iter().flatten().copied());
    let ends = |until: Option<i64>| until.into_iter().chain(grant.until).min();
    let held = |(user, until): (i32, Option<i64>)| {
        let held = move |permission: &'a String| Held {
            user,
            permission: permission.clone(),
            source: grant.source.clone(),
            until: ends(until),
        };
        grant.permissions.iter().map(held).collect::<Vec<_>>()
    };
    users.flat_map(held).collect()
}

async fn last_uses(db: &Db) -> Result<BTreeMap<(i32, String), i32>, DbErr> {
    let query = sql!(
        "SELECT user_id, permission, max(day) FROM palisade_permission_use GROUP BY user_id, permission"
    );
    let rows: Vec<(i32, String, i32)> = db.fetch_all(query).await?;
    Ok(rows
        .into_iter()
        .map(|(user, permission, day)| ((user, permission), day))
        .collect())
}

/// Findings about users and rows, a sentence each. Unused permissions are known only as long as uses
/// have been recorded.
pub(crate) fn findings(
    users: &[ReportedUser],
    rows: &[AccessRow],
    (now, recorded_since): (DateTime<Utc>, Option<DateTime<Utc>>),
) -> Vec<String> {
    let long_ago = now - TimeDelta::days(UNUSED_DAYS);
    let mut findings = Vec::new();
    for user in users {
        if user.last_login.is_none_or(|at| at < long_ago) {
            findings.push(format!(
                "{} has not logged in for {UNUSED_DAYS} days",
                user.name
            ));
        }
    }
    let is_recorded = recorded_since.is_some_and(|since| since <= long_ago);
    let day = long_ago.format("%Y-%m-%d").to_string();
    for row in rows {
        let AccessRow {
            user, permission, ..
        } = row;
        if is_recorded
            && permission != "*"
            && !row.source.contains(" on ")
            && !row.source.starts_with("on ")
            && row.last_use.as_ref().is_none_or(|used| *used < day)
        {
            findings.push(format!(
                "{user} has not used {permission} for {UNUSED_DAYS} days ({})",
                row.source
            ));
        }
        let near = (now + TimeDelta::days(NEAR_DAYS)).to_rfc3339();
        if let Some(end) = row.until.as_ref().filter(|end| **end < near) {
            findings.push(format!(
                "{permission} of {user} ends at {end} ({})",
                row.source
            ));
        }
    }
    findings
}

/// The first day of recorded uses.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn recorded_since(db: &Db) -> Result<Option<DateTime<Utc>>, DbErr> {
    let query = sql!("SELECT coalesce(min(day), -1) FROM palisade_permission_use");
    let first: Option<(i32,)> = db.fetch_one(query).await?;
    let first = first.filter(|(day,)| *day >= 0);
    Ok(first.and_then(|(day,)| time(i64::from(day) * 24 * 3600)))
}

/// Stores a report, to compare later ones with it.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn save(tx: &Tx, rows: &[AccessRow], now: DateTime<Utc>) -> Result<(), DbErr> {
    let content = serde_json::to_string(rows).map_err(|error| DbErr::Custom(error.to_string()))?;
    tx.execute_sql(sql!(
        "INSERT INTO palisade_access_report (taken_at, content) VALUES (?, ?) ON CONFLICT DO NOTHING",
        now.timestamp(),
        content
    ))
    .await
    .map(drop)
}

/// The newest stored report that is not younger than a time, with its own.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn stored(
    db: &Db,
    until: DateTime<Utc>,
) -> Result<Option<(DateTime<Utc>, Vec<AccessRow>)>, DbErr> {
    let query = sql!(
        "SELECT taken_at, content FROM palisade_access_report WHERE taken_at <= ? ORDER BY taken_at DESC LIMIT 1",
        until.timestamp()
    );
    let found: Option<(i64, String)> = db.fetch_one(query).await?;
    let Some((taken, content)) = found else {
        return Ok(None);
    };
    let rows = serde_json::from_str(&content).map_err(|error| DbErr::Custom(error.to_string()))?;
    Ok(time(taken).map(|taken| (taken, rows)))
}
