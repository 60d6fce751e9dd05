use super::keys::{self, KeySettings};
use crate::auth::{self, PasswordSettings};
use crate::checks::{self, Check, Finding, Level};
use crate::csrf::{self, CsrfSettings};
use crate::db::{self, DatabaseSettings};
use crate::headers::{self, HeaderSettings};
use crate::http::{self, HttpSettings};
use crate::mail::{CacheSettings, MailSettings};
use crate::sessions::{self, SessionSettings};
use crate::settings::{Effective, Profile, Reader, Secs, SettingsError, Sources, section, setting_words};
use crate::throttle::{self, ThrottleSettings};
use std::net::SocketAddr;

section! {
    /// Where the server listens and how long it waits.
    ServerSettings("server") {
        /// Address to listen on; development serves loopback addresses only
        address: SocketAddr = |_| SocketAddr::from(([127, 0, 0, 1], 8000));
        /// Connections at once; more wait to be accepted
        max_connections: u64 = |_| 1024;
        /// Seconds in which a request's headers must have arrived, and an idle connection may stay open
        header_timeout_secs: Secs = |_| Secs(15);
        /// Most bytes of a request's headers
        max_header_bytes: u64 = |_| 65_536;
        /// Seconds in which requests may finish when the server stops
        drain_secs: Secs = |_| Secs(10);
    }
}

section! {
    /// The site as a whole.
    SiteSection("site") {
        /// Folder of the database, the key and files
        data: String = |_| "data".into();
        /// Page to show after login
        home: String = |_| "/".into();
        /// Weakened protections that production accepts, by the name that `check` prints
        allow_dangerous: Vec<String> = |_| Vec::new();
        /// Form of the log: text or json
        log_format: LogFormat = |profile| if profile.is_development() { LogFormat::Text } else { LogFormat::Json };
        /// Whether the server makes the database ready before it starts
        migrate_at_start: bool = |profile| profile.is_development();
    }
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object on each line, for programs.
    Json,
}

setting_words!(LogFormat, "text or json", Text = "text", Json = "json");

/// All settings of a site.
#[derive(Debug, Clone)]
pub struct SiteSettings {
    /// What the site is running for.
    pub profile: Profile,
    /// `[site]`
    pub site: SiteSection,
    /// `[server]`
    pub server: ServerSettings,
    /// `[http]`
    pub http: HttpSettings,
    /// `[headers]`
    pub headers: HeaderSettings,
    /// `[csrf]`
    pub csrf: CsrfSettings,
    /// `[sessions]`
    pub sessions: SessionSettings,
    /// `[passwords]`
    pub passwords: PasswordSettings,
    /// `[throttle]`
    pub throttle: ThrottleSettings,
    /// `[database]`
    pub database: DatabaseSettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[mail]`
    pub mail: MailSettings,
    /// `[keys]`
    pub keys: KeySettings,
    /// Every value with its source, as `settings` prints it.
    pub effective: Vec<Effective>,
}

impl SiteSettings {
    /// Reads every area's settings.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn read(sources: Sources) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(sources)?;
        let mut settings = Self {
            profile: reader.profile(),
            site: SiteSection::read(&mut reader),
            server: ServerSettings::read(&mut reader),
            http: HttpSettings::read(&mut reader),
            headers: HeaderSettings::read(&mut reader),
            csrf: CsrfSettings::read(&mut reader),
            sessions: SessionSettings::read(&mut reader),
            passwords: PasswordSettings::read(&mut reader),
            throttle: ThrottleSettings::read(&mut reader),
            database: DatabaseSettings::read(&mut reader),
            cache: CacheSettings::read(&mut reader),
            mail: MailSettings::read(&mut reader),
            keys: KeySettings::read(&mut reader),
            effective: Vec::new(),
        };
        settings.effective = reader.finish()?;
        Ok(settings)
    }

    /// Every check of every area.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = checks::run(CHECKS, self);
        findings.extend(checks::run(keys::CHECKS, self));
        findings.extend(checks::run(http::CHECKS, &self.http));
        findings.extend(checks::run(headers::CHECKS, &self.headers));
        findings.extend(checks::run(csrf::CHECKS, &self.csrf));
        findings.extend(checks::run(sessions::CHECKS, &self.sessions));
        findings.extend(checks::run(auth::CHECKS, &self.passwords));
        findings.extend(checks::run(throttle::CHECKS, &self.throttle));
        findings.extend(checks::run(db::CHECKS, &self.database));
        findings
    }

    /// The folder of the database, the key and files.
    pub fn data(&self) -> &std::path::Path {
        std::path::Path::new(&self.site.data)
    }
}

const CHECKS: &[Check<SiteSettings>] = &[Check {
    id: "site.development",
    django: Some("security.W018"),
    level: Level::Error,
    title: "the site runs in the development profile",
    why: "error pages explain the program to whoever causes an error, and plain HTTP is allowed",
    fix: "set PALISADE_PROFILE=production",
    fires: |settings| settings.profile.is_development(),
}];
