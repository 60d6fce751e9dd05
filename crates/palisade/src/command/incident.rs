//! `incident open`, `status`, `read-only`, `pause`, `block`, `freeze`, `end` and `close`.

use super::arguments::{flag, named, parse_end, username};
use super::print::table_of;
use super::subject::{argument, end_sessions, unknown};
use super::{Failed, Outcome};
use crate::app::Site;
use crate::audit_log::{Entry, Event, record_now};
use crate::incident::{BlockRule, Kind, Measure, Paused, Posture, end, instances, measures, put};
use crate::views::Error;
use chrono::DateTime;
use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgGroup, ArgMatches, Command};
use sea_orm::DbErr;
use std::time::{Duration, Instant};

/// Every instance follows within two seconds; after this time the operator has to look.
const PATIENCE: Duration = Duration::from_secs(15);

fn reason() -> Arg {
    named("reason", "TEXT", "Why, for the audit log").required(true)
}

fn until() -> Arg {
    named(
        "until",
        "TIME",
        "The end: a date, such as 2027-01-31, or a time with an offset",
    )
}

pub(super) fn command() -> Command {
    let switch = Arg::new("state")
        .required(true)
        .value_parser(PossibleValuesParser::new(["on", "off"]));
    Command::new("incident")
        .about("Stop changes, pause parts of the site, block requests, and freeze accounts, on every running instance")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("open")
                .about("Open an incident: its name is in the audit log")
                .arg(Arg::new("name").value_name("NAME").required(true))
                .arg(reason()),
        )
        .subcommand(Command::new("status").about("List the measures that hold, and the running instances"))
        .subcommand(
            Command::new("read-only")
                .about("Refuse every change: on returns when no instance commits one any more. Login and logout work")
                .arg(switch)
                .arg(reason())
                .arg(until()),
        )
        .subcommand(
            Command::new("pause")
                .about("Refuse sign-ups, logins or access tokens; `incident end` lifts it")
                .arg(Arg::new("part").required(true).value_parser(PossibleValuesParser::new(Paused::WORDS)))
                .arg(reason())
                .arg(until()),
        )
        .subcommand(block())
        .subcommand(
            Command::new("freeze")
                .about("Close an account with all its sessions, tokens and links; `user open` reopens it")
                .arg(username())
                .arg(reason()),
        )
        .subcommand(
            Command::new("end")
                .about("End a measure")
                .arg(Arg::new("id").value_name("ID").required(true).help("As `incident status` lists it")),
        )
        .subcommand(
            Command::new("close")
                .about("Close the incident; refused while measures hold")
                .arg(flag("end-measures", "End them")),
        )
}

fn block() -> Command {
    Command::new("block")
        .about("Refuse requests with all of these, until a date: a virtual patch")
        .arg(named("method", "METHOD", "The method"))
        .arg(named(
            "path",
            "PATH",
            "The path, or a template such as /files/{name}",
        ))
        .arg(named("parameter", "NAME", "A parameter of the query"))
        .arg(named("header", "NAME", "A header"))
        .arg(named("address", "NETWORK", "An address or a network"))
        .group(
            ArgGroup::new("which")
                .args(["method", "path", "parameter", "header", "address"])
                .required(true)
                .multiple(true),
        )
        .arg(reason())
        .arg(until().required(true))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("open", open)) => {
            let name = argument(open, "name");
            let id = store(site, open, (Kind::Incident, name)).await?;
            Ok(format!("the incident {name} is open ({id})\n"))
        }
        Some(("status", _)) => status(site).await,
        Some(("read-only", switch)) => match argument(switch, "state") {
            "on" => {
                store(site, switch, (Kind::ReadOnly, "")).await?;
                let count = wait_for_all(site).await?;
                Ok(format!(
                    "the site is read-only, on {count} running instance(s)\n"
                ))
            }
            _ => end_all(site, |measure| measure.kind == Kind::ReadOnly).await,
        },
        Some(("pause", pause)) => {
            let part = argument(pause, "part");
            let id = store(site, pause, (Kind::Pause, part)).await?;
            let count = wait_for_all(site).await?;
            Ok(format!(
                "{part} is paused on {count} running instance(s); `incident end {id}` lifts it\n"
            ))
        }
        Some(("block", block)) => {
            let rule = rule_of(block)?;
            let value = serde_json::to_string(&rule).map_err(Error::from)?;
            let id = store(site, block, (Kind::Block, &value)).await?;
            let count = wait_for_all(site).await?;
            Ok(format!(
                "blocked on {count} running instance(s); `incident end {id}` lifts it\n"
            ))
        }
        Some(("freeze", freeze)) => freeze_account(site, freeze).await,
        Some(("end", end)) => {
            let id = argument(end, "id");
            end_all(site, |measure| measure.id == id).await
        }
        Some(("close", close)) => close_incident(site, close).await,
        _ => Err(Failed("`incident --help` lists the commands".into(), 2)),
    }
}

fn failed(error: DbErr) -> Failed {
    Failed(format!("the database: {error}"), 1)
}

fn now(site: &Site) -> i64 {
    site.now().timestamp()
}

