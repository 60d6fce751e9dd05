//! Personal data in the parts of a site.

use crate::auth::User;
use crate::db::{Db, Tx};
use crate::views::Result;
use async_trait::async_trait;
use serde_json::Value;

/// Personal data in a part of the site. Registered by
/// [`App::personal_data`](crate::app::App::personal_data).
#[async_trait]
pub trait PersonalData: Send + Sync {
    /// Its key in the data export.
    fn name(&self) -> &'static str;

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
