//! Guessing is stopped before it finds anything.
//!
//! | Counted together | Setting | Stops |
//! |---|---|---|
//! | one name, from one network | `lockout.failures` | whoever tries passwords on one account |
//! | one network | `lockout.address_failures` | whoever tries one password on many accounts |
//! | one name, from everywhere | `lockout.account_failures` | many machines on one account |
//! | one name, from a browser that has logged in to it before | `lockout.failures` | whoever stole that browser, and nobody else |
//!
//! The last line is counted for itself: while an attacker keeps an account locked, its owner gets in from a known browser, and from another network until
//! the attack comes from everywhere. Whether there is such an account makes no difference to any of it.

use super::devices::agent;
use super::user::entity::Model as Account;
use super::{Accounts, Attempt, LockoutSettings};
use crate::audit_log::{self, Event};
use crate::clock::Clock;
use crate::db::Database;
use crate::http::{ClientAddress, network, networks};
use crate::throttle::{self, Absolution, LockPolicy, Standing, Throttle};
use crate::views::Result;
use http::HeaderMap;
use palisade_lock::{ActiveModel, Column, Entity};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Set,
};
use std::sync::Arc;
use std::time::Duration;

pub(crate) mod palisade_lock {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "palisade_lock")]
    /// A lock, as it is shown to those who may lift it.
    pub struct Model {
        /// What is counted together, as a hash.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// What is counted together: `name and address`, `address`, `name` or `browser`.
        pub kind: String,
        /// Name, if an account has it.
        pub username: String,
        /// Address, or the /64 that it is in.
        pub address: String,
        /// What the browser of the last guess said it is.
        pub agent: String,
        /// When it began, in seconds since 1970.
        pub since: i64,
        /// When it ends, in seconds since 1970.
        pub until: i64,
        /// Whether somebody lifted it.
        pub is_lifted: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub use palisade_lock::Model as Lock;

/// Where a guess comes from.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) client: ClientAddress,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) request_id: &'a str,
}

/// What guesses at different things are counted under, so that nobody's guesses at one count against another.
#[derive(Clone, Copy)]
struct Kinds {
    both: &'static str,
    whole: &'static str,
    browser: &'static str,
}

const PASSWORDS: Kinds = Kinds {
    both: "name and address",
    whole: "name",
    browser: "browser",
};
const CODES: Kinds = Kinds {
    both: "code and address",
    whole: "code",
    browser: "code and browser",
};
const SIGN_UPS: Kinds = Kinds {
    both: "sign-up and address",
    whole: "sign-up",
    browser: "sign-up and browser",
};

/// What became of a guess.
pub(crate) enum Guess {
    Right,
    Wrong,
    /// Nobody has looked: there were too many, and so long remains to wait.
    Locked(Duration),
}

/// What is counted together.
struct Counted {
    kind: &'static str,
    who: String,
    policy: LockPolicy,
    absolution: Absolution,
}

