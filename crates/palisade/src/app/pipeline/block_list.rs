//! Block lists: networks from the configuration, from files, which are reloaded when they change,
//! and from URLs, which are fetched again.

use crate::app::{BootError, SiteSettings};
use crate::http::client::{Client, is_public};
use crate::http::{ListError, Networks};
use crate::storage::write_private;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Block-listed networks.
pub(crate) struct BlockLists {
    /// From the settings.
    fixed: Networks,
    files: Vec<ListFile>,
    fetched: Vec<Fetched>,
    client: Client,
    /// Interval between two fetches of a list.
    every: Duration,
}

struct ListFile {
    path: PathBuf,
    networks: ArcSwap<Networks>,
    seen: Mutex<Option<(SystemTime, u64)>>,
}

/// A list of another site.
struct Fetched {
    url: String,
    networks: ArcSwap<Networks>,
    /// File with the last valid list, for the next start.
    kept: PathBuf,
    /// Time of the last fetch.
    asked: Mutex<Option<Instant>>,
}

impl BlockLists {
    /// Reads every list once.
    ///
    /// # Errors
    /// A file that cannot be read: a site must not start with fewer blocks than configured. A list
    /// of another site is fetched soon, and until then the one of the last run counts: its
    /// publisher must not decide whether this site starts.
    pub(in crate::app) fn load(settings: &SiteSettings, client: Client) -> Result<Self, BootError> {
        let http = &settings.http;
        let files = http
            .block_lists
            .iter()
            .map(|path| ListFile::load(PathBuf::from(path)))
            .collect::<Result<_, _>>()?;
        let fetched = http
            .block_list_urls
            .iter()
            .map(|url| Fetched::load(url, settings.data()))
            .collect();
        let fixed = http.blocked_networks.iter().copied().collect();
        Ok(Self {
            fixed,
            files,
            fetched,
            client,
            every: http.block_list_secs.duration(),
        })
    }

    /// Whether an address is on any list.
    pub(in crate::app) fn contains(&self, address: IpAddr) -> bool {
        self.fixed.contains(address)
            || self.files.iter().any(|file| file.networks.load().contains(address))
            // a list of another site does not apply to internal proxies and balancers
            || (is_public(address) && self.fetched.iter().any(|list| list.networks.load().contains(address)))
    }

    /// Reloads changed files. A list that cannot be read keeps its old content.
    pub(crate) fn refresh(&self) {
        self.files.iter().for_each(ListFile::refresh);
    }

    /// Fetches lists of other sites that are due.
    pub(crate) async fn fetch(&self) {
        for list in self.fetched.iter().filter(|list| list.is_due(self.every)) {
            list.fetch(&self.client).await;
        }
    }
}

impl ListFile {
    fn load(path: PathBuf) -> Result<Self, BootError> {
        let seen = Mutex::new(stamp(&path));
        match read(&path) {
            Ok(networks) => Ok(Self {
                networks: ArcSwap::from_pointee(networks),
                seen,
                path,
            }),
            Err(why) => Err(BootError::List(path, why)),
        }
    }

    fn refresh(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(&self.path);
        if now == *seen {
            return;
        }
        *seen = now;
        match read(&self.path) {
            Ok(networks) => {
                self.networks.store(networks.into());
                tracing::info!(target: "palisade", list = %self.path.display(), "a block list was reloaded");
            }
            Err(why) => {
                tracing::error!(target: "palisade", list = %self.path.display(), why, "a block list cannot be read: the previous one stays in use");
            }
        }
    }
}

impl Fetched {
    fn load(url: &str, data: &Path) -> Self {
        let name = crate::crypto::hex(&Sha256::digest(url)[..8]);
        let kept = data.join("block_lists").join(name + ".txt");
        let networks = std::fs::read_to_string(&kept)
            .ok()
            .and_then(|list| foreign(&list).ok())
            .unwrap_or_default();
        Self {
            url: url.to_owned(),
            networks: ArcSwap::from_pointee(networks),
            kept,
            asked: Mutex::new(None),
        }
    }

