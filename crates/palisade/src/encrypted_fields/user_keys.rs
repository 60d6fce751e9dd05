//! A key for each user: without it, the values of the user cannot be decrypted in any copy.

use super::FieldErrorKind;
#[cfg(feature = "backup")]
use crate::db::Database;
use crate::db::{DataHandle, Tx};
use chrono::Utc;
use palisade_crypto::Secret;
use palisade_crypto::field::{self, Place, Plain, UserKey};
use sea_orm::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::OnConflict;
#[cfg(feature = "backup")]
use sea_orm::sea_query::{ExprTrait, Query};

/// A row of `palisade_user_key`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "palisade_user_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: i32,
    /// The key, encrypted with the keys of the site.
    pub sealed: String,
    pub made_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

pub(crate) const TABLE: &str = "palisade_user_key";
pub(crate) const SEALED: &str = "sealed";

/// The personal keys of a site.
pub(crate) struct UserKeys;

fn place(key: &str) -> Place<'_> {
    Place {
        table: TABLE,
        column: SEALED,
        key,
    }
}

/// The key of a user.
pub(super) async fn load(db: &impl DataHandle, user: i32) -> Result<UserKey, FieldErrorKind> {
    let row = Entity::find_by_id(user).one(db).await;
    let row = row.map_err(|_| FieldErrorKind::Unavailable)?;
    let row = row.ok_or(FieldErrorKind::Forgotten)?;
    let keys = db.field_keys().0;
    let ring = keys.ring().map_err(|_| FieldErrorKind::UnknownKey)?;
    let id = user.to_string();
    let opened = field::open(&ring, place(&id), &row.sealed, keys.now())?;
    let text = String::from_utf8(opened.expose().clone()).map(Secret::new);
    let text = text.map_err(|_| FieldErrorKind::Damaged)?;
    Ok(UserKey::from_text(&text)?)
}

/// The key of a user, who gets one with the first value.
pub(super) async fn load_or_create(tx: &Tx, user: i32) -> Result<UserKey, DbErr> {
    match load(tx, user).await {
        Ok(key) => return Ok(key),
        Err(FieldErrorKind::Forgotten) => {}
        Err(kind) => {
            let why = format!("the key of user {user} cannot be used: {kind:?}");
            return Err(DbErr::Custom(why));
        }
    }
    let (keys, id, key) = (tx.keys(), user.to_string(), UserKey::generate());
    let text = key.to_text();
    let sealed = field::seal(
        &*keys.ring()?,
        place(&id),
        Plain::new(text.expose().as_bytes()),
        keys.now(),
    );
    let row = ActiveModel {
        user_id: Set(user),
        sealed: Set(sealed),
        made_at: Set(Utc::now()),
    };
    // another transaction may have made one meanwhile: that one is used
    let kept = OnConflict::column(Column::UserId).do_nothing().to_owned();
    let written = Entity::insert(row).on_conflict(kept);
    written.exec_without_returning(tx).await?;
    let again = load(tx, user).await;
    again.map_err(|kind| DbErr::Custom(format!("the key of user {user}: {kind:?}")))
}

/// Name and value of a key's row, for a backup.
#[cfg(feature = "backup")]
pub(crate) type StoredUserKey = (i32, String, DateTimeUtc);

#[cfg(feature = "backup")]
impl UserKeys {
    /// The keys of all users, encrypted with the keys of the site.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn stored(database: &Database) -> Result<Vec<StoredUserKey>, DbErr> {
        let rows = Entity::find().all(&database.handle()).await?;
        let stored = |row: Model| (row.user_id, row.sealed, row.made_at);
        Ok(rows.into_iter().map(stored).collect())
    }

    /// Puts keys of a backup back, of users that exist and have none. Returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn put_back(
        database: &Database,
        keys: &[StoredUserKey],
    ) -> Result<u64, DbErr> {
        let users = database.users().users.clone();
        let put_back = async |tx: &Tx| {
            let mut count = 0;
            for (user, sealed, made_at) in keys {
                let exists = Query::select()
                    .column("id")
                    .from(users.clone())
                    .and_where(ExprTrait::eq(Expr::col("id"), *user))
                    .take();
                if tx.query_one(&exists).await?.is_none() {
                    continue;
                }
                let row = ActiveModel {
                    user_id: Set(*user),
                    sealed: Set(sealed.clone()),
                    made_at: Set(*made_at),
                };
                let kept = OnConflict::column(Column::UserId).do_nothing().to_owned();
                let written = Entity::insert(row).on_conflict(kept);
                count += written.exec_without_returning(tx).await?;
            }
            Ok(count)
        };
        database.write_always(put_back).await
    }
}

impl UserKeys {
    /// Deletes the key of a user: every copy of the user's values is unreadable from now on.
    pub(crate) async fn forget(tx: &Tx, user: i32) -> Result<(), DbErr> {
        Entity::delete_by_id(user).exec(tx).await.map(drop)
    }
}
