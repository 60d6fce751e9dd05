//! The list of deleted accounts, and its repetition in a restored database.

use super::Failed;
use super::subject::end_sessions;
use crate::app::Site;
use crate::audit_log::{Event, Listed, Wanted, entries};
use crate::auth::Again;
use crate::db::Database;
use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde_json::json;

/// Most erasures of one list.
const MOST: u64 = 100_000;

/// A deleted account: its id, and the mark of its time of sign-up.
pub(super) struct Erasure {
    id: i32,
    mark: String,
}

/// Result of a repetition.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Repeated {
    pub(super) erased: u64,
    pub(super) gone: u64,
    /// Ids that are of other accounts, which stay.
    pub(super) others: u64,
}

/// The deleted accounts of the audit log, a JSON object per line.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn list(
    database: &Database,
    since: Option<DateTime<Utc>>,
) -> Result<String, DbErr> {
    let wanted = Wanted {
        since,
        event: Some(Event::AccountDeleted.name().to_owned()),
        most: MOST,
        ..Wanted::default()
    };
    let all = entries(database, &wanted).await?;
    let line = |entry: &Listed| {
        let id = entry.subject.strip_prefix("user:")?;
        let mark = entry.detail.strip_prefix("erasure ")?;
        Some(json!({ "at": entry.at, "id": id, "mark": mark }).to_string() + "\n")
    };
    Ok(all.iter().filter_map(line).collect())
}

/// Reads such a list. `file` is its name, for the error.
pub(super) fn parse(file: &str, text: &str) -> Result<Vec<Erasure>, Failed> {
    let listed = text.lines().enumerate().map(|(at, line)| {
        parse_line(line).ok_or_else(|| {
            let said = format!(
                "{file}, line {}: write the lines of `privacy erasures`",
                at + 1
            );
            Failed(said, 2)
        })
    });
    listed.collect()
}

fn parse_line(line: &str) -> Option<Erasure> {
    let value: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(Erasure {
        id: value["id"].as_str()?.parse().ok()?,
        mark: value["mark"].as_str()?.to_owned(),
    })
}

/// Deletes the accounts of a list.
pub(super) async fn repeat(site: &Site, listed: &[Erasure]) -> Result<Repeated, Failed> {
    let mut done = Repeated::default();
    for Erasure { id, mark } in listed {
        match site.accounts().erase_again(*id, mark).await? {
            Again::Erased => {
                end_sessions(site, *id).await?;
                done.erased += 1;
            }
            Again::Gone => done.gone += 1,
            Again::Other => done.others += 1,
        }
    }
    Ok(done)
}
