use super::user::entity::{ActiveModel, Column, Entity, Model};
use super::{HashPool, PasswordSettings, Rank, TooBusy, User};
use crate::clock::Clock;
use crate::db::{self, Database, DbFailure};
use crate::sessions::Session;
use crate::views::{Error, ErrorKind, Result};
use palisade_crypto::KeyRing;
use palisade_crypto::user_tokens;
use palisade_password::{Hasher, Policy, UserAttributes, Verdict, is_usable};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Set};
use serde_json::json;
use std::sync::Arc;

/// The accounts of a site.
pub struct Accounts {
    database: Database,
    clock: Arc<dyn Clock>,
    ring: KeyRing,
    hashes: HashPool,
    policy: Policy,
    /// Path to go to after login.
    pub(crate) home: String,
}

/// What a new account needs.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// Login name, valid.
    pub username: &'a str,
    /// E-mail address, valid.
    pub email: &'a str,
    /// Password in clear.
    pub password: &'a str,
    /// What the account may do.
    pub rank: Rank,
}

/// Why an account was not made.
#[derive(Debug)]
pub enum SignUpError {
    /// The name belongs to somebody.
    NameTaken,
    /// The password breaks rules: a sentence for each.
    Password(Vec<String>),
    /// It could not be done.
    Failed(Error),
}

/// How a login ended.
pub(super) enum Attempt {
    /// Name and password belong together.
    Welcome(Model),
    /// They do not. Whether the name is known is for the log alone.
    Refused {
        /// Whether there is such an account.
        is_known: bool,
    },
}

impl From<TooBusy> for Error {
    #[track_caller]
    fn from(_: TooBusy) -> Self {
        Self::new(ErrorKind::Busy, "Many people are logging in right now. Please try again in a few seconds.")
    }
}

const USER_ID: &str = "_auth_user_id";
const USER_HASH: &str = "_auth_user_hash";
const USER_BACKEND: &str = "_auth_user_backend";
const PRIVILEGES: &str = "_palisade_privileges";

impl Accounts {
    /// The accounts that these settings ask for.
    pub fn new(settings: &PasswordSettings, database: Database, clock: Arc<dyn Clock>, ring: KeyRing, home: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = if settings.hash_jobs == 0 { cores } else { usize::try_from(settings.hash_jobs).unwrap_or(cores).min(512) };
        let queue = usize::try_from(settings.hash_queue).unwrap_or(usize::MAX).min(1 << 20);
        let hashes = HashPool::new(Hasher::new(settings.hasher.algorithm()), jobs, queue);
        Self { database, clock, ring, hashes, policy: settings.policy(), home }
    }

    /// How many password hashes were computed so far. For tests of equal work.
    #[doc(hidden)]
    pub fn hashes_done(&self) -> u64 {
        self.hashes.done()
    }

    /// A sentence for each rule of a new password.
    pub fn password_help(&self) -> Vec<String> {
        self.policy.help()
    }

    /// Judges a new password of a user.
    ///
    /// # Errors
    /// A sentence for each rule it breaks.
    pub fn judge(&self, password: &str, username: &str, email: &str) -> Result<(), Vec<String>> {
        let user = UserAttributes { username, email, ..Default::default() };
        self.policy.judge(password, &user).map_err(|broken| broken.iter().map(ToString::to_string).collect())
    }

    /// Makes an account.
    ///
    /// # Errors
    /// See [`SignUpError`].
    pub async fn sign_up(&self, new: NewUser<'_>) -> Result<User, SignUpError> {
        self.judge(new.password, new.username, new.email).map_err(SignUpError::Password)?;
        let password = self.hashes.hash(new.password.to_owned()).await.map_err(|busy| SignUpError::Failed(busy.into()))?;
        let row = ActiveModel {
            username: Set(new.username.into()),
            email: Set(new.email.into()),
            password: Set(password),
            first_name: Set(String::new()),
            last_name: Set(String::new()),
            is_active: Set(true),
            is_staff: Set(new.rank != Rank::Plain),
            is_superuser: Set(new.rank == Rank::Superuser),
            last_login: Set(None),
            date_joined: Set(self.clock.now()),
            ..Default::default()
        };
        let made = self.insert(row).await;
        made.map(|row| row.public()).map_err(|error| match db::failure(&error) {
            DbFailure::Duplicate => SignUpError::NameTaken,
            _ => SignUpError::Failed(error.into()),
        })
    }

