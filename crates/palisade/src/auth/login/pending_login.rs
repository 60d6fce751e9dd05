//! The state of a login between first and second factor. Its session is not authenticated.

use super::sessions::LoginSessions;
use crate::auth::User;
use crate::auth::user::entity::{Entity, Model};
use crate::sessions::Session;
use crate::views::Result;
use chrono::{DateTime, TimeDelta};
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

/// A login after its first factor, and the page to redirect to.
pub(crate) struct PendingLogin {
    pub(crate) account: Model,
    pub(crate) next: Option<String>,
    /// Whether an identity provider vouches for the user, without authentication here.
    pub(crate) is_federated: bool,
    /// The identity provider's logout page.
    pub(crate) logout_page: Option<String>,
}

/// The session entry.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: i32,
    hash: String,
    at: i64,
    next: Option<String>,
    // the name that earlier versions stored
    #[serde(default, rename = "is_by_another_site")]
    is_federated: bool,
    #[serde(default)]
    logout_page: Option<String>,
}

const ENTRY: &str = "_palisade_pending";
/// Timeout of the second step.
const TIMEOUT: TimeDelta = TimeDelta::minutes(10);
/// Longest page to redirect to: cookie-based sessions have no room for more.
const LONGEST_NEXT: usize = 1_000;

impl PendingLogin {
    /// A login by a factor that was verified here.
    pub(crate) fn local(account: Model, next: Option<String>) -> Self {
        Self {
            account,
            next,
            is_federated: false,
            logout_page: None,
        }
    }

    pub(crate) fn user(&self) -> User {
        self.account.public()
    }
}

impl LoginSessions {
    /// Stores a pending login in a new session.
    pub(in crate::auth) async fn begin_second_factor(
        &self,
        session: &Session,
        login: PendingLogin,
    ) -> Result<()> {
        session.renew().await?;
        let stored = Stored {
            id: login.account.id,
            hash: self.hash(&login.account),
            at: self.clock.now().timestamp(),
            next: login.next.filter(|next| next.len() <= LONGEST_NEXT),
            is_federated: login.is_federated,
            logout_page: login.logout_page,
        };
        session.insert(ENTRY, stored).await
    }

    /// The pending login; it expires after ten minutes, and with a change of the password.
    pub(crate) async fn pending_login(&self, session: &Session) -> Result<Option<PendingLogin>> {
        let Some(stored) = session.value::<Stored>(ENTRY).await? else {
            return Ok(None);
        };
        let since = DateTime::from_timestamp(stored.at, 0).unwrap_or_default();
        if self.clock.now() - since >= TIMEOUT {
            return Ok(None);
        }
        let row = Entity::find_by_id(stored.id);
        let row = row.one(&self.database.handle()).await?;
        let row = row.filter(|row| row.is_active && self.is_hash(row, &stored.hash));
        Ok(row.map(|account| PendingLogin {
            account,
            next: stored.next,
            is_federated: stored.is_federated,
            logout_page: stored.logout_page,
        }))
    }
}
