//! Links and codes of users, and the mail that carries them.

use super::limits::MailLimits;

use crate::auth::password::django_reset_links::DjangoResetLinks;
use crate::auth::tokens::Tokens;
use crate::auth::user::entity::Model;
use crate::db::{Database, Tx};
use crate::mail::{Letter, Links, MailKind, MailQueue};
use sea_orm::DbErr;

/// Issues and verifies the links and codes of users.
pub(crate) struct EmailTokens {
    pub(in crate::auth) database: Database,
    pub(crate) tokens: Tokens,
    pub(in crate::auth) mail: MailQueue,
    pub(in crate::auth) limits: MailLimits,
    pub(crate) links: Links,
    pub(in crate::auth) django_links: DjangoResetLinks,
}

/// Result of using a link.
pub(in crate::auth) enum LinkOutcome {
    /// Done.
    Done(Model),
    /// One address is confirmed; the other is pending.
    Half,
    /// The password breaks rules: a sentence for each.
    Refused(Vec<String>),
    /// The link is invalid or expired.
    Invalid,
}

impl EmailTokens {
    /// Whether mail can be delivered at all.
    pub(in crate::auth) fn can_send(&self) -> bool {
        self.mail.is_real()
    }

    /// Queues a mail as part of a transaction, for as long as its link is valid. Beyond the site's
    /// limit of mail to addresses without an account the work is the same, and nothing is sent.
    pub(in crate::auth) async fn send(
        &self,
        tx: &Tx,
        kind: MailKind,
        letter: &Letter,
        for_secs: i64,
    ) -> Result<(), DbErr> {
        let for_secs = match kind {
            MailKind::Unknown if !self.limits.allows_unknown().await => 0,
            _ => for_secs,
        };
        self.mail.put_letter(tx, kind, letter, for_secs).await
    }
}
