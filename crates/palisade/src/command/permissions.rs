//! `permissions`: explanations of decisions.

use super::arguments::{flag, username};
use super::subject::{argument, unknown};
use super::{Failed, Outcome};
use crate::app::{Prepared, Site};
use crate::audit_log::{Entry, Event, record_in};
use crate::clock::SystemClock;
use crate::db::Tx;
use crate::permissions::{Access, Actor, Verb};
use crate::views::Error;
use clap::ArgMatches;
use clap::{Arg, Command};
use http::{Method, Request};
use std::fmt::Write;
use std::str::FromStr;
use std::sync::Arc;

/// Its command line.
pub(super) fn command() -> Command {
    let question = Arg::new("question")
        .value_name("METHOD PATH | VERB ENTITY ID")
        .num_args(2..=3)
        .required(true)
        .help("A request, such as GET /tickets/7, or a verb on a row, such as change ticket 7");
    Command::new("permissions")
        .about("Explain decisions of authorization")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("explain")
                .about("Print each condition of a route or of a row's policy, with its truth for a user")
                .arg(username())
                .arg(question),
        )
        .subcommand(
            Command::new("sync")
                .about("Print how the groups differ from the declared roles")
                .arg(flag("write", "Change the groups")),
        )
}

pub(super) async fn run(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("explain", explain)) => explain_decision(prepared, explain).await,
        Some(("sync", sync)) => sync_roles(&prepared, Sync::parse(sync)).await,
        _ => Err(Failed("`permissions --help` lists the commands".into(), 2)),
    }
}

async fn explain_decision(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    let username = argument(matches, "username");
    let question: Vec<&str> = matches
        .get_many::<String>("question")
        .unwrap_or_default()
        .map(String::as_str)
        .collect();
    match question[..] {
        [method, path] => {
            let method = Method::from_str(&method.to_uppercase())
                .map_err(|_| Failed(format!("{method} is no method"), 2))?;
            let found = prepared.routes().rule_of(&method, path);
            let (route, access) = found.map_err(|why| Failed(why, 1))?;
            let site = prepared.boot(Arc::new(SystemClock)).await?;
            let actor = actor(&site, username).await?;
            Ok(explain_route(&actor, (&route, &access), (method, path)))
        }
        [verb, table, key] => {
            let verb = verb_of(verb)?;
            let site = prepared.boot(Arc::new(SystemClock)).await?;
            explain_row(&site, username, (verb, table, key)).await
        }
        _ => Err(Failed(
            "write METHOD PATH, such as GET /tickets/7, or VERB ENTITY ID, such as change ticket 7"
                .into(),
            2,
        )),
    }
}

/// Whether the groups are changed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sync {
    Preview,
    Write,
}

impl Sync {
    fn parse(matches: &ArgMatches) -> Self {
        match matches.get_flag("write") {
            true => Self::Write,
            false => Self::Preview,
        }
    }
}

/// Prints how the groups differ from the roles, and changes them with `--write`.
async fn sync_roles(prepared: &Prepared, sync: Sync) -> Outcome {
    let database = prepared.ready_database().await;
    let database =
        database.ok_or_else(|| Failed("the database is not ready: run `migrate`".into(), 1))?;
    let differences = prepared.roles().differences(&database.handle()).await;
    let differences = differences.map_err(Error::from)?;
    let mut text: String = differences.iter().map(ToString::to_string).collect();
    if differences.is_empty() {
        return Ok("the groups are those of the roles\n".into());
    }
    if sync == Sync::Preview {
        text.push_str("nothing was changed: --write changes the groups\n");
        return Ok(text);
    }
    let apply = async |tx: &Tx| {
        for difference in &differences {
            difference.apply(tx).await?;
            let detail = format!("the group {}, by `permissions sync`", difference.role());
            record_in(tx, Entry::new(Event::RightGranted).detail(detail)).await?;
        }
        Ok::<_, sea_orm::DbErr>(())
    };
    database.write_always(apply).await.map_err(Error::from)?;
    text.push_str("the groups were changed\n");
    Ok(text)
}

fn verb_of(name: &str) -> Result<Verb, Failed> {
    let known = [Verb::View, Verb::Change, Verb::Delete];
    let found = known.into_iter().find(|verb| verb.name() == name);
    found.ok_or_else(|| Failed(format!("{name} is no verb: view, change or delete"), 2))
}

async fn actor(site: &Site, username: &str) -> Result<Actor, Failed> {
    let user = site.accounts().user_by_name(username).await?;
    let user = user.ok_or_else(|| unknown(username))?;
    let actor = site.actor(&user).await?;
    match actor.user() {
        Some(_) => Ok(actor),
        None => Err(Failed(
            format!("the account {username} is closed: it has no rights"),
            1,
        )),
    }
}

fn explain_route(
    actor: &Actor,
    (route, access): (&str, &Access),
    (method, path): (Method, &str),
) -> String {
    let name = actor.user().map_or("", |user| user.username.as_str());
    let mut text = format!("{name}: {method} {route}, access: {access}\n");
    let request = Request::builder().method(method).uri(path).body(());
    let Ok((parts, ())) = request.map(Request::into_parts) else {
        return text;
    };
    for (condition, truth) in access.explain(actor, &parts) {
        let truth = match truth {
            Some(true) => "yes",
            Some(false) => "no",
            None => "depends on the session",
        };
        let _ = writeln!(text, "  {truth:<22} {condition}");
    }
    text
}

async fn explain_row(
    site: &Site,
    username: &str,
    (verb, table, key): (Verb, &str, &str),
) -> Outcome {
    let policy = site.policy(table).map_err(|why| Failed(why, 1))?;
    let actor = actor(site, username).await?;
    let db = site.database().handle();
    let explained = policy.explain(&actor, (verb, key), &db).await?;
    let explained =
        explained.ok_or_else(|| Failed(format!("{key} is no key of {}", policy.table()), 2))?;
    Ok(format!(
        "{username}: {} {} {key}\n{explained}",
        verb.name(),
        policy.table()
    ))
}
