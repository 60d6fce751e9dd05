//! Uses of permissions, by user and day, for the access report.

use crate::db::{Database, Tx};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Uses of this process. A request takes one of several locks, for a lookup without allocation.
#[derive(Default)]
pub(in crate::permissions) struct PermissionUses([Mutex<Shard>; SHARDS]);

const SHARDS: usize = 16;
/// Days for which uses are kept.
const KEPT_DAYS: i32 = 400;
/// Most uses of a shard that wait to be written.
const MOST_PENDING: usize = 10_000;
/// Uses per statement.
const CHUNK: usize = 100;

#[derive(Default)]
struct Shard {
    day: i32,
    /// Permissions that each user used on this day.
    seen: HashMap<i32, HashSet<String>>,
    /// Uses that are not written yet.
    pending: Vec<(i32, String, i32)>,
}

/// Days since 1970.
pub(in crate::permissions) fn day_of(now: DateTime<Utc>) -> i32 {
    i32::try_from(now.timestamp().div_euclid(24 * 3600)).unwrap_or(i32::MAX)
}

impl Shard {
    fn is_seen(&self, user: i32, permission: &str, day: i32) -> bool {
        let seen = self.seen.get(&user).filter(|_| self.day == day);
        seen.is_some_and(|seen| seen.contains(permission))
    }
}

impl PermissionUses {
    /// Whether a use of this day is noted already.
    pub(in crate::permissions) fn is_noted(
        &self,
        user: i32,
        permission: &str,
        now: DateTime<Utc>,
    ) -> bool {
        self.shard(user).is_seen(user, permission, day_of(now))
    }

    fn shard(&self, user: i32) -> MutexGuard<'_, Shard> {
        let shard = &self.0[user.unsigned_abs() as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::permissions) fn note(&self, user: i32, permission: &str, now: DateTime<Utc>) {
        let (mut shard, day) = (self.shard(user), day_of(now));
        if shard.day != day {
            shard.day = day;
            shard.seen.clear();
        }
        if shard.is_seen(user, permission, day) {
            return;
        }
        shard
            .seen
            .entry(user)
            .or_default()
            .insert(permission.to_owned());
        if shard.pending.len() < MOST_PENDING {
            shard.pending.push((user, permission.to_owned(), day));
        }
    }

    /// Writes new uses, and deletes those of more than a year ago.
    ///
    /// # Errors
    /// When the database does not answer; the uses are written later then.
    pub(in crate::permissions) async fn flush(
        &self,
        database: &Database,
        now: DateTime<Utc>,
    ) -> Result<usize, DbErr> {
        let take = |shard: &Mutex<Shard>| {
            std::mem::take(&mut shard.lock().unwrap_or_else(PoisonError::into_inner).pending)
        };
        let pending: Vec<_> = self.0.iter().flat_map(take).collect();
        let written = database
            .write_always(async |tx| write(tx, &pending, day_of(now)).await)
            .await;
        if let Err(error) = written {
            let mut first = self.0[0].lock().unwrap_or_else(PoisonError::into_inner);
            let room = MOST_PENDING.saturating_sub(first.pending.len());
            first.pending.extend(pending.into_iter().take(room));
            return Err(error);
        }
        Ok(pending.len())
    }
}

async fn write(tx: &Tx, uses: &[(i32, String, i32)], today: i32) -> Result<(), DbErr> {
    for uses in uses.chunks(CHUNK) {
        let mut insert = Query::insert();
        insert
            .into_table("palisade_permission_use")
            .columns(["user_id", "permission", "day"])
            .on_conflict(OnConflict::new().do_nothing().to_owned());
        for (user, permission, day) in uses {
            insert.values_panic([
                Expr::val(*user),
                Expr::val(permission.as_str()),
                Expr::val(*day),
            ]);
        }
        tx.execute(&insert).await?;
    }
    // of accounts that were deleted meanwhile
    let users = Query::select().column("id").from("auth_user").to_owned();
    let mut orphans = Query::delete();
    orphans
        .from_table("palisade_permission_use")
        .and_where(Expr::col("user_id").not_in_subquery(users));
    tx.execute(&orphans).await?;
    let mut old = Query::delete();
    old.from_table("palisade_permission_use")
        .and_where(Expr::col("day").lt(today - KEPT_DAYS));
    tx.execute(&old).await.map(drop)
}
