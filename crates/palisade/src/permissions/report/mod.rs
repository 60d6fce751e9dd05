//! The access report: the authorization of each user, by source and last use.

pub(crate) mod of_group;
pub(crate) mod of_user;
#[cfg(test)]
mod tests;
pub(in crate::permissions) mod uses;

use crate::db::{Database, Db, FromRow, Tx};
use crate::django::UserTables;
use crate::permissions::Roles;
use crate::permissions::grants::list::{GrantRow, Names, all_grants, has_not_ended};
use crate::sql;
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A permission of a user by one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct AccessRow {
    pub(crate) user: String,
    /// `app.codename`, `*` for a superuser, or the access rules `staff` and `member of NAME`.
    pub(crate) permission: String,
    /// `own`, `group NAME`, `membership`, `superuser`, or a grant on an object.
    pub(crate) source: String,
    /// End, as an RFC 3339 time.
    pub(crate) until: Option<String>,
    /// Day of the last use.
    pub(crate) last_use: Option<String>,
}

impl AccessRow {
    /// Whether uses are recorded: those of ranks, memberships and object permissions are not.
    fn is_recorded_when_used(&self) -> bool {
        self.source == "own" && self.permission != STAFF || self.source.starts_with("group ")
    }
}

/// A user, as the report needs it.
#[derive(Debug, Clone)]
pub(crate) struct ReportedUser {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) is_staff: bool,
    pub(crate) is_superuser: bool,
    pub(crate) last_login: Option<DateTime<Utc>>,
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
    users: &[ReportedUser],
    now: DateTime<Utc>,
) -> Result<Vec<AccessRow>, DbErr> {
    let db = database.handle();
    let names = Names::load(&db).await?;
    let members = members(&db, now).await?;
    let mut held = flags(users);
    held.extend(own_permissions(&db).await?);
    held.extend(memberships(&names, &members));
    for grant in all_grants(&db, &has_not_ended(now)).await? {
        held.extend(of_grant(&grant, &names, &members));
    }
    held.extend(of_guardian(database, &members).await?);
    let uses = last_uses(&db).await?;
    let users: BTreeMap<i32, &str> = users
        .iter()
        .map(|user| (user.id, user.name.as_str()))
        .collect();
    let row = |held: Held| {
        let user = (*users.get(&held.user)?).to_owned();
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

/// The ranks of superusers and staff.
fn flags(users: &[ReportedUser]) -> Vec<Held> {
    let held = |user: &ReportedUser, permission: &str, source: &str| Held {
        user: user.id,
        permission: permission.into(),
        source: source.into(),
        until: None,
    };
    let superusers = users.iter().filter(|user| user.is_superuser);
    let staff = users.iter().filter(|user| user.is_staff);
    let superusers = superusers.map(|user| held(user, "*", "superuser"));
    superusers
        .chain(staff.map(|user| held(user, STAFF, "own")))
        .collect()
}

/// Access to pages of staff, in place of a permission.
const STAFF: &str = "staff";
/// Source of access by `member_of`, in place of a permission.
const MEMBERSHIP: &str = "membership";
/// Access by `member_of`, before the name of the group.
const MEMBER_OF: &str = "member of ";

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

/// Users with their own permissions, by app and codename.
fn own_permissions_query(tables: &UserTables) -> SelectStatement {
    permissions_by(&tables.permissions, &tables.column)
}

async fn own_permissions(db: &Db) -> Result<Vec<Held>, DbErr> {
    let rows = db.query_all(&own_permissions_query(db.users())).await?;
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

/// The permissions of groups, and the memberships themselves, for rules with `member_of`.
fn memberships(names: &Names, members: &Members) -> Vec<Held> {
    let mut held = Vec::new();
    for (group, name, permissions) in names.of_groups() {
        for (user, until) in members.get(&group).into_iter().flatten() {
            let by = |permission: String, source: String| Held {
                user: *user,
                permission,
                source,
                until: *until,
            };
            held.push(by(format!("{MEMBER_OF}{name}"), MEMBERSHIP.into()));
            let permissions = permissions.iter();
            held.extend(permissions.map(|name_of| by(name_of.clone(), format!("group {name}"))));
        }
    }
    held
}

/// The rows of a grant: one for each user and permission.
fn of_grant(grant: &GrantRow, names: &Names, members: &Members) -> Vec<Held> {
    let role = grant.role.and_then(|id| names.group(id));
    let role = role.map_or_else(String::new, |role| format!("role {role} "));
    let own = grant.user.map(|user| (user, None));
    let of_group = grant.group.and_then(|group| members.get(&group));
    let users = own.into_iter();
    let mut held = Vec::new();
    for (user, until) in users.chain(of_group.into_iter().flatten().copied()) {
        for permission in names.permissions_in(grant) {
            held.push(Held {
                user,
                permission: permission.to_owned(),
                source: format!("{role}on {}", grant.object),
                until: until.into_iter().chain(grant.until).min(),
            });
        }
    }
    held
}

/// The object permissions in django-guardian's tables, if the database has them.
async fn of_guardian(database: &Database, members: &Members) -> Result<Vec<Held>, DbErr> {
    let db = database.handle();
    let mut held = Vec::new();
    if database.has_table("guardian_userobjectpermission").await? {
        let query = sql!(
            "SELECT object.user_id, type.app_label, permission.codename, type.model, object.object_pk \
             FROM guardian_userobjectpermission object \
             JOIN auth_permission permission ON permission.id = object.permission_id \
             JOIN django_content_type type ON type.id = object.content_type_id"
        );
        for row in db.fetch_all::<GuardianRow>(query).await? {
            held.push(guarded((row.0, None), &row));
        }
    }
    if database.has_table("guardian_groupobjectpermission").await? {
        let query = sql!(
            "SELECT object.group_id, type.app_label, permission.codename, type.model, object.object_pk \
             FROM guardian_groupobjectpermission object \
             JOIN auth_permission permission ON permission.id = object.permission_id \
             JOIN django_content_type type ON type.id = object.content_type_id"
        );
        for row in db.fetch_all::<GuardianRow>(query).await? {
            let users = members.get(&row.0).into_iter().flatten();
            held.extend(users.map(|user| guarded(*user, &row)));
        }
    }
    Ok(held)
}

/// User or group, app, codename, model and key of an object permission.
type GuardianRow = (i32, String, String, String, String);

fn guarded((user, until): (i32, Option<i64>), row: &GuardianRow) -> Held {
    let (_, app, codename, model, object) = row;
    Held {
        user,
        permission: format!("{app}.{codename}"),
        source: format!("guardian on {app}_{model} {object}"),
        until,
    }
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
    roles: &Roles,
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
            && row.is_recorded_when_used()
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
    findings.extend(exclusive_roles(rows, roles));
    findings
}

/// Users with roles that exclude each other: a Django project, or a change of the roles, may have left
/// such memberships.
fn exclusive_roles(rows: &[AccessRow], roles: &Roles) -> Vec<String> {
    let mut held: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.source == MEMBERSHIP) {
        let group = row.permission.strip_prefix(MEMBER_OF);
        let group = group.unwrap_or_default().to_owned();
        held.entry(&row.user).or_default().insert(group);
    }
    let mut findings = Vec::new();
    for (user, groups) in held {
        for group in &groups {
            let conflict = roles.conflict(&groups, group);
            // both roles exclude each other: once is enough
            if let Some(other) = conflict.filter(|other| group < other) {
                findings.push(format!(
                    "{user} has {group} and {other}, which exclude each other"
                ));
            }
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
