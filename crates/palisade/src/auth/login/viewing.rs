//! Viewing the site as another user: a session of staff shows the pages of that user for fifteen
//! minutes, and changes nothing.

use super::sessions::LoginSessions;
use crate::auth::User;
use crate::auth::user::entity::Entity;
use crate::sessions::Session;
use crate::views::Result;
use chrono::TimeDelta;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};

/// Session entry of the viewed user.
const VIEWING: &str = "_palisade_viewing";
/// How long a view lasts.
const LIFETIME: TimeDelta = TimeDelta::minutes(15);

#[derive(Serialize, Deserialize)]
struct Viewing {
    user: i32,
    until: i64,
}

impl LoginSessions {
    /// Begins to show the pages of another user.
    pub(crate) async fn begin_viewing(&self, session: &Session, user: i32) -> Result<()> {
        let until = (self.clock.now() + LIFETIME).timestamp();
        session.insert(VIEWING, Viewing { user, until }).await
    }

    /// Ends it.
    pub(crate) async fn end_viewing(&self, session: &Session) -> Result<()> {
        session.remove(VIEWING).await.map(drop)
    }

    /// The user whose pages a session of this member of staff shows: never one with a rank.
    pub(crate) async fn viewed(&self, session: &Session, staff: &User) -> Result<Option<User>> {
        let viewing = session.value::<Viewing>(VIEWING).await?;
        let is_open = |viewing: &Viewing| viewing.until > self.clock.now().timestamp();
        let Some(viewing) = viewing.filter(is_open).filter(|_| staff.is_staff) else {
            return Ok(None);
        };
        let row = Entity::find_by_id(viewing.user)
            .one(&self.database.handle())
            .await?;
        let row = row.filter(|row| row.is_active && !row.is_staff && !row.is_superuser);
        Ok(row.map(|row| row.public()))
    }
}
