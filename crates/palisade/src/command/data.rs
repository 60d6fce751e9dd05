//! `data status`, `data rotate`, `data reencrypt` and `data retire`: the keys and
//! values of encrypted columns.

use super::arguments::{flag, named};
use super::print::table_of;
use super::rewrite::{bar, conclude, database, failed, failure, per_second, rate};
use super::serve::serves_since_before;
use super::{Failed, Outcome};
use super::{audit, data_encrypt};
use crate::app::{
    Activation, DataKeyFile, Prepared, key_from, keys_by_column, text_of, with_key,
    without_announced,
};
use crate::clock::unix_seconds;
use crate::crypto::{DataKey, DataRing};
use crate::encrypted_fields::{
    ColumnStatus, Pace, forget_key, outdated_rows, reencrypt, status, tables_named, values_of_key,
};
use chrono::{DateTime, Utc};
use clap::{Arg, ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("data")
        .about("Count, re-encrypt and encrypt the values of encrypted columns; rotate their keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("status").about("List the keys, and the values of every encrypted column by key"))
        .subcommand(
            Command::new("rotate")
                .about("Add a key, which encrypts in two days; the running site does so by itself every 90 days (keys.data_days)")
                .arg(flag("at-once", "Encrypt with it at once, where the last key is known to others; then run `data reencrypt`")),
        )
        .subcommand(
            Command::new("reencrypt")
                .about("Re-encrypt values of older keys with the active one, beside the running site; it can be stopped and started again")
                .arg(named("table", "TABLE", "Only one table"))
                .arg(per_second()),
        )
        .subcommand(data_encrypt::command())
        .subcommand(
            Command::new("retire")
                .about("Remove a key; refused while a value needs it")
                .arg(Arg::new("id").value_name("ID").required(true).help("The id, as `data status` lists it"))
                .arg(flag("values-are-lost", "Also where values need a key that is lost: they cannot be decrypted any more")),
        )
}

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("status", _)) => print_status(prepared).await,
        Some(("rotate", rotate)) => {
            let said = add_key(prepared, Activation::from(rotate.get_flag("at-once")))?;
            audit::record_key_change(prepared, "a key of encrypted columns was added").await?;
            Ok(said)
        }
        Some(("reencrypt", arguments)) => reencrypt_all(prepared, arguments).await,
        Some(("encrypt", arguments)) => data_encrypt::run(prepared, arguments).await,
        Some(("retire", arguments)) => {
            let said = retire(prepared, arguments).await?;
            audit::record_key_change(prepared, "a key of encrypted columns was retired").await?;
            Ok(said)
        }
        _ => Err(Failed(
            "data status, rotate, reencrypt, encrypt or retire".into(),
            2,
        )),
    }
}

fn time(seconds: u64) -> String {
    let time = DateTime::<Utc>::from_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX), 0);
    time.map_or_else(
        || "-".into(),
        |time| time.format("%Y-%m-%d %H:%M").to_string(),
    )
}

