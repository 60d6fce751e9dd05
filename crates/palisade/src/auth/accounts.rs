use super::access_tokens::rules::AccessTokenRules;
use super::account::profile::{AccountHooks, ProfileForm};
use super::email::email_tokens::EmailTokens;
use super::email::limits::MailLimits;
use super::email::notices::Notice;
use super::login::epoch;
use super::login::guard::{LoginChallenge, LoginGuard};
use super::login::known_devices::KnownDevices;
use super::login::lockout::Lockout;
use super::login::locks::{Lock, LockFilter, Locks};
use super::login::methods::LoginMethods;
use super::login::second_factor::SecondFactors;
use super::login::sessions::LoginSessions;
use super::login::unsent_forms::UnsentForms;
use super::password::django_reset_links::DjangoResetLinks;
use super::password::passwords::{PasswordUse, Passwords};
use super::tokens::Tokens;
use super::user::entity::Model;
use super::users::{self, NewRow, Users};
use super::{LockoutSettings, NewUser, PasswordSettings, PersonalData, TooBusy, User};
use crate::audit_log::{Event, record_in};
use crate::clock::Clock;
use crate::db::{self, Database, DbFailure, Tx};
use crate::http::client::Client;
use crate::http::cookies::Transport;
use crate::mail::{Links, MailQueue};
use crate::sessions::Session;
use crate::throttle::Throttle;
use crate::views::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use palisade_crypto::KeyRing;
use palisade_password::{Algorithm, UserAttributes};
use sea_orm::DbErr;
use serde_json::Value;
use std::sync::Arc;

/// The accounts of a site: services that each own a part of their state, and the changes that
/// concern several of them.
pub struct Accounts {
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
    ring: KeyRing,
    pub(crate) users: Users,
    pub(super) passwords: Passwords,
    pub(super) guard: LoginGuard,
    pub(crate) sessions: LoginSessions,
    pub(crate) factors: SecondFactors,
    pub(crate) email: EmailTokens,
    pub(super) unsent: UnsentForms,
    pub(super) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(crate) methods: LoginMethods,
    /// Path to redirect to after login.
    pub(crate) home: String,
    /// `site.name`, if it is set.
    pub(crate) site_name: Option<String>,
    /// Fields of the site's own.
    pub(crate) profile: Option<Arc<dyn ProfileForm>>,
    pub(super) hooks: Vec<Arc<dyn AccountHooks>>,
    pub(crate) access_tokens: AccessTokenRules,
}

/// Dependencies of [`Accounts`].
pub(crate) struct AccountParts {
    pub(crate) database: Database,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ring: KeyRing,
    pub(crate) mail: MailQueue,
    pub(crate) links: Links,
    pub(crate) throttle: Arc<Throttle>,
    pub(crate) max_unknown_per_hour: u64,
    pub(crate) algorithm: Algorithm,
    pub(crate) client: Client,
    pub(crate) factors: SecondFactors,
    pub(crate) transport: Transport,
    pub(crate) personal_data: Vec<Arc<dyn PersonalData>>,
    pub(crate) challenge: Option<LoginChallenge>,
    pub(crate) methods: LoginMethods,
    pub(crate) home: String,
    pub(crate) site_name: Option<String>,
    pub(crate) profile: Option<Arc<dyn ProfileForm>>,
    pub(crate) hooks: Vec<Arc<dyn AccountHooks>>,
    /// Path of password reset links in Django's format.
    pub(crate) django_reset: Option<String>,
    pub(crate) access_tokens: AccessTokenRules,
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

impl From<Error> for SignUpError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for SignUpError {
    fn from(error: DbErr) -> Self {
        match db::failure(&error) {
            DbFailure::Duplicate => Self::NameTaken,
            _ => Self::Failed(error.into()),
        }
    }
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

impl AccountParts {
    fn guard(&self, settings: &LockoutSettings) -> LoginGuard {
        let (database, clock) = (&self.database, &self.clock);
        let locks = Locks::new(database.clone(), clock.clone());
        let throttle = self.throttle.clone();
        LoginGuard {
            lockout: Lockout::new(settings.clone(), throttle, clock.clone(), locks),
            devices: KnownDevices::new(database.clone(), clock.clone(), self.transport),
            challenge: self.challenge.clone(),
        }
    }

