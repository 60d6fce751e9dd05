//! Audit log: security events with time, actor, subject, client, route and outcome, never a
//! password (ASVS 16.2.1, 16.3).
//!
//! Each event is a line of the target `palisade::audit`, and an entry of the table `palisade_audit`.
//! Its entries are a chain: each covers all before it, authenticated by keys that are not in the
//! database, so that `audit verify` finds entries that were edited, removed, moved, inserted or cut off. Personal
//! data (name, address, user agent) is beside the chain, which holds a commitment to it: it can be
//! erased, and the chain still verifies.
//!
//! Refusals and other notes go through a bounded queue in memory, so that they cost a request no
//! query; if it is full, the number of lost entries becomes an entry. Effects, such as a new
//! password, are recorded in their own transaction: no effect without its entry, and no entry of an
//! effect that was rolled back.

mod chain;
mod checkpoint;
mod entry;
mod event;
mod list;
mod migration;
mod queue;
mod retention;
mod settings;
mod tables;
mod tampering;
mod verify;
mod write;

pub use checkpoint::Checkpoint;
pub(crate) use checkpoint::checkpoints;
pub use entry::Entry;
pub(crate) use entry::Recorded;
pub use event::{Event, Outcome, Severity};
pub(crate) use list::{Listed, Wanted, entries};
pub(crate) use migration::{AUDIT_TABLES, migrations};
pub(crate) use queue::AuditLog;
pub(crate) use retention::erasure;
pub use settings::AuditSettings;
pub(crate) use verify::{Expected, Verified, verify};
pub(crate) use write::create_head;

use crate::db::{Database, Tx};
use crate::views::current_context;
use entry::{Place, Record};
use sea_orm::DbErr;

tokio::task_local! {
    /// The log and the actor of work that is not a request.
    static WORK: (Option<AuditLog>, &'static str);
}

/// Runs work that is not a request, such as a command, as its actor.
pub(crate) fn during<F: Future>(
    (log, actor): (Option<AuditLog>, &'static str),
    work: F,
) -> impl Future<Output = F::Output> + use<F> {
    WORK.scope((log, actor), work)
}

impl AuditLog {
    /// The log of the current request or work.
    fn current() -> Option<Self> {
        let of_request =
            || current_context().and_then(|context| context.site().services.get::<Self>().cloned());
        let of_work = || WORK.try_with(|(log, _)| log.clone()).ok().flatten();
        of_request().or_else(of_work)
    }
}

/// The place of an event of this moment.
fn place() -> Place {
    match current_context() {
        Some(context) => Place::of_request(&context),
        None => Place::of_work(WORK.try_with(|(_, actor)| *actor).unwrap_or("site")),
    }
}

/// Records an event without waiting: a login, a refusal.
///
/// ```
/// use palisade::audit_log::{self, Entry, Event};
/// # fn example(order: i32) {
/// audit_log::record(Entry::new(Event::Site("order.refused")).detail(format!("order {order}")));
/// # }
/// ```
pub fn record(entry: impl Into<Entry>) {
    let log = AuditLog::current();
    let now = log.as_ref().map_or_else(chrono::Utc::now, AuditLog::now);
    let record = Record::new(entry.into(), place(), now);
    match log {
        Some(log) => log.put(record),
        None => record.log(),
    }
}

/// Records an event as part of the transaction of its effect: both are stored, or neither.
///
/// ```
/// use palisade::audit_log::{self, Entry, Event};
/// use palisade::prelude::*;
/// async fn refund(db: Db, user: User, Path(id): Path<i32>) -> Result<Response> {
///     let tx = db.begin().await?;
///     tx.execute_sql(sql!("UPDATE purchase SET is_refunded = TRUE WHERE id = ?", id)).await?;
///     audit_log::record_in(&tx, Entry::new(Event::Site("order.refunded")).about(user.id)).await?;
///     tx.commit().await?;
///     Ok(redirect_to("/orders"))
/// }
/// let routes: Routes = Routes::new().route("/orders/{id}/refund", staff().post(refund));
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn record_in(tx: &Tx, entry: impl Into<Entry>) -> Result<(), DbErr> {
    let log = tx.service::<AuditLog>().cloned();
    let now = log.as_ref().map_or_else(chrono::Utc::now, AuditLog::now);
    let record = Record::new(entry.into(), place(), now);
    if let Some(log) = &log {
        log.deposit(tx, &record).await?;
    }
    tx.at_commit(move || {
        record.log();
        if let Some(log) = log {
            log.wake();
        }
    });
    Ok(())
}

/// Records an event in a transaction of its own, and waits for it: data that leaves the site leaves
/// it after its entry.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn record_now(database: &Database, entry: impl Into<Entry>) -> Result<(), DbErr> {
    let entry = entry.into();
    database
        .write_always(async |tx| record_in(tx, entry).await)
        .await
}
