use crate::settings::Setting;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A set of addresses and networks. A lookup is a binary search over disjoint ranges: about 20
/// steps for 100,000 entries.
///
/// ```
/// use palisade::http::Networks;
/// let list = Networks::read("192.0.2.0/24\n2001:db8::/32 # documentation").expect("networks");
/// assert!(list.contains("192.0.2.7".parse().unwrap()));
/// assert!(!list.contains("198.51.100.7".parse().unwrap()));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Networks {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

/// A list that cannot be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListError {
    line: usize,
    found: String,
}

impl Networks {
    /// Whether an address is in the set. IPv4 addresses in IPv6 notation are recognised.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address.to_canonical() {
            IpAddr::V4(v4) => holds(&self.v4, v4.to_bits()),
            IpAddr::V6(v6) => holds(&self.v6, v6.to_bits()),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Parses a published list, one address or network per line. Empty lines, comments after `#` or
    /// `;`, and the other fields of Tor's exit list (`ExitAddress 192.0.2.1 2026-01-01 00:00:00`)
    /// are ignored.
    ///
    /// # Errors
    /// The first malformed line: a partial list is refused.
    pub fn read(list: &str) -> Result<Self, ListError> {
        Ok(Self::entries(list)?.into_iter().collect())
    }

    /// The entries of such a list.
    ///
    /// # Errors
    /// As [`Networks::read`].
    pub fn entries(list: &str) -> Result<Vec<IpNet>, ListError> {
        let mut networks = Vec::new();
        for (number, line) in list.lines().enumerate() {
            let mut words = line
                .split(['#', ';'])
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let word = match words.next() {
                None | Some("ExitNode" | "Published" | "LastStatus") => continue,
                Some("ExitAddress") => words.next().unwrap_or_default(),
                Some(word) => word,
            };
            let network = address_or_network(word).ok_or_else(|| ListError {
                line: number + 1,
                found: word.chars().take(40).collect(),
            })?;
            networks.push(network);
        }
        Ok(networks)
    }
}

fn holds<T: Ord + Copy>(ranges: &[(T, T)], address: T) -> bool {
    let after = ranges.partition_point(|(first, _)| *first <= address);
    after
        .checked_sub(1)
        .is_some_and(|at| ranges[at].1 >= address)
}

/// An address, or a network.
fn address_or_network(word: &str) -> Option<IpNet> {
    word.parse::<IpNet>()
        .ok()
        .or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
}

impl Setting for IpNet {
    const SHAPE: &'static str = "an address such as 192.0.2.7 or a network such as 10.0.0.0/8";

    fn from_text(text: &str) -> Result<Self, String> {
        address_or_network(text).ok_or_else(|| format!("must be {}", Self::SHAPE))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match (
                network.network().to_canonical(),
                network.broadcast().to_canonical(),
            ) {
                (IpAddr::V4(first), IpAddr::V4(last)) => v4.push((first.to_bits(), last.to_bits())),
                (IpAddr::V6(first), IpAddr::V6(last)) => v6.push((first.to_bits(), last.to_bits())),
                // ::ffff:0:0/90 and wider: all of IPv4, and more of IPv6
                _ => {
                    v4.push((0, u32::MAX));
                    if let IpNet::V6(wide) = network {
                        v6.push((wide.network().to_bits(), wide.broadcast().to_bits()));
                    }
                }
            }
        }
        Self {
            v4: merge_ranges(v4),
            v6: merge_ranges(v6),
        }
    }
}

/// Sorted, disjoint and non-adjacent ranges.
fn merge_ranges<T: Ord + Copy>(mut ranges: Vec<(T, T)>) -> Vec<(T, T)> {
    ranges.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match merged.last_mut() {
            Some((_, end)) if first <= *end => *end = last.max(*end),
            _ => merged.push((first, last)),
        }
    }
    merged
}

impl FromStr for Networks {
    type Err = ();

    /// Networks, separated by commas.
    fn from_str(text: &str) -> Result<Self, ()> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words
            .map(|word| address_or_network(word).ok_or(()))
            .collect()
    }
}

impl fmt::Debug for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Networks({} ranges)", self.v4.len() + self.v6.len())
    }
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {:?} is no address and no network",
            self.line, self.found
        )
    }
}

impl std::error::Error for ListError {}
