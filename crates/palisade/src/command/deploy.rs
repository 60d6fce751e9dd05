//! Configuration files for reverse proxies, systemd, Docker and fail2ban, generated from the
//! settings.

use super::{Failed, Outcome};
use crate::app::{ListenAddress, SiteSettings};
use crate::db::grants_of_roles;
use crate::http::HostPattern;
use crate::throttle::Rates;
use clap::ArgMatches;

/// Kinds of configurations.
pub(super) const CONFIGS: [&str; 5] = ["apache", "caddy", "docker", "nginx", "systemd"];
/// Databases with separable privileges.
pub(super) const GRANTS: [&str; 1] = ["postgres"];
/// Kinds of rate limit configurations.
pub(super) const LIMITS: [&str; 2] = ["fail2ban", "nginx"];

pub(super) fn run(settings: &SiteSettings, program: &str, matches: &ArgMatches) -> Outcome {
    let (kind, chosen) = matches.subcommand().map_or(("", ""), |(kind, chosen)| {
        (
            kind,
            chosen.get_one::<String>("name").map_or("", String::as_str),
        )
    });
    let text = match (kind, chosen) {
        ("config", "nginx") => include_str!("deploy/nginx.conf"),
        ("config", "apache") => include_str!("deploy/apache.conf"),
        ("config", "caddy") => include_str!("deploy/Caddyfile"),
        ("config", "systemd") => include_str!("deploy/systemd.service"),
        ("config", "docker") => include_str!("deploy/Dockerfile"),
        ("grants", "postgres") => return Ok(grants_of_roles(program)),
        ("limits", "nginx") => include_str!("deploy/limits.nginx.conf"),
        ("limits", "fail2ban") => include_str!("deploy/fail2ban.conf"),
        _ => return Err(Failed(format!("there is no configuration for {chosen}"), 2)),
    };
    let is_off = settings.throttle.requests.is_off() || settings.throttle.changes.is_off();
    if (kind, chosen) == ("limits", "nginx") && is_off {
        return Err(Failed(
            "throttle.requests or throttle.changes is off: there is no rate limit to write".into(),
            1,
        ));
    }
    fill_template(text, settings, program)
}

fn fill_template(text: &str, settings: &SiteSettings, program: &str) -> Outcome {
    let (server, http) = (&settings.server, &settings.http);
    let hosts: Vec<String> = http
        .allowed_hosts
        .iter()
        .map(HostPattern::to_string)
        .collect();
    let Some(host) = hosts.iter().map(|host| host.trim_start_matches('.')).next() else {
        return Err(Failed(
            "http.allowed_hosts is empty\n  fix: set http.allowed_hosts to the names of the site"
                .into(),
            1,
        ));
    };
    let starred = |host: &String| {
        host.strip_prefix('.')
            .map_or_else(|| host.clone(), |parent| format!("*.{parent}"))
    };
    let file = |set: &Option<String>, name: &str| {
        set.clone()
            .unwrap_or_else(|| format!("/etc/ssl/{host}/{name}.pem"))
    };
    let values = [
        ("program", program.to_owned()),
        (
            "name",
            program.replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
        ),
        (
            "upstream_idle",
            (server.keep_alive_secs.0 / 2).max(1).to_string(),
        ),
        ("host", host.to_owned()),
        (
            "hosts",
            if text.contains("ServerAlias") {
                hosts.iter().map(starred).collect::<Vec<_>>()
            } else {
                hosts.clone()
            }
            .join(" "),
        ),
        (
            "caddy_hosts",
            hosts.iter().map(starred).collect::<Vec<_>>().join(", "),
        ),
        ("address", server.address.to_string()),
        (
            "caddy_address",
            server.address.to_string().replace("unix:", "unix/"),
        ),
        ("apache_url", apache_url(&server.address)),
        ("certificate", file(&settings.tls.certificate, "cert")),
        ("key", file(&settings.tls.key, "key")),
        ("header_timeout", server.header_timeout_secs.0.to_string()),
        ("keep_alive", server.keep_alive_secs.0.to_string()),
        ("grace", server.slow_grace_secs.0.to_string()),
        ("rate", server.min_bytes_per_second.to_string()),
        (
            "connections",
            server.max_connections_per_address.to_string(),
        ),
        ("max_headers", server.max_headers.to_string()),
        ("max_header_bytes", server.max_header_bytes.to_string()),
        ("max_body", http.max_body_bytes.to_string()),
        ("body_timeout", http.body_timeout_secs.0.to_string()),
        ("stop", (server.drain_secs.0 + 5).to_string()),
        ("requests_rate", a_minute(&settings.throttle.requests)),
        ("requests_burst", burst(&settings.throttle.requests)),
        ("changes_rate", a_minute(&settings.throttle.changes)),
        ("changes_burst", burst(&settings.throttle.changes)),
    ];
    Ok(values.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("@{name}@"), value)
    }))
}

/// What ProxyPass takes ([mod_proxy](https://httpd.apache.org/docs/2.4/mod/mod_proxy.html#proxypass)).
fn apache_url(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}/"),
        ListenAddress::Unix(path) => format!("unix:{}|http://localhost/", path.display()),
    }
}

/// nginx supports rates per second and per minute.
fn a_minute(rates: &Rates) -> String {
    let first = rates.as_slice().first();
    let requests = first.map_or(0, |rate| {
        (u64::from(rate.count()) * 60).div_ceil(rate.period().as_secs())
    });
    format!("{requests}r/m")
}

/// nginx does not count the first request of a burst.
fn burst(rates: &Rates) -> String {
    rates
        .as_slice()
        .first()
        .map_or(0, |rate| rate.burst().saturating_sub(1))
        .to_string()
}
