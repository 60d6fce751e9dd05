//! `incident freeze` and `incident revoke`.

use super::{failed, measures};
use crate::app::Site;
use crate::audit_log::{Event, Listed, Wanted, entries};
use crate::command::arguments::parse_time;
use crate::command::subject::{argument, end_sessions, reachable, unknown};
use crate::command::{Failed, Outcome};
use crate::incident::{Kind, put};
use crate::sessions::UserSession;
use chrono::{DateTime, Utc};
use clap::ArgMatches;
use indicatif::ProgressBar;
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Most logins of the audit log that are searched, the latest ones.
const MOST_LOGINS: u64 = 100_000;

/// Freezes an account: no transaction of its open requests commits any more when this returns.
pub(super) async fn freeze(site: &Site, matches: &ArgMatches) -> Outcome {
    let (name, reason) = (argument(matches, "username"), argument(matches, "reason"));
    let Some(id) = site.accounts().id_of(name).await? else {
        return Err(unknown(name));
    };
    let times = (measures::now(site), 0);
    let value = id.to_string();
    put(site.database(), (Kind::Freeze, &value, reason), times)
        .await
        .map_err(failed)?;
    site.accounts().freeze_account(name, reason).await?;
    let ended = end_sessions(site, id).await?;
    let count = measures::wait_for_all(site).await?;
    Ok(format!(
        "{name} is frozen on {count} running instance(s) until `user open {name}`; {ended} \
            session(s) ended, and its tokens and mailed links are void\n"
    ))
}

/// Ends sessions, access tokens, trusted browsers and mailed links.
pub(super) async fn revoke(site: &Site, matches: &ArgMatches) -> Outcome {
    reachable(site)?;
    let reason = argument(matches, "reason");
    if matches.get_flag("all") {
        return revoke_all(site, reason).await;
    }
    if let Some(name) = matches.get_one::<String>("user") {
        let Some(id) = site.accounts().id_of(name).await? else {
            return Err(unknown(name));
        };
        return revoke_each(site, &[id], reason).await;
    }
    let users = users_with(site, matches).await?;
    match users.is_empty() {
        true => Ok("no login matches: nothing was to be revoked\n".into()),
        false => revoke_each(site, &users, reason).await,
    }
}

/// Ends sessions, access tokens, trusted browsers and mailed links of all users.
pub(super) async fn revoke_all(site: &Site, reason: &str) -> Outcome {
    let accounts = site.accounts().revoke_all(reason).await?;
    let ended = site.sessions.clear_shared().await?;
    let of_django = match ended {
        0 => String::new(),
        ended => format!(", {ended} of them shared with Django"),
    };
    Ok(format!(
        "the sessions{of_django}, access tokens, trusted browsers and mailed links of {accounts} \
            account(s) have ended; passwords and second factors stay\n"
    ))
}

async fn revoke_each(site: &Site, users: &[i32], reason: &str) -> Outcome {
    let bar = ProgressBar::new(users.len() as u64);
    let mut ended = 0;
    for id in bar.wrap_iter(users.iter()) {
        site.accounts().revoke(*id, reason).await?;
        ended += end_sessions(site, *id).await?;
    }
    let count = users.len();
    Ok(format!(
        "{ended} session(s) of {count} account(s) have ended, with their access tokens, trusted \
            browsers and mailed links; passwords and second factors stay\n"
    ))
}

/// The users with a session that matches `--since` or `--network`.
async fn users_with(site: &Site, matches: &ArgMatches) -> Result<Vec<i32>, Failed> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let since = text("since").map(|text| parse_time("since", text));
    let since = since.transpose()?;
    let network = text("network").map(|text| measures::network("network", text));
    let network = network.transpose()?;
    let is_meant = |session: &UserSession| {
        let address = session.address.parse::<IpAddr>();
        let is_there = |network| address.is_ok_and(|address| IpNet::contains(network, &address));
        since.is_none_or(|since| session.began.is_none_or(|began| began >= since))
            && network.as_ref().is_none_or(is_there)
    };
    let users = site.accounts().active_users().await?;
    let ids: Vec<i32> = users.iter().map(|(user, _)| user.id).collect();
    let mut found: BTreeSet<i32> = site
        .sessions
        .owners(is_meant, &ids)
        .await?
        .into_iter()
        .collect();
    // a session may have ended, and left a token or a trusted browser
    found.extend(logins(site, since, network.as_ref()).await?);
    found.retain(|id| ids.contains(id));
    Ok(found.into_iter().collect())
}

/// The users of logins in the audit log.
async fn logins(
    site: &Site,
    since: Option<DateTime<Utc>>,
    network: Option<&IpNet>,
) -> Result<Vec<i32>, Failed> {
    site.audit.flush(site.database()).await.map_err(failed)?;
    let wanted = Wanted {
        since,
        event: Some(Event::LoggedIn.name().into()),
        most: MOST_LOGINS,
        ..Wanted::default()
    };
    let all = entries(site.database(), &wanted).await.map_err(failed)?;
    let is_there = |entry: &&Listed| {
        let address = entry.address.parse::<IpAddr>();
        network.is_none_or(|network| address.is_ok_and(|address| network.contains(&address)))
    };
    let user = |entry: &Listed| entry.subject.strip_prefix("user:")?.parse().ok();
    Ok(all.iter().filter(is_there).filter_map(user).collect())
}
