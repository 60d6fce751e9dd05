//! Checks of the configuration of a site: those of every area, and those that look across areas.

use super::SiteSettings;
use super::acme::{self};
use super::{data_keys, keys};
use crate::admin::{self};
use crate::alerts::{self};
use crate::api::{self};
use crate::auth::{self};
use crate::backups::{self};
use crate::checks::{self, Check, Finding, Level, Selection};
use crate::csrf::{self};
use crate::db::{self};
use crate::django::{self};
use crate::headers::{self};
use crate::http::client::{self};
use crate::http::{self, HostPattern};
use crate::mail::{self};
use crate::metrics::{self};
use crate::mfa::{self};
use crate::sessions::{self};
use crate::social::{self};
use crate::storage::{self};
use crate::telemetry::{self};
use crate::throttle::{self};
use url::Url;

impl SiteSettings {
    /// Findings of every area's checks.
    pub fn findings(&self) -> Vec<Finding> {
        self.select(Selection::Firing)
    }

    /// Every check of settings, as the finding that it reports. Checks of routes, templates and keys
    /// depend on more than settings, and are not among them.
    pub fn checks(&self) -> Vec<Finding> {
        self.select(Selection::All)
    }

    fn select(&self, which: Selection) -> Vec<Finding> {
        let mut findings = checks::select(CHECKS, self, which);
        findings.extend(checks::select(keys::CHECKS, self, which));
        findings.extend(checks::select(data_keys::CHECKS, self, which));
        findings.extend(checks::select(acme::CHECKS, self, which));
        findings.extend(checks::select(http::CHECKS, &self.http, which));
        findings.extend(checks::select(client::CHECKS, &self.client, which));
        findings.extend(checks::select(headers::CHECKS, &self.headers, which));
        findings.extend(checks::select(csrf::CHECKS, &self.csrf, which));
        findings.extend(checks::select(sessions::CHECKS, &self.sessions, which));
        findings.extend(checks::select(auth::CHECKS, &self.passwords, which));
        findings.extend(checks::select(auth::LOCKOUT_CHECKS, &self.lockout, which));
        findings.extend(checks::select(admin::CHECKS, &self.admin, which));
        findings.extend(checks::select(alerts::CHECKS, &self.alerts, which));
        findings.extend(checks::select(metrics::CHECKS, &self.metrics, which));
        findings.extend(checks::select(mfa::CHECKS, &self.mfa, which));
        findings.extend(checks::select(social::CHECKS, &self.social, which));
        findings.extend(checks::select(api::CHECKS, &self.api, which));
        findings.extend(checks::select(django::CHECKS, &self.django, which));
        findings.extend(checks::select(throttle::CHECKS, &self.throttle, which));
        findings.extend(checks::select(db::CHECKS, &self.database, which));
        findings.extend(checks::select(
            telemetry::SENTRY_CHECKS,
            &self.sentry,
            which,
        ));
        findings.extend(checks::select(telemetry::TRACE_CHECKS, &self.traces, which));
        findings.extend(checks::select(mail::CHECKS, &self.mail, which));
        findings.extend(checks::select(backups::CHECKS, &self.backup, which));
        findings.extend(checks::select(storage::CHECKS, &self.storage, which));
        findings
    }
}

#[cfg(unix)]
fn is_readable_by_all(path: &str) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_all(_: &str) -> bool {
    false
}

