//! A persistent mail queue, which does not delay responses.
//!
//! A handler takes the [`MailQueue`] as an argument, and sends a [`Mail`] in the transaction of its cause: both are committed, or
//! neither. The server sends it afterwards, with retries and back-off until it is accepted or
//! expires; of several instances, one sends each. Queued mail is encrypted, because it holds secret
//! links.
//!
//! `mail.url` is the transport: `smtps://` (implicit TLS), `smtp://` (STARTTLS, required unless the
//! server is on this machine) or `console:`, which prints mail in development. In production
//! without `mail.url`, nothing is sent, and a warning is logged.

mod address;
mod error;
mod links;
mod mailer;
mod message;
mod migration;
mod queue;
mod reading;
mod settings;
#[cfg(feature = "smtp")]
mod smtp;
#[cfg(test)]
mod tests;
mod waiting;

pub(crate) use address::deliverable;
pub use error::MailError;
pub(crate) use links::Links;
pub use mailer::{Mailer, NotSent};
pub(crate) use message::Letter;
pub use message::Mail;
pub use migration::migrations;
pub(crate) use queue::MailParts;
pub(crate) use queue::SEALED;
pub use queue::{MailKind, MailQueue};
pub use settings::{CHECKS, CacheSettings, CacheUrl, MailSettings, MailUrl, Sender, ServiceUrl};
pub(crate) use waiting::waiting;
