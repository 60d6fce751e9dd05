use super::Mail;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Why a mail was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSent {
    /// A temporary failure.
    Yet(String),
    /// A permanent failure: the address is invalid or refused.
    Ever(String),
}

/// A mail transport.
pub trait Mailer: Send + Sync {
    /// Sends one mail.
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>>;

    /// Sent mail, where it is stored: for tests.
    fn outbox(&self) -> Vec<Mail> {
        Vec::new()
    }

    /// Whether mail can be delivered at all.
    fn is_real(&self) -> bool {
        true
    }
}

/// Prints mail, in development.
pub(super) struct Console;

impl Mailer for Console {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>> {
        eprintln!(
            "\n--- mail to {} ---\nSubject: {}\n\n{}\n---",
            mail.to, mail.subject, mail.text
        );
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Stores mail, for tests.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Vec<Mail>>);

impl Mailer for Outbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(mail.clone());
        Box::pin(std::future::ready(Ok(())))
    }

    fn outbox(&self) -> Vec<Mail> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Rejects all mail, because no transport is configured.
pub(super) struct Nowhere;

impl Mailer for Nowhere {
    fn send<'a>(&'a self, _: &'a Mail) -> BoxFuture<'a, Result<(), NotSent>> {
        Box::pin(std::future::ready(Err(NotSent::Ever(
            "mail.url is not set".into(),
        ))))
    }

    fn is_real(&self) -> bool {
        false
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Yet(why) | Self::Ever(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for NotSent {}
