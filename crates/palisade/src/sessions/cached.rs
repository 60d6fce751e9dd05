//! Sessions in Redis, written through to the database. Redis holds copies for a minute: losing
//! Redis loses no session, and brings no ended one back.

use super::{DatabaseStore, NewSession, Replaced, SessionStore};
use crate::storage::redis::{Away, Redis};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use palisade_crypto::random;
use redis::{AsyncCommands, Script};
use sea_orm::DbErr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Sessions in the database, with copies in Redis that all instances read.
///
/// A change is written to the database and deletes the copy. A reader without a copy sets a marker,
/// reads the database, and replaces its own marker with the copy, so that a copy read before a
/// change never overwrites it. While Redis is unavailable, the database answers; pending deletions
/// of copies are done as soon as it answers, before this instance reads a copy again. No copy is
/// older than a minute: for that long, an instance that still reaches a Redis that another one has
/// lost may serve a session that was ended there.
pub struct CachedStore {
    database: DatabaseStore,
    copies: Arc<Copies>,
}

struct Copies {
    redis: Redis,
    fill: Script,
    /// Copies to delete, and since when.
    owed: Mutex<BTreeMap<String, Instant>>,
    /// While deletions are pending, no copy is read.
    is_owing: AtomicBool,
    /// Time of Redis' last failure; it is not asked for a moment after it.
    failed: Mutex<Option<Instant>>,
}

/// Replaces a marker with a copy, if the marker is still there.
const FILL: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
";

const KEPT_MILLIS: u64 = 60_000;
/// Lifetime of a marker.
const MARK_MILLIS: u64 = 5_000;
/// After it no older copy is left.
const FORGOTTEN: Duration = Duration::from_millis(KEPT_MILLIS + MARK_MILLIS);
/// Interval between attempts to reach an unavailable Redis.
const REST: Duration = Duration::from_secs(1);
/// Copies deleted per command.
const CHUNK: usize = 1_000;

