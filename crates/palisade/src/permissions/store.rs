use crate::auth::{RightChange, User};
use crate::db::{Database, FromRow, Tx};
use crate::django::UserTables;
use crate::sql;
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::HashSet;

/// The permissions of a user, own and by groups, as `app.codename`. Those of a superuser are not
/// listed.
///
/// # Errors
/// When the database does not answer.
pub async fn of_user(database: &Database, user: &User) -> Result<HashSet<String>, DbErr> {
    let tables = database.users();
    let own = Query::select()
        .column("permission_id")
        .from(Alias::new(&tables.permissions))
        .and_where(Expr::col(Alias::new(&tables.column)).eq(user.id))
        .to_owned();
    let of_groups = Query::select()
        .column("permission_id")
        .from("auth_group_permissions")
        .and_where(Expr::col("group_id").in_subquery(groups_of(tables, user)))
        .to_owned();
    let id = || Expr::col(("auth_permission", "id"));
    let all = Query::select()
        .column(("django_content_type", "app_label"))
        .column(("auth_permission", "codename"))
        .from("auth_permission")
        .inner_join(
            "django_content_type",
            Expr::col(("django_content_type", "id")).equals(("auth_permission", "content_type_id")),
        )
        .cond_where(
            Cond::any()
                .add(id().in_subquery(own))
                .add(id().in_subquery(of_groups)),
        )
        .to_owned();
    let rows = database.handle().query_all(&all).await?;
    let named =
        |row| <(String, String)>::from_row(row).map(|(app, codename)| format!("{app}.{codename}"));
    rows.iter().map(named).collect()
}

fn groups_of(tables: &UserTables, user: &User) -> SelectStatement {
    Query::select()
        .column("group_id")
        .from(Alias::new(&tables.groups))
        .and_where(Expr::col(Alias::new(&tables.column)).eq(user.id))
        .to_owned()
}

/// Whether a user is in one of these groups.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn is_member(
    database: &Database,
    user: &User,
    groups: &[String],
) -> Result<bool, DbErr> {
    let theirs = Expr::col("id").in_subquery(groups_of(database.users(), user));
    let named = Expr::col("name").is_in(groups.iter().map(String::as_str));
    let query = Query::select()
        .column("name")
        .from("auth_group")
        .and_where(theirs)
        .and_where(named)
        .limit(1)
        .to_owned();
    Ok(database.handle().query_one(&query).await?.is_some())
}

/// Creates the missing rows of a site's permissions. The content type is the app, with model
/// `site`.
///
/// # Errors
/// When the database does not answer.
pub async fn ensure(
    database: &Database,
    permissions: &[(&'static str, &'static str)],
) -> Result<(), DbErr> {
    for (permission, name) in permissions {
        let Some((app, codename)) = permission.split_once('.') else {
            continue;
        };
        let known: Option<(i32,)> = find(database, app, codename).await?;
        if known.is_some() {
            continue;
        }
        let insert = async |tx: &Tx| {
            tx.execute_sql(sql!(
                "INSERT INTO django_content_type (app_label, model) VALUES (?, \
                'site') ON CONFLICT DO NOTHING",
                app
            ))
            .await?;
            tx.execute_sql(sql!(
                "INSERT INTO auth_permission (content_type_id, codename, name) \
                 SELECT id, ?, ? FROM django_content_type WHERE app_label = ? AND model = 'site' ON CONFLICT DO NOTHING",
                codename,
                *name,
                app
            ))
            .await
        };
        database.write(insert).await?;
    }
    Ok(())
}

/// Deletes the rows of a site's permissions, their assignments, and the site's empty content types.
/// Those of Django's models stay.
///
/// # Errors
/// When the database does not answer.
pub async fn forget(
    database: &Database,
    permissions: &[(&'static str, &'static str)],
) -> Result<(), DbErr> {
    let tables = database.users().clone();
    for (permission, _) in permissions {
        let Some((app, codename)) = permission.split_once('.') else {
            continue;
        };
        let Some((id,)) = find_own(database, app, codename).await? else {
            continue;
        };
        let delete = async |tx: &Tx| {
            for link in ["auth_group_permissions", tables.permissions.as_str()] {
                let of_it = Expr::col("permission_id").eq(id);
                tx.execute(
                    &Query::delete()
                        .from_table(Alias::new(link))
                        .and_where(of_it)
                        .to_owned(),
                )
                .await?;
            }
            tx.execute_sql(sql!("DELETE FROM auth_permission WHERE id = ?", id))
                .await?;
            tx.execute_sql(sql!(
            "DELETE FROM django_content_type WHERE app_label = ? AND model = 'site' \
             AND NOT EXISTS (SELECT 1 FROM auth_permission WHERE content_type_id = django_content_type.id)",
            app
        ))
        .await
        };
        database.write(delete).await?;
    }
    Ok(())
}

/// The row of a permission, if it was created here: those of Django's models belong to Django.
async fn find_own(database: &Database, app: &str, codename: &str) -> Result<Option<(i32,)>, DbErr> {
    database
        .handle()
        .fetch_one(sql!(
            "SELECT permission.id FROM auth_permission permission JOIN django_content_type type ON type.id = permission.content_type_id \
             WHERE type.app_label = ? AND type.model = 'site' AND permission.codename = ?",
            app,
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
pub(crate) async fn grant(
    database: &Database,
    tx: &Tx,
    user_id: i32,
    permission: &str,
) -> Result<bool, DbErr> {
    let Some((id,)) = by_name(database, permission).await? else {
        return Ok(false);
    };
    let tables = database.users();
    revoke_id(tx, tables, user_id, id).await?;
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
pub(crate) async fn revoke(
    database: &Database,
    tx: &Tx,
    user_id: i32,
    permission: &str,
) -> Result<bool, DbErr> {
    let Some((id,)) = by_name(database, permission).await? else {
        return Ok(false);
    };
    revoke_id(tx, database.users(), user_id, id)
        .await
        .map(|()| true)
}

async fn revoke_id(
    tx: &Tx,
    tables: &UserTables,
    user_id: i32,
    permission_id: i32,
) -> Result<(), DbErr> {
    let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
    let mut query = Query::delete();
    query
        .from_table(Alias::new(&tables.permissions))
        .and_where(of_user)
        .and_where(Expr::col("permission_id").eq(permission_id));
    tx.execute(&query).await.map(drop)
}

async fn by_name(database: &Database, permission: &str) -> Result<Option<(i32,)>, DbErr> {
    match permission.split_once('.') {
        Some((app, codename)) => find(database, app, codename).await,
        None => Ok(None),
    }
}

/// Adds a user to a group, or removes them. `false` if there is no such group.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn set_member(
    database: &Database,
    tx: &Tx,
    user_id: i32,
    (group, change): (&str, RightChange),
) -> Result<bool, DbErr> {
    let found: Option<(i32,)> = database
        .handle()
        .fetch_one(sql!("SELECT id FROM auth_group WHERE name = ?", group))
        .await?;
    let Some((id,)) = found else { return Ok(false) };
    let tables = database.users();
    let of_user = Expr::col(Alias::new(&tables.column)).eq(user_id);
    let mut out = Query::delete();
    out.from_table(Alias::new(&tables.groups))
        .and_where(of_user)
        .and_where(Expr::col("group_id").eq(id));
    tx.execute(&out).await?;
    if change == RightChange::Grant {
        let row = Query::insert()
            .into_table(Alias::new(&tables.groups))
            .columns([Alias::new(&tables.column), Alias::new("group_id")])
            .values_panic([user_id.into(), id.into()])
            .to_owned();
        tx.execute(&row).await?;
    }
    Ok(true)
}
