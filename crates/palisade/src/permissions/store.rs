use super::DeclaredPermission;
use super::grants::id_of;
use super::permission::split;
use super::rights::Rights;
use crate::auth::{RightChange, User};
use crate::db::{Database, FromRow, Tx};
use crate::django::UserTables;
use crate::sql;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::HashSet;

/// The permissions of a user, own and by groups, as `app.codename`. Those of a superuser are not
/// listed.
///
/// # Errors
/// When the database does not answer.
pub async fn of_user(
    database: &Database,
    user: &User,
    now: DateTime<Utc>,
) -> Result<HashSet<String>, DbErr> {
    Ok(
        Rights::load(&database.handle(), database.users(), (user.id, now))
            .await?
            .into_permissions(),
    )
}

/// Creates the missing rows of a site's permissions, with the content type of their entity, or of
/// the app.
///
/// # Errors
/// When the database does not answer.
pub async fn ensure(database: &Database, permissions: &[DeclaredPermission]) -> Result<(), DbErr> {
    for permission in permissions {
        let (app, codename) = permission.parts();
        let known: Option<(i32,)> = find(database, app, codename).await?;
        if known.is_none() {
            let insert = async |tx: &Tx| insert(tx, permission).await;
            database.write_always(insert).await?;
        }
    }
    Ok(())
}

async fn insert(tx: &Tx, permission: &DeclaredPermission) -> Result<(), DbErr> {
    let ((app, codename), model) = (permission.parts(), permission.model());
    tx.execute_sql(sql!(
        "INSERT INTO django_content_type (app_label, model) VALUES (?, ?) ON CONFLICT DO NOTHING",
        app,
        model
    ))
    .await?;
    tx.execute_sql(sql!(
        "INSERT INTO auth_permission (content_type_id, codename, name) \
         SELECT id, ?, ? FROM django_content_type WHERE app_label = ? AND model = ? ON CONFLICT DO NOTHING",
        codename,
        permission.label,
        app,
        model
    ))
    .await
    .map(drop)
}

/// Those of these permissions, which a Django project declares, that have no row.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn missing(
    database: &Database,
    names: &[&'static str],
) -> Result<Vec<&'static str>, DbErr> {
    let mut missing = Vec::new();
    for name in names {
        let (app, codename) = split(name);
        if find::<(i32,)>(database, app, codename).await?.is_none() {
            missing.push(*name);
        }
    }
    Ok(missing)
}

/// Deletes the rows of a site's permissions, their assignments, and the site's empty content types.
/// Those of Django's models stay: an entity with a table belongs to Django.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(database: &Database, permissions: &[DeclaredPermission]) -> Result<(), DbErr> {
    for permission in permissions {
        let is_djangos = match permission.table {
            Some(table) => database.has_table(table).await?,
            None => false,
        };
        let found = find_own(database, permission).await?;
        if let Some((id,)) = found.filter(|_| !is_djangos) {
            let delete = async |tx: &Tx| delete(tx, database.users(), (id, permission)).await;
            database.write_always(delete).await?;
        }
    }
    Ok(())
}

async fn delete(
    tx: &Tx,
    tables: &UserTables,
    (id, permission): (i32, &DeclaredPermission),
) -> Result<(), DbErr> {
    let ((app, _), model) = (permission.parts(), permission.model());
    for link in ["auth_group_permissions", tables.permissions.as_str()] {
        let of_it = Expr::col("permission_id").eq(id);
        let mut query = Query::delete();
        query.from_table(Alias::new(link)).and_where(of_it);
        tx.execute(&query).await?;
    }
    tx.execute_sql(sql!("DELETE FROM auth_permission WHERE id = ?", id))
        .await?;
    tx.execute_sql(sql!(
        "DELETE FROM django_content_type WHERE app_label = ? AND model = ? \
         AND NOT EXISTS (SELECT 1 FROM auth_permission WHERE content_type_id = django_content_type.id)",
        app,
        model
    ))
    .await
    .map(drop)
}

/// The row of a permission with the content type that a site creates.
async fn find_own(
    database: &Database,
    permission: &DeclaredPermission,
) -> Result<Option<(i32,)>, DbErr> {
    let ((app, codename), model) = (permission.parts(), permission.model());
    database
        .handle()
        .fetch_one(sql!(
            "SELECT permission.id FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id \
             WHERE type.app_label = ? AND type.model = ? AND permission.codename = ?",
            app,
            model,
            codename
        ))
        .await
}

