use super::entry::user;
use super::tables::{entries, people};
use crate::db::Database;
use chrono::{DateTime, SecondsFormat, Utc};
use sea_orm::sea_query::{Condition, Query};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use std::collections::HashMap;

/// Which entries are listed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) event: Option<String>,
    /// Id and name of a user.
    pub(crate) user: Option<(Option<i32>, String)>,
    /// Only entries with smaller numbers.
    pub(crate) before: Option<i64>,
    /// The most entries, of the latest.
    pub(crate) most: u64,
}

/// An entry with its personal part, if that was not erased.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Listed {
    pub(crate) seq: i64,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) event: String,
    pub(crate) severity: String,
    pub(crate) outcome: String,
    pub(crate) actor: String,
    pub(crate) subject: String,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) route: String,
    pub(crate) request: String,
    pub(crate) detail: String,
    pub(crate) is_erased: bool,
}

/// The latest entries that are wanted, the oldest of them first.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn entries(database: &Database, wanted: &Wanted) -> Result<Vec<Listed>, DbErr> {
    let db = database.handle();
    let mut rows = entries::Entity::find()
        .filter(condition(wanted))
        .order_by_desc(entries::Column::Seq)
        .limit(wanted.most)
        .all(&db)
        .await?;
    rows.reverse();
    let seqs = rows.iter().map(|row| row.seq);
    let parts = people::Entity::find().filter(people::Column::Seq.is_in(seqs));
    let parts = parts.all(&db).await?.into_iter();
    let mut parts: HashMap<i64, people::Model> = parts.map(|part| (part.seq, part)).collect();
    Ok(rows
        .into_iter()
        .map(|row| {
            let part = parts.remove(&row.seq);
            listed(row, part)
        })
        .collect())
}

fn condition(wanted: &Wanted) -> Condition {
    let since = wanted
        .since
        .map(|since| entries::Column::At.gte(since.timestamp_micros()));
    let event = wanted
        .event
        .as_deref()
        .map(|event| entries::Column::Event.eq(event));
    let before = wanted.before.map(|before| entries::Column::Seq.lt(before));
    let all = Condition::all().add_option(before);
    all.add_option(since)
        .add_option(event)
        .add_option(wanted.user.as_ref().map(|(id, name)| of_user(*id, name)))
}

/// Entries by, about, or under the name of a user.
fn of_user(id: Option<i32>, name: &str) -> Condition {
    let named = Query::select()
        .column(people::Column::Seq)
        .from(people::Entity)
        .and_where(people::Column::Name.eq(name))
        .take();
    let any = Condition::any().add(entries::Column::Seq.in_subquery(named));
    match id.map(user) {
        Some(user) => any
            .add(entries::Column::Actor.eq(user.as_str()))
            .add(entries::Column::Subject.eq(user.as_str())),
        None => any,
    }
}

fn listed(row: entries::Model, part: Option<people::Model>) -> Listed {
    let is_erased = part.is_none() && !row.who.is_empty();
    let at = DateTime::from_timestamp_micros(row.at).unwrap_or_default();
    let (name, address, agent) = part
        .map(|part| (part.name, part.address, part.agent))
        .unwrap_or_default();
    Listed {
        seq: row.seq,
        at: at.to_rfc3339_opts(SecondsFormat::Micros, true),
        event: row.event,
        severity: row.severity,
        outcome: row.outcome,
        actor: row.actor,
        subject: row.subject,
        name,
        address,
        agent,
        route: row.route,
        request: row.request,
        detail: row.detail,
        is_erased,
    }
}