    async fn insert(&self, row: ActiveModel) -> Result<Model, sea_orm::DbErr> {
        let tx = self.database.begin().await?;
        let row = row.insert(&tx).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The user with this name and password, or a refusal that took as long, whatever was wrong.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting: nobody knows then.
    pub(super) async fn authenticate(&self, username: &str, password: &str) -> Result<Attempt> {
        let row = Entity::find().filter(Column::Username.eq(username)).one(&self.database.handle()).await?;
        let is_known = row.is_some();
        let row = row.filter(|row| row.is_active && is_usable(&row.password));
        let encoded = row.as_ref().map(|row| row.password.clone());
        let verdict = self.hashes.verify(password.to_owned(), encoded).await?;
        let row = match (row, verdict) {
            (Some(row), Verdict::Match) => Some(row),
            (Some(row), Verdict::MatchButWeak) => self.replace_password(row, password).await?,
            _ => None,
        };
        Ok(row.map_or(Attempt::Refused { is_known }, Attempt::Welcome))
    }

    /// Signs a user in: a new session key, always, and the time of the login.
    pub(super) async fn log_in(&self, session: &Session, row: Model) -> Result<User> {
        session.renew().await?;
        self.tie(session, &row).await?;
        let user = row.public();
        let tx = self.database.begin().await?;
        let change = ActiveModel { id: Set(row.id), last_login: Set(Some(self.clock.now())), ..Default::default() };
        change.update(&tx).await?;
        tx.commit().await?;
        Ok(user)
    }

    /// Signs in somebody who has just made the account.
    pub(super) async fn log_in_new(&self, session: &Session, user: &User) -> Result<User> {
        let row = Entity::find_by_id(user.id).one(&self.database.handle()).await?;
        self.log_in(session, row.ok_or_else(|| Error::bug("the account is gone"))?).await
    }

    /// Ties a session to a user, the password and what the user may do; the entries are Django's.
    async fn tie(&self, session: &Session, row: &Model) -> Result<()> {
        session.insert(USER_ID, row.id.to_string()).await?;
        session.insert(USER_BACKEND, "django.contrib.auth.backends.ModelBackend").await?;
        session.insert(USER_HASH, row.session_hash(&self.ring)).await?;
        session.insert(PRIVILEGES, row.privileges()).await
    }

    /// The user of a session: active, and with the password that the session was made with.
    pub(super) async fn user_of(&self, session: &Session) -> Result<Option<User>> {
        if session.cookie_key().is_none() {
            return Ok(None);
        }
        let Some(id) = session.value::<String>(USER_ID).await?.and_then(|id| id.parse::<i32>().ok()) else {
            return Ok(None);
        };
        let hash = session.value::<String>(USER_HASH).await?.unwrap_or_default();
        let row = Entity::find_by_id(id).one(&self.database.handle()).await?.filter(|row| row.is_active);
        let Some(row) = row.filter(|row| user_tokens::is_session_auth_hash(&self.ring, &row.password, &hash)) else {
            return Ok(None);
        };
        let newest = row.session_hash(&self.ring);
        let privileges = session.value::<String>(PRIVILEGES).await?;
        if privileges != Some(row.privileges()) {
            // the user may do more or less than when the session was made: its key must not be one from before
            session.rotate().await?;
            self.tie(session, &row).await?;
        } else if newest != hash {
            session.insert(USER_HASH, newest).await?; // the key ring was rotated
        }
        Ok(Some(row.public()))
    }

    /// Changes the password of a signed-in user who knows the current one. All other sessions of the user are dead then.
    ///
    /// # Errors
    /// As [`Accounts::authenticate`].
    pub(super) async fn change_password(&self, session: &Session, user: &User, current: &str, new: &str) -> Result<bool> {
        let Attempt::Welcome(row) = self.authenticate(&user.username, current).await? else { return Ok(false) };
        let Some(row) = self.replace_password(row, new).await? else { return Ok(false) };
        session.rotate().await?;
        self.tie(session, &row).await?;
        Ok(true)
    }

    /// Stores a hash of `password` in place of the one in `row`. `None` if that one is not there any more: whoever proved to know the old
    /// password while it was being changed has proved nothing.
    async fn replace_password(&self, row: Model, password: &str) -> Result<Option<Model>> {
        let encoded = self.hashes.hash(password.to_owned()).await?;
        let tx = self.database.begin().await?;
        let change = ActiveModel { password: Set(encoded.clone()), ..Default::default() };
        let same =
            Entity::update_many().set(change).filter(Column::Id.eq(row.id)).filter(Column::Password.eq(row.password.as_str()));
        let changed = same.exec(&tx).await?.rows_affected;
        tx.commit().await?;
        Ok((changed == 1).then_some(Model { password: encoded, ..row }))
    }

    /// Sets the password of a user by name: for the command line. `false` if there is no such user.
    ///
    /// # Errors
    /// The broken rules, or that it could not be done.
    pub async fn reset_password(&self, username: &str, password: &str) -> Result<bool, SignUpError> {
        let row = Entity::find().filter(Column::Username.eq(username)).one(&self.database.handle()).await;
        let Some(row) = row.map_err(|error| SignUpError::Failed(error.into()))? else {
            return Ok(false);
        };
        self.judge(password, &row.username, &row.email).map_err(SignUpError::Password)?;
        let replaced = self.replace_password(row, password).await.map_err(SignUpError::Failed)?;
        let lost =
            || SignUpError::Failed(Error::new(ErrorKind::Conflict, "the password was changed by somebody else in this moment"));
        replaced.map(|_| true).ok_or_else(lost)
    }

    /// All users by name, with whether they are active and when they last logged in.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<serde_json::Value>> {
        let rows = Entity::find().order_by_asc(Column::Username).all(&self.database.handle()).await?;
        let shown = |row: &Model| {
            json!({
                "id": row.id, "username": row.username, "email": row.email, "is_active": row.is_active,
                "is_staff": row.is_staff, "is_superuser": row.is_superuser, "last_login": row.last_login,
            })
        };
        Ok(rows.iter().map(shown).collect())
    }
}
