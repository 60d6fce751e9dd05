use super::subject::{argument, end_sessions, reachable, unknown};
use super::{Failed, Outcome};
use crate::app::Site;
use crate::auth::Kept;
use crate::forms::{Email, Field};
use crate::incident::{Kind, Measure, end, measures};
use crate::views::Error;
use clap::ArgMatches;
use std::io::IsTerminal;

/// `user open`.
pub(super) async fn open(site: &Site, username: &str) -> Outcome {
    if !site.accounts().open_account(username).await? {
        return Err(unknown(username));
    }
    thaw(site, username).await?;
    Ok(format!(
        "{username} can log in again and is notified by mail\n"
    ))
}

/// Ends the measure of `incident freeze`.
async fn thaw(site: &Site, username: &str) -> Result<(), Failed> {
    let id = site.accounts().id_of(username).await?.unwrap_or_default();
    let is_frozen =
        |measure: &Measure| measure.kind == Kind::Freeze && measure.value == id.to_string();
    let held = measures(site.database(), site.now().timestamp()).await;
    for measure in held
        .map_err(Error::from)?
        .iter()
        .filter(|one| is_frozen(one))
    {
        end(site.database(), measure).await.map_err(Error::from)?;
    }
    Ok(())
}

/// `user close`.
pub(super) async fn close(site: &Site, username: &str) -> Outcome {
    reachable(site)?;
    let Some(id) = site.accounts().close_account(username).await? else {
        return Err(unknown(username));
    };
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "{username} is closed until `user open {username}`; {ended} session(s) ended, and the \
            owner is notified by mail\n"
    ))
}

/// `user email`.
pub(super) async fn email(site: &Site, matches: &ArgMatches) -> Outcome {
    reachable(site)?;
    let username = argument(matches, "username");
    let address = Email::parse(Some(argument(matches, "address")))
        .map_err(|error| Failed(format!("the address: {error}"), 1))?;
    let Some(id) = site
        .accounts()
        .change_address(username, &address)
        .await
        .map_err(report_conflict)?
    else {
        return Err(unknown(username));
    };
    let ended = end_sessions(site, id).await?;
    Ok(format!(
        "mail of {username} goes to {}; {ended} session(s) ended, and both addresses are \
            notified\n",
        &*address
    ))
}

/// Validates an operator's input as a visitor's.
fn report_conflict(error: Error) -> Failed {
    match error.kind() {
        crate::views::ErrorKind::Conflict => Failed(error.public_message().to_owned(), 1),
        _ => error.into(),
    }
}

/// `user delete`.
pub(super) async fn delete(site: &Site, matches: &ArgMatches) -> Outcome {
    reachable(site)?;
    let username = argument(matches, "username");
    if !matches.get_flag("yes") {
        confirm_by_name(username)?;
    }
    let Some(id) = site.accounts().delete_account(username).await? else {
        return Err(unknown(username));
    };
    end_sessions(site, id).await?;
    let by_law = site.accounts().personal_data().iter().filter_map(|part| {
        let kept = part.kept();
        let is_by_law = matches!(kept, Kept::Law { .. });
        is_by_law.then(|| format!("kept: {}, {kept}\n", part.name()))
    });
    let by_law: String = by_law.collect();
    Ok(format!(
        "{username} is deleted with all its data, and the owner is notified by mail\n{by_law}"
    ))
}

/// Irreversible commands are confirmed by typing the name.
fn confirm_by_name(username: &str) -> Result<(), Failed> {
    if !std::io::stdin().is_terminal() {
        return Err(Failed(
            "this cannot be undone: add --yes to confirm without a prompt".into(),
            2,
        ));
    }
    eprintln!("This deletes the account {username} with all its data. Type the name to confirm:");
    let mut typed = String::new();
    std::io::stdin()
        .read_line(&mut typed)
        .map_err(|error| Failed(error.to_string(), 1))?;
    if typed.trim() == username {
        Ok(())
    } else {
        Err(Failed("nothing was changed".into(), 1))
    }
}
