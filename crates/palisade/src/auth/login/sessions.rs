//! Binds sessions to users: who is authenticated, since when, and by how many factors.

use super::epoch::{self, epoch_of};
use super::second_factor::Factor;
use super::session_binding::{Origin, is_allowed_from};
use super::source::Source;
use super::user_agent::agent;
use crate::auth::User;
use crate::auth::user::entity::Model;
use crate::clock::Clock;
use crate::db::{Database, Tx};
use crate::sessions::{ADDRESS, AGENT, EPOCH, OWNER, Session, UserSession};
use crate::views::Result;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::{KeyRing, user_tokens};
use std::sync::Arc;

/// The sessions of authenticated users.
pub(crate) struct LoginSessions {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
}

const USER_HASH: &str = "_auth_user_hash";
const USER_BACKEND: &str = "_auth_user_backend";
const PRIVILEGES: &str = "_palisade_privileges";
/// Session entry: time of the last authentication.
const AUTHENTICATED_AT: &str = "_palisade_proven_at";
/// Session entry: the browser is trusted.
const TRUSTED: &str = "_palisade_trusted";
/// Session entry: time of the second factor.
const FACTOR_AT: &str = "_palisade_factor_at";
/// Largest clock skew between two instances.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

impl LoginSessions {
    pub(in crate::auth) fn new(database: Database, clock: Arc<dyn Clock>, ring: KeyRing) -> Self {
        Self {
            database,
            clock,
            ring,
        }
    }

    /// Binds a value to the password of an account.
    pub(in crate::auth) fn hash(&self, row: &Model) -> String {
        row.session_hash(&self.ring)
    }

    /// Whether a value is bound to the account's current password.
    pub(in crate::auth) fn is_hash(&self, row: &Model, hash: &str) -> bool {
        user_tokens::is_session_auth_hash(&self.ring, &row.password, hash)
    }

    /// Signs a user in: always with a new session key (session fixation).
    pub(in crate::auth) async fn begin(
        &self,
        session: &Session,
        from: Source<'_>,
        row: &Model,
    ) -> Result<()> {
        session.renew().await?;
        self.bind(session, row).await?;
        let epoch = epoch_of(&self.database.handle(), row.id).await?;
        session.insert(EPOCH, epoch).await?;
        session.insert(AGENT, agent(from.headers)).await?;
        session.insert(ADDRESS, from.client.to_string()).await
    }

    /// Binds a session to a user, their password and their rights, in Django's session entries.
    pub(in crate::auth) async fn bind(&self, session: &Session, row: &Model) -> Result<()> {
        let backend = "django.contrib.auth.backends.ModelBackend";
        session.insert(OWNER, row.id.to_string()).await?;
        session.insert(USER_BACKEND, backend).await?;
        session.insert(USER_HASH, self.hash(row)).await?;
        session.insert(PRIVILEGES, row.privileges()).await
    }

    /// The user of a session: active, and with the password of the session's login.
    pub(in crate::auth) async fn user(
        &self,
        session: &Session,
        from: &Origin<'_>,
    ) -> Result<Option<User>> {
        if session.cookie_key().is_none() {
            return Ok(None);
        }
        let owner = session.value::<String>(OWNER).await?;
        let Some(id) = owner.and_then(|id| id.parse::<i32>().ok()) else {
            return Ok(None);
        };
        let hash = session
            .value::<String>(USER_HASH)
            .await?
            .unwrap_or_default();
        let found = epoch::account_with_epoch(&self.database.handle(), id).await?;
        let found = found.filter(|(row, _)| row.is_active && self.is_hash(row, &hash));
        let Some((row, epoch)) = found else {
            return Ok(None);
        };
        if !epoch::is_current(session, epoch).await? || !is_allowed_from(session, from).await? {
            return Ok(None);
        }
        self.refresh(session, &row, &hash).await?;
        Ok(Some(row.public()))
    }

    /// Rotates the key of a session after a change of the user's rights, and renews its hash after
    /// a rotation of the key ring.
    async fn refresh(&self, session: &Session, row: &Model, hash: &str) -> Result<()> {
        let newest = self.hash(row);
        let privileges = session.value::<String>(PRIVILEGES).await?;
        if privileges.is_none() && session.is_shared() {
            // Django rotated the key at the login, and concurrent requests use that key
            session.note(PRIVILEGES, row.privileges()).await
        } else if privileges != Some(row.privileges()) {
            session.rotate().await?;
            self.bind(session, row).await
        } else if newest != hash {
            session.insert(USER_HASH, newest).await
        } else {
            Ok(())
        }
    }

