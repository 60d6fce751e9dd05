use super::Authenticator;
use crate::auth::{SecondStep, User};
use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use crate::mfa::totp::TokenKind;
use crate::views::Result;
use async_trait::async_trait;
use palisade_crypto::seal::Sealer;
use palisade_crypto::{KeyRing, Secret, random};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, Set};
use std::sync::Arc;

mod totp {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_totp")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub user_id: i32,
        #[sea_orm(column_type = "Text")]
        pub sealed: String,
        pub is_confirmed: bool,
        /// Of a token that counts its codes (HOTP): the last counter.
        pub last_step: i64,
        /// Whether it is counter-based (HOTP) and not time-based (TOTP).
        pub counts: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod recovery {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_recovery_code")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: String,
        pub user_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// The second factors of a site's users.
pub struct Factors {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ring: KeyRing,
}

/// State of an authenticator app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AppState {
    /// Before its first code.
    Pending,
    Confirmed,
}

/// How a code was valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proven {
    App,
    /// As a recovery code, which is used up.
    Recovery,
}

/// Recovery codes of one user.
const CODES: usize = 10;
const PURPOSE: &str = "authenticator secrets";

/// The encrypted TOTP and HOTP secrets.
pub(super) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_totp",
    key: KeyColumn::Number("user_id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: Some("user_id"),
    place: |row| place(row.owner),
};

fn place(user_id: i32) -> String {
    format!("palisade_totp {user_id}")
}

impl Factors {
    /// The factors in a database.
    pub fn new(database: Database, clock: Arc<dyn Clock>, ring: KeyRing) -> Self {
        Self {
            database,
            clock,
            ring,
        }
    }

    /// Creates the secret of an authenticator app, which becomes a factor with its first code. An
    /// unconfirmed one is replaced.
    pub(super) async fn begin(&self, user: &User, kind: TokenKind) -> Result<bool> {
        let sealed = Sealer::new(&self.ring, PURPOSE)
            .seal(Authenticator::new_secret().expose(), &place(user.id));
        let row = totp::ActiveModel {
            user_id: Set(user.id),
            sealed: Set(sealed.clone()),
            is_confirmed: Set(false),
            last_step: Set(match kind {
                TokenKind::Counter => -1,
                TokenKind::Time => 0,
            }),
            counts: Set(kind == TokenKind::Counter),
        };
        let tx = self.database.begin().await?;
        self.forget_unproven_app(&tx, user.id).await?;
        let keep = OnConflict::column(totp::Column::UserId)
            .do_nothing()
            .to_owned();
        totp::Entity::insert(row)
            .on_conflict(keep)
            .exec_without_returning(&tx)
            .await?;
        let is_ours = totp::Entity::find_by_id(user.id)
            .one(&tx)
            .await?
            .is_some_and(|row| row.sealed == sealed);
        tx.commit().await?;
        Ok(is_ours)
    }

    /// An unconfirmed app, whose secret may be displayed.
    pub(super) async fn pending_app(
        &self,
        user: &User,
        site: &str,
    ) -> Result<Option<Authenticator>> {
        let kept = self.secret(user.id, AppState::Pending).await?;
        Ok(kept.map(|(secret, row)| {
            Authenticator::new(&secret, site, &user.username).of_kind(match row.counts {
                true => TokenKind::Counter,
                false => TokenKind::Time,
            })
        }))
    }

    /// Confirms an app with a valid code, and returns the recovery codes, which are displayed once.
    pub(super) async fn confirm(
        &self,
        tx: &Tx,
        user: &User,
        code: &str,
    ) -> Result<Option<Vec<String>>> {
        let Some(step) = self.step(user, code, AppState::Pending).await? else {
            return Ok(None);
        };
        let change = totp::ActiveModel {
            is_confirmed: Set(true),
            last_step: Set(step),
            ..Default::default()
        };
        let begun = totp::Entity::update_many()
            .set(change)
            .filter(totp::Column::UserId.eq(user.id));
        if begun
            .filter(totp::Column::IsConfirmed.eq(false))
            .exec(tx)
            .await?
            .rows_affected
            == 0
        {
            return Ok(None);
        }
        let codes = self.put_codes(tx, user.id).await?;
        self.forget_removal(tx, user.id).await?;
        Ok(Some(codes))
    }

    /// Verifies a code of the app, or a recovery code, and uses it up.
    pub(super) async fn prove(&self, user: &User, code: &str) -> Result<Option<Proven>> {
        if let Some(step) = self.step(user, code, AppState::Confirmed).await? {
            return Ok(self.use_step(user.id, step).await?.then_some(Proven::App));
        }
        let used = recovery::Entity::delete_by_id(code_hash(user.id, code))
            .filter(recovery::Column::UserId.eq(user.id));
        let used = used.exec(&self.database.single()).await?.rows_affected;
        Ok((used == 1).then_some(Proven::Recovery))
    }

    /// A code is valid once, and so are older ones: of several concurrent uses, the database lets
    /// one through (replay).
    async fn use_step(&self, user_id: i32, step: i64) -> Result<bool, DbErr> {
        let change = totp::ActiveModel {
            last_step: Set(step),
            ..Default::default()
        };
        let older = totp::Entity::update_many()
            .set(change)
            .filter(totp::Column::UserId.eq(user_id));
        let used = older
            .filter(totp::Column::LastStep.lt(step))
            .exec(&self.database.single())
            .await?
            .rows_affected;
        Ok(used == 1)
    }

