//! Business flows that cannot be run twice, out of order, or too often.
//!
//! | Attack | Protection |
//! |---|---|
//! | a form sent twice, a request repeated after a timeout | [`Once`] |
//! | a state that is skipped, a transition that runs twice | [`States`], [`RowAccess::advance`] |
//! | a change on top of another user's | [`Seen`](crate::forms::Seen), [`RowAccess::change_by`] |
//! | more refunds, invitations or exports than the business allows | [`Quota`] |
//! | a mailed link used twice, or for another purpose | [`ActionLinks`](crate::auth::ActionLinks) |
//!
//! A second look is part of the route's rule: `.fresh(600)` for a recent login, `.with_factor()` for a
//! second factor; [`Actor::is_not`](crate::permissions::Actor::is_not) in a policy for a second
//! person.
//!
//! [`RowAccess::advance`]: crate::permissions::RowAccess::advance
//! [`RowAccess::change_by`]: crate::permissions::RowAccess::change_by

mod locks;
mod migration;
mod once;
mod once_store;
mod quota;
mod states;

use crate::db::Database;
pub use migration::migrations;
pub use once::{Once, OnceKey};
pub(crate) use once_store::{OnceServices, SEALED};
pub use quota::Quota;
use sea_orm::DbErr;
pub use states::{StateReport, States};

/// Deletes expired answers and quotas.
pub(crate) async fn sweep(database: &Database, now: i64) -> Result<(), DbErr> {
    once_store::sweep(database, now).await?;
    quota::sweep(database, now).await
}
