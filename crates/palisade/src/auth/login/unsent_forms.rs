//! Forms that were sent after the session had ended: the input is kept for half an hour, and
//! shown once to the user who typed it (D82).
//!
//! The user is that of the browser's last login, by its cookie of a known browser; the form is
//! encrypted, and found by a cookie of its own.

use crate::auth::login::known_devices::KnownDevices;
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use crate::http::cookies::{Cookie, SameSite, Transport};
use chrono::TimeDelta;
use http::{HeaderMap, HeaderValue};
use palisade_crypto::seal::Sealer;
use palisade_crypto::{KeyRing, random};
use palisade_unsent::{ActiveModel, Column, Entity};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use std::sync::Arc;

mod palisade_unsent {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_unsent")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user_id: i32,
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub expires: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

const PURPOSE: &str = "unsent forms";
/// How long a form is kept.
const KEPT: TimeDelta = TimeDelta::minutes(30);
/// Longest form that is kept, in bytes.
pub(crate) const MOST_BYTES: usize = 64 * 1024;
/// Value of the cookie after a logout.
const LEFT: &str = "yes";
/// As long as the cookie of a known browser.
const LEFT_SECS: u64 = 400 * 24 * 3600;
/// Forms of one user that are kept; beyond that, the oldest is dropped.
const MOST_FORMS: u64 = 3;

/// The encrypted forms.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_unsent",
    key: KeyColumn::Text("hash"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| row.key.clone(),
};

/// A form that was not sent.
pub(crate) struct UnsentForm {
    /// Path and query that it was sent to.
    pub(crate) path: String,
    /// The form, url-encoded.
    pub(crate) body: Vec<u8>,
}

/// The kept forms of a site.
pub(crate) struct UnsentForms {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    cookie: Cookie<'static>,
    /// Set by a logout, until the next login.
    left: Cookie<'static>,
}

impl UnsentForms {
    pub(in crate::auth) fn new(
        database: Database,
        clock: Arc<dyn Clock>,
        ring: KeyRing,
        transport: Transport,
    ) -> Self {
        let cookie = Cookie {
            name: "unsent",
            transport,
            same_site: SameSite::Lax,
            max_age_secs: Some(KEPT.num_seconds().unsigned_abs()),
        };
        Self {
            database,
            clock,
            ring,
            cookie,
            left: Cookie {
                name: "left",
                transport,
                same_site: SameSite::Lax,
                max_age_secs: Some(LEFT_SECS),
            },
        }
    }

    /// Keeps a form of a user, and returns the cookie to set.
    async fn keep(&self, user_id: i32, form: &UnsentForm) -> Result<Option<HeaderValue>, DbErr> {
        let token = random::token();
        let hash = random::stored_hash(token.expose());
        let text = [form.path.as_bytes(), b"\n", &form.body].concat();
        let row = ActiveModel {
            sealed: Set(Sealer::new(&self.ring, PURPOSE).seal(&text, &hash)),
            user_id: Set(user_id),
            expires: Set((self.clock.now() + KEPT).timestamp()),
            hash: Set(hash),
        };
        let keep = async |tx: &Tx| {
            Entity::insert(row).exec_without_returning(tx).await?;
            let older = Entity::find().filter(Column::UserId.eq(user_id));
            let older = older.order_by_desc(Column::Expires).offset(MOST_FORMS);
            for row in older.limit(MOST_FORMS).all(tx).await? {
                Entity::delete_by_id(row.hash).exec(tx).await?;
            }
            Ok::<_, DbErr>(())
        };
        self.database.write_always(keep).await?;
        Ok(self.cookie.set(token.expose()))
    }

    /// The cookie of a logout: the next person at this browser may be another one.
    pub(in crate::auth) fn after_logout(&self) -> Option<HeaderValue> {
        self.left.set(LEFT)
    }

    /// Whether the browser was left by a logout.
    fn is_left(&self, headers: &HeaderMap) -> bool {
        self.left.read(headers) == Some(LEFT)
    }

    /// The cookie of a login after a logout.
    pub(in crate::auth) fn after_login(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let clear = self.is_left(headers).then(|| self.left.set("no"));
        clear.flatten()
    }

    /// Takes the form of this browser, if it is this user's: once.
    pub(crate) async fn take(
        &self,
        headers: &HeaderMap,
        user_id: i32,
    ) -> Result<Option<UnsentForm>, DbErr> {
        let Some(hash) = self.cookie.read(headers).map(random::stored_hash) else {
            return Ok(None);
        };
        let theirs = Entity::find_by_id(&hash)
            .filter(Column::UserId.eq(user_id))
            .filter(Column::Expires.gt(self.clock.now().timestamp()));
        let Some(row) = theirs.one(&self.database.handle()).await? else {
            return Ok(None);
        };
        let taken = Entity::delete_by_id(&hash);
        let taken = taken.exec(&self.database.single()).await?;
        if taken.rows_affected == 0 {
            return Ok(None);
        }
        let opened = Sealer::new(&self.ring, PURPOSE).open(&row.sealed, &hash);
        Ok(opened.ok().and_then(|text| {
            let text = text.expose();
            let end = text.iter().position(|byte| *byte == b'\n')?;
            Some(UnsentForm {
                path: String::from_utf8(text[..end].to_vec()).ok()?,
                body: text[end + 1..].to_vec(),
            })
        }))
    }

    /// Deletes the forms of a user.
    pub(in crate::auth) async fn forget(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        let theirs = Entity::delete_many().filter(Column::UserId.eq(user_id));
        theirs.exec(tx).await.map(drop)
    }

    /// Deletes expired forms.
    pub(in crate::auth) async fn sweep(&self) -> Result<(), DbErr> {
        let expired = Entity::delete_many();
        let expired = expired.filter(Column::Expires.lte(self.clock.now().timestamp()));
        expired.exec(&self.database.single()).await.map(drop)
    }
}

/// The user of a form: that of the session, or else of the browser's last login.
pub(in crate::auth) struct Typist<'a> {
    pub(in crate::auth) devices: &'a KnownDevices,
    pub(in crate::auth) user_id: Option<i32>,
}

impl UnsentForms {
    /// Keeps a form, if it is known who typed it. Returns the cookie to set.
    pub(in crate::auth) async fn keep_of(
        &self,
        typist: Typist<'_>,
        headers: &HeaderMap,
        form: &UnsentForm,
    ) -> Result<Option<HeaderValue>, DbErr> {
        let user_id = match typist.user_id {
            Some(id) => Some(id),
            None if self.is_left(headers) => None,
            None => typist.devices.last_user(headers).await?,
        };
        match user_id {
            Some(id) => self.keep(id, form).await,
            None => Ok(None),
        }
    }
}