    fn email(&self) -> EmailTokens {
        let (database, clock, ring) = (&self.database, &self.clock, &self.ring);
        EmailTokens {
            database: database.clone(),
            tokens: Tokens::new(database.clone(), clock.clone(), ring.clone()),
            mail: self.mail.clone(),
            limits: MailLimits {
                throttle: self.throttle.clone(),
                clock: clock.clone(),
                max_unknown_per_hour: self.max_unknown_per_hour,
            },
            links: self.links.clone(),
            django_links: DjangoResetLinks {
                ring: ring.clone(),
                clock: clock.clone(),
                path: self.django_reset.clone(),
            },
        }
    }
}

impl Accounts {
    /// Accounts configured by these settings.
    pub(crate) fn new(
        settings: &PasswordSettings,
        locks: &LockoutSettings,
        parts: AccountParts,
    ) -> Self {
        let (guard, email) = (parts.guard(locks), parts.email());
        let (database, clock, ring) = (parts.database, parts.clock, parts.ring);
        let site = parts.links.main().to_owned();
        let unsent = UnsentForms::new(
            database.clone(),
            clock.clone(),
            ring.clone(),
            parts.transport,
        );
        Self {
            users: Users::new(database.clone(), clock.clone()),
            passwords: Passwords::new(settings, parts.algorithm, parts.client, site),
            sessions: LoginSessions::new(database.clone(), clock.clone(), ring.clone()),
            guard,
            email,
            unsent,
            factors: parts.factors,
            personal_data: parts.personal_data,
            methods: parts.methods,
            home: parts.home,
            site_name: parts.site_name,
            profile: parts.profile,
            hooks: parts.hooks,
            access_tokens: parts.access_tokens,
            database,
            clock,
            ring,
        }
    }

    /// Records a new account, and runs the site's hooks for it.
    pub(super) async fn run_signed_up(&self, tx: &Tx, user: &User) -> Result<()> {
        let rank = match (user.is_superuser, user.is_staff) {
            (true, _) => "superuser",
            (false, true) => "staff",
            (false, false) => "",
        };
        record_in(tx, user.entry(Event::SignedUp).detail(rank)).await?;
        for hooks in &self.hooks {
            hooks.signed_up(tx, user).await?;
        }
        Ok(())
    }

    #[cfg(feature = "social")]
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
        self.passwords.hashes_done()
    }

    /// Creates an account.
    ///
    /// # Errors
    /// See [`SignUpError`].
    pub async fn sign_up(&self, new: NewUser<'_>) -> Result<User, SignUpError> {
        let row = self.users.new_row(NewRow {
            username: new.username,
            email: new.email,
            encoded: self.new_hash(new).await?,
            rank: new.rank,
        });
        let change = async |tx: &Tx| -> Result<Model, SignUpError> {
            let row = users::insert(tx, row).await?;
            self.run_signed_up(tx, &row.public()).await?;
            Ok(row)
        };
        Ok(self.database.write_always(change).await?.public())
    }

    /// Validates and hashes the password of a new account.
    pub(super) async fn new_hash(&self, new: NewUser<'_>) -> Result<String, SignUpError> {
        let user = UserAttributes {
            username: new.username,
            email: new.email,
            ..Default::default()
        };
        self.passwords
            .validate(PasswordUse::Alone, new.password, user)
            .await
            .map_err(SignUpError::Password)?;
        let hashed = self.passwords.hash(new.password).await;
        hashed.map_err(|busy| SignUpError::Failed(busy.into()))
    }

    /// The id of a user by username.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn id_of(&self, username: &str) -> Result<Option<i32>> {
        Ok(self.user_by_name(username).await?.map(|user| user.id))
    }

