//! Ports that are open to the network.

use super::Item;
use std::collections::BTreeSet;
use std::path::Path;

const ID: &str = "open-ports";

/// Servers that belong behind a firewall.
const PRIVATE: [(u16, &str); 7] = [
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (6379, "Redis"),
    (3310, "clamd"),
    (9000, "a storage"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

pub(super) fn items(root: &Path) -> Vec<Item> {
    let read =
        |name: &str| std::fs::read_to_string(root.join("proc/net").join(name)).unwrap_or_default();
    let text = read("tcp") + &read("tcp6");
    let open: BTreeSet<u16> = text.lines().filter_map(open_port).collect();
    let private = PRIVATE.iter().filter(|(port, _)| open.contains(port));
    let private: Vec<String> = private
        .map(|(port, name)| format!("{name} ({port})"))
        .collect();
    let mut found = Vec::new();
    if !private.is_empty() {
        let said = format!(
            "other machines reach {}: let it listen on 127.0.0.1, or close it by the firewall",
            private.join(", ")
        );
        found.push(Item::bad(ID, said));
    }
    let all: Vec<String> = open.iter().map(u16::to_string).collect();
    found.push(match all.is_empty() {
        true => Item::good(ID, "no port listens to the network"),
        false => Item::ask(
            ID,
            format!(
                "Should other machines reach the ports {}? All others belong behind a firewall",
                all.join(", ")
            ),
        ),
    });
    found
}

/// The port of a line of `/proc/net/tcp`, if it listens on another address than loopback.
fn open_port(line: &str) -> Option<u16> {
    let mut fields = line.split_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    let (address, port) = local.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let is_listening = state == "0A";
    // the first byte is the last of a word: 127.0.0.1 is 0100007F
    let is_loopback = match address.len() {
        8 => address.ends_with("7F"),
        _ => address == "00000000000000000000000001000000" || address.ends_with("0000FFFF0100007F"),
    };
    (is_listening && !is_loopback).then_some(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n\
        \x20  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107\n\
        \x20  1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
        \x20  2: 0200000A:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0\n\
        \x20  3: 0200000A:01BB 0300000A:C350 01 00000000:00000000 00:00000000 00000000     0\n\
        \x20  4: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A\n\
        \x20  5: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A\n";

    #[test]
    fn ports_of_the_network_are_found() {
        let open: Vec<u16> = TCP.lines().filter_map(open_port).collect();
        assert_eq!(open, [22, 6379, 443]);
    }
}