impl Counted {
    /// The key that it is counted under, so that a lock which was written down can be put back.
    fn id(&self) -> String {
        let key = throttle::key(self.kind, &self.who);
        key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The locks of a site.
pub(super) struct Lockout {
    pub(super) settings: LockoutSettings,
    pub(super) throttle: Arc<Throttle>,
    /// Mail in an hour to addresses that no account has.
    pub(super) max_unknown_per_hour: u64,
    pub(super) database: Database,
    pub(super) clock: Arc<dyn Clock>,
}

impl Lockout {
    /// For the locks in this process: a clock that is set forward or back opens none, and prolongs none.
    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    fn policy(&self, failures: u64, windows: u32) -> LockPolicy {
        LockPolicy {
            failures: u32::try_from(failures).unwrap_or(u32::MAX).max(1),
            window: self.settings.window_secs.duration() * windows,
            lock: self.settings.lock_secs.duration(),
            longest: self.settings.longest_secs.duration(),
        }
    }

    /// `who` is a name, or what else is guessed at; the kinds keep the one apart from the other.
    fn counted(
        &self,
        kinds: Kinds,
        who: &str,
        client: ClientAddress,
        device: Option<&str>,
    ) -> Vec<Counted> {
        let settings = &self.settings;
        let counted = |kind, who: String, failures, windows, absolution| {
            let policy = self.policy(failures, windows);
            Counted {
                kind,
                who,
                policy,
                absolution,
            }
        };
        if let Some(device) = device {
            return vec![counted(
                kinds.browser,
                format!("{device} {who}"),
                settings.failures,
                1,
                Absolution::All,
            )];
        }
        let network = network(client.0);
        let of_networks = networks(client.0).map(|network| {
            let failures = settings
                .address_failures
                .saturating_mul(network.times.into());
            let counted = counted(
                "address",
                network.to_string(),
                failures,
                10,
                Absolution::One,
            );
            // many people may share it
            let longest = counted.policy.longest.min(LONGEST_OF_NETWORKS);
            Counted {
                policy: LockPolicy {
                    lock: counted.policy.lock.min(longest),
                    longest,
                    ..counted.policy
                },
                ..counted
            }
        });
        // the networks first: one that is locked makes no more entries
        of_networks
            .chain([
                counted(
                    kinds.both,
                    format!("{network} {who}"),
                    settings.failures,
                    1,
                    Absolution::All,
                ),
                counted(
                    kinds.whole,
                    who.to_owned(),
                    settings.account_failures,
                    60,
                    Absolution::One,
                ),
            ])
            .collect()
    }

    /// Counts a guess everywhere it counts. Those that are the last one begin a lock; none may be locked.
    async fn count(
        &self,
        all: &[Counted],
    ) -> Result<Result<Vec<(usize, Duration)>, Duration>, DbErr> {
        let mut begun = Vec::new();
        for (place, counted) in all.iter().enumerate() {
            let mut standing = self.guess(counted).await;
            if matches!(standing, Standing::Locked(_)) && self.was_lifted(counted).await? {
                self.throttle
                    .absolve(counted.kind, &counted.who, Absolution::All, self.now())
                    .await;
                standing = self.guess(counted).await;
            }
            match standing {
                Standing::Open => {}
                Standing::Last(length) => begun.push((place, length)),
                Standing::Locked(wait) => {
                    // nobody looks at this guess: it counts nowhere
                    self.take_back(&all[..place]).await;
                    return Ok(Err(wait));
                }
            }
        }
        Ok(Ok(begun))
    }

    /// Whether somebody has tried so often that the site's challenge is asked for: a softer step before a lock.
    pub(super) async fn is_challenged(&self, username: &str, client: ClientAddress) -> bool {
        let policy = LockPolicy {
            longest: self.settings.lock_secs.duration(),
            ..self.policy(self.settings.challenge_after, 1)
        };
        let standing = self
            .throttle
            .guess(
                CHALLENGE,
                &challenged(username, client),
                &policy,
                self.now(),
            )
            .await;
        matches!(standing, Standing::Locked(_))
    }

    /// Somebody has logged in: nobody is asked any more.
    pub(super) async fn unchallenged(&self, username: &str, client: ClientAddress) {
        self.throttle
            .absolve(
                CHALLENGE,
                &challenged(username, client),
                Absolution::All,
                self.now(),
            )
            .await;
    }

    /// Counts a guess at a code that was sent by mail: five within its life.
    pub(super) async fn guess_code(&self, hash: &str, life: Duration) -> Standing {
        let policy = LockPolicy {
            failures: 5,
            window: life,
            lock: life,
            longest: life,
        };
        self.throttle
            .guess("mailed code", &hash, &policy, self.now())
            .await
    }

    /// Counts a mail that is asked for, by the browser that has logged in before, or else by network and for the address. Says how long to wait, if it is
    /// too many: strangers who ask for an owner do not take the owner's (D37).
    pub(super) async fn ask_mail(
        &self,
        address: &str,
        client: ClientAddress,
        device: Option<&str>,
    ) -> Option<Duration> {
        let counted = match device {
            Some(device) => vec![("mail and browser", device.to_owned(), 10)],
            None => vec![
                (
                    "mail and network",
                    format!("{} {address}", network(client.0)),
                    5,
                ),
                ("mail", address.to_owned(), 100),
            ],
        };
        for (kind, who, most) in counted {
            let hour = Duration::from_secs(3600);
            let policy = LockPolicy {
                failures: most + 1,
                window: hour,
                lock: hour,
                longest: hour,
            };
            if let Standing::Locked(wait) | Standing::Last(wait) =
                self.throttle.guess(kind, &who, &policy, self.now()).await
            {
                return Some(wait);
            }
        }
        None
    }

    /// Whether one more mail may go to an address that no account has: there is a ceiling for the whole site, which is known as a sender by what it sends.
    pub(super) async fn admits_unknown(&self) -> bool {
        let hour = Duration::from_secs(3600);
        let most = u32::try_from(self.max_unknown_per_hour).unwrap_or(u32::MAX);
        let policy = LockPolicy {
            failures: most.saturating_add(1),
            window: hour,
            lock: hour,
            longest: hour,
        };
        matches!(
            self.throttle
                .guess("mail to unknown addresses", &"", &policy, self.now())
                .await,
            Standing::Open
        )
    }

    /// Puts locks back that were written down, so that a restart opens none.
    pub(super) async fn restore(&self) -> Result<(), DbErr> {
        let (wall, now) = (self.clock.now().timestamp(), self.now());
        let open = Entity::find()
            .filter(Column::Until.gt(wall))
            .filter(Column::IsLifted.eq(false));
        for row in open.all(&self.database.handle()).await? {
            let left = Duration::from_secs((row.until - wall).unsigned_abs());
            if let Ok(key) = u128::from_str_radix(&row.id, 16) {
                self.throttle
                    .restore(&row.kind, key.to_be_bytes(), now + left);
            }
        }
        Ok(())
    }

    async fn guess(&self, counted: &Counted) -> Standing {
        self.throttle
            .guess(counted.kind, &counted.who, &counted.policy, self.now())
            .await
    }

    /// Whether somebody lifted this lock; it is told once.
    async fn was_lifted(&self, counted: &Counted) -> Result<bool, DbErr> {
        let lifted = Entity::find_by_id(counted.id())
            .filter(Column::IsLifted.eq(true))
            .one(&self.database.handle())
            .await?;
        if lifted.is_none() {
            return Ok(false);
        }
        let tx = self.database.begin().await?;
        let gone = Entity::delete_by_id(counted.id())
            .filter(Column::IsLifted.eq(true))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok(gone.rows_affected == 1)
    }

    /// A guess that nobody has judged: it counts nowhere, and those before it stay.
    async fn take_back(&self, all: &[Counted]) {
        for counted in all {
            self.throttle
                .absolve(counted.kind, &counted.who, Absolution::One, self.now())
                .await;
        }
    }

    /// A guess was right: it is taken back, with the locks that it began.
    async fn absolve(&self, all: &[Counted], begun: &[(usize, Duration)]) -> Result<(), DbErr> {
        for counted in all {
            self.throttle
                .absolve(counted.kind, &counted.who, counted.absolution, self.now())
                .await;
        }
        self.unwrite(all, begun).await
    }

    /// A guess that was not verified. It counts against the network that it came from, because a flood of guesses is what keeps others from being judged.
    async fn unjudged(&self, all: &[Counted], begun: &[(usize, Duration)]) -> Result<(), DbErr> {
        for counted in all.iter().filter(|counted| counted.kind != "address") {
            self.throttle
                .absolve(counted.kind, &counted.who, Absolution::One, self.now())
                .await;
        }
        let begun: Vec<_> = begun
            .iter()
            .filter(|(place, _)| all[*place].kind != "address")
            .copied()
            .collect();
        self.unwrite(all, &begun).await
    }

    async fn write_all(
        &self,
        all: &[Counted],
        begun: &[(usize, Duration)],
        username: &str,
        from: Source<'_>,
    ) -> Result<(), DbErr> {
        for (place, length) in begun {
            self.write(&all[*place], *length, username, from).await?;
        }
        Ok(())
    }

    /// Takes back what [`Lockout::write_all`] wrote.
    async fn unwrite(&self, all: &[Counted], begun: &[(usize, Duration)]) -> Result<(), DbErr> {
        if begun.is_empty() {
            return Ok(());
        }
        let tx = self.database.begin().await?;
        let ids = begun.iter().map(|(place, _)| all[*place].id());
        Entity::delete_many()
            .filter(Column::Id.is_in(ids))
            .exec(&tx)
            .await?;
        tx.commit().await
    }

    /// Writes a lock down for those who may lift it. A name that is nobody's is not written: people type passwords into the wrong field.
    async fn write(
        &self,
        counted: &Counted,
        length: Duration,
        username: &str,
        from: Source<'_>,
    ) -> Result<(), DbErr> {
        let now = self.clock.now().timestamp();
        let row = ActiveModel {
            id: Set(counted.id()),
            kind: Set(counted.kind.into()),
            username: Set(username.into()),
            address: Set(network(from.client.0).to_string()),
            agent: Set(agent(from.headers)),
            since: Set(now),
            until: Set(now + i64::try_from(length.as_secs()).unwrap_or(i64::MAX)),
            is_lifted: Set(false),
        };
        let again = OnConflict::column(Column::Id)
            .update_columns([
                Column::Address,
                Column::Agent,
                Column::Since,
                Column::Until,
                Column::IsLifted,
            ])
            .to_owned();
        let tx = self.database.begin().await?;
        Entity::insert(row)
            .on_conflict(again)
            .exec_without_returning(&tx)
            .await?;
        tx.commit().await?;
        let detail = format!(
            "{} {username} for {} s, agent {}",
            counted.kind,
            length.as_secs(),
            agent(from.headers)
        );
        audit_log::record(Event::Locked, Some(from.client), from.request_id, &detail);
        Ok(())
    }
}

/// A lock of a whole network holds no longer.
const LONGEST_OF_NETWORKS: Duration = Duration::from_secs(15 * 60);

const CHALLENGE: &str = "challenge";

fn challenged(username: &str, client: ClientAddress) -> String {
    format!("{} {username}", network(client.0))
}

/// Locks that are shown at once.
const MOST_SHOWN: u64 = 200;

/// The key of the guess counters: the name as typed, an address in lower case.
fn counted_name(typed: &str) -> String {
    if typed.contains('@') {
        typed.to_lowercase()
    } else {
        typed.to_owned()
    }
}

impl Accounts {
    /// Verifies a name or address and a password, unless further guesses are locked. A guess is counted before it is verified, so that concurrent guesses
    /// all count.
    ///
    /// # Errors
    /// When the database does not answer, or too many logins are waiting: nobody knows then.
    pub(super) async fn attempt(
        &self,
        from: Source<'_>,
        username: &str,
        password: &str,
    ) -> Result<Attempt> {
        let row = self.by_name_or_address(username).await?;
        // by the typed text alone: a limit shared by name and address would reveal that an account has the address (user enumeration)
        let key = counted_name(username);
        let device = self.devices.known(from.headers, row.as_ref()).await?;
        let device = device.as_ref().map(|known| known.hash.as_str());
        let counted = self.lockout.counted(PASSWORDS, &key, from.client, device);
        let begun = match self.lockout.count(&counted).await? {
            Ok(begun) => begun,
            Err(wait) => return Ok(Attempt::Locked(wait)),
        };
        // before it is judged: a lock that holds is one that can be seen and lifted
        let shown = row
            .as_ref()
            .map_or("(unknown name)", |row| &row.username)
            .to_owned();
        self.lockout
            .write_all(&counted, &begun, &shown, from)
            .await?;
        let judged = self.authenticate(row, password).await;
        match &judged {
            Ok(Attempt::Refused { .. }) => {}
            Ok(Attempt::Welcome(_)) => self.lockout.absolve(&counted, &begun).await?,
            // nobody has looked
            Ok(Attempt::Locked(_)) | Err(_) => self.lockout.unjudged(&counted, &begun).await?,
        }
        judged
    }

    /// Judges a guess at the code of a user's second factor.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    pub(crate) async fn guess_code(
        &self,
        from: Source<'_>,
        account: &Account,
        judge: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let device = self
            .devices
            .known(from.headers, Some(account))
            .await?
            .map(|known| known.hash);
        let counted = self.lockout.counted(
            CODES,
            &account.id.to_string(),
            from.client,
            device.as_deref(),
        );
        self.guess(from, &counted, &account.username, judge).await
    }

    /// Judges a guess at the password of a sign-up that is not ended.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    pub(super) async fn guess_sign_up(
        &self,
        from: Source<'_>,
        hash: &str,
        judge: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let counted = self.lockout.counted(SIGN_UPS, hash, from.client, None);
        self.guess(from, &counted, "(sign-up)", judge).await
    }

