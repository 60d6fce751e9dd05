//! Parts of the commands that rewrite many rows: their progress and their end.

use super::arguments::named;
use super::{Failed, Outcome};
use crate::app::Prepared;
use crate::db::Database;
use crate::encrypted_fields::Rewritten;
use clap::Arg;
use clap::builder::RangedU64ValueParser;
use indicatif::{ProgressBar, ProgressStyle};
use sea_orm::DbErr;

pub(super) fn per_second() -> Arg {
    named("per-second", "ROWS", "Most rows in a second")
        .value_parser(RangedU64ValueParser::<u32>::new().range(1..))
}

pub(super) async fn database(prepared: &Prepared) -> Result<Database, Failed> {
    let said = "the database does not answer, or its migrations have not run\n  fix: run `migrate`";
    prepared
        .ready_database()
        .await
        .ok_or_else(|| Failed(said.into(), 1))
}

pub(super) fn failed(error: DbErr) -> Failed {
    Failed(format!("the database: {error}"), 1)
}

/// A progress bar on a terminal, with a rate; nothing elsewhere.
pub(super) fn bar(rows: u64, name: &str) -> ProgressBar {
    let bar = ProgressBar::new(rows);
    let style = "{msg} {wide_bar} {human_pos}/{human_len} rows, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.set_message(name.to_owned());
    bar
}

pub(super) fn rate(rows: u64, begun: std::time::Instant) -> u64 {
    (rows as f64 / begun.elapsed().as_secs_f64().max(0.001)) as u64
}

pub(super) fn failure(done: &Rewritten) -> Option<String> {
    (done.failed_count > 0).then(|| {
        let more = done.failed_count - done.failed.len() as u64;
        let more = if more > 0 {
            format!("\n  and {more} more")
        } else {
            String::new()
        };
        format!(
            "{} value(s) were left as they are:\n  {}{more}",
            done.failed_count,
            done.failed.join("\n  ")
        )
    })
}

pub(super) fn conclude(said: String, failures: &[String], fix: &str) -> Outcome {
    match failures.is_empty() {
        true => Ok(said),
        false => Err(Failed(
            format!(
                "{said}{}\n  fix: {fix}, and run this again",
                failures.join("\n")
            ),
            1,
        )),
    }
}