    fn is_due(&self, every: Duration) -> bool {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none_or(|asked| asked.elapsed() >= every)
    }

    async fn fetch(&self, client: &Client) {
        match fetch_list(client, &self.url).await {
            Ok((networks, text)) => {
                if let Err(error) = write_private(&self.kept, text.as_bytes()) {
                    tracing::warn!(target: "palisade", list = %self.kept.display(), %error, "a block list cannot be stored for the next start");
                }
                tracing::info!(target: "palisade", list = self.url, ?networks, "a block list was fetched");
                self.networks.store(networks.into());
                *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            // it stays due, and is fetched at the next interval
            Err(why) => {
                tracing::error!(target: "palisade", list = self.url, why, "a block list cannot be fetched: the previous one stays in use");
            }
        }
    }
}

async fn fetch_list(client: &Client, url: &str) -> Result<(Networks, String), String> {
    let answer = client
        .following_redirects()
        .get(url)
        .await
        .map_err(|error| error.to_string())?;
    if !answer.status().is_success() {
        return Err(format!("the status is {}", answer.status()));
    }
    let text = std::str::from_utf8(answer.body()).map_err(|_| "it is not text".to_owned())?;
    let networks = foreign(text)?;
    // a list that is suddenly empty is a fault of its publisher
    if networks.is_empty() {
        Err("it is empty".into())
    } else {
        Ok((networks, text.to_owned()))
    }
}

/// Restricts a list of another site: it may block public addresses, but no large part of them,
/// neither by one entry nor by many small ones.
fn foreign(list: &str) -> Result<Networks, String> {
    let entries = Networks::entries(list).map_err(|error| error.to_string())?;
    let entries: Vec<IpNet> = entries
        .into_iter()
        .map(canonical)
        .filter(is_of_the_internet)
        .collect();
    let is_too_wide =
        |network: &&IpNet| network.prefix_len() < if network.addr().is_ipv4() { 8 } else { 16 };
    if let Some(wide) = entries.iter().find(is_too_wide) {
        return Err(format!("{wide} covers too much of the internet"));
    }
    let all = IpNet::aggregate(&entries);
    let share = |is_v4: bool| {
        all.iter()
            .filter(|network| network.addr().is_ipv4() == is_v4)
            .map(share_of)
            .sum::<f64>()
    };
    if share(true) > MOST_OF_IPV4 || share(false) > MOST_OF_IPV6 {
        return Err("the list covers too much of the internet".into());
    }
    Ok(all.into_iter().collect())
}

/// Whether a network has public addresses: another site may not block internal proxies and
/// balancers.
fn is_of_the_internet(network: &IpNet) -> bool {
    is_public(network.network()) || is_public(network.broadcast()) || network.prefix_len() < 8
}

/// Converts IPv4 networks in IPv6 notation to IPv4
/// ([RFC 4291 section 2.5.5](https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5)).
fn canonical(network: IpNet) -> IpNet {
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .network()
            .to_ipv4_mapped()
            .map(|v4| (v4, v6.prefix_len() - 96)),
        _ => None,
    };
    mapped
        .and_then(|(v4, prefix)| IpNet::new(v4.into(), prefix).ok())
        .unwrap_or(network)
}

/// Fraction of the address space that a network covers.
fn share_of(network: &IpNet) -> f64 {
    (-f64::from(network.prefix_len())).exp2()
}

/// A sixteenth of all addresses. Published lists have far less.
const MOST_OF_IPV4: f64 = 1.0 / 16.0;
/// A fraction of the allocated eighth.
const MOST_OF_IPV6: f64 = 1.0 / 512.0;

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn read(path: &Path) -> Result<Networks, String> {
    let list = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    Networks::read(&list).map_err(|error: ListError| error.to_string())
}
