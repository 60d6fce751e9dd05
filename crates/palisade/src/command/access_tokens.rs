//! `user tokens NAME [--end ID | --all]`: the personal access tokens of a user.

use super::subject::{argument, unknown};
use super::{Failed, Format, Outcome, print};
use crate::app::Site;
use crate::auth::{AccessToken, TokenEnd};
use chrono::DateTime;
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

pub(super) fn command() -> Command {
    Command::new("tokens")
        .about("List a user's personal access tokens, or end them; the user is notified by mail")
        .arg(super::arguments::username())
        .arg(super::arguments::acting())
        .arg(
            Arg::new("end")
                .long("end")
                .value_name("ID")
                .value_parser(clap::value_parser!(i32))
                .help("End this token"),
        )
        .arg(super::arguments::flag("all", "End all of them").conflicts_with("end"))
        .arg(super::arguments::flag("json", "Print JSON"))
}

pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    let username = argument(matches, "username");
    let Some(id) = site.accounts().id_of(username).await? else {
        return Err(unknown(username));
    };
    let one = matches.get_one::<i32>("end").copied();
    if one.is_none() && !matches.get_flag("all") {
        return list(site, id, Format::parse(matches)).await;
    }
    let ended = site
        .accounts()
        .end_access_tokens((id, one), TokenEnd::ByOperator);
    match (ended.await?, one) {
        (0, Some(one)) => Err(Failed(format!("{username} has no valid token {one}"), 1)),
        (count, _) => Ok(format!("{count} token(s) of {username} ended\n")),
    }
}

async fn list(site: &Site, user_id: i32, format: Format) -> Outcome {
    let tokens = site.accounts().access_tokens_of(user_id).await?;
    if format == Format::Json {
        let all: Vec<_> = tokens.iter().map(as_json).collect();
        return Ok(format!("{:#}\n", serde_json::Value::Array(all)));
    }
    let now = site.accounts().now().timestamp();
    let rows = tokens.iter().map(|token| {
        let state = match &token.why {
            Some(why) => why.clone(),
            None if token.expires <= now => "expired".to_owned(),
            None => format!("until {}", day(Some(token.expires))),
        };
        let used = format!(
            "{} {}",
            day(token.used),
            token.used_from.as_deref().unwrap_or("")
        );
        let id = token.id.to_string();
        [
            id,
            token.name.clone(),
            token.shown.clone(),
            token.scopes.clone(),
            used,
            state,
        ]
    });
    let names = ["ID", "NAME", "TOKEN", "SCOPES", "LAST USED", "STATE"];
    Ok(print::table_of(names, rows.collect()))
}

fn as_json(token: &AccessToken) -> serde_json::Value {
    json!({
        "id": token.id, "name": token.name, "shown": token.shown, "scopes": token.scopes, "networks": token.networks,
        "created": token.created, "expires": token.expires, "used": token.used, "used_from": token.used_from,
        "ended": token.ended, "why": token.why,
    })
}

fn day(at: Option<i64>) -> String {
    let at = at.and_then(|at| DateTime::from_timestamp(at, 0));
    at.map_or_else(
        || "never".to_owned(),
        |at| at.format("%Y-%m-%d").to_string(),
    )
}
