use super::subject::{argument, end_sessions, reachable, unknown};
use super::{
    Failed, Format, Outcome, access_report, access_tokens, account, print, privacy, rights,
};
use crate::app::Site;
use crate::audit_log::{Entry, Event, record_in, record_now};
use crate::auth::{NewUser, Rank, RightChange, SecondStep, SignUpError};
use crate::forms::{Email, Field, Username};
use crate::social::Identities;
use crate::views::Error;
use chrono::TimeDelta;
use clap::ArgMatches;
use palisade_crypto::Secret;
use std::io::{IsTerminal, Read};

/// `user create`, `user password`, and other account commands.
pub(super) async fn run(site: &Site, matches: &ArgMatches) -> Outcome {
    if let Some((name, command)) = matches.subcommand()
        && !["create", "export", "grant", "revoke"].contains(&name)
    {
        rights::judge_account(site, command).await?;
    }
    match matches.subcommand() {
        Some(("create", create)) => make(site, create).await,
        Some(("password", password)) => {
            let typed = read_password()?;
            set_password(site, argument(password, "username"), typed.expose()).await
        }
        Some(("remove-factors", remove)) => {
            let username = argument(remove, "username");
            match remove.get_flag("now") {
                true => remove_factors(site, username).await,
                false => schedule_factor_removal(site, username).await,
            }
        }
        Some(("remove-logins", remove)) => remove_logins(site, argument(remove, "username")).await,
        Some(("tokens", tokens)) => access_tokens::run(site, tokens).await,
        Some(("sign-out", out)) => sign_out(site, argument(out, "username")).await,
        Some(("wrap-hashes", _)) => wrap_hashes(site).await,
        Some(("open", open)) => account::open(site, argument(open, "username")).await,
        Some(("close", close)) => account::close(site, argument(close, "username")).await,
        Some(("email", email)) => account::email(site, email).await,
        Some(("grant", grant)) => rights::change(site, grant, RightChange::Grant).await,
        Some(("revoke", revoke)) => rights::change(site, revoke, RightChange::Revoke).await,
        Some(("export", export)) => privacy::export_user(site, export).await,
        Some(("delete", delete)) => account::delete(site, delete).await,
        Some(("access-report", report)) => access_report::run(site, report).await,
        Some(("conflicts", _)) => conflicts(site).await,
        Some(("list", list)) => show(site, Format::parse(list)).await,
        _ => Err(Failed("`user --help` lists the commands".into(), 2)),
    }
}

async fn make(site: &Site, matches: &ArgMatches) -> Outcome {
    let wrong = |what: &'static str| move |message: String| Failed(format!("{what}: {message}"), 1);
    let username =
        Username::parse(Some(argument(matches, "username"))).map_err(wrong("the name"))?;
    let email = Email::parse(Some(argument(matches, "email"))).map_err(wrong("--email"))?;
    let rank = match (matches.get_flag("superuser"), matches.get_flag("staff")) {
        (true, _) => Rank::Superuser,
        (false, true) => Rank::Staff,
        (false, false) => Rank::Plain,
    };
    let password = read_password()?;
    let new = NewUser {
        username: &username,
        email: &email,
        password: password.expose(),
        rank,
    };
    let user = site
        .accounts()
        .sign_up(new)
        .await
        .map_err(|error| sign_up_failed(error, &username))?;
    Ok(format!(
        "created the account {} (id {})\n",
        user.username, user.id
    ))
}

/// Sets a password, which ends all sessions of the account.
pub(super) async fn set_password(site: &Site, username: &str, password: &str) -> Outcome {
    match site
        .accounts()
        .reset_password(username, password)
        .await
        .map_err(|error| sign_up_failed(error, username))?
    {
        true => Ok(format!(
            "the password of {username} was changed; all sessions of the account have ended\n"
        )),
        false => Err(unknown(username)),
    }
}

/// Removes the factors in a day, until when a login with one of them cancels it.
async fn schedule_factor_removal(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let due = site.accounts().now() + REMOVED_AFTER;
    let when = due.format("%Y-%m-%d %H:%M UTC");
    let told = format!(
        "The operators of this site will remove your second factors on {when}, because they were \
            reported as lost. If it was not you, log in with one of them before: then they stay."
    );
    let Some((tx, id)) = site.accounts().begin_by_name(username, &told).await? else {
        return Err(unknown(username));
    };
    site.factors
        .schedule_removal(&tx, id, due)
        .await
        .map_err(Error::from)?;
    let begun = Entry::new(Event::FactorRemovalBegun)
        .about(id)
        .name(username);
    record_in(&tx, begun.detail(format!("on {when}")))
        .await
        .map_err(Error::from)?;
    tx.commit().await.map_err(Error::from)?;
    Ok(format!(
        "the second factors of {username} are removed on {when}, unless their owner logs in with \
            one before; the owner is notified by mail\n"
    ))
}

