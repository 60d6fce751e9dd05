//! The mails that wait in the queue, without their text and recipient, which are encrypted.

use crate::db::Db;
use crate::sql;
use chrono::{DateTime, Utc};
use sea_orm::DbErr;

/// A mail of the queue.
pub(crate) struct WaitingMail {
    pub(crate) kind: &'static str,
    /// Time of the next attempt.
    pub(crate) due: DateTime<Utc>,
    pub(crate) expires: DateTime<Utc>,
    /// Failed attempts.
    pub(crate) tries: i64,
}

/// The next mails, at most so many, and the number of all.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn waiting(db: &Db, most: i64) -> Result<(Vec<WaitingMail>, i64), DbErr> {
    let rows: Vec<(i64, i64, i64, i64)> = db
        .fetch_all(sql!(
            "SELECT CAST(kind AS bigint), due, expires, CAST(tries AS bigint) FROM palisade_mail ORDER BY due, id LIMIT ?",
            most
        ))
        .await?;
    let count: Option<(i64,)> = db
        .fetch_one(sql!("SELECT count(*) FROM palisade_mail"))
        .await?;
    let mail = |(kind, due, expires, tries)| WaitingMail {
        kind: kind_name(kind),
        due: DateTime::from_timestamp(due, 0).unwrap_or_default(),
        expires: DateTime::from_timestamp(expires, 0).unwrap_or_default(),
        tries,
    };
    Ok((
        rows.into_iter().map(mail).collect(),
        count.map_or(0, |(count,)| count),
    ))
}

/// The name of a [`MailKind`](super::MailKind).
fn kind_name(kind: i64) -> &'static str {
    match kind {
        0 => "Security notice",
        1 => "Account",
        2 => "Sign-up",
        3 => "Address without an account",
        _ => "Site",
    }
}
