//! The account that a command names, and its sessions.

use super::Failed;
use crate::app::Site;
use crate::sessions::StoreKind;
use clap::ArgMatches;

/// Deletes the rows of ended sessions, and returns their number.
pub(super) async fn end_sessions(site: &Site, id: i32) -> Result<usize, Failed> {
    let ended = site.sessions.end_all(id, None).await?;
    site.sessions.settle().await;
    Ok(ended)
}

/// Sessions in the server's memory are inaccessible to other processes.
pub(super) fn reachable(site: &Site) -> Result<(), Failed> {
    match site.settings().sessions.store {
        StoreKind::Database | StoreKind::Redis | StoreKind::Cookie => Ok(()),
        StoreKind::Memory => Err(Failed(
            "sessions.store is memory: restart the server to end sessions, or set sessions.store \
                = \"database\""
                .into(),
            1,
        )),
    }
}

pub(super) fn unknown(username: &str) -> Failed {
    Failed(
        format!("there is no account {username}; `user list` shows them"),
        1,
    )
}

pub(super) fn argument<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}
