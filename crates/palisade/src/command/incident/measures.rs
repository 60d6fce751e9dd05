//! Measures that every running instance follows: stored, awaited, listed, ended.

use super::failed;
use crate::app::Site;
use crate::command::arguments::parse_time;
use crate::command::print::table_of;
use crate::command::subject::argument;
use crate::command::{Failed, Outcome};
use crate::incident::{AtClose, BlockRule, Kind, Measure, Posture, end, instances, measures, put};
use chrono::DateTime;
use clap::ArgMatches;
use ipnet::IpNet;
use std::time::{Duration, Instant};

/// Every instance follows within two seconds; after this time the operator has to look.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) fn now(site: &Site) -> i64 {
    site.now().timestamp()
}

pub(super) async fn store(
    site: &Site,
    matches: &ArgMatches,
    (kind, value): (Kind, &str),
) -> Outcome {
    let given = matches.try_get_one::<String>("until").ok().flatten();
    let until = given.map(|text| parse_time("until", text)).transpose()?;
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

/// An address or a network of an option.
pub(super) fn network(option: &str, text: &str) -> Result<IpNet, Failed> {
    let alone = text.parse::<std::net::IpAddr>().map(Into::into);
    alone.or_else(|_| text.parse()).map_err(|_| {
        let said = format!("--{option} {text}: write 192.0.2.7 or 192.0.2.0/24");
        Failed(said, 2)
    })
}

pub(super) fn rule_of(matches: &ArgMatches) -> Result<BlockRule, Failed> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let network = text("address").map(|text| network("address", &text));
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
pub(super) async fn wait_for_all(site: &Site) -> Result<usize, Failed> {
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

pub(super) async fn status(site: &Site) -> Outcome {
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

pub(super) async fn end_all(site: &Site, is_meant: impl Fn(&Measure) -> bool) -> Outcome {
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

pub(super) async fn close_incident(site: &Site, matches: &ArgMatches) -> Outcome {
    let held = measures(site.database(), now(site)).await.map_err(failed)?;
    let others = held
        .iter()
        .filter(|measure| {
            measure.kind != Kind::Incident && measure.kind.at_close() == AtClose::Ends
        })
        .count();
    if others > 0 && !matches.get_flag("end-measures") {
        let said = format!("{others} measure(s) hold: end them, or add --end-measures");
        return Err(Failed(said, 1));
    }
    end_all(site, |measure| measure.kind.at_close() == AtClose::Ends).await
}
