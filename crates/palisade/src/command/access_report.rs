//! `user access-report`: who holds which permission, why, and since when it is unused.

use super::arguments::{flag, named};
use super::print::table_of;
use super::{Failed, Outcome};
use crate::app::Site;
use crate::permissions::report::AccessRow;
use crate::views::Error;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::ArgMatches;
use clap::Command;
use clap::builder::PossibleValuesParser;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Its command line.
pub(super) fn command() -> Command {
    let format = named("format", "FORMAT", "table, csv or json")
        .value_parser(PossibleValuesParser::new(["table", "csv", "json"]));
    Command::new("access-report")
        .about("Report users, permissions, sources and last uses, with findings")
        .arg(format)
        .arg(flag(
            "save",
            "Store the report, to compare later ones with it",
        ))
        .arg(named(
            "against",
            "DAY",
            "Print the difference from the report of a day instead, such as 2026-11-01",
        ))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    let (rows, findings) = site.access_report().await?;
    if let Some(day) = matches.get_one::<String>("against") {
        return compare(site, &rows, parse_day(day)?).await;
    }
    if matches.get_flag("save") {
        site.save_access_report(&rows).await?;
    }
    Ok(
        match matches.get_one::<String>("format").map(String::as_str) {
            Some("json") => format!("{:#}\n", json!({ "rows": rows, "findings": findings })),
            Some("csv") => csv(&rows),
            _ => table(&rows, &findings),
        },
    )
}

fn cells(row: &AccessRow) -> [String; 5] {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    [
        row.user.clone(),
        row.permission.clone(),
        row.source.clone(),
        or_none(&row.until),
        or_none(&row.last_use),
    ]
}

const COLUMNS: [&str; 5] = ["USER", "PERMISSION", "SOURCE", "UNTIL", "LAST USE"];

fn table(rows: &[AccessRow], findings: &[String]) -> String {
    let mut text = table_of(COLUMNS, rows.iter().map(cells).collect());
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        let _ = writeln!(text, "note: {finding}");
    }
    text
}

/// Comma-separated values ([RFC 4180](https://www.rfc-editor.org/rfc/rfc4180)).
fn csv(rows: &[AccessRow]) -> String {
    let header = COLUMNS.map(str::to_lowercase);
    let lines = std::iter::once(header).chain(rows.iter().map(cells));
    lines.fold(String::new(), |mut text, cells| {
        let _ = write!(text, "{}\r\n", cells.map(|cell| quote(&cell)).join(","));
        text
    })
}

/// A quoted value. A spreadsheet runs a value that begins with one of these characters as a formula.
fn quote(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell != "-";
    let prefix = if formula { "'" } else { "" };
    format!("\"{prefix}{}\"", cell.replace('"', "\"\""))
}

fn parse_day(text: &str) -> Result<DateTime<Utc>, Failed> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
    let end = day.and_then(|day| (day + TimeDelta::days(1)).and_hms_opt(0, 0, 0));
    let end = end.map(|end| end.and_utc() - TimeDelta::seconds(1));
    end.ok_or_else(|| {
        Failed(
            format!("--against {text}: write a day, such as 2026-11-01"),
            2,
        )
    })
}

/// The difference from the newest report that was stored until the end of a day.
async fn compare(site: &Site, rows: &[AccessRow], until: DateTime<Utc>) -> Outcome {
    let stored = crate::permissions::report::stored(&site.database().handle(), until).await;
    let Some((taken, before)) = stored.map_err(Error::from)? else {
        let said = "no report was stored until then: `user access-report --save` stores one, and a \
                    running site does every week";
        return Err(Failed(said.into(), 1));
    };
    let key = |row: &AccessRow| {
        let end = row
            .until
            .as_ref()
            .map_or_else(String::new, |end| format!(" until {end}"));
        (
            row.user.clone(),
            row.permission.clone(),
            format!("{}{end}", row.source),
        )
    };
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (
        before.iter().map(key).collect(),
        rows.iter().map(key).collect(),
    );
    let mut text = format!("since {}:\n", taken.format("%Y-%m-%d %H:%M UTC"));
    for (sign, (user, permission, source)) in new
        .difference(&old)
        .map(|row| ('+', row))
        .chain(old.difference(&new).map(|row| ('-', row)))
    {
        let _ = writeln!(text, "{sign} {user} {permission} ({source})");
    }
    if old == new {
        text.push_str("no difference\n");
    }
    Ok(text)
}
