//! Verifications that count as guesses: passwords, codes of second factors, pending sign-ups.

use super::known_devices::KnownDevices;
use super::lockout::{CODES, Counter, Lockout, PASSWORDS, SIGN_UPS};
use super::source::Source;
use crate::auth::user::entity::Model;
use crate::http::ClientAddress;
use crate::views::Result;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

/// A challenge of the site's own, such as a CAPTCHA or a proof of work, after some failed logins: a
/// softer step before a lockout. Decides by the headers of a login: a page with a challenge, or
/// `None` if it is solved.
pub(crate) type LoginChallenge =
    Arc<dyn Fn(HeaderMap) -> BoxFuture<'static, Result<Option<Response>>> + Send + Sync>;

/// Brute-force protection of logins.
pub(in crate::auth) struct LoginGuard {
    pub(in crate::auth) lockout: Lockout,
    pub(in crate::auth) devices: KnownDevices,
    pub(in crate::auth) challenge: Option<LoginChallenge>,
}

/// Outcome of a guess.
pub(crate) enum Guess {
    Right,
    Wrong,
    /// Not verified: locked after too many guesses, for this long.
    Locked(Duration),
}

/// A guess before its verification.
pub(super) struct PendingGuess<'a> {
    from: Source<'a>,
    counters: Vec<Counter>,
    /// Its subject, as displayed to staff.
    subject: String,
}

/// Result of a verification, for the counters.
pub(super) enum Verified {
    /// The guess is reverted.
    Right,
    /// The guess stays counted.
    Wrong,
    /// The guess is reverted, earlier ones are not.
    Unknown,
}

/// The counter key: the name as typed, an address in lower case.
fn counted_name(typed: &str) -> String {
    if typed.contains('@') {
        typed.to_lowercase()
    } else {
        typed.to_owned()
    }
}

impl LoginGuard {
    /// A guess at the password of a name or address.
    pub(super) async fn password_guess<'a>(
        &self,
        from: Source<'a>,
        typed: &str,
        account: Option<&Model>,
    ) -> Result<PendingGuess<'a>> {
        // by the typed text only: a limit shared by name and address would reveal that an account
        // has the address (user enumeration)
        let key = counted_name(typed);
        let device = self.device(from, account).await?;
        let subject = account.map_or("(unknown name)", |row| &row.username);
        Ok(PendingGuess {
            from,
            counters: self
                .lockout
                .counters(PASSWORDS, &key, from.client, device.as_deref()),
            subject: subject.to_owned(),
        })
    }

    /// The hash of the client's browser, if the account has a login with it.
    pub(in crate::auth) async fn device(
        &self,
        from: Source<'_>,
        account: Option<&Model>,
    ) -> Result<Option<String>> {
        let known = self.devices.find(from.headers, account).await?;
        Ok(known.map(|known| known.hash))
    }

    /// Verifies a code of a user's second factor, as a counted guess.
    pub(in crate::auth) async fn guess_code(
        &self,
        from: Source<'_>,
        account: &Model,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let device = self.device(from, Some(account)).await?;
        let id = account.id.to_string();
        let counters = self
            .lockout
            .counters(CODES, &id, from.client, device.as_deref());
        let guess = PendingGuess {
            from,
            counters,
            subject: account.username.clone(),
        };
        self.verify(guess, verification).await
    }

    /// Verifies the password of a pending sign-up, as a counted guess.
    pub(in crate::auth) async fn guess_sign_up(
        &self,
        from: Source<'_>,
        hash: &str,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let guess = PendingGuess {
            from,
            counters: self.lockout.counters(SIGN_UPS, hash, from.client, None),
            subject: "(sign-up)".to_owned(),
        };
        self.verify(guess, verification).await
    }

    async fn verify(
        &self,
        guess: PendingGuess<'_>,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let outcome = |is_right: &bool| match is_right {
            true => Verified::Right,
            false => Verified::Wrong,
        };
        let verified = self.attempt(guess, verification, outcome).await?;
        Ok(match verified {
            Ok(true) => Guess::Right,
            Ok(false) => Guess::Wrong,
            Err(wait) => Guess::Locked(wait),
        })
    }

    /// Runs a verification as a counted guess; `Err` with the time to wait while it is locked. A
    /// guess is counted before it is verified, so that concurrent guesses all count.
    ///
    /// # Errors
    /// When the database does not answer; the result is unknown then.
    pub(super) async fn attempt<T>(
        &self,
        guess: PendingGuess<'_>,
        verification: impl Future<Output = Result<T>>,
        outcome: impl Fn(&T) -> Verified,
    ) -> Result<Result<T, Duration>> {
        let PendingGuess {
            from,
            counters,
            subject,
        } = guess;
        let started = match self.lockout.count(&counters).await? {
            Ok(started) => started,
            Err(wait) => return Ok(Err(wait)),
        };
        // stored before the verification: every active lock can be seen and lifted
        self.lockout
            .store(&counters, &started, &subject, from)
            .await?;
        let verified = verification.await;
        match verified.as_ref().map_or(Verified::Unknown, outcome) {
            Verified::Right => self.lockout.revert_correct(&counters, &started).await?,
            Verified::Wrong => {}
            Verified::Unknown => self.lockout.revert_unverified(&counters, &started).await?,
        }
        verified.map(Ok)
    }

    /// The site's challenge, if it has one and there were too many attempts. The password is not
    /// verified then.
    pub(in crate::auth) async fn challenge(
        &self,
        username: &str,
        from: Source<'_>,
    ) -> Result<Option<Response>> {
        let Some(challenge) = &self.challenge else {
            return Ok(None);
        };
        if !self.lockout.is_challenged(username, from.client).await {
            return Ok(None);
        }
        challenge(from.headers.clone()).await
    }

    /// Resets the count of attempts after a login.
    pub(in crate::auth) async fn clear_challenge(&self, username: &str, client: ClientAddress) {
        if self.challenge.is_some() {
            self.lockout.clear_challenge(username, client).await;
        }
    }
}
