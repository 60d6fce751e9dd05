//! Login by password: verification, and the session that starts.

use super::epoch::epoch_of;
use super::guard::{Guess, Verified};
use super::known_devices::Trust;
use super::pending_login::PendingLogin;
use super::second_factor::Factor;
use super::source::Source;
use super::user_agent::agent;
use crate::auth::access_tokens::rebind;
use crate::auth::email::notices::Notice;
use crate::auth::user::entity::Model;
use crate::auth::users::put_hash;
use crate::auth::{Accounts, LOGOUT_PAGE, User};
use crate::db::Tx;
use crate::sessions::Session;
use crate::views::Result;
use http::HeaderValue;
use palisade_password::{Verdict, is_usable};
use sea_orm::DbErr;
use std::time::Duration;

/// Outcome of a login attempt.
pub(in crate::auth) enum Attempt {
    /// The credentials are valid.
    Welcome(Model),
    /// The credentials are wrong. The account is for the log only.
    Refused {
        /// Id and username of the account, if it exists.
        known: Option<(i32, String)>,
    },
    /// Not verified: locked after too many attempts, for this long.
    Locked(Duration),
}

impl Accounts {
    /// Verifies a name or address and a password, unless further guesses are locked.
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
        let row = self.users.by_name_or_address(username).await?;
        let guess = self
            .guard
            .password_guess(from, username, row.as_ref())
            .await?;
        let outcome = |attempt: &Attempt| match attempt {
            Attempt::Welcome(_) => Verified::Right,
            Attempt::Refused { .. } => Verified::Wrong,
            Attempt::Locked(_) => Verified::Unknown,
        };
        let verification = self.authenticate(row, password);
        let verified = self.guard.attempt(guess, verification, outcome).await?;
        Ok(verified.unwrap_or_else(Attempt::Locked))
    }

    /// Verifies a password, in constant work: a refusal takes as long for any cause. Does not
    /// count guesses; [`Accounts::attempt`] does.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting; the result is unknown
    /// then.
    async fn authenticate(&self, row: Option<Model>, password: &str) -> Result<Attempt> {
        let known = row.as_ref().map(|row| (row.id, row.username.clone()));
        let row = row.filter(|row| row.is_active && is_usable(&row.password));
        let encoded = row.as_ref().map(|row| row.password.clone());
        let verdict = self.passwords.verify(password, encoded).await?;
        let row = match (row, verdict) {
            (Some(row), Verdict::Match) => Some(row),
            (Some(row), Verdict::MatchButWeak) => {
                let encoded = self.passwords.hash(password).await?;
                self.upgrade_hash(row, encoded).await?
            }
            _ => None,
        };
        Ok(row.map_or(Attempt::Refused { known }, Attempt::Welcome))
    }

    /// Replaces the hash of an unchanged password. `None` if it has changed meanwhile: the
    /// verification of the old password is void then.
    async fn upgrade_hash(&self, row: Model, encoded: String) -> Result<Option<Model>> {
        let epoch = epoch_of(&self.database.handle(), row.id).await?;
        let upgraded = Model {
            password: encoded,
            ..row.clone()
        };
        let before = self.bindings_of(&row, epoch);
        let now = self.bindings_of(&upgraded, epoch);
        let put = async |tx: &Tx| {
            let is_put = put_hash(tx, &row, &upgraded.password).await?;
            if let Some(now) = now.first().filter(|_| is_put) {
                rebind(tx, row.id, (&before, now)).await?;
            }
            Ok::<_, DbErr>(is_put)
        };
        let is_put = self.database.write_always(put).await?;
        Ok(is_put.then_some(upgraded))
    }

    /// Verifies a code of a user's second factor, as a counted guess.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    pub(crate) async fn guess_code(
        &self,
        from: Source<'_>,
        account: &Model,
        verification: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        self.guard.guess_code(from, account, verification).await
    }

    /// Logs a user in: always with a new session key (session fixation), and records the time.
    pub(in crate::auth) async fn log_in(
        &self,
        session: &Session,
        from: Source<'_>,
        login: PendingLogin,
        factor: Factor,
    ) -> Result<User> {
        let row = login.account;
        if !self.hooks.is_empty() {
            let user = row.public();
            self.database
                .write_always(async |tx| self.run_logged_in(tx, &user).await)
                .await?;
        }
        self.sessions.begin(session, from, &row).await?;
        // A federated login starts a session but does not count as recent authentication (see
        // `Access::fresh`)
        if login.is_federated && factor != Factor::Typed {
            self.sessions.record_factor(session, factor).await?;
        } else {
            self.sessions.record_authentication(session, factor).await?;
        }
        if let Some(page) = login.logout_page {
            session.insert(LOGOUT_PAGE, page).await?;
        }
        self.users.record_login(row.id).await?;
        Ok(row.public())
    }

    async fn run_logged_in(&self, tx: &Tx, user: &User) -> Result<()> {
        for hooks in &self.hooks {
            hooks.logged_in(tx, user).await?;
        }
        Ok(())
    }

    /// Remembers the browser of a login, notifies the owner of a new one, and returns the cookie to
    /// set. A trusted browser skips the second factor for a while.
    pub(in crate::auth) async fn remember_browser(
        &self,
        from: Source<'_>,
        row: &Model,
        base: &str,
        trust: Trust,
    ) -> Result<Option<HeaderValue>> {
        let devices = &self.guard.devices;
        let known = devices.find(from.headers, Some(row)).await?;
        let tx = self.database.begin().await?;
        if let Some(known) = known {
            devices.update(&tx, &known.hash, trust).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let cookie = devices.remember(&tx, from, row, trust).await?;
        // the first login of an account needs no notice
        if row.last_login.is_some() {
            let text = format!(
                "A new browser was used to log in:\n\n    {}\n    from {}",
                agent(from.headers),
                from.client
            );
            let notice = Notice { text: &text, base };
            self.email.notify(&tx, row, notice).await?;
        }
        tx.commit().await?;
        Ok(cookie)
    }

    /// Whether logins from this browser skip the second factor.
    pub(in crate::auth) async fn is_trusted(&self, from: Source<'_>, row: &Model) -> Result<bool> {
        let known = self.guard.devices.find(from.headers, Some(row)).await?;
        Ok(known.is_some_and(|known| known.is_trusted))
    }
}
