//! Authentication state of a session: when, and by how many factors. And the pending state between
//! first and second factor.

use crate::auth::user::entity::{Entity, Model};
use crate::auth::{Accounts, User, Visitor};
use crate::sessions::Session;
use crate::views::Result;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use palisade_crypto::user_tokens;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use std::any::Any;

/// Second factors, as the login needs them. Defined here and implemented by `mfa`.
#[async_trait]
pub trait SecondStep: Any + Send + Sync {
    /// Whether a user has a second factor, which the login requires.
    ///
    /// # Errors
    /// When it is unknown; the login fails then.
    async fn is_needed(&self, user_id: i32) -> Result<bool>;

    /// Whether a user has a factor that logs in without a password, such as a passkey.
    ///
    /// # Errors
    /// When it is unknown.
    async fn logs_in_alone(&self, user_id: i32) -> Result<bool> {
        let _ = user_id;
        Ok(false)
    }

    /// Deletes the factors of an account that is removed.
    ///
    /// # Errors
    /// When they cannot be deleted; the account stays then.
    async fn forget(&self, tx: &crate::db::Tx, user_id: i32) -> Result<()>;
}

/// Users who need a second factor on every route.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactorRule {
    /// Staff and superusers.
    pub(crate) staff: bool,
    pub(crate) all_users: bool,
    /// Members of these groups.
    pub(crate) groups: Vec<String>,
}

/// Session entry: time of the last authentication.
const PROVEN_AT: &str = "_palisade_proven_at";
/// How the second factor of a login was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    /// The user has none.
    None,
    /// Skipped, in a trusted browser.
    Trusted,
    /// By a code.
    Typed,
}

/// Session entry: the browser is trusted.
const TRUSTED: &str = "_palisade_trusted";
/// Session entry: time of the second factor.
const FACTOR_AT: &str = "_palisade_factor_at";
const PENDING: &str = "_palisade_pending";
/// Timeout of the second step.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

/// A pending login, whose second factor is missing. The session is not authenticated.
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

/// A login after its first factor, and the page to redirect to.
pub(crate) struct Held {
    pub(crate) account: Model,
    pub(crate) next: Option<String>,
    /// Whether an identity provider vouches for the user, without authentication here.
    pub(crate) is_by_another_site: bool,
    /// The identity provider's logout page.
    pub(crate) logout_page: Option<String>,
}

impl Held {
    /// A login by a factor that was verified here.
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
    /// Stores a pending login in a new session.
    pub(in crate::auth) async fn hold(&self, session: &Session, held: Held) -> Result<()> {
        session.renew().await?;
        let Held {
            account,
            next,
            is_by_another_site,
            logout_page,
        } = held;
        // cookie-based sessions have no room for more
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

    /// The pending login; it expires after ten minutes, and with a change of the password.
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

    /// Records that the user has just authenticated.
    pub(in crate::auth) async fn proven_now(
        &self,
        session: &Session,
        factor: Factor,
    ) -> Result<()> {
        session
            .insert(PROVEN_AT, self.clock.now().timestamp())
            .await?;
        self.factor_is(session, factor).await
    }

    /// Records how the second factor was verified, if it was.
    pub(in crate::auth) async fn factor_is(&self, session: &Session, factor: Factor) -> Result<()> {
        let now = self.clock.now().timestamp();
        match factor {
            Factor::None => Ok(()),
            Factor::Trusted => session.insert(TRUSTED, true).await,
            Factor::Typed => session.insert(FACTOR_AT, now).await,
        }
    }
}

impl Accounts {
    /// Removes the second factor from the session, because the user has none any more.
    pub(crate) async fn log_out_of_factor(&self, session: &Session) -> Result<()> {
        session.remove(FACTOR_AT).await?;
        session.remove(TRUSTED).await?;
        session.rotate().await
    }
}

/// Largest clock skew between two instances.
const CLOCK_SKEW: TimeDelta = TimeDelta::minutes(1);

impl Visitor {
    /// Whether this session has a verified second factor.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn has_factor(&self) -> Result<bool> {
        let is_trusted = async || {
            Ok::<_, crate::views::Error>(self.session().value::<bool>(TRUSTED).await? == Some(true))
        };
        Ok(self.user().await?.is_some() && (self.has_typed_code().await? || is_trusted().await?))
    }

    /// Whether a second factor was typed in this session, and not skipped.
    pub(crate) async fn has_typed_code(&self) -> Result<bool> {
        Ok(self.session().value::<i64>(FACTOR_AT).await?.is_some())
    }

    /// Whether the user has authenticated within this time.
    ///
    /// # Errors
    /// When the session store does not answer.
    pub async fn is_fresh(&self, within: TimeDelta) -> Result<bool> {
        let at = self
            .session()
            .value::<i64>(PROVEN_AT)
            .await?
            .and_then(|at| DateTime::<Utc>::from_timestamp(at, 0));
        let age = at.map(|at| self.accounts().clock.now() - at);
        // a time in the future was written by an instance with a wrong clock
        Ok(age.is_some_and(|age| age < within && age > -CLOCK_SKEW))
    }

    /// A second factor was verified or added in this session: its key is rotated (ASVS 7.2.4).
    ///
    /// # Errors
    /// When the session store does not answer.
    pub(crate) async fn factor_proven(&self) -> Result<()> {
        self.accounts()
            .proven_now(self.session(), Factor::Typed)
            .await?;
        self.session().rotate().await
    }
}
