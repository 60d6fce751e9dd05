use super::{Failed, Format, Outcome, print};
use crate::app::Site;
use crate::audit_log::{self, Entry, Event};
use crate::auth::{Lock, LockFilter};
use chrono::DateTime;
use clap::ArgMatches;
use serde_json::{Value, json};

/// `lockout list`, `lockout clear`.
pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("list", list)) => {
            show(
                site,
                text(list, "containing").unwrap_or_default(),
                Format::parse(list),
            )
            .await
        }
        Some(("clear", clear)) => lift(site, clear).await,
        _ => Err(Failed("lockout list or lockout clear".into(), 2)),
    }
}

async fn show(site: &Site, containing: &str, format: Format) -> Outcome {
    let locks = site.accounts().locks(containing).await?;
    if format == Format::Json {
        return Ok(format!(
            "{:#}\n",
            Value::Array(locks.iter().map(as_json).collect())
        ));
    }
    if locks.is_empty() {
        return Ok("no active locks\n".into());
    }
    let row = |lock: &Lock| {
        [
            lock.kind.clone(),
            lock.username.clone(),
            lock.address.clone(),
            time(lock.since),
            time(lock.until),
            lock.agent.clone(),
        ]
    };
    Ok(print::table_of(
        ["COUNTED BY", "NAME", "ADDRESS", "SINCE", "UNTIL", "BROWSER"],
        locks.iter().map(row).collect(),
    ))
}

async fn lift(site: &Site, matches: &ArgMatches) -> Outcome {
    let which = match (text(matches, "user"), text(matches, "address")) {
        (Some(name), _) => LockFilter::User(name),
        (None, Some(address)) => LockFilter::Address(address),
        (None, None) => LockFilter::All,
    };
    let count = site.accounts().lift(which).await?;
    if count > 0 {
        let lifted = Entry::new(Event::LockLifted).detail(format!("{count} locks"));
        audit_log::record(lifted);
    }
    Ok(match count {
        0 => "no such lock; `lockout list` shows the active ones\n".into(),
        1 => "lifted 1 lock\n".into(),
        many => format!("lifted {many} locks\n"),
    })
}

fn as_json(lock: &Lock) -> Value {
    json!({
        "counted_by": lock.kind, "username": lock.username, "address": lock.address, "agent": lock.agent,
        "since": time(lock.since), "until": time(lock.until),
    })
}

fn time(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .unwrap_or_default()
        .to_rfc3339()
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a str> {
    matches.get_one::<String>(name).map(String::as_str)
}