async fn print_status(prepared: &Prepared) -> Outcome {
    let database = database(prepared).await?;
    let ring = database.fields().ring().map_err(failed)?;
    let columns = status(&database).await.map_err(failed)?;
    let now = database.fields().now();
    let keys = ring.keys().iter().enumerate().map(|(at, key)| {
        let values: u64 = columns.iter().map(|column| column.by_key[at]).sum();
        [
            key.id().to_owned(),
            state_of(&ring, key, now).to_owned(),
            time(key.active_from()),
            time(key.retires_at()),
            values.to_string(),
        ]
    });
    let mut said = table_of(
        ["KEY", "STATE", "ACTIVE FROM", "RETIRES", "VALUES"],
        keys.collect(),
    );
    let rows = columns.iter().map(|column| values_row(&ring, now, column));
    said.push('\n');
    said.push_str(&table_of(
        [
            "COLUMN",
            "ACTIVE KEY",
            "OLDER KEYS",
            "KEYS OF USERS",
            "OTHERS",
        ],
        rows.collect(),
    ));
    let others: u64 = columns.iter().map(|column| column.others).sum();
    if others > 0 {
        said.push_str(&format!("\n{others} value(s) are not encrypted with a key of this site: `data encrypt` encrypts a column, and a lost key has to be restored.\n"));
    }
    let framework = keys_by_column(&database, prepared).await;
    let framework = framework.map_err(failed)?;
    let rows = framework.into_iter().map(|(column, newest, older, lost)| {
        [
            column,
            newest.to_string(),
            older.to_string(),
            lost.to_string(),
        ]
    });
    said.push_str("\nEncrypted with the secret keys of the site (`keys reencrypt`):\n");
    said.push_str(&table_of(
        ["COLUMN", "NEWEST KEY", "OLDER KEYS", "LOST KEYS"],
        rows.collect(),
    ));
    Ok(said)
}

fn state_of(ring: &DataRing, key: &DataKey, now: u64) -> &'static str {
    match key {
        _ if ring.active(now).id() == key.id() => "active",
        key if key.active_from() > now => "next",
        _ => "older",
    }
}

fn values_row(ring: &DataRing, now: u64, column: &ColumnStatus) -> [String; 5] {
    let active = ring
        .keys()
        .iter()
        .position(|key| key.id() == ring.active(now).id());
    let active = column.by_key[active.unwrap_or_default()];
    let older = column.by_key.iter().sum::<u64>() - active;
    [
        format!("{}.{}", column.table, column.column),
        active.to_string(),
        older.to_string(),
        column.of_users.to_string(),
        column.others.to_string(),
    ]
}

fn add_key(prepared: &Prepared, activation: Activation) -> Outcome {
    let settings = prepared.settings();
    let now = unix_seconds(Utc::now());
    let key = key_from(now, settings.keys.data_days, activation);
    let from = time(key.active_from());
    if settings.keys.data.is_some() {
        let ring = DataRing::new(vec![key]).map_err(|error| Failed(error.to_string(), 1))?;
        let text = text_of(&ring);
        return Ok(format!(
            "{}\nAdd this key to keys.data, and restart every instance before {from} UTC.\n",
            &*text
        ));
    }
    let (id, file) = (key.id().to_owned(), DataKeyFile::of(settings));
    let changed = file.change(|known| {
        let known = match activation {
            Activation::AtOnce => without_announced(known?, now),
            Activation::Announced => known?.clone(),
        };
        Some(with_key(&known, key))
    });
    let shown = file.path().display();
    match changed.map_err(|why| Failed(why, 1))? {
        None => Err(Failed(
            format!("{shown} does not exist; `keys new` writes the first key"),
            1,
        )),
        Some(_) if activation == Activation::AtOnce => Ok(format!(
            "{shown} has the key {id}, which encrypts from now on. Restart every instance now: until then it cannot read what others write. Then run `data reencrypt`, and `data retire` for the last key.\n"
        )),
        Some(_) => Ok(format!(
            "{shown} has the key {id}, which encrypts from {from} UTC on. Running instances read it within ten minutes.\n"
        )),
    }
}

async fn reencrypt_all(prepared: &Prepared, arguments: &ArgMatches) -> Outcome {
    let database = database(prepared).await?;
    let name = arguments.get_one::<String>("table").map(String::as_str);
    let tables = tables_named(&database, name);
    if tables.is_empty() {
        let name = name.unwrap_or_default();
        return Err(Failed(
            format!("no table {name:?} has encrypted columns: `data status` lists them"),
            1,
        ));
    }
    let (mut said, mut failures) = (String::new(), Vec::new());
    for table in tables {
        let rows = outdated_rows(&database, &table).await.map_err(failed)?;
        let (bar, begun) = (bar(rows, table.table), std::time::Instant::now());
        let mut pace = Pace {
            per_second: arguments.get_one("per-second").copied(),
            report: &mut |rows| bar.inc(rows),
        };
        let done = reencrypt(&database, &table, &mut pace)
            .await
            .map_err(failed)?;
        bar.finish_and_clear();
        said.push_str(&format!(
            "{}: {} row(s) re-encrypted, {} in a second\n",
            table.table,
            done.rows,
            rate(done.rows, begun)
        ));
        failures.extend(failure(&done));
    }
    conclude(said, &failures, "restore the keys that encrypted them")
}