async fn store(site: &Site, matches: &ArgMatches, (kind, value): (Kind, &str)) -> Outcome {
    let given = matches.try_get_one::<String>("until").ok().flatten();
    let until = given.map(|text| parse_end(text)).transpose()?;
    let until = until.map_or(0, |until| until.timestamp());
    if until != 0 && until <= now(site) {
        return Err(Failed("--until: this time is over".into(), 2));
    }
    let reason = argument(matches, "reason");
    let times = (now(site), until);
    put(site.database(), (kind, value, reason), times)
        .await
        .map_err(failed)
}

fn rule_of(matches: &ArgMatches) -> Result<BlockRule, Failed> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let network = text("address").map(|text| {
        let alone = text.parse::<std::net::IpAddr>().map(Into::into);
        alone.or_else(|_| text.parse()).map_err(|_| {
            Failed(
                format!("--address {text}: write 192.0.2.7 or 192.0.2.0/24"),
                2,
            )
        })
    });
    let rule = BlockRule {
        method: text("method"),
        path: text("path"),
        parameter: text("parameter"),
        header: text("header"),
        address: network.transpose()?,
    };
    let is_path = rule.path.as_ref().is_none_or(|path| path.starts_with('/'));
    match (is_path, rule.is_empty()) {
        (true, false) => Ok(rule),
        _ => Err(Failed("--path: a path begins with /".into(), 2)),
    }
}

/// Waits until every running instance has applied the measures, and returns their number.
async fn wait_for_all(site: &Site) -> Result<usize, Failed> {
    let (begun, first) = (Instant::now(), now(site));
    loop {
        let held = measures(site.database(), now(site)).await.map_err(failed)?;
        let wanted = Posture::version_of(&held);
        // those of the beginning: an instance that hangs is not taken for stopped
        let running = instances(site.database(), first).await.map_err(failed)?;
        let late: Vec<&str> = running
            .iter()
            .filter(|instance| instance.posture != wanted)
            .map(|instance| instance.id.as_str())
            .collect();
        if late.is_empty() {
            return Ok(running.len());
        }
        if begun.elapsed() > PATIENCE {
            let said = format!(
                "the measure is stored, but these instances have not applied it: {}\n  fix: look \
                    whether they hang, and stop them",
                late.join(", ")
            );
            return Err(Failed(said, 1));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn status(site: &Site) -> Outcome {
    let held = measures(site.database(), now(site)).await.map_err(failed)?;
    let running = instances(site.database(), now(site))
        .await
        .map_err(failed)?;
    let wanted = Posture::version_of(&held);
    let applied = running.iter().filter(|instance| instance.posture == wanted);
    let applied = format!(
        "{} of {} running instance(s) have applied this\n",
        applied.count(),
        running.len()
    );
    if held.is_empty() {
        return Ok(format!("no measures hold\n{applied}"));
    }
    let time = |seconds: i64| match seconds {
        0 => "-".to_owned(),
        seconds => DateTime::from_timestamp(seconds, 0)
            .unwrap_or_default()
            .format("%Y-%m-%d %H:%M UTC")
            .to_string(),
    };
    let row = |measure: &Measure| {
        [
            measure.id.clone(),
            measure.kind.word().to_owned(),
            measure.value.clone(),
            time(measure.since),
            time(measure.until),
            measure.hits.to_string(),
            measure.reason.clone(),
        ]
    };
    let table = table_of(
        [
            "ID", "MEASURE", "VALUE", "SINCE", "UNTIL", "REFUSED", "REASON",
        ],
        held.iter().map(row).collect(),
    );
    Ok(table + &applied)
}

async fn end_all(site: &Site, is_meant: impl Fn(&Measure) -> bool) -> Outcome {
    let held = measures(site.database(), now(site)).await.map_err(failed)?;
    let mut count = 0;
    for measure in held.iter().filter(|measure| is_meant(measure)) {
        count += usize::from(end(site.database(), measure).await.map_err(failed)?);
    }
    match count {
        0 => Err(Failed(
            "no such measure; `incident status` lists them".into(),
            1,
        )),
        count => {
            let instances = wait_for_all(site).await?;
            Ok(format!(
                "ended {count} measure(s) on {instances} running instance(s)\n"
            ))
        }
    }
}

async fn close_incident(site: &Site, matches: &ArgMatches) -> Outcome {
    let held = measures(site.database(), now(site)).await.map_err(failed)?;
    let others = held
        .iter()
        .filter(|measure| measure.kind != Kind::Incident)
        .count();
    if others > 0 && !matches.get_flag("end-measures") {
        let said = format!("{others} measure(s) hold: end them, or add --end-measures");
        return Err(Failed(said, 1));
    }
    end_all(site, |_| true).await
}

async fn freeze_account(site: &Site, matches: &ArgMatches) -> Outcome {
    let name = argument(matches, "username");
    let Some(id) = site.accounts().close_account(name).await? else {
        return Err(unknown(name));
    };
    let entry = Entry::new(Event::AccountFrozen).about(id).name(name);
    let entry = entry.detail(argument(matches, "reason"));
    record_now(site.database(), entry).await.map_err(failed)?;
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "{name} is frozen until `user open {name}`; {ended} session(s) ended, and its tokens and \
            mailed links are void\n"
    ))
}