/// Whether a Redis URL names another machine over plaintext.
fn is_remote(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_here = match url.host() {
        None => true,
        Some(url::Host::Domain(name)) => {
            name == "localhost"
                || name
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
    };
    url.scheme() == "redis" && !is_here
}

const CHECKS: &[Check<SiteSettings>] = &[
    Check {
        id: "site.development",
        django: Some("security.W018"),
        level: Level::Error,
        title: "the site runs in the development profile",
        why: "error pages show details of the program to every client, and plain HTTP is allowed",
        fix: "set PALISADE_PROFILE=production",
        fires: |settings| settings.profile.is_development(),
    },
    Check {
        id: "uploads.origin_is_site",
        django: None,
        level: Level::Error,
        title: "uploads.origin is a host of the site",
        why: "it would serve files and no pages, and files of users would share the origin of the site",
        fix: "set uploads.origin to another domain, which is not in http.allowed_hosts",
        fires: |settings| {
            let hosts = &settings.http.allowed_hosts;
            let origin = settings.uploads.origin.as_ref();
            origin.is_some_and(|origin| hosts.iter().any(|host| host.matches(origin.domain())))
        },
    },
    Check {
        id: "uploads.origin_same_site",
        django: None,
        level: Level::Warning,
        title: "uploads.origin is a subdomain of the same domain as the site",
        why: "a file that runs there could set cookies for the domain of the site (ASVS 3.5.4)",
        fix: "use a domain that is registered for files only",
        fires: |settings| {
            let hosts = &settings.http.allowed_hosts;
            let origin = settings.uploads.origin.as_ref();
            origin.is_some_and(|origin| {
                let is_other = |host: &&HostPattern| !host.matches(origin.domain());
                hosts
                    .iter()
                    .filter(is_other)
                    .any(|host| origin.is_site_of(host.name()))
            })
        },
    },
    Check {
        id: "http.tls_not_terminated",
        django: None,
        level: Level::Error,
        title: "TLS is not terminated: there is no certificate and no trusted proxy, so every \
            request would be redirected to HTTPS in a loop",
        why: "a site that is only reachable over plain HTTP cannot protect a session (ASVS 12.2.1)",
        fix: "let the site order a certificate (acme.domains), or set tls.certificate and \
            tls.key, or put a TLS-terminating proxy in front and list its address in \
            http.trusted_proxies, for example 127.0.0.1/32",
        fires: |settings| {
            let is_behind_proxy = !settings.http.trusted_proxies.is_empty()
                || settings.server.address.port().is_none();
            !is_behind_proxy && !settings.ends_tls()
        },
    },
    Check {
        id: "tls.no_redirect",
        django: None,
        level: Level::Warning,
        title: "plain HTTP is not answered, so a visitor who types the site's name without \
            https:// may get an error",
        why: "a browser without HSTS for the site tries plain HTTP first",
        fix: "set tls.redirect_address = \"0.0.0.0:80\"",
        fires: |settings| settings.ends_tls() && settings.tls.redirect_address.is_none(),
    },
    Check {
        id: "tls.file_missing",
        django: None,
        level: Level::Error,
        title: "a file of tls.certificate or tls.key cannot be read",
        why: "the site does not start",
        fix: "name existing PEM files that the user of the site can read",
        fires: |settings| {
            let files = [&settings.tls.certificate, &settings.tls.key];
            let is_missing = |path: &String| std::fs::File::open(path).is_err();
            files.into_iter().flatten().any(is_missing)
        },
    },
    Check {
        id: "tls.key_readable",
        django: None,
        level: Level::Error,
        title: "every user of this machine can read the private key of the certificate",
        why: "an attacker with the key can impersonate this site, and decrypt recorded traffic",
        fix: "chmod 600 the file that tls.key names",
        fires: |settings| settings.tls.key.as_deref().is_some_and(is_readable_by_all),
    },
    Check {
        id: "client.own_hosts_missing",
        django: None,
        level: Level::Error,
        title: "client.only_hosts excludes hosts that this site itself needs: the ACME server, a \
            block list, or the list of breached passwords",
        why: "the certificate would not be renewed, or the list not be updated",
        fix: "add the hosts of acme.directory, http.block_list_urls and passwords.breached_url \
            to client.only_hosts",
        fires: |settings| {
            let own = settings
                .http
                .block_list_urls
                .iter()
                .chain(settings.acme.is_on().then_some(&settings.acme.directory));
            let own = own.chain(&settings.passwords.breached_url);
            own.into_iter().any(|url| !settings.client.lists(url))
        },
    },
    Check {
        id: "social.strict_cookie",
        django: None,
        level: Level::Error,
        title: "the session cookie is not sent on the redirect from an identity provider or the \
            link of a mail",
        why: "every social login, and every mailed login link, fails",
        fix: "set sessions.same_site = \"lax\", or remove social.providers and login.by_mail",
        fires: |settings| {
            let comes_back = !settings.social.providers.is_empty() || settings.login.by_mail;
            comes_back && settings.sessions.same_site == http::cookies::SameSite::Strict
        },
    },
    Check {
        id: "django.session_store",
        django: None,
        level: Level::Error,
        title: "sessions are shared with Django, but not stored where it reads them",
        why: "a login on one side is not one on the other, and a logout ends only half of a \
            session",
        fix: "set sessions.store = \"database\", and SESSION_ENGINE = \
            \"django.contrib.sessions.backends.db\" there",
        fires: |settings| {
            settings.django.beside && settings.sessions.store != sessions::StoreKind::Database
        },
    },
    Check {
        id: "cache.no_redis",
        django: None,
        level: Level::Error,
        title: "the cache is Redis, and this program was built without the feature redis",
        why: "the site does not start",
        fix: "build with the feature redis",
        fires: |settings| {
            !cfg!(feature = "redis") && settings.cache.url.expose().starts_with("redis")
        },
    },
    Check {
        id: "cache.in_clear",
        django: None,
        level: Level::Warning,
        title: "Redis is on another machine, without encryption",
        why: "a password in the URL is sent in plaintext, and a man in the middle can change \
            rate limits (ASVS 12.3.1)",
        fix: "connect to Redis through an encrypted tunnel that ends on this machine, and name \
            that in cache.url",
        fires: |settings| is_remote(settings.cache.url.expose()),
    },
    Check {
        id: "server.proxy_protocol_on_socket",
        django: None,
        level: Level::Error,
        title: "the PROXY protocol is not read from a Unix socket",
        why: "no request would succeed",
        fix: "set server.proxy_protocol = false and let the proxy speak HTTP, or listen on \
            127.0.0.1",
        fires: |settings| {
            settings.server.proxy_protocol && settings.server.address.port().is_none()
        },
    },
    Check {
        id: "server.patient",
        django: None,
        level: Level::Warning,
        title: "slow clients may hold connections for minutes",
        why: "a few machines that send a byte now and then exhaust all connections (ASVS 13.1.3)",
        fix: "leave server.header_timeout_secs and server.slow_grace_secs below 60, and \
            server.min_bytes_per_second above zero",
        fires: |settings| {
            let server = &settings.server;
            server.min_bytes_per_second == 0
                || server.header_timeout_secs.0 > 60
                || server.slow_grace_secs.0 > 60
        },
    },
];
