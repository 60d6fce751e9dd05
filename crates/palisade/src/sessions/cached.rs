//! Sessions in Redis, written through to the database. What Redis holds is a copy for a minute: whoever loses Redis loses no session, and none that was ended
//! comes back.

use super::{DatabaseStore, SessionStore};
use crate::storage::redis::Redis;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use palisade_crypto::random;
use redis::{AsyncCommands, Script};
use sea_orm::DbErr;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Sessions in the database, with copies in Redis that all instances read.
///
/// A change goes to the database and takes the copy away; who finds none leaves a mark, reads the database, and puts the copy in the place of its own mark,
/// so that what was read before a change never comes after it. While Redis is away, the database answers; copies that could not be taken away then
/// are taken away as soon as it answers, and before this instance reads one again; no copy is older than a minute.
pub struct CachedStore {
    database: DatabaseStore,
    copies: Arc<Copies>,
}

struct Copies {
    redis: Redis,
    fill: Script,
    /// Copies that are still to be taken away.
    owed: Mutex<BTreeSet<String>>,
    is_owing: AtomicBool,
    paying: tokio::sync::Mutex<()>,
}

/// Puts a copy in the place of a mark, if the mark is still there.
const FILL: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
";

const KEPT_MILLIS: u64 = 60_000;
/// How long a mark waits for its copy.
const MARK_MILLIS: u64 = 5_000;
/// Between two tries to take away what is owed.
const BETWEEN: Duration = Duration::from_millis(500);
/// Copies that are owed at the most; with more, Redis was away for long, and all copies have ended by themselves.
const MOST_OWED: usize = 100_000;

fn key(id: &str) -> String {
    format!("palisade:session:{id}")
}

impl CachedStore {
    /// Sessions of this database, with copies in the Redis at this URL.
    ///
    /// # Errors
    /// A URL that is none.
    pub fn new(database: DatabaseStore, url: &str) -> Result<Self, String> {
        let redis = Redis::new(url).map_err(|away| away.0)?;
        let (owed, is_owing, paying) = Default::default();
        Ok(Self { database, copies: Arc::new(Copies { redis, fill: Script::new(FILL), owed, is_owing, paying }) })
    }
}

impl Copies {
    /// The copy of a session with its end, or the mark that this question has left.
    async fn copy(&self, id: &str) -> Option<Result<(i64, String), String>> {
        self.pay().await?;
        let mark = format!("mark {}", random::nonce());
        let found = self.redis.ask(async |mut connection| {
            let mut wanted = redis::cmd("SET");
            wanted.arg(key(id)).arg(&mark).arg("NX").arg("GET").arg("PX").arg(MARK_MILLIS);
            wanted.query_async::<Option<String>>(&mut connection).await
        });
        match found.await {
            Ok(None) => Some(Err(mark)),
            Ok(Some(text)) => text.split_once(' ').and_then(|(end, data)| Some(Ok((end.parse().ok()?, data.to_owned())))),
            Err(_) => None,
        }
    }

    async fn fill(&self, id: &str, mark: &str, ends: DateTime<Utc>, data: &str) {
        let copy = format!("{} {data}", ends.timestamp_millis());
        let filled = self.redis.ask(async |mut connection| {
            let mut call = self.fill.key(key(id));
            call.arg(mark).arg(copy).arg(KEPT_MILLIS);
            call.invoke_async::<i64>(&mut connection).await
        });
        // without it, the database is asked again
        let _ = filled.await;
    }

    /// Takes a copy away, now or as soon as Redis answers.
    async fn take_away(self: &Arc<Self>, id: &str) {
        if self.redis.ask(async |mut connection| connection.del::<_, i64>(key(id)).await).await.is_err() {
            self.owe([id.to_owned()]);
            let copies = self.clone();
            tokio::spawn(async move {
                while copies.pay().await.is_none() {
                    tokio::time::sleep(BETWEEN).await;
                }
            });
        }
    }

    fn owe(&self, ids: impl IntoIterator<Item = String>) {
        let mut owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        owed.extend(ids);
        while owed.len() > MOST_OWED {
            owed.pop_first();
        }
        self.is_owing.store(true, Ordering::Release);
    }

    /// Takes away what is owed. None while that cannot be done: no copy is read then.
    async fn pay(&self) -> Option<()> {
        if !self.is_owing.load(Ordering::Acquire) {
            return Some(());
        }
        let _alone = self.paying.lock().await;
        let owed = std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner));
        let keys: Vec<String> = owed.iter().map(|id| key(id)).collect();
        if !keys.is_empty() && self.redis.ask(async |mut connection| connection.del::<_, i64>(keys).await).await.is_err() {
            self.owe(owed);
            return None;
        }
        let owed = self.owed.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_owing.store(!owed.is_empty(), Ordering::Release);
        owed.is_empty().then_some(())
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
        self.copies.take_away(id).await;
        Ok(())
    }

    async fn update(&self, id: &str, data: &str, expires: DateTime<Utc>) -> Result<(), DbErr> {
        self.database.update(id, data, expires).await?;
        self.copies.take_away(id).await;
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<bool, DbErr> {
        let was_there = self.database.delete(id).await?;
        self.copies.take_away(id).await;
        Ok(was_there)
    }

    async fn own(&self, id: &str, owner: i32) -> Result<(), DbErr> {
        self.database.own(id, owner).await
    }

    async fn owned_by(&self, owner: i32, now: DateTime<Utc>) -> Result<Vec<(String, String)>, DbErr> {
        self.database.owned_by(owner, now).await
    }

    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<u64, DbErr> {
        self.database.delete_expired(now).await
    }
}