/// Removes the factors at once.
async fn remove_factors(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let Some((tx, id)) = site.accounts().begin_by_name(username, REMOVED).await? else {
        return Err(unknown(username));
    };
    site.factors.forget(&tx, id).await?;
    let entry = Entry::new(Event::FactorRemoved).about(id).name(username);
    record_in(&tx, entry.detail("all"))
        .await
        .map_err(Error::from)?;
    site.accounts().sessions.commit_and_end_all(tx, id).await?;
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "{username} has no second factor any more; {ended} session(s) ended, and the owner is \
            notified by mail\n"
    ))
}

/// Time in which an owner can cancel the removal.
const REMOVED_AFTER: TimeDelta = TimeDelta::hours(24);
const REMOVED: &str = "The operators of this site removed your second factors: a password is enough until you add a new one. All sessions have ended.";

async fn remove_logins(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let told = "The operators of this site removed your social logins. All sessions have ended.";
    let Some((tx, id)) = site.accounts().begin_by_name(username, told).await? else {
        return Err(unknown(username));
    };
    let removed = Identities.forget(&tx, id).await?;
    let entry = Entry::new(Event::LoginRemoved).about(id).name(username);
    let entry = entry.detail(format!("{removed} removed"));
    record_in(&tx, entry).await.map_err(Error::from)?;
    site.accounts().sessions.commit_and_end_all(tx, id).await?;
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "{removed} social login(s) of {username} removed; {ended} session(s) ended, and the \
            owner is notified by mail\n"
    ))
}

async fn wrap_hashes(site: &Site) -> Outcome {
    let progress = |done: usize| {
        if done.is_multiple_of(100) {
            eprintln!("{done} wrapped so far");
        }
    };
    Ok(match site.accounts().wrap_hashes(progress).await? {
        0 => "no password is hashed with MD5 or SHA-1\n".into(),
        1 => "wrapped 1 hash; it is replaced when its owner logs in\n".into(),
        many => format!("wrapped {many} hashes; each is replaced when its owner logs in\n"),
    })
}

async fn sign_out(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let Some(id) = site.accounts().id_of(username).await? else {
        return Err(unknown(username));
    };
    site.accounts().end_all_sessions(id).await?;
    let ended = end_sessions(site, id).await?;
    let entry = Entry::new(Event::SessionsEnded).about(id).name(username);
    record_now(site.database(), entry.detail(format!("{ended} ended")))
        .await
        .map_err(Error::from)?;
    Ok(format!("{ended} session(s) of {username} ended\n"))
}

/// Existing names that sign-up would refuse next to each other, such as those of accounts that
/// Django created.
async fn conflicts(site: &Site) -> Outcome {
    let groups = site.accounts().users.name_conflicts().await?;
    if groups.is_empty() {
        return Ok("no names conflict\n".into());
    }
    let lines: String = groups
        .iter()
        .map(|names| format!("{}\n", names.join("  ")))
        .collect();
    Ok(format!(
        "{lines}{} group(s) of names that differ only by case or confusable letters\n",
        groups.len()
    ))
}

async fn show(site: &Site, format: Format) -> Outcome {
    let users = site.accounts().list().await?;
    if format == Format::Json {
        return Ok(format!("{:#}\n", serde_json::Value::Array(users)));
    }
    let rows = users.iter().map(|user| {
        let rank = match (user["is_superuser"] == true, user["is_staff"] == true) {
            (true, _) => "superuser",
            (false, true) => "staff",
            _ => "",
        };
        let text = |key: &str| user[key].as_str().unwrap_or("").to_owned();
        let state = if user["is_active"] == true {
            "active"
        } else {
            "inactive"
        };
        [
            user["id"].to_string(),
            text("username"),
            text("email"),
            rank.into(),
            state.into(),
            text("last_login"),
        ]
    });
    Ok(print::table_of(
        ["ID", "NAME", "E-MAIL", "RANK", "STATE", "LAST LOGIN"],
        rows.collect(),
    ))
}

fn sign_up_failed(error: SignUpError, username: &str) -> Failed {
    match error {
        SignUpError::NameTaken => Failed(format!("there is an account {username} already"), 1),
        SignUpError::Password(broken) => Failed(
            format!("the password was refused:\n  {}", broken.join("\n  ")),
            1,
        ),
        SignUpError::Failed(error) => error.into(),
    }
}

/// Prompts twice without echo; or reads the first line of standard input.
fn read_password() -> Result<Secret<String>, Failed> {
    let unread = |error: std::io::Error| Failed(format!("the password cannot be read: {error}"), 1);
    if std::io::stdin().is_terminal() {
        let first = Secret::new(rpassword::prompt_password("Password: ").map_err(unread)?);
        let again = Secret::new(rpassword::prompt_password("Password, again: ").map_err(unread)?);
        let is_same =
            palisade_crypto::constant_time_eq(first.expose().as_bytes(), again.expose().as_bytes());
        return if is_same {
            Ok(first)
        } else {
            Err(Failed("the two passwords differ".into(), 1))
        };
    }
    let mut text = Secret::new(String::new());
    let mut piped = String::new();
    std::io::stdin()
        .take(4096)
        .read_to_string(&mut piped)
        .map_err(unread)?;
    if let Some(line) = piped.lines().next() {
        text = Secret::new(line.to_owned());
    }
    Ok(text)
}
