//! A site: its routes, the request pipeline, the server.
//!
//! [`App`] is the builder, [`App::run`] the command line. The request pipeline is in `pipeline/`,
//! step by step, in the order of ARCHITECTURE.md; a test asserts the order.

mod access_report;
mod acme;
mod admin;
mod api_routes;
mod assemble;
mod audit;
mod background;
mod backups;
mod boot;
mod builder;
mod contact;
mod data_keys;
mod dead_links;
mod declared_files;
mod development;
mod django;
mod encrypted_columns;
mod endpoints;
mod error;
mod files;
mod findings;
pub mod handler;
mod key_settings;
mod keys;
mod metrics;
mod monitor;
mod own_settings;
mod page_values;
mod parts;
mod pipeline;
mod resource_routes;
mod retention;
mod route;
mod route_facts;
mod route_info;
mod sections;
mod server;
mod settings;
mod site;
mod site_checks;
mod telemetry;
#[cfg(feature = "geo")]
mod travel;
mod uncovered;
mod upstream;
mod write_probe;

pub use acme::{AcmeSettings, Challenge};
pub use api_routes::{ApiAccess, ApiGuarded};
pub(crate) use background::Runner;
pub use background::{Job, Jobs, RunKind, RunReport};
pub use boot::Prepared;
pub use builder::{App, SiteCommand};
pub use contact::Contact;
pub use data_keys::DataKeyFile;
pub(crate) use data_keys::{Activation, data_keys, key_from, text_of, with_key, without_announced};
pub(crate) use encrypted_columns::{keys_by_column, keys_in_use, reseal};
pub use error::BootError;
#[cfg(feature = "backup")]
pub(crate) use files::storage as storage_of_files;
pub use key_settings::KeySettings;
pub use keys::KeyFile;
pub(crate) use keys::ring;
#[cfg(feature = "adopt")]
pub(crate) use keys::secret_keys;
pub use own_settings::Settings;
pub use page_values::PageRequest;
pub(crate) use parts::session_cookie;
pub(crate) use pipeline::answer;
pub use resource_routes::{ResourceRoutes, resource};
pub use route::{Guarded, IntoGuarded, Reason, Routes, Scope};
pub use route_info::RouteInfo;
pub use server::{
    ListenAddress, ListenError, Server, ServerSettings, Stopped, TlsError, TlsSettings,
};
pub use settings::{LogFormat, SiteName, SiteSection, SiteSettings};
pub use site::Site;
