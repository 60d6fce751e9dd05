use super::once::hash;
use crate::audit_log::{self, Entry, Event};
use crate::db::{Database, Tx};
use crate::sql;
use crate::views::{Error, ErrorKind, Result};
use sea_orm::DbErr;

/// How often a user may do something in a period, counted in the transaction of the change: a
/// rollback is not counted, and concurrent requests do not exceed it (ASVS 2.3.2).
///
/// ```
/// use palisade::flows::Quota;
/// use palisade::prelude::*;
///
/// const REFUNDS: Quota = Quota::per_day("refunds", 3);
///
/// async fn refund(user: User, db: Db, Path(order): Path<i32>) -> Result<Response> {
///     db.write(async |tx| {
///         REFUNDS.take(tx, user.id).await?; // 429 from the fourth on
///         tx.execute_sql(sql!("INSERT INTO refund (order_id) VALUES (?)", order)).await?;
///         Ok::<_, Error>(())
///     })
///     .await?;
///     Ok(redirect_to("/refunds"))
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    name: &'static str,
    most: u32,
    period_secs: i64,
}

impl Quota {
    /// So many times in an hour, by the clock: from 12:00 to 13:00 UTC.
    pub const fn per_hour(name: &'static str, most: u32) -> Self {
        Self::per_secs(name, most, 3600)
    }

    /// So many times in a day, from midnight UTC.
    pub const fn per_day(name: &'static str, most: u32) -> Self {
        Self::per_secs(name, most, 24 * 3600)
    }

    const fn per_secs(name: &'static str, most: u32, period_secs: i64) -> Self {
        Self {
            name,
            most,
            period_secs,
        }
    }

    /// Counts one use of a user.
    ///
    /// # Errors
    /// 429 when the quota is used up; the transaction cannot be committed then.
    pub async fn take(&self, tx: &Tx, user: i32) -> Result<()> {
        self.take_of(tx, &format!("user {user}")).await
    }

    /// The same for another holder, such as a customer's number.
    ///
    /// # Errors
    /// As [`Quota::take`].
    pub async fn take_of(&self, tx: &Tx, holder: &str) -> Result<()> {
        let now = tx.keys().now().cast_signed();
        let begun = now - now.rem_euclid(self.period_secs);
        let id = hash(&[
            self.name.as_bytes(),
            holder.as_bytes(),
            &begun.to_be_bytes(),
        ]);
        let count = sql!(
            "INSERT INTO palisade_quota (id, taken, expires) VALUES (?, 1, ?) ON CONFLICT (id) \
             DO UPDATE SET taken = palisade_quota.taken + 1 WHERE palisade_quota.taken < ?",
            id,
            begun + self.period_secs,
            i32::try_from(self.most).unwrap_or(i32::MAX)
        );
        let counted = match self.most {
            0 => 0,
            _ => tx.execute_sql(count).await?,
        };
        match counted {
            1 => Ok(()),
            _ => Err(self.refuse(tx, holder)),
        }
    }

    fn refuse(&self, tx: &Tx, holder: &str) -> Error {
        tx.refuse_commit();
        let detail = format!("{}, {} in {} s", self.name, self.most, self.period_secs);
        let exceeded = Entry::new(Event::QuotaExceeded).name(holder);
        audit_log::record(exceeded.detail(detail));
        let period = if self.period_secs == 3600 {
            "an hour"
        } else {
            "a day"
        };
        let times = if self.most == 1 {
            "once".into()
        } else {
            format!("{} times", self.most)
        };
        let said = format!("This can be done {times} in {period}. Please try again later.");
        Error::new(ErrorKind::TooMany, said)
    }
}

/// Deletes the counts of periods that are over.
pub(super) async fn sweep(database: &Database, now: i64) -> Result<(), DbErr> {
    let expired = sql!("DELETE FROM palisade_quota WHERE expires <= ?", now);
    let swept = database.write_always(async |tx| tx.execute_sql(expired).await);
    swept.await.map(drop)
}
