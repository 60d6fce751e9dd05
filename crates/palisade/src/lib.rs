//! Palisade: a web framework that is secure by default.
//!
//! A site is an [`App`](app::App) with routes, each with an access rule. All protections are on by
//! default: host checks, security headers, CSRF, sessions, accounts, a database that GET cannot
//! write to, and configuration checks that stop an unsafe start.
//!
//! ```no_run
//! use palisade::prelude::*;
//!
//! fn main() -> ExitCode {
//!     App::new()
//!         .routes(Routes::new().route("/", public().get(front)).route("/mine", signed_in().get(mine)))
//!         .run()
//! }
//!
//! async fn front() -> &'static str {
//!     "Hello"
//! }
//!
//! async fn mine(user: User) -> String {
//!     format!("Hello, {}", user.username)
//! }
//! ```
//!
//! Each module documents its protections and their use. A reading order: [`app`], [`permissions`],
//! [`views`], [`forms`], [`db`], [`encrypted_fields`], [`flows`], [`auth`], [`sessions`], [`csrf`], [`headers`], [`http`],
//! [`mod@settings`], [`checks`].

extern crate self as palisade;

// not in debug builds: leak detectors, and tests that count bytes, rely on the system's allocator
#[cfg(all(feature = "mimalloc", not(debug_assertions)))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod admin;
pub mod alerts;
pub mod api;
pub mod app;
pub mod audit_log;
pub mod auth;
pub mod backups;
pub mod checks;
pub mod clock;
mod command;
pub mod csrf;
pub mod db;
pub mod django;
pub mod encrypted_fields;
pub mod entity;
pub mod exports;
pub mod flows;
pub mod formats;
pub mod forms;
pub mod headers;
pub mod http;
pub mod incident;
pub mod mail;
pub mod metrics;
pub mod mfa;
pub mod permissions;
pub mod prelude;
pub mod sessions;
pub mod settings;
pub mod social;
pub mod static_files;
mod storage;
#[cfg(unix)]
pub mod system;
pub mod tasks;
pub mod telemetry;
pub mod testing;
pub mod throttle;
pub mod uploads;
pub mod views;

pub use palisade_crypto as crypto;
pub use palisade_macros::{include_static, include_templates, pattern};
pub use palisade_password as password;
pub use palisade_template as template;
pub use {async_trait, axum, chrono, sea_orm, sea_orm_migration, serde, serde_json};

/// The examples of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/identity.md")]
struct Identity;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/beside-django.md")]
struct BesideDjango;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/mail-and-tasks.md")]
struct MailAndTasks;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/forms.md")]
struct FormsGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/start.md")]
struct Start;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/routing.md")]
struct Routing;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/database.md")]
struct DatabaseGuide;

#[cfg(all(doctest, feature = "images"))]
#[doc = include_str!("../../../docs/uploads.md")]
struct UploadsGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/api.md")]
struct ApiGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/encrypted-fields.md")]
struct EncryptedColumns;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/alerts.md")]
struct AlertsGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/audit-log.md")]
struct AuditLogGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/privacy.md")]
struct PrivacyGuide;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/flows.md")]
struct Flows;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct TestingGuide;
