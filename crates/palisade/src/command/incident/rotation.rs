//! `incident rotate-keys`.

use super::accounts::revoke_all;
use crate::app::Prepared;
use crate::command::keys::rotate_for_incident;
use crate::command::subject::{argument, reachable};
use crate::command::{Outcome, on_site};
use clap::ArgMatches;

/// Adds a key, and ends all sessions if that is asked for.
pub(in crate::command) async fn rotate_keys(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    let reason = argument(matches, "reason");
    let rotated = rotate_for_incident(&prepared, reason).await?;
    if !matches.get_flag("end-sessions") {
        return Ok(rotated + ENDS_NOTHING);
    }
    let ended = on_site(prepared, async |site| {
        reachable(&site)?;
        revoke_all(&site, reason).await
    });
    Ok(rotated + &ended.await? + STILL_VERIFIES)
}

const ENDS_NOTHING: &str = "This ended nothing: sessions, links and values under the older keys \
    hold until `keys retire`. If a key was stolen: restart the site, `incident revoke --all`, \
    `keys reencrypt`, `keys retire`.\n";

const STILL_VERIFIES: &str = "The older keys still verify. If a key was stolen: restart the site, \
    `keys reencrypt`, `keys retire`.\n";