    /// Judges a guess; `shown` names whose it is.
    ///
    /// # Errors
    /// As [`Accounts::attempt`].
    async fn guess(
        &self,
        from: Source<'_>,
        counted: &[Counted],
        shown: &str,
        judge: impl Future<Output = Result<bool>>,
    ) -> Result<Guess> {
        let begun = match self.lockout.count(counted).await? {
            Ok(begun) => begun,
            Err(wait) => return Ok(Guess::Locked(wait)),
        };
        self.lockout.write_all(counted, &begun, shown, from).await?;
        match judge.await {
            Ok(true) => self
                .lockout
                .absolve(counted, &begun)
                .await
                .map(|()| Guess::Right)
                .map_err(Into::into),
            Ok(false) => Ok(Guess::Wrong),
            Err(error) => {
                self.lockout.unjudged(counted, &begun).await?;
                Err(error)
            }
        }
    }

    /// The locks that hold, of names and addresses that hold `text`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn locks(&self, text: &str) -> Result<Vec<Lock>> {
        let now = self.clock.now().timestamp();
        let open = Entity::find()
            .filter(Column::Until.gt(now))
            .filter(Column::IsLifted.eq(false));
        let either = Condition::any()
            .add(Column::Username.contains(text))
            .add(Column::Address.contains(text));
        let matching = open.filter(either);
        Ok(matching
            .order_by_desc(Column::Since)
            .limit(MOST_SHOWN)
            .all(&self.database.handle())
            .await?)
    }

    /// Lifts locks, all that hold or those of one id, name or address, and says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lift(&self, which: Lifted<'_>) -> Result<u64> {
        let lifted = ActiveModel {
            is_lifted: Set(true),
            ..Default::default()
        };
        let now = self.clock.now().timestamp();
        let open = Entity::update_many()
            .set(lifted)
            .filter(Column::IsLifted.eq(false))
            .filter(Column::Until.gt(now));
        let open = match which {
            Lifted::All => open,
            Lifted::Id(id) => open.filter(Column::Id.eq(id)),
            Lifted::User(name) => open.filter(Column::Username.eq(name)),
            Lifted::Address(address) => open.filter(Column::Address.eq(address)),
        };
        let tx = self.database.begin().await?;
        let count = open.exec(&tx).await?.rows_affected;
        tx.commit().await?;
        Ok(count)
    }

    /// Forgets locks that ended.
    pub(super) async fn sweep_locks(&self) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        Entity::delete_many()
            .filter(Column::Until.lte(self.clock.now().timestamp()))
            .exec(&tx)
            .await?;
        tx.commit().await
    }
}

/// Which locks are lifted.
#[derive(Debug, Clone, Copy)]
pub enum Lifted<'a> {
    /// All that hold.
    All,
    /// One, by its id.
    Id(&'a str),
    /// Those of a name.
    User(&'a str),
    /// Those of an address, or of the /64 that it is in.
    Address(&'a str),
}
