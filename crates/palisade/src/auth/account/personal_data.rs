//! Personal data in the parts of a site.

use crate::auth::User;
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use serde_json::Value;

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
