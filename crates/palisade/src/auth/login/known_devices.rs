//! Known browsers: browsers with an earlier login. Failed logins of an attacker do not lock them
//! out (D37); a login from any other browser is reported to the account's owner.

use super::source::Source;
use super::user_agent::agent;
use crate::auth::user::entity::{Entity as Accounts, Model as Account};
use crate::clock::Clock;
use crate::db::{Database, Tx};
use crate::http::cookies::{Cookie, SameSite, Transport};
use chrono::DateTime;
use http::{HeaderMap, HeaderValue};
use palisade_crypto::random;
use palisade_device::{ActiveModel, Column, Entity, Model};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set, UpdateMany,
};
use serde_json::{Value, json};
use std::sync::Arc;

mod palisade_device {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_device")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user_id: i32,
        pub bound_to: String,
        pub agent: String,
        pub address: String,
        pub seen: i64,
        pub trusted_until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// A known browser.
pub(in crate::auth) struct Known {
    pub(in crate::auth) hash: String,
    /// Whether it skips the second factor.
    pub(in crate::auth) is_trusted: bool,
}

/// Trust in a browser after a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It is known.
    Known,
    /// It skips the second factor for a while.
    Trusted,
}

/// The known browsers of a site's users.
pub(in crate::auth) struct KnownDevices {
    database: Database,
    clock: Arc<dyn Clock>,
    cookie: Cookie<'static>,
}

/// Longest lifetime of a cookie
/// ([RFC 6265bis section 5.5](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis)).
const KEPT_SECS: u64 = 400 * 24 * 3600;
/// How long a trusted browser skips the second factor.
const TRUSTED_SECS: i64 = 30 * 24 * 3600;
/// Known browsers per user; beyond that, the least recently used is dropped.
const MOST: u64 = 20;

impl KnownDevices {
    pub(in crate::auth) fn new(
        database: Database,
        clock: Arc<dyn Clock>,
        transport: Transport,
    ) -> Self {
        let cookie = Cookie {
            name: "device",
            transport,
            same_site: SameSite::Lax,
            max_age_secs: Some(KEPT_SECS),
        };
        Self {
            database,
            clock,
            cookie,
        }
    }

    /// The hash of the browser's cookie, if the account has a login with it since its password was
    /// set. The query is the same whether or not the account exists.
    pub(in crate::auth) async fn find(
        &self,
        headers: &HeaderMap,
        account: Option<&Account>,
    ) -> Result<Option<Known>, DbErr> {
        let Some(hash) = self.cookie.read(headers).map(random::stored_hash) else {
            return Ok(None);
        };
        let row = Entity::find_by_id(&hash)
            .one(&self.database.handle())
            .await?;
        let is_theirs = |row: &Model| {
            account.is_some_and(|account| {
                account.id == row.user_id && binding(account) == row.bound_to
            })
        };
        let now = self.clock.now().timestamp();
        Ok(row.filter(is_theirs).map(|row| Known {
            is_trusted: row.trusted_until > now,
            hash: row.hash,
        }))
    }

    /// The user of the browser's last login.
    pub(in crate::auth) async fn last_user(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<i32>, DbErr> {
        let Some(hash) = self.cookie.read(headers).map(random::stored_hash) else {
            return Ok(None);
        };
        let db = self.database.handle();
        let Some(row) = Entity::find_by_id(&hash).one(&db).await? else {
            return Ok(None);
        };
        // not after a change of the password
        let account = Accounts::find_by_id(row.user_id).one(&db).await?;
        let account = account.filter(|account| binding(account) == row.bound_to);
        Ok(account.map(|account| account.id))
    }

    /// Remembers a browser, and returns the cookie to set.
    pub(in crate::auth) async fn remember(
        &self,
        tx: &Tx,
        from: Source<'_>,
        account: &Account,
        trust: Trust,
    ) -> Result<Option<HeaderValue>, DbErr> {
        let token = random::token();
        let row = ActiveModel {
            hash: Set(random::stored_hash(token.expose())),
            user_id: Set(account.id),
            bound_to: Set(binding(account)),
            agent: Set(agent(from.headers)),
            address: Set(from.client.to_string()),
            seen: Set(self.clock.now().timestamp()),
            trusted_until: Set(match trust {
                Trust::Known => 0,
                Trust::Trusted => self.trusted_until(),
            }),
        };
        Entity::insert(row).exec_without_returning(tx).await?;
        self.forget_oldest(tx, account.id).await?;
        Ok(self.cookie.set(token.expose()))
    }

    /// Updates a known browser, and optionally trusts it for a while.
    pub(in crate::auth) async fn update(
        &self,
        tx: &Tx,
        hash: &str,
        trust: Trust,
    ) -> Result<(), DbErr> {
        let mut seen = ActiveModel {
            seen: Set(self.clock.now().timestamp()),
            ..Default::default()
        };
        if trust == Trust::Trusted {
            seen.trusted_until = Set(self.trusted_until());
        }
        Entity::update_many()
            .set(seen)
            .filter(Column::Hash.eq(hash))
            .exec(tx)
            .await
            .map(drop)
    }

    /// The browsers of an account, for its data export.
    pub(in crate::auth) async fn export(&self, user_id: i32) -> Result<Value, DbErr> {
        let theirs = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .order_by_desc(Column::Seen);
        let shown = |row: &Model| json!({ "agent": row.agent, "address": row.address, "seen": DateTime::from_timestamp(row.seen, 0) });
        Ok(theirs
            .all(&self.database.handle())
            .await?
            .iter()
            .map(shown)
            .collect())
    }

    /// The trusted browsers of an account.
    pub(in crate::auth) async fn list_trusted(&self, user_id: i32) -> Result<Vec<Model>, DbErr> {
        let theirs = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .filter(Column::TrustedUntil.gt(self.clock.now().timestamp()));
        theirs
            .order_by_desc(Column::Seen)
            .all(&self.database.handle())
            .await
    }

    /// Revokes the trust in all browsers of an account.
    pub(in crate::auth) async fn distrust(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        let theirs = untrusted().filter(Column::UserId.eq(user_id));
        theirs.exec(tx).await.map(drop)
    }

    /// Revokes the trust in all browsers.
    pub(in crate::auth) async fn distrust_all(&self, tx: &Tx) -> Result<(), DbErr> {
        untrusted().exec(tx).await.map(drop)
    }

    fn trusted_until(&self) -> i64 {
        self.clock.now().timestamp() + TRUSTED_SECS
    }

    /// Deletes the browsers of an account.
    pub(in crate::auth) async fn forget(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        Entity::delete_many()
            .filter(Column::UserId.eq(user_id))
            .exec(tx)
            .await
            .map(drop)
    }

    async fn forget_oldest(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        let newest = Entity::find()
            .filter(Column::UserId.eq(user_id))
            .order_by_desc(Column::Seen)
            .offset(MOST)
            .limit(MOST);
        for row in newest.all(tx).await? {
            Entity::delete_by_id(row.hash).exec(tx).await?;
        }
        Ok(())
    }
}

fn untrusted() -> UpdateMany<Entity> {
    Entity::update_many().set(ActiveModel {
        trusted_until: Set(0),
        ..Default::default()
    })
}

/// Part of the key: after a change of password no browser is known, because an attacker with the
/// old password may have used it.
fn binding(account: &Account) -> String {
    random::stored_hash(&format!("device {} {}", account.id, account.password))
}
