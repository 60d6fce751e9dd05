use super::acme::AcmeSettings;
use super::contact::Contact;
use super::key_settings::KeySettings;
use super::sections::{RegisteredSection, read_sections};
use super::server::{ServerSettings, TlsSettings};
use crate::admin::AdminSettings;
use crate::alerts::AlertSettings;
use crate::api::{ApiSettings, WebhookSettings};
use crate::audit_log::AuditSettings;
use crate::auth::{LockoutSettings, LoginSettings, PasswordSettings};
use crate::backups::BackupSettings;
use crate::csrf::CsrfSettings;
use crate::db::DatabaseSettings;
use crate::django::DjangoSettings;
use crate::forms::{Field, Line};
use crate::headers::HeaderSettings;
use crate::http::HttpSettings;
use crate::http::client::ClientSettings;
use crate::incident::IncidentSettings;
use crate::mail::{CacheSettings, MailSettings};
use crate::metrics::MetricSettings;
use crate::mfa::MfaSettings;
use crate::sessions::SessionSettings;
use crate::settings::{
    Effective, Profile, Reader, SettingsError, Sources, section, setting_from_str, setting_words,
};
use crate::social::SocialSettings;
use crate::storage::StorageSettings;
use crate::tasks::TaskSettings;
use crate::telemetry::{SentrySettings, TraceSettings};
use crate::throttle::ThrottleSettings;
use crate::uploads::UploadSettings;
use chrono_tz::Tz;
use http::Extensions;
use ipnet::IpNet;
use std::fmt;
use std::str::FromStr;
use url::Url;

section! {
    /// General settings of the site.
    SiteSection("site") {
        /// Folder of the database, the key and files
        data: String = |_| "data".into();
        /// Name of the site, such as `Help desk`, on pages, in mails and in authenticator apps; none
        /// means its host
        name: Option<SiteName> = |_| None;
        /// URL of the site, such as `https://desk.example.org`, for links in mail; none means
        /// https:// and the first of http.allowed_hosts
        url: Option<SiteUrl> = |_| None;
        /// Time zone of task schedules and of dates on pages
        time_zone: Tz = |_| Tz::UTC;
        /// Path to redirect to after login
        home: String = |_| "/".into();
        /// Weakened protections that production accepts, by the name that `check` prints
        allow_dangerous: Vec<String> = |_| Vec::new();
        /// Security contacts for /.well-known/security.txt: mailto:, https:// or tel:
        security_contacts: Vec<Contact> = |_| Vec::new();
        /// URL of the vulnerability disclosure policy
        security_policy: Option<Contact> = |_| None;
        /// Networks that may see /health/detail, such as that of a monitor; all others get 404
        health_detail_from: Vec<IpNet> = |_| Vec::new();
        /// Format of the log: text or json
        log_format: LogFormat = |profile| if profile.is_development() { LogFormat::Text } else { LogFormat::Json };
        /// Whether the server runs migrations before it starts
        migrate_at_start: bool = |profile| profile.is_development();
        /// Whether `serve` reads static files from the disk, and pages in the browser reload when a
        /// file changes: in debug builds and the development profile only
        live_files: bool = |profile| profile.is_development();
    }
}

/// URL of the site: scheme, host and optional port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteUrl(String);

setting_from_str!(
    SiteUrl,
    "a URL without a path, such as https://desk.example.org"
);

impl FromStr for SiteUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let url = Url::parse(text).map_err(|_| ())?;
        let is_web =
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        if is_web && is_bare {
            Ok(Self(url.origin().ascii_serialization()))
        } else {
            Err(())
        }
    }
}

impl fmt::Display for SiteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of the site: one line of 1 to 60 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteName(String);

setting_from_str!(
    SiteName,
    "a line of at most 60 characters, such as Help desk"
);

impl FromStr for SiteName {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match <Line<60> as Field>::parse(Some(text)) {
            Ok(line) => Ok(Self(line.into())),
            Err(_) => Err(()),
        }
    }
}

impl fmt::Display for SiteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text lines.
    Text,
    /// A JSON object per line.
    Json,
}

setting_words!(LogFormat, "text or json", Text = "text", Json = "json");

