//! `django_admin_log`: Django's admin shows the changes of this one, and this one those of Django's.

use super::entry::Entry;
use super::transaction::{NewChange, Work};
use crate::db::{Db, RawSql};
use crate::sql;
use crate::views::Result;
use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use serde_json::json;

/// A line of Django's log.
pub(crate) struct Line {
    pub(crate) at: DateTime<Utc>,
    pub(crate) user: i32,
    pub(crate) label: String,
    pub(crate) verb: &'static str,
    pub(crate) message: String,
}

/// A query with a row if the table exists.
fn table(backend: DbBackend) -> RawSql {
    match backend {
        DbBackend::Postgres => {
            sql!("SELECT 1::bigint WHERE to_regclass('django_admin_log') IS NOT NULL")
        }
        _ => sql!("SELECT 1 FROM sqlite_master WHERE name = 'django_admin_log'"),
    }
}

/// Writes the change as Django writes one.
pub(crate) async fn write(work: &Work<'_>, change: &NewChange<'_>) -> Result<()> {
    let look = async || -> Result<bool, DbErr> {
        let found: Option<(i64,)> = work
            .tx
            .fetch_one(table(work.site.database.backend()))
            .await?;
        Ok(found.is_some())
    };
    let has_log = *work.site.has_django_log.get_or_try_init(look).await?;
    let (Some(user), true) = (work.actor.id(), has_log) else {
        return Ok(());
    };
    let entry = work.entry;
    let content_type = sql!(
        "SELECT CAST(id AS bigint) FROM django_content_type WHERE app_label = ? AND model = ?",
        entry.app,
        entry.model.replace('_', "")
    );
    let found: Option<(i64,)> = work.tx.fetch_one(content_type).await?;
    let (flag, message) = match change.verb {
        "add" | "restore" => (1, json!([{"added": {}}])),
        "delete" | "purge" => (3, json!([])),
        _ => (2, json!([{"changed": {"fields": labels(entry, change)}}])),
    };
    let label: String = change.label.chars().take(200).collect();
    work.tx
        .execute_sql(sql!(
            "INSERT INTO django_admin_log (action_time, object_id, object_repr, action_flag, change_message, content_type_id, user_id) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
            work.site.now(),
            change.key,
            label,
            flag,
            if flag == 3 { String::new() } else { message.to_string() },
            found.and_then(|(id,)| i32::try_from(id).ok()),
            user
        ))
        .await?;
    Ok(())
}

/// The labels of changed fields, as Django names them.
fn labels(entry: &Entry, change: &NewChange<'_>) -> Vec<String> {
    let label = |name: &String| {
        entry
            .column(name)
            .map_or(name.clone(), |column| column.spec.label.to_owned())
    };
    change.diff.names().iter().map(label).collect()
}

/// The lines of a row that Django's admin wrote, the newest first: those of this admin stand in its
/// own history.
pub(crate) async fn lines(db: &Db, entry: &Entry, key: &str) -> Result<Vec<Line>, DbErr> {
    let known = table(db.get_database_backend());
    if db.fetch_one::<(i64,)>(known).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows: Vec<(DateTime<Utc>, i64, String, i64, String)> = db
        .fetch_all(sql!(
            "SELECT l.action_time, CAST(l.user_id AS bigint), l.object_repr, CAST(l.action_flag AS bigint), l.change_message \
             FROM django_admin_log l JOIN django_content_type t ON t.id = l.content_type_id \
             WHERE t.app_label = ? AND t.model = ? AND l.object_id = ? ORDER BY l.id DESC LIMIT 50",
            entry.app,
            entry.model.replace('_', ""),
            key
        ))
        .await?;
    let line = |(at, user, label, flag, message)| Line {
        at,
        user: i32::try_from(user).unwrap_or_default(),
        label,
        verb: match flag {
            1 => "add",
            3 => "delete",
            _ => "change",
        },
        message,
    };
    Ok(rows.into_iter().map(line).collect())
}