    /// A user by username.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_by_name(&self, username: &str) -> Result<Option<User>> {
        let row = self.users.by_name(username).await?;
        Ok(row.map(|row| row.public()))
    }

    /// An active user by username.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn active_user_by_name(&self, username: &str) -> Result<Option<User>> {
        let row = self.users.by_name(username).await?;
        Ok(row.filter(|row| row.is_active).map(|row| row.public()))
    }

    /// The user with this primary key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn user_by_id(&self, id: i32) -> Result<Option<User>> {
        Ok(self.users.by_id(id).await?.map(|row| row.public()))
    }

    /// All active users, with the time of the last login.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn active_users(&self) -> Result<Vec<(User, Option<DateTime<Utc>>)>> {
        self.users.all_active().await
    }

    /// All usernames, with whether they are active and the time of the last login.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(&self) -> Result<Vec<Value>> {
        self.users.list().await
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// When the database does not answer; no session has ended then.
    pub async fn end_all_sessions(&self, user_id: i32) -> Result<()> {
        self.sessions.end_all(user_id).await
    }

    /// The purposes of the links and codes that were mailed to a user and are still valid, with their
    /// ends in seconds since 1970.
    pub(crate) async fn links_of(&self, user_id: i32) -> Result<Vec<(String, i64)>> {
        Ok(self.email.tokens.of_user(user_id).await?)
    }

    /// Ends the links and codes that were mailed to a user.
    pub(crate) async fn end_links(&self, tx: &Tx, user_id: i32) -> Result<()> {
        Ok(self.email.tokens.forget(tx, user_id, None).await?)
    }

    /// The active locks whose name or address contains `text`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn locks(&self, text: &str) -> Result<Vec<Lock>> {
        Ok(self.guard.lockout.locks.list(text).await?)
    }

    /// Lifts active locks: all, or those of an id, a name or an address. Returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lift(&self, which: LockFilter<'_>) -> Result<u64> {
        Ok(self.guard.lockout.locks.lift(which).await?)
    }

    /// Restores persistent locks after a restart.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn restore_locks(&self) -> Result<(), DbErr> {
        self.guard.lockout.restore().await
    }

    /// Deletes expired tokens and locks, and tells the owners of access tokens that end soon.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn sweep(&self) -> Result<()> {
        self.email.tokens.sweep().await?;
        self.unsent.sweep().await?;
        self.sweep_access_tokens().await?;
        Ok(self.guard.lockout.locks.sweep().await?)
    }

    /// The user of an account that is not closed, and the values that tie a token to its current
    /// password and its session epoch: one per key, newest first.
    pub(crate) async fn token_bindings(&self, id: i32) -> Result<Option<(User, Vec<String>)>> {
        let Some(row) = self.users.active(id).await? else {
            return Ok(None);
        };
        let epoch = epoch::epoch_of(&self.database.handle(), row.id).await?;
        Ok(Some((row.public(), self.bindings_of(&row, epoch))))
    }

    /// The same of an account and an epoch.
    pub(super) fn bindings_of(&self, row: &Model, epoch: i64) -> Vec<String> {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        // without an epoch, as before there was one
        let epoch = Some(epoch).filter(|epoch| *epoch > 0);
        let epoch = epoch.map_or(String::new(), |epoch| format!(" {epoch}"));
        let state = format!("{} {}{epoch}", row.id, row.password);
        let keys = self.ring.derive("access token", state.as_bytes());
        keys.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)).collect()
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
        notice: Notice<'_>,
    ) -> Result<()> {
        self.guard.devices.distrust(&tx, user.id).await?;
        self.email.notify_id(&tx, user.id, notice).await?;
        self.sessions
            .commit_and_end_others(tx, session, user.id)
            .await
            .map(drop)
    }

    /// Trusted browsers of a user: user agent and address.
    pub(crate) async fn trusted_browsers(&self, user: &User) -> Result<Vec<(String, String)>> {
        let rows = self.guard.devices.list_trusted(user.id).await?;
        let shown = rows.into_iter().map(|row| (row.agent, row.address));
        Ok(shown.collect())
    }
}
