//! Validation of new passwords: rules, breached passwords, and the site's name.

use crate::auth::user::entity::Model;
use crate::auth::{Accounts, PasswordSettings};
use crate::views::Result;
use palisade_password::{Policy, UserAttributes, is_similar};

/// The rules, and those for users with a second factor, whose password may be shorter (NIST SP
/// 800-63B-4, section 3.1.1.2).
pub(in crate::auth) struct Policies {
    alone: Policy,
    with_factor: Policy,
}

impl Policies {
    pub(in crate::auth) fn new(settings: &PasswordSettings) -> Self {
        Self {
            alone: settings.policy(),
            with_factor: settings.policy_with_factor(),
        }
    }

    fn of(&self, has_factor: bool) -> &Policy {
        if has_factor {
            &self.with_factor
        } else {
            &self.alone
        }
    }
}

impl Accounts {
    /// A sentence for each rule of a new password.
    pub fn password_help(&self) -> Vec<String> {
        self.policies.alone.help()
    }

    /// The same for a user who may have a second factor.
    pub(in crate::auth) async fn password_help_for(&self, user_id: i32) -> Result<Vec<String>> {
        Ok(self
            .policies
            .of(self.second_step.is_needed(user_id).await?)
            .help())
    }

    /// Validates a new password of a user, by the rules and the lists of breached passwords.
    ///
    /// # Errors
    /// A sentence for each rule it breaks.
    pub async fn judge(
        &self,
        password: &str,
        username: &str,
        email: &str,
    ) -> Result<(), Vec<String>> {
        self.judge_by(&self.policies.alone, password, username, email)
            .await
    }

    /// The same for a user who may have a second factor.
    pub(in crate::auth) async fn judge_for(
        &self,
        row: &Model,
        password: &str,
    ) -> Result<Result<(), Vec<String>>> {
        let policy = self.policies.of(self.second_step.is_needed(row.id).await?);
        Ok(self
            .judge_by(policy, password, &row.username, &row.email)
            .await)
    }

    async fn judge_by(
        &self,
        policy: &Policy,
        password: &str,
        username: &str,
        email: &str,
    ) -> Result<(), Vec<String>> {
        let user = UserAttributes {
            username,
            email,
            ..Default::default()
        };
        policy
            .judge(password, &user)
            .map_err(|broken| broken.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        // context-specific words, which attackers try first (ASVS 6.2.11)
        if is_similar(password, self.links.main()) {
            return Err(vec![
                "This password is too similar to the name of this site.".into(),
            ]);
        }
        self.breached
            .judge(password)
            .await
            .map_err(|broken| vec![broken])
    }
}