    async fn step(&self, user: &User, code: &str, state: AppState) -> Result<Option<i64>> {
        let Some((secret, row)) = self.secret(user.id, state).await? else {
            return Ok(None);
        };
        let app = Authenticator::new(&secret, "", &user.username);
        if row.counts {
            return Ok(app.counter_of(code, row.last_step));
        }
        Ok(app
            .step_of(code, self.clock.now().timestamp())
            .filter(|step| *step > row.last_step))
    }

    /// The secret of a user's app, with its state.
    async fn secret(
        &self,
        user_id: i32,
        state: AppState,
    ) -> Result<Option<(Secret<Vec<u8>>, totp::Model)>> {
        let row = totp::Entity::find_by_id(user_id)
            .one(&self.database.handle())
            .await?;
        let Some(row) = row.filter(|row| row.is_confirmed == (state == AppState::Confirmed)) else {
            return Ok(None);
        };
        // a secret that cannot be decrypted is a factor that cannot be verified, not an error:
        // recovery codes and passkeys still work
        let Ok(secret) = Sealer::new(&self.ring, PURPOSE).open(&row.sealed, &place(user_id)) else {
            tracing::error!(target: "palisade", user_id, "the secret of an authenticator app cannot be decrypted: its key is not on the ring any more");
            return Ok(None);
        };
        Ok(Some((secret, row)))
    }

    /// Creates new recovery codes; the old ones are revoked.
    pub(super) async fn new_codes(&self, tx: &Tx, user: &User) -> Result<Vec<String>> {
        // the row is locked: of two concurrent calls, the second one's codes are the valid ones
        let same = totp::ActiveModel {
            is_confirmed: Set(true),
            ..Default::default()
        };
        let theirs = totp::Entity::update_many()
            .set(same)
            .filter(totp::Column::UserId.eq(user.id));
        theirs
            .filter(totp::Column::IsConfirmed.eq(true))
            .exec(tx)
            .await?;
        self.lock_keys(tx, user.id).await?;
        Ok(self.put_codes(tx, user.id).await?)
    }

    pub(super) async fn put_codes(&self, tx: &Tx, user_id: i32) -> Result<Vec<String>, DbErr> {
        recovery::Entity::delete_many()
            .filter(recovery::Column::UserId.eq(user_id))
            .exec(tx)
            .await?;
        let codes: Vec<String> = (0..CODES).map(|_| new_code()).collect();
        let row = |code: &String| recovery::ActiveModel {
            hash: Set(code_hash(user_id, code)),
            user_id: Set(user_id),
        };
        recovery::Entity::insert_many(codes.iter().map(row))
            .exec_without_returning(tx)
            .await?;
        Ok(codes)
    }

    /// Number of unused recovery codes.
    pub(super) async fn codes_left(&self, user: &User) -> Result<u64> {
        let theirs = recovery::Entity::find().filter(recovery::Column::UserId.eq(user.id));
        Ok(theirs.count(&self.database.handle()).await?)
    }

    /// Deletes an unconfirmed app.
    pub(super) async fn forget_unproven_app(&self, tx: &Tx, user_id: i32) -> Result<(), DbErr> {
        let unproven = totp::Entity::delete_many().filter(totp::Column::UserId.eq(user_id));
        unproven
            .filter(totp::Column::IsConfirmed.eq(false))
            .exec(tx)
            .await
            .map(drop)
    }

    /// Whether a user has a confirmed app.
    pub(super) async fn has_app(
        &self,
        db: &impl ConnectionTrait,
        user_id: i32,
    ) -> Result<bool, DbErr> {
        Ok(totp::Entity::find_by_id(user_id)
            .one(db)
            .await?
            .is_some_and(|row| row.is_confirmed))
    }

    pub(super) async fn has_confirmed_app(&self, user_id: i32) -> Result<bool> {
        Ok(self.has_app(&self.database.handle(), user_id).await?)
    }
}

#[async_trait]
impl SecondStep for Factors {
    async fn is_enrolled(&self, user_id: i32) -> Result<bool> {
        Ok(self.has_app(&self.database.handle(), user_id).await? || self.has_key(user_id).await?)
    }

    async fn logs_in_alone(&self, user_id: i32) -> Result<bool> {
        Ok(cfg!(feature = "passkeys") && self.has_key(user_id).await?)
    }

    async fn forget(&self, tx: &Tx, user_id: i32) -> Result<()> {
        totp::Entity::delete_by_id(user_id).exec(tx).await?;
        self.forget_keys(tx, user_id).await?;
        self.forget_removal(tx, user_id).await?;
        recovery::Entity::delete_many()
            .filter(recovery::Column::UserId.eq(user_id))
            .exec(tx)
            .await?;
        Ok(())
    }
}

/// 80 random bits, in groups for reading aloud.
fn new_code() -> String {
    let groups: Vec<String> = random::bytes::<10>()
        .chunks(2)
        .map(|pair| format!("{:02x}{:02x}", pair[0], pair[1]))
        .collect();
    groups.join("-")
}

/// Hash of a recovery code in its normal form.
fn code_hash(user_id: i32, code: &str) -> String {
    let digits: String = code
        .chars()
        .filter(char::is_ascii_hexdigit)
        .map(|digit| digit.to_ascii_lowercase())
        .collect();
    random::stored_hash(&format!("recovery code {user_id} {digits}"))
}