    /// Records that the user has just authenticated.
    pub(in crate::auth) async fn record_authentication(
        &self,
        session: &Session,
        factor: Factor,
    ) -> Result<()> {
        let now = self.clock.now().timestamp();
        session.insert(AUTHENTICATED_AT, now).await?;
        self.record_factor(session, factor).await
    }

    /// Records how the second factor was verified, if it was.
    pub(in crate::auth) async fn record_factor(
        &self,
        session: &Session,
        factor: Factor,
    ) -> Result<()> {
        let now = self.clock.now().timestamp();
        match factor {
            Factor::None => Ok(()),
            Factor::Trusted => session.insert(TRUSTED, true).await,
            Factor::Typed => session.insert(FACTOR_AT, now).await,
        }
    }

    /// Removes the second factor from the session, because the user has none any more.
    pub(crate) async fn remove_factor(&self, session: &Session) -> Result<()> {
        session.remove(FACTOR_AT).await?;
        session.remove(TRUSTED).await?;
        session.rotate().await
    }

    /// Whether a session is authenticated with a second factor, or skipped it.
    pub(in crate::auth) async fn has_factor(&self, session: &Session) -> Result<bool> {
        Ok(self.has_typed_code(session).await?
            || session.value::<bool>(TRUSTED).await? == Some(true))
    }

    /// Whether a session is authenticated with a second factor that was not skipped.
    pub(in crate::auth) async fn has_typed_code(&self, session: &Session) -> Result<bool> {
        Ok(session.value::<i64>(FACTOR_AT).await?.is_some())
    }

    /// Whether the user has authenticated within this time.
    pub(in crate::auth) async fn is_fresh(
        &self,
        session: &Session,
        within: TimeDelta,
    ) -> Result<bool> {
        let at = session.value::<i64>(AUTHENTICATED_AT).await?;
        let at = at.and_then(|at| DateTime::<Utc>::from_timestamp(at, 0));
        let age = at.map(|at| self.clock.now() - at);
        // a time in the future was written by an instance with a wrong clock
        Ok(age.is_some_and(|age| age < within && age > -CLOCK_SKEW))
    }

    /// Commits a transaction, ends all other sessions of the user with it, and returns their
    /// number.
    pub(crate) async fn commit_and_end_others(
        &self,
        tx: Tx,
        session: &Session,
        user_id: i32,
    ) -> Result<usize> {
        let epoch = epoch::raise(&tx, user_id).await?;
        tx.commit().await?;
        session.insert(EPOCH, epoch).await?;
        // a concurrent earlier request of this session would write its old epoch back: its row is
        // gone
        session.rotate().await?;
        session.end_siblings(user_id).await
    }

    /// Commits a transaction and ends all sessions of the user with it. Their rows are left for
    /// [`Sessions::end_all`](crate::sessions::Sessions::end_all).
    pub(crate) async fn commit_and_end_all(&self, tx: Tx, user_id: i32) -> Result<()> {
        epoch::raise(&tx, user_id).await?;
        Ok(tx.commit().await?)
    }

    /// Ends all sessions of a user with the commit of a transaction.
    pub(crate) async fn end_all_in(&self, tx: &Tx, user_id: i32) -> Result<()> {
        epoch::raise(tx, user_id).await?;
        Ok(())
    }

    /// Ends all sessions of a user except this one.
    pub(crate) async fn end_others(&self, session: &Session, user_id: i32) -> Result<usize> {
        let tx = self.database.begin().await?;
        self.commit_and_end_others(tx, session, user_id).await
    }

    /// Ends all sessions of a user.
    pub(crate) async fn end_all(&self, user_id: i32) -> Result<()> {
        let tx = self.database.begin().await?;
        self.commit_and_end_all(tx, user_id).await
    }

    /// The open sessions of a user.
    pub(crate) async fn open_sessions(
        &self,
        session: &Session,
        user_id: i32,
    ) -> Result<Vec<UserSession>> {
        let epoch = epoch_of(&self.database.handle(), user_id).await?;
        let is_without = epoch == 0 || session.is_shared();
        let mut all = session.siblings(user_id).await?;
        all.retain(|one| one.is_this || one.epoch.map_or(is_without, |known| known == epoch));
        Ok(all)
    }
}