async fn retire(prepared: &Prepared, arguments: &ArgMatches) -> Outcome {
    let database = database(prepared).await?;
    let id = arguments.get_one::<String>("id").map_or("", String::as_str);
    let ring = database.fields().ring().map_err(failed)?;
    let now = database.fields().now();
    if ring.active(now).id() == id {
        return Err(Failed(
            format!("{id} is the active key; `data rotate` adds a newer one"),
            1,
        ));
    }
    refuse_before_refresh(prepared, &ring, now)?;
    let needed = values_of_key(&database, id).await.map_err(failed)?;
    let is_on_ring = ring.key(id).is_some();
    let may_lose = arguments.get_flag("values-are-lost") && !is_on_ring;
    if !needed.is_empty() && !may_lose {
        let needed: Vec<String> = needed
            .iter()
            .map(|(column, count)| format!("{column}: {count}"))
            .collect();
        let fix = match is_on_ring {
            true => "run `data reencrypt` first",
            false => {
                "restore the key from a copy of data.keys; if it is lost, add --values-are-lost"
            }
        };
        return Err(Failed(
            format!(
                "{id} is needed by values that it has encrypted ({})\n  fix: {fix}",
                needed.join(", ")
            ),
            1,
        ));
    }
    let file = DataKeyFile::of(prepared.settings());
    let in_file = is_on_ring && prepared.settings().keys.data.is_none();
    if in_file {
        file.change(|known| without_key(known?, id))
            .map_err(|why| Failed(why, 1))?;
    }
    // a value that was written meanwhile
    let late = values_of_key(&database, id).await.map_err(failed)?;
    if let (Some(key), false, true) = (ring.key(id), late.is_empty(), in_file) {
        file.change(|known| Some(with_key(known?, key.clone())))
            .map_err(|why| Failed(why, 1))?;
        let said = "values were encrypted with it meanwhile, so it was put back\n  fix: run `data reencrypt`, and try again";
        return Err(Failed(format!("{id}: {said}"), 1));
    }
    let noted = forget_key(&database, id).await.map_err(failed)?;
    match (is_on_ring, in_file, noted) {
        (true, false, _) => Ok(format!(
            "No value needs {id}: remove it from keys.data, and restart the site.\n"
        )),
        (true, true, _) => Ok(format!("{id} is removed from {}.\n", file.path().display())),
        (false, _, 0) => Err(Failed(format!("there is no key {id}"), 1)),
        (false, ..) => Ok(format!("{id} is not expected any more.\n")),
    }
}

fn without_key(ring: &DataRing, id: &str) -> Option<DataRing> {
    let keys = ring.keys().iter().filter(|key| key.id() != id).cloned();
    DataRing::new(keys.collect()).ok()
}

/// A running site may write with the last key until it has read the file, which it does every ten
/// minutes.
fn refuse_before_refresh(prepared: &Prepared, ring: &DataRing, now: u64) -> Result<(), Failed> {
    let settings = prepared.settings();
    let file = DataKeyFile::of(settings);
    let is_recent = now.saturating_sub(ring.active(now).active_from()) < 3600;
    if is_recent && serves_since_before(settings.data(), file.path()) {
        let said = "the running site may still encrypt with the last key\n  fix: restart it, or wait for an hour after the activation of the newest key";
        return Err(Failed(said.into(), 1));
    }
    Ok(())
}
