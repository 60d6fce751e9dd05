//! Personal data in the parts of a site.

use crate::auth::User;
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use chrono::{DateTime, Days, Months, Utc};
use serde_json::Value;
use std::fmt;

/// How long personal data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Until its account is deleted.
    UntilErased,
    /// So many days, or until its account is deleted.
    Days(u32),
    /// As long as a law demands, also after its account was deleted: without the link to the user.
    Law {
        /// Years.
        years: u32,
        /// The law.
        reason: &'static str,
    },
}

impl Kept {
    /// The time before which rows are deleted; `None` for rows without an end.
    pub fn end(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::UntilErased => None,
            Self::Days(days) => now.checked_sub_days(Days::new(days.into())),
            Self::Law { years, .. } => now.checked_sub_months(Months::new(12 * years)),
        }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntilErased => f.write_str("until the account is deleted"),
            Self::Days(days) => write!(f, "{days} days"),
            Self::Law { years, reason } => write!(f, "{years} years without the user: {reason}"),
        }
    }
}

/// Personal data in a part of the site. Registered by
/// [`App::personal_data`](crate::app::App::personal_data).
///
/// ```
/// use async_trait::async_trait;
/// use palisade::auth::PersonalData;
/// use palisade::prelude::*;
///
/// struct Notes;
///
/// #[async_trait]
/// impl PersonalData for Notes {
///     fn name(&self) -> &'static str {
///         "notes"
///     }
///
///     fn tables(&self) -> Vec<&'static str> {
///         vec!["note"]
///     }
///
///     async fn export(&self, db: &Db, user: &User) -> Result<serde_json::Value> {
///         let sql = sql!("SELECT text FROM note WHERE owner_id = ?", user.id);
///         let notes: Vec<(String,)> = db.fetch_all(sql).await?;
///         Ok(serde_json::json!(notes))
///     }
///
///     async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
///         tx.execute_sql(sql!("DELETE FROM note WHERE owner_id = ?", user.id)).await?;
///         Ok(())
///     }
/// }
/// App::new().personal_data(Notes);
/// ```
#[async_trait]
pub trait PersonalData: Send + Sync {
    /// Its key in the data export.
    fn name(&self) -> &'static str;

    /// The tables with foreign keys to the users' table that this part exports and erases. A table
    /// that no part names is reported at the start, and by `check --deploy`.
    fn tables(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// How long its rows are kept, for `privacy report`; [`PersonalData::expire`] deletes them.
    fn kept(&self) -> Kept {
        Kept::UntilErased
    }

    /// The number of expired rows, for `retention run --plan`.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn expired(&self, db: &Db, now: DateTime<Utc>) -> Result<u64> {
        let _ = (db, now);
        Ok(0)
    }

    /// Deletes the expired rows, every ten minutes, and returns their number.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn expire(&self, tx: &Tx, now: DateTime<Utc>) -> Result<u64> {
        let _ = (tx, now);
        Ok(0)
    }

    /// All data about a user, for the user.
    ///
    /// # Errors
    /// When the database does not answer.
    async fn export(&self, db: &Db, user: &User) -> Result<Value>;

    /// Deletes or anonymises the data, in the transaction that deletes the account.
    ///
    /// # Errors
    /// When the database does not answer; the account stays then.
    async fn erase(&self, tx: &Tx, user: &User) -> Result<()>;
}
