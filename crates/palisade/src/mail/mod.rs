//! Mail that survives a restart and never slows an answer.
//!
//! Whoever has something to say puts a [`Mail`] into the [`MailQueue`], in the same transaction as what it is about: both are kept, or neither. The server
//! sends it afterwards, again and again with growing pauses until it is taken or too late; of several instances, one sends each. What waits is sealed,
//! because mail carries links that open accounts.
//!
//! `mail.url` says where it goes: `smtps://` (TLS from the first byte), `smtp://` (STARTTLS, without which nothing is sent, except to this machine) or
//! `console:`, which prints it while a site is developed. A site in production that has set nothing sends nothing, and says so.

mod address;
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

pub(crate) use address::deliverable;
pub use mailer::{Mailer, NotSent};
pub(crate) use message::Letter;
pub use message::Mail;
pub use migration::migrations;
pub(crate) use queue::SEALED;
pub use queue::{MailError, MailKind, MailQueue};
pub use settings::{CHECKS, CacheSettings, CacheUrl, MailSettings, MailUrl, Sender, ServiceUrl};
