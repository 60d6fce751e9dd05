//! Second factors, as the login sees them.

use super::django_factors::DjangoFactors;
use crate::auth::password::passwords::PasswordUse;
use crate::db::Tx;
use crate::views::Result;
use async_trait::async_trait;
use std::sync::Arc;

/// Second factors, as the login needs them. Defined here and implemented by `mfa`.
#[async_trait]
pub trait SecondStep: Send + Sync {
    /// Whether a user has a second factor, which the login requires.
    ///
    /// # Errors
    /// When it is unknown; the login fails then.
    async fn is_enrolled(&self, user_id: i32) -> Result<bool>;

    /// Whether a user has a factor that logs in without a password, such as a passkey.
    ///
    /// # Errors
    /// When it is unknown.
    async fn logs_in_alone(&self, user_id: i32) -> Result<bool> {
        let _ = user_id;
        Ok(false)
    }

    /// Deletes the factors of an account that is removed.
    ///
    /// # Errors
    /// When they cannot be deleted; the account stays then.
    async fn forget(&self, tx: &Tx, user_id: i32) -> Result<()>;
}

/// Users who need a second factor: staff on staff and permission routes, the others on every route.
#[derive(Debug, Clone, Default)]
pub(crate) struct FactorRule {
    /// Staff and superusers.
    pub(crate) staff: bool,
    pub(crate) all_users: bool,
    /// Members of these groups.
    pub(crate) groups: Vec<String>,
}

/// How the second factor of a login was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    /// The user has none.
    None,
    /// Skipped, in a trusted browser.
    Trusted,
    /// By a code.
    Typed,
}

/// The second factors of a site: those of its own users, and those that a Django project verifies.
pub(crate) struct SecondFactors {
    pub(crate) step: Arc<dyn SecondStep>,
    pub(crate) rule: FactorRule,
    pub(crate) django: DjangoFactors,
}

impl SecondFactors {
    /// Whether a login of this user requires a second factor.
    pub(crate) async fn is_enrolled(&self, user_id: i32) -> Result<bool> {
        self.step.is_enrolled(user_id).await
    }

    /// Whether a user has a factor that logs in without a password.
    pub(crate) async fn logs_in_alone(&self, user_id: i32) -> Result<bool> {
        self.step.logs_in_alone(user_id).await
    }

    /// How the password of a user is used.
    pub(in crate::auth) async fn password_use(&self, user_id: i32) -> Result<PasswordUse> {
        Ok(match self.is_enrolled(user_id).await? {
            true => PasswordUse::WithFactor,
            false => PasswordUse::Alone,
        })
    }
}