/// All settings of a site.
#[derive(Debug, Clone)]
pub struct SiteSettings {
    /// The profile.
    pub profile: Profile,
    /// `[site]`
    pub site: SiteSection,
    /// `[server]`
    pub server: ServerSettings,
    /// `[tls]`
    pub tls: TlsSettings,
    /// `[acme]`
    pub acme: AcmeSettings,
    /// `[http]`
    pub http: HttpSettings,
    /// `[client]`
    pub client: ClientSettings,
    /// `[headers]`
    pub headers: HeaderSettings,
    /// `[csrf]`
    pub csrf: CsrfSettings,
    /// `[sessions]`
    pub sessions: SessionSettings,
    /// `[passwords]`
    pub passwords: PasswordSettings,
    /// `[login]`
    pub login: LoginSettings,
    /// `[lockout]`
    pub lockout: LockoutSettings,
    /// `[mfa]`
    pub mfa: MfaSettings,
    /// `[social]`
    pub social: SocialSettings,
    /// `[api]`
    pub api: ApiSettings,
    /// Webhooks.
    pub webhooks: WebhookSettings,
    /// `[django]`
    pub django: DjangoSettings,
    /// `[throttle]`
    pub throttle: ThrottleSettings,
    /// `[database]`
    pub database: DatabaseSettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[mail]`
    pub mail: MailSettings,
    /// `[tasks]`
    pub tasks: TaskSettings,
    /// `[audit]`
    pub audit: AuditSettings,
    /// `[alerts]`
    pub alerts: AlertSettings,
    /// `[incident]`
    pub incident: IncidentSettings,
    /// `[metrics]`
    pub metrics: MetricSettings,
    /// `[sentry]`
    pub sentry: SentrySettings,
    /// `[traces]`
    pub traces: TraceSettings,
    /// `[admin]`
    pub admin: AdminSettings,
    /// `[backup]`
    pub backup: BackupSettings,
    /// `[storage]`
    pub storage: StorageSettings,
    /// `[uploads]`
    pub uploads: UploadSettings,
    /// `[keys]`
    pub keys: KeySettings,
    /// Sections of the site's own, by type.
    pub(crate) own: Extensions,
    /// Every value with its source, as `settings` prints it.
    pub effective: Vec<Effective>,
}

impl SiteSettings {
    /// Reads every area's settings.
    ///
    /// # Errors
    /// All invalid settings at once.
    pub fn read(sources: Sources) -> Result<Self, SettingsError> {
        Self::read_with(sources, &[])
    }

    /// The same with sections of the site's own.
    pub(super) fn read_with(
        sources: Sources,
        own: &[RegisteredSection],
    ) -> Result<Self, SettingsError> {
        let mut reader = Reader::new(sources)?;
        let mut settings = Self {
            profile: reader.profile(),
            site: SiteSection::read(&mut reader),
            server: ServerSettings::read(&mut reader).with_platform_port(&reader),
            tls: TlsSettings::read(&mut reader),
            acme: AcmeSettings::read(&mut reader),
            http: HttpSettings::read(&mut reader),
            client: ClientSettings::read(&mut reader),
            headers: HeaderSettings::read(&mut reader),
            csrf: CsrfSettings::read(&mut reader),
            sessions: SessionSettings::read(&mut reader),
            passwords: PasswordSettings::read(&mut reader),
            login: LoginSettings::read(&mut reader),
            lockout: LockoutSettings::read(&mut reader),
            mfa: MfaSettings::read(&mut reader),
            social: SocialSettings::read(&mut reader),
            api: ApiSettings::read(&mut reader),
            webhooks: WebhookSettings::read(&mut reader),
            django: DjangoSettings::read(&mut reader),
            throttle: ThrottleSettings::read(&mut reader),
            database: DatabaseSettings::read(&mut reader),
            cache: CacheSettings::read(&mut reader),
            mail: MailSettings::read(&mut reader),
            tasks: TaskSettings::read(&mut reader),
            audit: AuditSettings::read(&mut reader),
            alerts: AlertSettings::read(&mut reader),
            incident: IncidentSettings::read(&mut reader),
            metrics: MetricSettings::read(&mut reader),
            sentry: SentrySettings::read(&mut reader),
            traces: TraceSettings::read(&mut reader),
            admin: AdminSettings::read(&mut reader),
            backup: BackupSettings::read(&mut reader),
            storage: StorageSettings::read(&mut reader),
            uploads: UploadSettings::read(&mut reader),
            keys: KeySettings::read(&mut reader),
            own: Extensions::new(),
            effective: Vec::new(),
        };
        settings.own = read_sections(&mut reader, own)?;
        settings.effective = reader.finish()?;
        Ok(settings)
    }

    /// Whether this process terminates TLS, with certificate files or ACME.
    pub fn ends_tls(&self) -> bool {
        self.tls.has_files() || self.acme.is_on()
    }

    /// The data folder.
    pub fn data(&self) -> &std::path::Path {
        std::path::Path::new(&self.site.data)
    }
}
