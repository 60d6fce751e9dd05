use super::user::entity::{ActiveModel, Column, Entity, Model};
use super::{DjangoFactors, FactorRule, Held, LOGOUT_PAGE, LoginChallenge};
use super::{
    Factor, HashPool, Links, LockoutSettings, LoginWays, PasswordSettings, PersonalData, Rank,
    SecondStep, TooBusy, User,
};
use crate::auth::email::tokens::Tokens;
use crate::auth::login::known_devices::{Devices, agent};
use crate::auth::login::lockout::{Lockout, Source};
use crate::auth::login::session_binding::Origin;
use crate::auth::password::breached::Breached;
use crate::auth::password::validate::Policies;
use crate::clock::Clock;
use crate::db::{self, Database, DbFailure, Tx};
use crate::http::client::Client;
use crate::http::cookies::Transport;
use crate::mail::MailQueue;
use crate::sessions::{ADDRESS, AGENT, OWNER, Session};
use crate::throttle::Throttle;
use crate::views::{Error, ErrorKind, Result};
use http::{HeaderMap, HeaderValue};
use palisade_crypto::KeyRing;
use palisade_crypto::user_tokens;
use palisade_password::{Algorithm, Hasher, Verdict, is_usable};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The accounts of a site.
pub struct Accounts {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    ring: KeyRing,
    pub(super) hashes: HashPool,
    pub(super) policies: Policies,
    pub(super) tokens: Tokens,
    pub(super) mail: Arc<MailQueue>,
    pub(crate) links: Links,
    pub(super) devices: Devices,
    pub(super) breached: Breached,
    pub(super) lockout: Lockout,
    pub(crate) second_step: Arc<dyn SecondStep>,
    pub(super) django_factors: DjangoFactors,
    pub(crate) factor_rule: FactorRule,
    pub(super) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(super) challenge: Option<LoginChallenge>,
    pub(crate) ways: LoginWays,
    /// Path to redirect to after login.
    pub(crate) home: String,
    /// Path of password reset links in Django's format.
    pub(super) django_reset: Option<String>,
}

/// Dependencies of [`Accounts`].
pub(crate) struct AccountParts {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ring: KeyRing,
    pub(crate) mail: Arc<MailQueue>,
    pub(crate) links: Links,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) max_unknown_per_hour: u64,
    pub(crate) algorithm: Algorithm,
    pub(crate) django_factors: DjangoFactors,
    pub(crate) client: Client,
    pub(crate) second_step: Arc<dyn SecondStep>,
    pub(crate) factor_rule: FactorRule,
    pub(crate) transport: Transport,
    pub(crate) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(crate) challenge: Option<LoginChallenge>,
    pub(crate) ways: LoginWays,
    pub(crate) home: String,
    pub(crate) django_reset: Option<String>,
}

/// A new account.
#[derive(Clone, Copy)]
pub struct NewUser<'a> {
    /// Username, validated.
    pub username: &'a str,
    /// Email address, validated.
    pub email: &'a str,
    /// Password in plaintext.
    pub password: &'a str,
    /// Rank of the account.
    pub rank: Rank,
}

/// Why an account was not created.
#[derive(Debug)]
pub enum SignUpError {
    /// The username is taken.
    NameTaken,
    /// The password breaks rules: a sentence for each.
    Password(Vec<String>),
    /// An internal error.
    Failed(Error),
}

/// Text of a notice about a change, and the base URL of its links.
#[derive(Clone, Copy)]
pub(crate) struct Notice<'a> {
    pub(crate) text: &'a str,
    pub(crate) base: &'a str,
}

/// Outcome of a login attempt.
pub(super) enum Attempt {
    /// The password is correct.
    Welcome(Model),
    /// The credentials are wrong. Whether the username exists is for the log only.
    Refused {
        /// Whether the account exists.
        is_known: bool,
    },
    /// Not verified: locked after too many attempts, for this long.
    Locked(Duration),
}

impl From<TooBusy> for Error {
    #[track_caller]
    fn from(_: TooBusy) -> Self {
        Self::new(
            ErrorKind::Busy,
            "Many people are logging in right now. Please try again in a few seconds.",
        )
    }
}

const USER_HASH: &str = "_auth_user_hash";
const USER_BACKEND: &str = "_auth_user_backend";
const PRIVILEGES: &str = "_palisade_privileges";

/// Inserts a row and reads it back, to get the generated id.
pub(super) async fn put(tx: &Tx, row: ActiveModel) -> Result<Model, sea_orm::DbErr> {
    let name = row.username.as_ref().clone();
    Entity::insert(row).exec_without_returning(tx).await?;
    let made = Entity::find()
        .filter(Column::Username.eq(&name))
        .one(tx)
        .await?;
    made.ok_or_else(|| sea_orm::DbErr::RecordNotInserted)
}

