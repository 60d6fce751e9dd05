//! Brute-force protection.
//!
//! | Counter | Setting | Attack |
//! |---|---|---|
//! | a name, from a network | `lockout.failures` | password guessing on one account |
//! | a network | `lockout.address_failures` | password spraying: one password on many accounts |
//! | a name, from all networks | `lockout.account_failures` | distributed guessing on one account |
//! | a name, from a known browser of the account | `lockout.failures` | guessing from a stolen browser |
//!
//! The last counter is separate: while an attack keeps an account locked, its owner can log in from
//! a known browser, and from other networks until the attack is distributed. Counting does not
//! depend on whether the account exists (user enumeration).

use crate::audit_log::{self, Event};
use crate::auth::login::known_devices::agent;
use crate::auth::{Accounts, LockoutSettings};
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
    /// A lock, as displayed to staff.
    pub struct Model {
        /// Hash of the counter's key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        /// Kind of counter: `name and address`, `address`, `name` or `browser`.
        pub kind: String,
        /// Username, if the account exists.
        pub username: String,
        /// IP address, or its /64.
        pub address: String,
        /// User agent of the last guess.
        pub agent: String,
        /// Start, in seconds since 1970.
        pub since: i64,
        /// End, in seconds since 1970.
        pub until: i64,
        /// Whether it was lifted.
        pub is_lifted: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub use palisade_lock::Model as Lock;

/// Client of a guess.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) client: ClientAddress,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) request_id: &'a str,
}

/// Namespaces of counters, so that guesses of one kind do not count against another.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    both: &'static str,
    whole: &'static str,
    browser: &'static str,
}

pub(super) const PASSWORDS: Kinds = Kinds {
    both: "name and address",
    whole: "name",
    browser: "browser",
};
pub(super) const CODES: Kinds = Kinds {
    both: "code and address",
    whole: "code",
    browser: "code and browser",
};
pub(super) const SIGN_UPS: Kinds = Kinds {
    both: "sign-up and address",
    whole: "sign-up",
    browser: "sign-up and browser",
};

/// Outcome of a guess.
pub(crate) enum Guess {
    Right,
    Wrong,
    /// Not verified: locked after too many guesses, for this long.
    Locked(Duration),
}

/// A counter.
pub(super) struct Counted {
    kind: &'static str,
    who: String,
    policy: LockPolicy,
    absolution: Absolution,
}

impl Counted {
    /// The counter's key, to restore a persistent lock.
    fn id(&self) -> String {
        let key = throttle::key(self.kind, &self.who);
        key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The locks of a site.
pub(in crate::auth) struct Lockout {
    pub(in crate::auth) settings: LockoutSettings,
    pub(in crate::auth) throttle: Arc<Throttle>,
    /// Rate limit per hour of mail to addresses without an account.
    pub(in crate::auth) max_unknown_per_hour: u64,
    pub(in crate::auth) database: Database,
    pub(in crate::auth) clock: Arc<dyn Clock>,
}

impl Lockout {
    /// For locks in this process: a change of the system clock neither opens nor prolongs them.
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

    /// `who` is a username, or another subject of guesses; namespaces keep them apart.
    pub(super) fn counted(
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
            // many users may share a network
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
        // networks first: a locked one adds no further entries
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

    /// Counts a guess in all its counters. One that reaches a limit starts a lock; `None` must be
    /// locked already.
    pub(super) async fn count(
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
                    // not verified, so it is not counted
                    self.take_back(&all[..place]).await;
                    return Ok(Err(wait));
                }
            }
        }
        Ok(Ok(begun))
    }

    /// Whether there were so many attempts that the site's challenge is required: a softer step
    /// before a lockout.
    pub(in crate::auth) async fn is_challenged(
        &self,
        username: &str,
        client: ClientAddress,
    ) -> bool {
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

    /// Resets the challenge counter after a login.
    pub(in crate::auth) async fn unchallenged(&self, username: &str, client: ClientAddress) {
        self.throttle
            .absolve(
                CHALLENGE,
                &challenged(username, client),
                Absolution::All,
                self.now(),
            )
            .await;
    }

    /// Counts a guess at a mailed code: five within its lifetime.
    pub(in crate::auth) async fn guess_code(&self, hash: &str, life: Duration) -> Standing {
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

    /// Counts a requested mail: for a known browser separately, otherwise by network and address.
    /// Returns the time to wait beyond the limit. Requests of other clients do not use up the
    /// owner's limit (D37).
    pub(in crate::auth) async fn ask_mail(
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

    /// Whether one more mail may be sent to an address without an account. The limit is global,
    /// because it protects the site's reputation as a sender.
    pub(in crate::auth) async fn admits_unknown(&self) -> bool {
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

    /// Restores persistent locks, so that a restart opens none.
    pub(in crate::auth) async fn restore(&self) -> Result<(), DbErr> {
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

    /// Whether this lock was lifted by another instance; reported once.
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

    /// Reverts the count of a guess that was not verified; earlier ones stay.
    async fn take_back(&self, all: &[Counted]) {
        for counted in all {
            self.throttle
                .absolve(counted.kind, &counted.who, Absolution::One, self.now())
                .await;
        }
    }

    /// Reverts the count of a correct guess, with the locks that it started.
    pub(super) async fn absolve(
        &self,
        all: &[Counted],
        begun: &[(usize, Duration)],
    ) -> Result<(), DbErr> {
        for counted in all {
            self.throttle
                .absolve(counted.kind, &counted.who, counted.absolution, self.now())
                .await;
        }
        self.unwrite(all, begun).await
    }

    /// Reverts a guess that was not verified for lack of capacity. It still counts against its
    /// network, because floods cause the lack.
    pub(super) async fn unjudged(
        &self,
        all: &[Counted],
        begun: &[(usize, Duration)],
    ) -> Result<(), DbErr> {
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

    pub(super) async fn write_all(
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

    /// Reverts [`Lockout::write_all`].
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

    /// Stores a lock for staff to see. Unknown usernames are not stored: users type passwords into
    /// the wrong field.
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

/// Longest lock of a whole network.
const LONGEST_OF_NETWORKS: Duration = Duration::from_secs(15 * 60);

const CHALLENGE: &str = "challenge";

fn challenged(username: &str, client: ClientAddress) -> String {
    format!("{} {username}", network(client.0))
}

/// Most locks on one page.
const MOST_SHOWN: u64 = 200;

impl Accounts {
    /// The active locks whose name or address contains `text`.
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

    /// Lifts active locks: all, or those of an id, a name or an address. Returns their number.
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

    /// Deletes expired locks.
    pub(in crate::auth) async fn sweep_locks(&self) -> Result<(), DbErr> {
        let tx = self.database.begin().await?;
        Entity::delete_many()
            .filter(Column::Until.lte(self.clock.now().timestamp()))
            .exec(&tx)
            .await?;
        tx.commit().await
    }
}

/// Selects locks to lift.
#[derive(Debug, Clone, Copy)]
pub enum Lifted<'a> {
    /// All active ones.
    All,
    /// One, by id.
    Id(&'a str),
    /// Those of a username.
    User(&'a str),
    /// Those of an IP address, or of its /64.
    Address(&'a str),
}
