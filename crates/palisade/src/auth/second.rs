//! What a session knows of how its user proved who they are: when, and by how many factors. And the wait between the first and the second.

use super::user::entity::{Entity, Model};
use super::{Accounts, User, Visitor};
use crate::sessions::Session;
use crate::views::Result;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::user_tokens;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use std::any::Any;

/// The second factor of a login. Owned here, because a login asks; `mfa` implements it.
#[async_trait]
pub trait SecondStep: Any + Send + Sync {
    /// Whether a user has a second factor, which a login has to prove.
    ///
    /// # Errors
    /// When nobody can say: nobody is logged in then.
    async fn is_needed(&self, user_id: i32) -> Result<bool>;

    /// Whether a user has a factor that logs in without a password, such as a passkey.
    ///
    /// # Errors
    /// When nobody can say.
    async fn logs_in_alone(&self, user_id: i32) -> Result<bool> {
        let _ = user_id;
        Ok(false)
    }

    /// Forgets the factors of an account that is removed.
    ///
    /// # Errors
    /// When they cannot be removed; the account stays then.
    async fn forget(&self, tx: &crate::db::Tx, user_id: i32) -> Result<()>;
}

/// Who needs a second factor, whatever the routes say.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactorRule {
    /// Those who work here, and those who may do everything.
    pub(crate) staff: bool,
    pub(crate) everybody: bool,
    /// Members of these groups.
    pub(crate) groups: Vec<String>,
}

/// When the password, or more, was typed last.
const PROVEN_AT: &str = "_palisade_proven_at";
/// How a login has proven a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    /// There was none.
    None,
    /// By a browser that is trusted.
    Trusted,
    /// By a code.
    Typed,
}

/// That the browser was trusted.
const TRUSTED: &str = "_palisade_trusted";
/// When a second factor was proven.
const FACTOR_AT: &str = "_palisade_factor_at";
const PENDING: &str = "_palisade_pending";
/// How long somebody has for the second step.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// A login whose second step is missing. It is nobody's session yet.
#[derive(Serialize, Deserialize)]
struct Pending {
    id: i32,
    hash: String,
    at: i64,
    next: Option<String>,
    #[serde(default)]
    is_by_another_site: bool,
    #[serde(default)]
    logout_page: Option<String>,
}

/// Whose login it is, and where to go after it.
pub(crate) struct Held {
    pub(crate) account: Model,
    pub(crate) next: Option<String>,
    /// Another site says who it is: nobody has proven here that they are there now.
    pub(crate) is_by_another_site: bool,
    /// Where a logout goes on.
    pub(crate) logout_page: Option<String>,
}

impl Held {
    /// Somebody who has proven it here.
    pub(crate) fn here(account: Model, next: Option<String>) -> Self {
        Self {
            account,
            next,
            is_by_another_site: false,
            logout_page: None,
        }
    }

    pub(crate) fn user(&self) -> User {
        self.account.public()
    }
}

impl Accounts {
    /// Keeps a login until its second step, in a session of its own.
    pub(super) async fn hold(&self, session: &Session, held: Held) -> Result<()> {
        session.renew().await?;
        let Held {
            account,
            next,
            is_by_another_site,
            logout_page,
        } = held;
        // a session that a browser carries has no room for more
        let next = next.filter(|next| next.len() <= 1_000);
        let (hash, at) = (
            account.session_hash(self.ring()),
            self.clock.now().timestamp(),
        );
        let pending = Pending {
            id: account.id,
            hash,
            at,
            next,
            is_by_another_site,
            logout_page,
        };
        session.insert(PENDING, pending).await
    }

    /// The login that waits for its second step; it ends after ten minutes, and with a change of the password.
    pub(crate) async fn held(&self, session: &Session) -> Result<Option<Held>> {
        let Some(pending) = session.value::<Pending>(PENDING).await? else {
            return Ok(None);
        };
        let since = DateTime::from_timestamp(pending.at, 0).unwrap_or_default();
        if self.clock.now() - since >= PATIENCE {
            return Ok(None);
        }
        let row = Entity::find_by_id(pending.id)
            .one(&self.database.handle())
            .await?
            .filter(|row| row.is_active);
        let row = row.filter(|row| {
            user_tokens::is_session_auth_hash(self.ring(), &row.password, &pending.hash)
        });
        let Pending {
            next,
            is_by_another_site,
            logout_page,
            ..
        } = pending;
        Ok(row.map(|account| Held {
            account,
            next,
            is_by_another_site,
            logout_page,
        }))
    }

    /// Writes down that the visitor has just proven who they are.
    pub(super) async fn proven_now(&self, session: &Session, factor: Factor) -> Result<()> {
        session
            .insert(PROVEN_AT, self.clock.now().timestamp())
            .await?;
        self.factor_is(session, factor).await
    }

    /// Writes down how a second factor was proven, if it was.
    pub(super) async fn factor_is(&self, session: &Session, factor: Factor) -> Result<()> {
        let now = self.clock.now().timestamp();
        match factor {
            Factor::None => Ok(()),
            Factor::Trusted => session.insert(TRUSTED, true).await,
            Factor::Typed => session.insert(FACTOR_AT, now).await,
        }
    }
}

impl Accounts {
    /// There is no second factor any more that this session could have proven.
    pub(crate) async fn log_out_of_factor(&self, session: &Session) -> Result<()> {
        session.remove(FACTOR_AT).await?;
        session.remove(TRUSTED).await?;
        session.rotate().await
    }
}

/// How far the clocks of two instances may be apart.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

impl Visitor {
    /// Whether a second factor was proven in this session.
    ///
    /// # Errors
    /// When the store of the sessions does not answer.
    pub async fn has_factor(&self) -> Result<bool> {
        let is_trusted = async || {
            Ok::<_, crate::views::Error>(self.session().value::<bool>(TRUSTED).await? == Some(true))
        };
        Ok(self.user().await?.is_some() && (self.has_typed_code().await? || is_trusted().await?))
    }

    /// Whether the code of a second factor was typed in this session.
    pub(crate) async fn has_typed_code(&self) -> Result<bool> {
        Ok(self.session().value::<i64>(FACTOR_AT).await?.is_some())
    }

    /// Whether the visitor has proven who they are within this time.
    ///
    /// # Errors
    /// When the store of the sessions does not answer.
    pub async fn is_fresh(&self, within: TimeDelta) -> Result<bool> {
        let at = self
            .session()
            .value::<i64>(PROVEN_AT)
            .await?
            .and_then(|at| DateTime::<Utc>::from_timestamp(at, 0));
        let age = at.map(|at| self.accounts().clock.now() - at);
        // a time in the future was written by a clock that was wrong
        Ok(age.is_some_and(|age| age < within && age > -CLOCK_SKEW))
    }

    /// A second factor was proven, or added, in this session: its key changes (ASVS 7.2.4).
    ///
    /// # Errors
    /// When the store of the sessions does not answer.
    pub(crate) async fn factor_proven(&self) -> Result<()> {
        self.accounts()
            .proven_now(self.session(), Factor::Typed)
            .await?;
        self.session().rotate().await
    }
}
