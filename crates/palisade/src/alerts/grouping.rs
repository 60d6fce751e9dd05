//! Alerts of one kind are sent at once, and then at doubling intervals with the number of those
//! between. The table is shared by all instances.

use super::Alert;
use super::sinks::Sinks;
use crate::db::{Database, Tx};
use crate::sql;
use sea_orm::DbErr;
use std::time::Duration;

/// The interval after the first message; it doubles up to a day.
const FIRST: i64 = 15 * 60;
const DAY: i64 = 86_400;
/// Due summaries are looked for this often.
pub(super) const TICK: Duration = Duration::from_secs(30);

fn interval(step: i32) -> i64 {
    let doubled = 1_i64.checked_shl(step.unsigned_abs()).unwrap_or(i64::MAX);
    FIRST.saturating_mul(doubled).min(DAY)
}

/// Sends an alert, or counts it as suppressed. The mails are part of the transaction; the sinks
/// without a queue follow it.
pub(super) async fn send(
    database: &Database,
    sinks: &Sinks,
    (mut alert, now): (Alert, i64),
) -> Result<(), DbErr> {
    let fingerprint = alert.fingerprint();
    let tx = database.begin().await?;
    let taken = sql!(
        "INSERT INTO palisade_alert (fingerprint, next_at, step, suppressed, last) \
         VALUES (?, ?, 0, 0, '') ON CONFLICT (fingerprint) DO NOTHING",
        &fingerprint,
        now + interval(0)
    );
    if tx.execute_sql(taken).await? == 0 && !is_due(&tx, &mut alert, (&fingerprint, now)).await? {
        return tx.commit().await;
    }
    queue_mails(&tx, sinks, (&alert, now)).await?;
    tx.commit().await?;
    sinks.post(alert);
    Ok(())
}

/// Whether the interval of a fingerprint is over. If not, the alert is counted.
async fn is_due(
    tx: &Tx,
    alert: &mut Alert,
    (fingerprint, now): (&str, i64),
) -> Result<bool, DbErr> {
    // the update locks the row: of several instances, one sends
    let count = sql!(
        "UPDATE palisade_alert SET suppressed = suppressed + 1, last = ? WHERE fingerprint = ?",
        serde_json::to_string(&*alert).unwrap_or_default(),
        fingerprint
    );
    tx.execute_sql(count).await?;
    let row = sql!(
        "SELECT next_at, step, suppressed FROM palisade_alert WHERE fingerprint = ?",
        fingerprint
    );
    let row: Option<(i64, i32, i64)> = tx.fetch_one(row).await?;
    let Some((next_at, step, suppressed)) = row.filter(|(next_at, ..)| *next_at <= now) else {
        return Ok(false);
    };
    // after two quiet intervals it begins again
    let is_quiet = now - next_at > 2 * interval(step);
    let step = if is_quiet { 0 } else { step + 1 };
    alert.suppressed = suppressed - 1;
    let sent = sql!(
        "UPDATE palisade_alert SET next_at = ?, step = ?, suppressed = 0 WHERE fingerprint = ?",
        now + interval(step),
        step,
        fingerprint
    );
    tx.execute_sql(sent).await?;
    Ok(true)
}

/// Queues mails, up to the limit of the day.
async fn queue_mails(tx: &Tx, sinks: &Sinks, (alert, now): (&Alert, i64)) -> Result<(), DbErr> {
    if !sinks.has_mail() {
        return Ok(());
    }
    let day = format!("day {}", now.div_euclid(DAY));
    let counted = sql!(
        "SELECT suppressed FROM palisade_alert WHERE fingerprint = ?",
        &day
    );
    let counted: Option<(i64,)> = tx.fetch_one(counted).await?;
    let sent = counted.map_or(0, |(count,)| count) + 1;
    if sent > sinks.most_mails(alert) {
        return Ok(());
    }
    let count = sql!(
        "INSERT INTO palisade_alert (fingerprint, next_at, step, suppressed, last) \
         VALUES (?, ?, 0, 1, '') \
         ON CONFLICT (fingerprint) DO UPDATE SET suppressed = palisade_alert.suppressed + 1",
        &day,
        (now.div_euclid(DAY) + 2) * DAY
    );
    tx.execute_sql(count).await?;
    sinks.queue_mail(tx, alert, sent).await
}

/// Sends the last suppressed alert of each fingerprint after its interval, and deletes old rows.
pub(super) async fn send_summaries(
    database: &Database,
    sinks: &Sinks,
    now: i64,
) -> Result<(), DbErr> {
    let due = sql!(
        "SELECT fingerprint, step, suppressed, last FROM palisade_alert \
         WHERE next_at <= ? AND suppressed > 0 AND last <> '' LIMIT 50",
        now
    );
    let due: Vec<(String, i32, i64, String)> = database.handle().fetch_all(due).await?;
    for (fingerprint, step, suppressed, last) in due {
        let tx = database.begin().await?;
        let taken = sql!(
            "UPDATE palisade_alert SET next_at = ?, step = ?, suppressed = 0 \
             WHERE fingerprint = ? AND next_at <= ? AND suppressed = ?",
            now + interval(step + 1),
            step + 1,
            &fingerprint,
            now,
            suppressed
        );
        // another instance may have sent it
        let is_taken = tx.execute_sql(taken).await? == 1;
        let Some(mut alert) = Alert::from_json(&last).filter(|_| is_taken) else {
            continue;
        };
        alert.suppressed = suppressed - 1;
        queue_mails(&tx, sinks, (&alert, now)).await?;
        tx.commit().await?;
        sinks.post(alert);
    }
    let old = sql!(
        "DELETE FROM palisade_alert WHERE next_at < ?",
        now - 2 * DAY
    );
    database
        .write_always(async |tx| tx.execute_sql(old).await)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_a_day() {
        let minutes: Vec<i64> = (0..9).map(|step| interval(step) / 60).collect();
        assert_eq!(minutes, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!(interval(i32::MAX), DAY);
    }
}
