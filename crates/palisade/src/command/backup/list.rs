//! `backup list`.

use super::conclude;
use super::place::Place;
use crate::app::Prepared;
use crate::backups::{BackupError, BackupName, Part, recorded};
use crate::clock::{Clock, SystemClock};
use crate::command::Outcome;
use crate::command::print::table_of;
use chrono::{DateTime, Utc};
use clap::ArgMatches;
use serde_json::json;
use std::collections::BTreeMap;

/// A backup in a place.
struct Row {
    name: BackupName,
    bytes: u64,
    verified: Option<DateTime<Utc>>,
}

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let place = Place::of(prepared.settings(), matches, "in")?;
    let verified = match prepared.ready_database().await {
        Some(database) => recorded(&database).await.map_err(BackupError::from)?,
        None => BTreeMap::new(),
    };
    let mut rows = Vec::new();
    for (name, part) in place.backups().await? {
        if part != Part::Data {
            continue;
        }
        let object = name.part(part);
        let object = object.ok_or_else(|| BackupError::new("this is no name of a backup"))?;
        let bytes = place
            .storage
            .length(&object)
            .await
            .map_err(BackupError::from)?;
        let at = verified
            .get(&name.to_string())
            .copied()
            .filter(|at| *at > 0);
        let verified = at.and_then(|at| DateTime::from_timestamp(at, 0));
        rows.push(Row {
            name,
            bytes,
            verified,
        });
    }
    rows.sort_by(|one, other| other.name.cmp(&one.name));
    conclude(matches, (as_json(&place, &rows), as_text(&place, &rows)))
}

fn as_json(place: &Place, rows: &[Row]) -> serde_json::Value {
    let row = |row: &Row| {
        json!({
            "name": row.name.to_string(), "at": row.name.at.to_rfc3339(), "bytes": row.bytes,
            "verified": row.verified.map(|at| at.to_rfc3339()),
        })
    };
    json!({ "place": place.shown, "backups": rows.iter().map(row).collect::<Vec<_>>() })
}

fn as_text(place: &Place, rows: &[Row]) -> String {
    if rows.is_empty() {
        return format!("There are no backups in {}.\n", place.shown);
    }
    let now = SystemClock.now();
    let row = |row: &Row| {
        let verified = row.verified.map(|at| at.format("%Y-%m-%d").to_string());
        let hours = (now - row.name.at).num_hours();
        let age = match hours {
            0..48 => format!("{hours} h"),
            _ => format!("{} d", hours / 24),
        };
        [
            row.name.to_string(),
            age,
            row.bytes.to_string(),
            verified.unwrap_or_else(|| "no".into()),
        ]
    };
    table_of(
        ["BACKUP", "AGE", "BYTES", "VERIFIED"],
        rows.iter().map(row).collect(),
    )
}
