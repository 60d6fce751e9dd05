//! Session binding: compares the kind of browser and the part of the network with those of the
//! login.
//!
//! Browsers are updated and phones change networks, so a difference proves nothing; but a cookie
//! that suddenly comes from another kind of browser may be stolen.

use crate::audit_log::{self, Entry, Event};
use crate::http::ClientAddress;
use crate::sessions::{ADDRESS, AGENT, Binding, Session};
use crate::views::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Origin of a request with a session.
pub(in crate::auth) struct Origin<'a> {
    pub(in crate::auth) client: ClientAddress,
    pub(in crate::auth) agent: &'a str,
}

/// Kinds of browsers and systems, specific ones first: Edge claims to be Chrome, and Chrome to be
/// Safari.
const BROWSERS: [&str; 8] = [
    "Edg", "OPR", "Firefox", "Chrome", "Safari", "curl", "python", "bot",
];
const SYSTEMS: [&str; 6] = ["Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux"];

fn family(agent: &str) -> [&str; 2] {
    let first = |known: &[&'static str]| known.iter().find(|name| agent.contains(*name)).copied();
    let product = agent.split(['/', ' ']).next().unwrap_or_default();
    [
        first(&BROWSERS).unwrap_or(product),
        first(&SYSTEMS).unwrap_or_default(),
    ]
}

/// The part of the network: stable for a while on a phone, and different for most attackers.
fn part(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_0000)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 32))),
    }
}

/// Session entry of the last recorded origin, so that it is recorded once.
const MOVED: &str = "_palisade_moved";

/// Whether a session may be used from an origin.
pub(super) async fn is_allowed_from(session: &Session, from: &Origin<'_>) -> Result<bool> {
    let binding = session.binding();
    if binding == Binding::Off {
        return Ok(true);
    }
    let agent = session.value::<String>(AGENT).await?;
    let address = session
        .value::<String>(ADDRESS)
        .await?
        .and_then(|address| address.parse::<IpAddr>().ok());
    let is_same = agent
        .as_deref()
        .is_none_or(|agent| family(agent) == family(from.agent))
        && address.is_none_or(|address| part(address) == part(from.client.0));
    if is_same {
        return Ok(true);
    }
    let place = format!("{} {:?}", part(from.client.0), family(from.agent));
    if session.value::<String>(MOVED).await?.as_deref() != Some(&place) {
        let moved = Entry::new(Event::SessionMoved).detail(format!("binding {binding}"));
        audit_log::record(moved);
        session.note_now(MOVED, place).await?;
    }
    if binding == Binding::End {
        session.end().await?;
    }
    Ok(binding == Binding::Note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_told_apart_by_kind_and_not_by_version() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0";
        let newer = edge.replace("140", "141");
        let chrome = edge.split(" Edg").next().unwrap_or_default();
        assert_eq!(family(edge), family(&newer));
        assert_ne!(family(edge), family(chrome));
        assert_ne!(
            family(chrome),
            family(&chrome.replace("Windows NT 10.0", "X11; Linux x86_64"))
        );
        assert_ne!(family("Desk/1"), family("Other/1"));
        assert_eq!(part([203, 0, 113, 7].into()), part([203, 0, 0, 1].into()));
    }
}