fn key(id: &str) -> String {
    format!("palisade:session:{id}")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CachedStore {
    /// Sessions of this database, with copies in the Redis (7 or later) at this URL.
    ///
    /// # Errors
    /// An invalid URL.
    pub fn new(database: DatabaseStore, url: &str) -> Result<Self, String> {
        let redis = Redis::new(url).map_err(|away| away.0)?;
        let (owed, is_owing, failed) = Default::default();
        Ok(Self {
            database,
            copies: Arc::new(Copies {
                redis,
                fill: Script::new(FILL),
                owed,
                is_owing,
                failed,
            }),
        })
    }

    /// Deletes a copy, now or when Redis answers, even if the caller is cancelled meanwhile.
    async fn take_away(&self, id: &str) {
        let (copies, id) = (self.copies.clone(), id.to_owned());
        let _ = tokio::spawn(async move { copies.take_away(id).await }).await;
    }
}

impl Copies {
    /// The copy of a session with its expiry, or the marker that was set. `None` while Redis is
    /// unavailable, or deletions are pending.
    async fn copy(&self, id: &str) -> Option<Result<(i64, String), String>> {
        if self.is_owing.load(Ordering::Acquire) || self.rests() {
            return None;
        }
        let mark = format!("mark {}", random::nonce());
        let found = self.redis.ask(async |mut connection| {
            let mut wanted = redis::cmd("SET");
            wanted
                .arg(key(id))
                .arg(&mark)
                .arg("NX")
                .arg("GET")
                .arg("PX")
                .arg(MARK_MILLIS);
            wanted.query_async::<Option<String>>(&mut connection).await
        });
        match self.note_outcome(found.await)? {
            None => Some(Err(mark)),
            Some(text) => text
                .split_once(' ')
                .and_then(|(end, data)| Some(Ok((end.parse().ok()?, data.to_owned())))),
        }
    }

    async fn fill(&self, id: &str, mark: &str, ends: DateTime<Utc>, data: &str) {
        let copy = format!("{} {data}", ends.timestamp_millis());
        let filled = self.redis.ask(async |mut connection| {
            let mut call = self.fill.key(key(id));
            call.arg(mark).arg(copy).arg(KEPT_MILLIS);
            call.invoke_async::<i64>(&mut connection).await
        });
        // without it, the next request asks the database again
        self.note_outcome(filled.await);
    }

    fn rests(&self) -> bool {
        lock(&self.failed).is_some_and(|at| at.elapsed() < REST)
    }

    /// A response, if there is one. Logs when Redis becomes unavailable and available.
    fn note_outcome<T>(&self, answer: Result<T, Away>) -> Option<T> {
        let mut failed = lock(&self.failed);
        match answer {
            Ok(answer) => {
                if failed.take().is_some() {
                    tracing::info!(target: "palisade", "Redis is available again: sessions are cached");
                }
                Some(answer)
            }
            Err(away) => {
                if failed.replace(Instant::now()).is_none() {
                    tracing::warn!(target: "palisade", why = away.0, "Redis is unavailable: sessions are read from the database");
                }
                None
            }
        }
    }

    async fn take_away(self: Arc<Self>, id: String) {
        let is_first = !self.is_owing.load(Ordering::Acquire);
        if is_first && !self.rests() && self.remove(vec![key(&id)]).await {
            return;
        }
        lock(&self.owed).insert(id, Instant::now());
        // one of the waiting callers deletes for all
        if !self.is_owing.swap(true, Ordering::AcqRel) {
            self.pay().await;
        }
    }

    async fn remove(&self, keys: Vec<String>) -> bool {
        let removed = self
            .redis
            .ask(async |mut connection| connection.del::<_, i64>(keys).await);
        self.note_outcome(removed.await).is_some()
    }

    /// Does the pending deletions, or waits until the copies have expired.
    async fn pay(self: Arc<Self>) {
        tokio::spawn(async move {
            loop {
                let asked = Instant::now();
                let due: BTreeSet<String> = {
                    let mut owed = lock(&self.owed);
                    owed.retain(|_, since| since.elapsed() < FORGOTTEN);
                    if owed.is_empty() {
                        self.is_owing.store(false, Ordering::Release);
                        return;
                    }
                    owed.keys().take(CHUNK).cloned().collect()
                };
                if self.remove(due.iter().map(|id| key(id)).collect()).await {
                    let mut owed = lock(&self.owed);
                    owed.retain(|id, since| *since >= asked || !due.contains(id));
                } else {
                    tokio::time::sleep(REST).await;
                }
            }
        });
    }
}

#[async_trait]
impl SessionStore for CachedStore {
    async fn load(&self, id: &str, now: DateTime<Utc>) -> Result<Option<String>, DbErr> {
        match self.copies.copy(id).await {
            Some(Ok((end, data))) => Ok((end > now.timestamp_millis()).then_some(data)),
            Some(Err(mark)) => {
                let found = self.database.load_with_end(id, now).await?;
                if let Some((data, ends)) = &found {
                    self.copies.fill(id, &mark, *ends, data).await;
                }
                Ok(found.map(|(data, _)| data))
            }
            None => self.database.load(id, now).await,
        }
    }

    async fn create(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.database.create(id, data, expires).await?;
        self.take_away(id).await;
        Ok(())
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.database.update(id, data, expires).await?;
        self.take_away(id).await;
        Ok(())
    }

    async fn replace(&self, old: Option<Replaced<'_>>, new: NewSession<'_>) -> Result<bool, DbErr> {
        let is_replaced = self.database.replace(old, new).await?;
        if let Some(old) = old {
            self.take_away(old.id).await;
        }
        self.take_away(new.id).await;
        Ok(is_replaced)
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        let was_there = self.database.delete(id).await?;
        self.take_away(id).await;
        Ok(was_there)
    }

    async fn settle(&self) {
        while self.copies.is_owing.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr> {
        self.database.own(id, owner).await
    }

    async fn owned_by(
        &self,
        owner: i32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(String, String)>, DbErr> {
        self.database.owned_by(owner, now).await
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        self.database.delete_expired(now).await
    }
}