async fn find<T: FromRow>(
    database: &Database,
    app: &str,
    codename: &str,
) -> Result<Option<T>, DbErr> {
    database
        .handle()
        .fetch_one(sql!(
            "SELECT permission.id FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id \
             WHERE type.app_label = ? AND permission.codename = ?",
            app,
            codename
        ))
        .await
}

/// Grants a permission to a user. `false` if there is no such permission.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn grant(tx: &Tx, user_id: i32, permission: &str) -> Result<bool, DbErr> {
    let Some(id) = permission_id(tx, permission).await? else {
        return Ok(false);
    };
    let tables = tx.users();
    revoke(tx, user_id, permission).await?;
    let row = Query::insert()
        .into_table(Alias::new(&tables.permissions))
        .columns([Alias::new(&tables.column), Alias::new("permission_id")])
        .values_panic([user_id.into(), id.into()])
        .to_owned();
    tx.execute(&row).await.map(|_| true)
}

/// Revokes a user's own permission. `false` if there is no such permission.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn revoke(tx: &Tx, user_id: i32, permission: &str) -> Result<bool, DbErr> {
    if permission_id(tx, permission).await?.is_none() {
        return Ok(false);
    }
    // several models of an app may have a permission of this name: the user loses each
    let tables = tx.users();
    let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
    let mut query = Query::delete();
    query
        .from_table(Alias::new(&tables.permissions))
        .and_where(of_user)
        .and_where(Expr::col("permission_id").in_subquery(id_of(permission)));
    tx.execute(&query).await.map(|_| true)
}

/// The primary key of a permission.
pub(super) async fn permission_id(tx: &Tx, permission: &str) -> Result<Option<i32>, DbErr> {
    let row = tx.query_one(&id_of(permission)).await?;
    row.map(|row| <(i32,)>::from_row(&row).map(|(id,)| id))
        .transpose()
}

/// The primary key of a group.
pub(super) async fn group_id(tx: &Tx, name: &str) -> Result<Option<i32>, DbErr> {
    let query = sql!("SELECT id FROM auth_group WHERE name = ?", name);
    let found: Option<(i32,)> = tx.fetch_one(query).await?;
    Ok(found.map(|(id,)| id))
}

/// Adds a user to a group, or removes them. `false` if there is no such group.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn set_member(
    tx: &Tx,
    user_id: i32,
    (group, change): (&str, RightChange),
) -> Result<bool, DbErr> {
    let Some(id) = group_id(tx, group).await? else {
        return Ok(false);
    };
    remove_member(tx, user_id, id).await?;
    if change == RightChange::Grant {
        let tables = tx.users();
        let row = Query::insert()
            .into_table(Alias::new(&tables.groups))
            .columns([Alias::new(&tables.column), Alias::new("group_id")])
            .values_panic([user_id.into(), id.into()])
            .to_owned();
        tx.execute(&row).await?;
    }
    Ok(true)
}

/// Ends both memberships of a user in a group: Django's, and one with an end.
async fn remove_member(tx: &Tx, user_id: i32, group_id: i32) -> Result<(), DbErr> {
    let tables = tx.users();
    let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
    let mut query = Query::delete();
    query
        .from_table(Alias::new(&tables.groups))
        .and_where(of_user)
        .and_where(Expr::col("group_id").eq(group_id));
    tx.execute(&query).await?;
    tx.execute_sql(sql!(
        "DELETE FROM palisade_membership WHERE user_id = ? AND group_id = ?",
        user_id,
        group_id
    ))
    .await
    .map(drop)
}

/// A membership with an end.
pub(crate) struct EndingMembership<'a> {
    pub(crate) group: &'a str,
    pub(crate) until: DateTime<Utc>,
    pub(crate) reason: &'a str,
    pub(crate) now: DateTime<Utc>,
}

/// Adds a user to a group until a time. `false` if there is no such group. A membership without an
/// end is replaced.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn join_until(
    tx: &Tx,
    user_id: i32,
    membership: EndingMembership<'_>,
) -> Result<bool, DbErr> {
    let Some(id) = group_id(tx, membership.group).await? else {
        return Ok(false);
    };
    remove_member(tx, user_id, id).await?;
    let reason: String = membership.reason.chars().take(200).collect();
    tx.execute_sql(sql!(
        "INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) VALUES (?, ?, ?, ?, ?)",
        user_id,
        id,
        membership.until.timestamp(),
        membership.now.timestamp(),
        reason
    ))
    .await?;
    Ok(true)
}
