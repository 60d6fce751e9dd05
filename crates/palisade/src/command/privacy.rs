//! `privacy`, `retention` and `user export`: data about users, its retention and its removal.

use super::arguments::{flag, named, parse_time};
use super::erasures;
use super::print::table_of;
use super::subject::{argument, unknown};
use super::{Failed, Outcome};
use crate::app::Site;
use crate::views::Error;
use clap::{Arg, ArgMatches, Command};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

pub(super) fn command() -> Command {
    Command::new("privacy")
        .about("Report what is kept about users and for how long, and repeat erasures after a restore")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("report")
                .about("List every table that refers to users with the part of the site that answers for it, and how long its rows are kept"),
        )
        .subcommand(
            Command::new("erasures")
                .about("Print the list of deleted accounts, to keep beside backups: it names no one")
                .arg(named("since", "TIME", "Only since a date, such as 2027-01-31, or a time with an offset")),
        )
        .subcommand(
            Command::new("erase-again")
                .about("Delete the accounts of such a list in a restored database")
                .arg(Arg::new("file").value_name("FILE").required(true).help("The list; - reads standard input"))
                .arg(flag("plan", "Only count them")),
        )
}

pub(super) fn retention() -> Command {
    Command::new("retention")
        .about("Delete expired personal data")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("run")
                .about("Delete it now, as the running site does every ten minutes")
                .arg(flag("plan", "Only count the rows")),
        )
}

pub(super) fn export() -> Command {
    Command::new("export")
        .about("Write all data about a user as JSON, as the user gets it at /account/export")
        .arg(super::arguments::username())
        .arg(named(
            "out",
            "FILE",
            "A file that does not exist yet; standard output by default",
        ))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("report", _)) => report(site).await,
        Some(("erasures", erasures)) => list_erasures(site, erasures).await,
        Some(("erase-again", erase)) => erase_again(site, erase).await,
        _ => Err(Failed("`privacy --help` lists the commands".into(), 2)),
    }
}

/// `user export`.
pub(super) async fn export_user(site: &Site, matches: &ArgMatches) -> Outcome {
    let name = argument(matches, "username");
    let all = site.accounts().export_by_name(name, &site.sessions).await?;
    let all = all.ok_or_else(|| unknown(name))?;
    let text = format!("{all:#}\n");
    let Some(file) = matches.get_one::<String>("out") else {
        return Ok(text);
    };
    let written = std::fs::File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut open| std::io::Write::write_all(&mut open, text.as_bytes()));
    written.map_err(|error| Failed(format!("{file}: {error}"), 1))?;
    Ok(format!("{file} holds all data about {name}\n"))
}

/// `retention run`.
pub(super) async fn run_retention(site: &Site, matches: &ArgMatches) -> Outcome {
    let is_plan = matches
        .subcommand()
        .is_some_and(|(_, run)| run.get_flag("plan"));
    let mut all = match is_plan {
        true => site.expired_personal_data().await?,
        false => site.expire_personal_data().await?,
    };
    if !is_plan {
        let keep = site.settings().audit.keep();
        let pruned = site.audit.prune(site.database(), keep).await;
        let pruned = pruned.map_err(Error::from)?;
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        all.push(("entries of the audit log", count(pruned.entries)));
        all.push(("personal parts of the audit log", count(pruned.people)));
        all.push((
            "sessions",
            site.sessions.sweep().await.map_err(Error::from)?,
        ));
        site.accounts().sweep().await?;
    }
    let head = if is_plan {
        "ROWS TO DELETE"
    } else {
        "ROWS DELETED"
    };
    let row = |(name, count): &(&str, u64)| [(*name).to_owned(), count.to_string()];
    Ok(table_of(["PART", head], all.iter().map(row).collect()))
}

async fn report(site: &Site) -> Outcome {
    let parts = site.accounts().personal_data();
    let mut rows = Vec::new();
    for reference in site.references_to_users().await.map_err(Error::from)? {
        let table = reference.table;
        let part = parts
            .iter()
            .find(|part| part.tables().contains(&table.as_str()));
        let (name, kept) = match part {
            Some(part) => (part.name().to_owned(), part.kept().to_string()),
            None if is_own(&table, site) => (
                "framework".to_owned(),
                "until the account is deleted".into(),
            ),
            None => (
                "NONE: no part of the site exports and deletes its rows".into(),
                "-".into(),
            ),
        };
        rows.push([table, name, kept]);
    }
    rows.sort();
    rows.dedup();
    let listed = |table: &str| rows.iter().any(|row| row[0] == table);
    let others: Vec<_> = parts
        .iter()
        .flat_map(|part| part.tables().into_iter().map(move |table| (table, part)))
        .filter(|(table, _)| !listed(table))
        .map(|(table, part)| {
            [
                table.to_owned(),
                part.name().to_owned(),
                part.kept().to_string(),
            ]
        })
        .collect();
    rows.extend(others);
    rows.extend(own_rows(site));
    Ok(table_of(["TABLE", "PART", "KEPT"], rows))
}

/// Whether rows are deleted with the account by the framework.
fn is_own(table: &str, site: &Site) -> bool {
    let users = site.database().users();
    table.starts_with("palisade_")
        || table.ends_with("_grant")
        || [users.groups.as_str(), users.permissions.as_str()].contains(&table)
}

/// Tables of the framework with personal data and no foreign key.
fn own_rows(site: &Site) -> Vec<[String; 3]> {
    let settings = site.settings();
    let days = |days: u64| format!("{days} days, or until the account is deleted");
    let audit = &settings.audit;
    let absolute = settings.sessions.absolute_secs.0 / 86_400;
    [
        ("palisade_audit_who", days(audit.keep_personal_days)),
        (
            "palisade_audit",
            format!("{} days, without names and addresses", audit.keep_days),
        ),
        ("django_session", days(absolute)),
        ("palisade_device", "until the account is deleted".into()),
        ("palisade_lock", "until the lock ends".into()),
        ("palisade_mail", "until it is sent, encrypted".into()),
        (
            "palisade_token",
            "until it is used or expires: a day at most".into(),
        ),
        ("palisade_unsent", "half an hour, encrypted".into()),
    ]
    .map(|(table, kept)| [table.to_owned(), "framework".to_owned(), kept])
    .into()
}

async fn list_erasures(site: &Site, matches: &ArgMatches) -> Outcome {
    let since = matches.get_one::<String>("since");
    let since = since.map(|text| parse_time("since", text)).transpose()?;
    site.audit
        .flush(site.database())
        .await
        .map_err(Error::from)?;
    let listed = erasures::list(site.database(), since).await;
    Ok(listed.map_err(Error::from)?)
}

async fn erase_again(site: &Site, matches: &ArgMatches) -> Outcome {
    let file = argument(matches, "file");
    let mut text = String::new();
    let read = match file {
        "-" => std::io::stdin().read_to_string(&mut text),
        file => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failed(format!("{file}: {error}"), 2))?;
    // all are read before the first is deleted
    let listed = erasures::parse(file, &text)?;
    if matches.get_flag("plan") {
        return Ok(format!("{} erasure(s) are listed\n", listed.len()));
    }
    let done = erasures::repeat(site, &listed).await?;
    Ok(format!(
        "{} account(s) were deleted again; {} did not exist; {} id(s) are of other accounts, which \
            stay\n",
        done.erased, done.gone, done.others
    ))
}
