//! A site: its routes, the request pipeline, the server.
//!
//! [`App`] is the builder, [`App::run`] the command line. The request pipeline is in `way.rs` and
//! `guard.rs`, step by step, in the order of ARCHITECTURE.md; a test asserts the order.

mod acme;
mod beside;
mod boot;
mod builder;
mod callers;
mod error;
mod findings;
mod forward;
mod guard;
mod health;
mod keys;
mod limits;
mod lists;
mod refusal;
mod repeats;
mod route;
mod sealed;
mod security_txt;
mod server;
mod settings;
mod shield;
mod site;
mod spelling;
mod way;

pub use acme::{AcmeSettings, Challenge};
pub use boot::Prepared;
pub use builder::{App, SiteCommand};
pub use error::BootError;
pub(crate) use keys::ring;
pub use keys::{KeyFile, KeySettings};
pub use route::{Guarded, IntoGuarded, Reason, RouteInfo, Routes};
pub(crate) use sealed::{needed, reseal};
pub use security_txt::Contact;
pub use server::{
    ListenAddress, ListenError, Server, ServerSettings, Stopped, TlsError, TlsSettings,
};
pub use settings::{LogFormat, SiteSection, SiteSettings};
pub use site::Site;
pub(crate) use way::answer;