impl Accounts {
    /// Accounts with these settings.
    pub(crate) fn new(
        settings: &PasswordSettings,
        locks: &LockoutSettings,
        parts: AccountParts,
    ) -> Self {
        let AccountParts {
            database,
            clock,
            ring,
            mail,
            links,
            throttle,
            max_unknown_per_hour,
            algorithm,
            django_factors,
            client,
            second_step,
            factor_rule,
            transport,
            personal_data,
            challenge,
            ways,
            home,
            django_reset,
        } = parts;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = if settings.hash_jobs == 0 {
            cores
        } else {
            usize::try_from(settings.hash_jobs)
                .unwrap_or(cores)
                .min(512)
        };
        let queue = usize::try_from(settings.hash_queue)
            .unwrap_or(usize::MAX)
            .min(1 << 20);
        let hashes = HashPool::new(Hasher::new(algorithm), jobs, queue);
        let tokens = Tokens::new(database.clone(), clock.clone(), ring.clone());
        let devices = Devices::new(database.clone(), clock.clone(), transport);
        let lockout = Lockout {
            settings: locks.clone(),
            throttle,
            max_unknown_per_hour,
            database: database.clone(),
            clock: clock.clone(),
        };
        let policies = Policies::new(settings);
        Self {
            database,
            clock,
            ring,
            hashes,
            policies,
            tokens,
            mail,
            links,
            devices,
            breached: Breached::new(settings, client),
            lockout,
            second_step,
            django_factors,
            factor_rule,
            personal_data,
            challenge,
            ways,
            home,
            django_reset,
        }
    }

    pub(crate) fn ring(&self) -> &KeyRing {
        &self.ring
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// The clock of accounts. For tests.
    #[doc(hidden)]
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.clock.now()
    }

    /// Number of password hashes computed so far. For tests of constant work.
    #[doc(hidden)]
    pub fn hashes_done(&self) -> u64 {
        self.hashes.done()
    }

    /// Creates an account.
    ///
    /// # Errors
    /// See [`SignUpError`].
    pub async fn sign_up(&self, new: NewUser<'_>) -> Result<User, SignUpError> {
        self.judge(new.password, new.username, new.email)
            .await
            .map_err(SignUpError::Password)?;
        let password = self
            .hashes
            .hash(new.password.to_owned())
            .await
            .map_err(|busy| SignUpError::Failed(busy.into()))?;
        let row = self.row(new.username, new.email, password, new.rank);
        let made = self.insert(row).await;
        made.map(|row| row.public())
            .map_err(|error| match db::failure(&error) {
                DbFailure::Duplicate => SignUpError::NameTaken,
                _ => SignUpError::Failed(error.into()),
            })
    }

    async fn insert(&self, row: ActiveModel) -> Result<Model, sea_orm::DbErr> {
        let tx = self.database.begin().await?;
        let row = put(&tx, row).await?;
        tx.commit().await?;
        Ok(row)
    }

