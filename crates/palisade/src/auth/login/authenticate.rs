//! Verifications that count as guesses: passwords, codes of second factors, pending sign-ups.

use super::lockout::{CODES, Counted, Guess, PASSWORDS, SIGN_UPS, Source};
use crate::auth::user::entity::Model as Account;
use crate::auth::{Accounts, Attempt};
use crate::views::Result;
use std::time::Duration;

/// A guess before its verification.
struct Counting<'a> {
    from: Source<'a>,
    counters: &'a [Counted],
    /// Its subject, as displayed to staff.
    subject: &'a str,
}

/// Result of a verification, for the counters.
enum Verified {
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

impl Accounts {
    /// Verifies a name or address and a password, unless further guesses are locked. A guess is
    /// counted before it is verified, so that concurrent guesses all count.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting; the result is unknown
    /// then.
    pub(in crate::auth) async fn attempt(
        &self,
        from: Source<'_>,
        username: &str,
        password: &str,
    ) -> Result<Attempt> {
        let row = self.by_name_or_address(username).await?;
        // by the typed text only: a limit shared by name and address would reveal that an account
        // has the address (user enumeration)
        let key = counted_name(username);
        let device = self.devices.known(from.headers, row.as_ref()).await?;
        let device = device.as_ref().map(|known| known.hash.as_str());
        let counters = self.lockout.counted(PASSWORDS, &key, from.client, device);
        let subject = row.as_ref().map_or("(unknown name)", |row| &row.username);
        let subject = subject.to_owned();
        let counting = Counting {
            from,
            counters: &counters,
            subject: &subject,
        };
        let outcome = |attempt: &Attempt| match attempt {
            Attempt::Welcome(_) => Verified::Right,
            Attempt::Refused { .. } => Verified::Wrong,
            Attempt::Locked(_) => Verified::Unknown,
        };
        let verified = self.count_guess(counting, self.authenticate(row, password), outcome);
        Ok(verified.await?.unwrap_or_else(Attempt::Locked))
    }

    /// Verifies a code of a user's second factor, as a counted guess.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    pub(crate) async fn guess_code(
        &self,
        from: Source<'_>,
        account: &Account,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let device = self.devices.known(from.headers, Some(account)).await?;
        let device = device.map(|known| known.hash);
        let id = account.id.to_string();
        let counters = self
            .lockout
            .counted(CODES, &id, from.client, device.as_deref());
        let counting = Counting {
            from,
            counters: &counters,
            subject: &account.username,
        };
        self.guess(counting, verification).await
    }

    /// Verifies the password of a pending sign-up, as a counted guess.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    pub(in crate::auth) async fn guess_sign_up(
        &self,
        from: Source<'_>,
        hash: &str,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let counting = Counting {
            from,
            counters: &self.lockout.counted(SIGN_UPS, hash, from.client, None),
            subject: "(sign-up)",
        };
        self.guess(counting, verification).await
    }

    async fn guess(
        &self,
        counting: Counting<'_>,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let outcome = |is_right: &bool| match is_right {
            true => Verified::Right,
            false => Verified::Wrong,
        };
        let verified = self.count_guess(counting, verification, outcome).await?;
        Ok(
            verified.map_or_else(Guess::Locked, |is_right| match is_right {
                true => Guess::Right,
                false => Guess::Wrong,
            }),
        )
    }

    /// Runs a verification as a counted guess; `Err` with the time to wait while it is locked.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    async fn count_guess<T>(
        &self,
        Counting {
            from,
            counters,
            subject,
        }: Counting<'_>,
        verification: impl Future<Output = Result<T>>,
        outcome: impl Fn(&T) -> Verified,
    ) -> Result<Result<T, Duration>> {
        let begun = match self.lockout.count(counters).await? {
            Ok(begun) => begun,
            Err(wait) => return Ok(Err(wait)),
        };
        // stored before the verification: every active lock can be seen and lifted
        self.lockout
            .write_all(counters, &begun, subject, from)
            .await?;
        let verified = verification.await;
        match verified.as_ref().map_or(Verified::Unknown, outcome) {
            Verified::Right => self.lockout.absolve(counters, &begun).await?,
            Verified::Wrong => {}
            Verified::Unknown => self.lockout.unjudged(counters, &begun).await?,
        }
        verified.map(Ok)
    }
}
