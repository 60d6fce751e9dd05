use crate::auth::User;
use crate::db::{Database, FromRow};
use crate::sql;
use sea_orm::DbErr;
use std::collections::HashSet;

/// The permissions of a user, own and by groups, as `app.codename`. A superuser has them all without any being listed.
///
/// # Errors
/// When the database does not answer.
pub async fn of_user(database: &Database, user: &User) -> Result<HashSet<String>, DbErr> {
    let rows: Vec<(String, String)> = database
        .handle()
        .fetch_all(sql!(
            "SELECT type.app_label, permission.codename FROM auth_permission permission \
             JOIN django_content_type type ON type.id = permission.content_type_id \
             WHERE permission.id IN (SELECT permission_id FROM auth_user_user_permissions WHERE user_id = ?) \
             OR permission.id IN (SELECT link.permission_id FROM auth_group_permissions link \
                JOIN auth_user_groups membership ON membership.group_id = link.group_id WHERE membership.user_id = ?)",
            user.id,
            user.id
        ))
        .await?;
    Ok(rows.into_iter().map(|(app, codename)| format!("{app}.{codename}")).collect())
}

/// Whether a user is in one of these groups.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn is_member(database: &Database, user: &User, groups: &[String]) -> Result<bool, DbErr> {
    let rows: Vec<(String,)> = database
        .handle()
        .fetch_all(sql!(
            "SELECT name FROM auth_group WHERE id IN (SELECT group_id FROM auth_user_groups WHERE user_id = ?)",
            user.id
        ))
        .await?;
    Ok(rows.iter().any(|(name,)| groups.contains(name)))
}

/// Makes the rows of a site's permissions where they are missing. The content type is the app itself, model `site`.
///
/// # Errors
/// When the database does not answer.
pub async fn ensure(database: &Database, permissions: &[(&'static str, &'static str)]) -> Result<(), DbErr> {
    for (permission, name) in permissions {
        let Some((app, codename)) = permission.split_once('.') else {
            continue;
        };
        let known: Option<(i32,)> = find(database, app, codename).await?;
        if known.is_some() {
            continue;
        }
        let tx = database.begin().await?;
        tx.execute_sql(sql!("INSERT INTO django_content_type (app_label, model) VALUES (?, 'site') ON CONFLICT DO NOTHING", app))
            .await?;
        tx.execute_sql(sql!(
            "INSERT INTO auth_permission (content_type_id, codename, name) \
             SELECT id, ?, ? FROM django_content_type WHERE app_label = ? AND model = 'site' ON CONFLICT DO NOTHING",
            codename,
            *name,
            app
        ))
        .await?;
        tx.commit().await?;
    }
    Ok(())
}

async fn find<T: FromRow>(database: &Database, app: &str, codename: &str) -> Result<Option<T>, DbErr> {
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