    /// The id of a user by username.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn id_of(&self, username: &str) -> Result<Option<i32>> {
        Ok(self.by_name(username).await?.map(|row| row.id))
    }

    /// The account of a username or of a confirmed email address. A username takes precedence; an
    /// address of several accounts matches none. The queries are the same whether or not an account
    /// has the address (user enumeration).
    pub(super) async fn by_name_or_address(&self, typed: &str) -> Result<Option<Model>> {
        let named = self.by_name(typed).await?;
        if !typed.contains('@') {
            return Ok(named);
        }
        let with_address = Entity::find()
            .filter(super::same_address(typed))
            .filter(Column::IsActive.eq(true))
            .limit(2);
        let mut with_address = with_address.all(&self.database.handle()).await?;
        let only = with_address.pop().filter(|_| with_address.is_empty());
        Ok(named.or(only))
    }

    /// The row of an account that is not closed.
    pub(crate) async fn active(&self, id: i32) -> Result<Option<Model>> {
        Ok(Entity::find_by_id(id)
            .one(&self.database.handle())
            .await?
            .filter(|row| row.is_active))
    }

    /// The user of an account that is not closed, and the values that tie a token to its current
    /// password: one per key, newest first.
    #[cfg(feature = "social")]
    pub(crate) async fn bound(&self, id: i32) -> Result<Option<(User, Vec<String>)>> {
        use base64::Engine;
        let bound = |row: Model| {
            let what = format!("{} {}", row.id, row.password);
            let keys = self.ring.derive("access token", what.as_bytes());
            (
                row.public(),
                keys.map(|bytes| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
                    .collect(),
            )
        };
        Ok(self.active(id).await?.map(bound))
    }

    /// The row of a username.
    pub(super) async fn by_name(&self, username: &str) -> Result<Option<Model>> {
        Ok(Entity::find()
            .filter(Column::Username.eq(username))
            .one(&self.database.handle())
            .await?)
    }

    /// Verifies a password, in constant work: a refusal takes as long for any cause. Does not
    /// count guesses; [`Accounts::attempt`] does.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting; the result is unknown
    /// then.
    pub(super) async fn authenticate(&self, row: Option<Model>, password: &str) -> Result<Attempt> {
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

    /// Logs a user in: always with a new session key (session fixation), and records the time.
    pub(super) async fn log_in(
        &self,
        session: &Session,
        from: Source<'_>,
        held: Held,
        factor: Factor,
    ) -> Result<User> {
        session.renew().await?;
        let row = held.account;
        self.tie(session, &row).await?;
        self.join_epoch(session, row.id).await?;
        // A federated login starts a session but does not count as recent authentication (see
        // `Access::fresh`)
        if held.is_by_another_site && factor != Factor::Typed {
            self.factor_is(session, factor).await?;
        } else {
            self.proven_now(session, factor).await?;
        }
        if let Some(page) = held.logout_page {
            session.insert(LOGOUT_PAGE, page).await?;
        }
        session.insert(AGENT, agent(from.headers)).await?;
        session.insert(ADDRESS, from.client.to_string()).await?;
        self.note_login(row.id).await?;
        Ok(row.public())
    }

    async fn note_login(&self, id: i32) -> Result<(), sea_orm::DbErr> {
        let tx = self.database.begin().await?;
        let change = ActiveModel {
            last_login: Set(Some(self.clock.now())),
            ..Default::default()
        };
        Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(id))
            .exec(&tx)
            .await?;
        tx.commit().await
    }

    /// Restores persistent locks after a restart.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn restore_locks(&self) -> Result<(), sea_orm::DbErr> {
        self.lockout.restore().await
    }

    /// Deletes expired tokens and locks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn sweep(&self) -> Result<()> {
        self.tokens.sweep().await?;
        Ok(self.sweep_locks().await?)
    }

    /// Remembers the browser of a login, notifies the owner of a new one, and returns the cookie to
    /// set. A trusted browser skips the second factor for a while.
    pub(super) async fn remember_browser(
        &self,
        from: Source<'_>,
        row: &Model,
        base: &str,
        is_trusted: bool,
    ) -> Result<Option<HeaderValue>> {
        let known = self.devices.known(from.headers, Some(row)).await?;
        let tx = self.database.begin().await?;
        if let Some(known) = known {
            self.devices.seen(&tx, &known.hash, is_trusted).await?;
            tx.commit().await?;
            return Ok(None);
        }
        let cookie = self
            .devices
            .remember(&tx, from.headers, row, from.client, is_trusted)
            .await?;
        // the first login of an account needs no notice
        if row.last_login.is_some() {
            let what = format!(
                "A new browser was used to log in:\n\n    {}\n    from {}",
                agent(from.headers),
                from.client
            );
            self.tell(&tx, row, &row.email, &what, base).await?;
        }
        tx.commit().await?;
        self.mail.wake();
        Ok(cookie)
    }

    /// Whether logins from this browser skip the second factor.
    pub(super) async fn is_trusted(&self, headers: &HeaderMap, row: &Model) -> Result<bool> {
        Ok(self
            .devices
            .known(headers, Some(row))
            .await?
            .is_some_and(|known| known.is_trusted))
    }

    /// Applies a change of a user's factors in one transaction: no browser stays trusted, all other
    /// sessions end, and the owner is notified.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn factors_changed(
        &self,
        tx: Tx,
        session: &Session,
        user: &User,
        what: Notice<'_>,
    ) -> Result<()> {
        self.devices.distrust(&tx, user.id).await?;
        self.tell_in(&tx, user.id, what.text, what.base).await?;
        self.commit_and_end_others(tx, session, user.id)
            .await
            .map(drop)
    }

    /// Trusted browsers of a user: user agent and address.
    pub(crate) async fn trusted_browsers(&self, user: &User) -> Result<Vec<(String, String)>> {
        Ok(self
            .devices
            .trusted(user.id)
            .await?
            .into_iter()
            .map(|row| (row.agent, row.address))
            .collect())
    }

    /// Binds a session to a user, their password and their rights, in Django's session entries.
    async fn tie(&self, session: &Session, row: &Model) -> Result<()> {
        session.insert(OWNER, row.id.to_string()).await?;
        session
            .insert(USER_BACKEND, "django.contrib.auth.backends.ModelBackend")
            .await?;
        session
            .insert(USER_HASH, row.session_hash(&self.ring))
            .await?;
        session.insert(PRIVILEGES, row.privileges()).await
    }

    /// The user of a session: active, and with the password of the session's login.
    pub(super) async fn user_of(
        &self,
        session: &Session,
        from: &Origin<'_>,
    ) -> Result<Option<User>> {
        if session.cookie_key().is_none() {
            return Ok(None);
        }
        let Some(id) = session
            .value::<String>(OWNER)
            .await?
            .and_then(|id| id.parse::<i32>().ok())
        else {
            return Ok(None);
        };
        let hash = session
            .value::<String>(USER_HASH)
            .await?
            .unwrap_or_default();
        let found = self
            .account_with_epoch(id)
            .await?
            .filter(|(row, _)| row.is_active);
        let found = found
            .filter(|(row, _)| user_tokens::is_session_auth_hash(&self.ring, &row.password, &hash));
        let Some((row, epoch)) = found else {
            return Ok(None);
        };
        if !self.is_of_epoch(session, epoch).await? || !self.is_at_home(session, from).await? {
            return Ok(None);
        }
        let newest = row.session_hash(&self.ring);
        let privileges = session.value::<String>(PRIVILEGES).await?;
        if privileges.is_none() && session.is_shared() {
            // Django rotated the key at the login, and concurrent requests use that key
            session.note(PRIVILEGES, row.privileges()).await?;
        } else if privileges != Some(row.privileges()) {
            // the user's rights have changed since the login: the key must be a new one
            session.rotate().await?;
            self.tie(session, &row).await?;
        } else if newest != hash {
            session.insert(USER_HASH, newest).await?; // the key ring was rotated
        }
        Ok(Some(row.public()))
    }

    /// Changes the password of a signed-in user who knows the current one. All other sessions of
    /// the user end.
    ///
    /// # Errors
    /// As [`Accounts::authenticate`].
    pub(super) async fn change_password(
        &self,
        session: &Session,
        row: Model,
        new: &str,
        base: &str,
    ) -> Result<Option<Model>> {
        let encoded = self.hashes.hash(new.to_owned()).await?;
        let tx = self.database.begin().await?;
        if !self.put_password(&tx, &row, &encoded).await? {
            return Ok(None);
        }
        self.tokens.forget(&tx, row.id, None).await?;
        self.tell(
            &tx,
            &row,
            &row.email,
            "The password was changed. All other sessions have ended.",
            base,
        )
        .await?;
        tx.commit().await?;
        self.mail.wake();
        session.rotate().await?;
        let row = Model {
            password: encoded,
            ..row
        };
        self.tie(session, &row).await?;
        Ok(Some(row))
    }

    /// Replaces the hash in `row` by one of `password`. `None` if it has changed meanwhile: the
    /// proof of the old password is void then.
    async fn replace_password(&self, row: Model, password: &str) -> Result<Option<Model>> {
        let encoded = self.hashes.hash(password.to_owned()).await?;
        let tx = self.database.begin().await?;
        let is_done = self.put_password(&tx, &row, &encoded).await?;
        tx.commit().await?;
        Ok(is_done.then_some(Model {
            password: encoded,
            ..row
        }))
    }

    /// The same, as part of a transaction.
    pub(super) async fn put_password(
        &self,
        tx: &Tx,
        row: &Model,
        encoded: &str,
    ) -> Result<bool, sea_orm::DbErr> {
        let change = ActiveModel {
            password: Set(encoded.into()),
            ..Default::default()
        };
        let same = Entity::update_many()
            .set(change)
            .filter(Column::Id.eq(row.id))
            .filter(Column::Password.eq(row.password.as_str()));
        Ok(same.exec(tx).await?.rows_affected == 1)
    }

    /// Sets the password of a user by username: for the command line. `false` if there is no such
    /// user.
    ///
    /// # Errors
    /// The broken rules, or an internal error.
    pub async fn reset_password(
        &self,
        username: &str,
        password: &str,
    ) -> Result<bool, SignUpError> {
        let row = Entity::find()
            .filter(Column::Username.eq(username))
            .one(&self.database.handle())
            .await;
        let Some(row) = row.map_err(|error| SignUpError::Failed(error.into()))? else {
            return Ok(false);
        };
        self.judge_for(&row, password)
            .await
            .map_err(SignUpError::Failed)?
            .map_err(SignUpError::Password)?;
        let replaced = self
            .replace_password(row, password)
            .await
            .map_err(SignUpError::Failed)?;
        let lost = || {
            SignUpError::Failed(Error::new(
                ErrorKind::Conflict,
                "the password was changed concurrently",
            ))
        };
        replaced.map(|_| true).ok_or_else(lost)
    }

    /// All usernames, with whether they are active and the time of the last login.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<serde_json::Value>> {
        let rows = Entity::find()
            .order_by_asc(Column::Username)
            .all(&self.database.handle())
            .await?;
        let shown = |row: &Model| {
            json!({
                "id": row.id, "username": row.username, "email": row.email, "is_active": row.is_active,
                "is_staff": row.is_staff, "is_superuser": row.is_superuser, "last_login": row.last_login,
            })
        };
        Ok(rows.iter().map(shown).collect())
    }
}
