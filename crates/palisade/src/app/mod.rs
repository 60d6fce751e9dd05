//! A site: its routes, the request pipeline, the server.
//!
//! [`App`] is the builder, [`App::run`] the command line. The request pipeline is in `pipeline/`,
//! step by step, in the order of ARCHITECTURE.md; a test asserts the order.

mod acme;
mod boot;
mod builder;
mod django;
mod encrypted_columns;
mod endpoints;
mod error;
mod findings;
mod keys;
mod parts;
mod pipeline;
mod route;
mod server;
mod settings;
mod site;
mod upstream;

pub use acme::{AcmeSettings, Challenge};
pub use boot::Prepared;
pub use builder::{App, SiteCommand};
pub(crate) use encrypted_columns::{needed, reseal};
pub use endpoints::security_txt::Contact;
pub use error::BootError;
pub(crate) use keys::ring;
pub use keys::{KeyFile, KeySettings};
pub(crate) use pipeline::answer;
pub use route::{Guarded, IntoGuarded, Reason, RouteInfo, Routes};
pub use server::{
    ListenAddress, ListenError, Server, ServerSettings, Stopped, TlsError, TlsSettings,
};
pub use settings::{LogFormat, SiteSection, SiteSettings};
pub use site::Site;
