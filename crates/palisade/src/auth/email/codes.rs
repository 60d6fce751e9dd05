//! Codes that are sent by mail and typed in the browser that requested them (ASVS 6.6.2): a mail
//! that an attacker reads, or a link that an attacker opens, is worthless without that browser's
//! session.

use super::email_tokens::EmailTokens;
use crate::auth::tokens::PendingAction;
use crate::db::Tx;
use crate::mail::{Letter, MailKind};
use crate::sessions::Session;
use crate::throttle::LockState;
use crate::views::{Error, Result};
use palisade_crypto::{constant_time_eq, random};
use std::time::Duration;

/// A pending action with a mailed code.
pub(crate) trait Coded: PendingAction {
    /// Hash of the code.
    fn code(&self) -> &str;
}

/// A code in plaintext, for the mail only. Ten characters of an alphabet of 32 unambiguous ones: 50
/// bits (ASVS 6.5.4).
pub(crate) struct MailedCode(String);

const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const LENGTH: usize = 10;

impl MailedCode {
    pub(crate) fn new() -> Self {
        let bytes = random::bytes::<LENGTH>();
        let letters: String = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
            .collect();
        Self(format!(
            "{}-{}",
            &letters[..LENGTH / 2],
            &letters[LENGTH / 2..]
        ))
    }

    pub(in crate::auth) fn expose(&self) -> &str {
        &self.0
    }

    /// The stored hash.
    pub(crate) fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// Normalises a typed code.
fn hash(typed: &str) -> String {
    let letters: String = typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    random::stored_hash(&format!("mailed code {letters}"))
}

/// Result of a typed code.
pub(crate) enum Typed<C> {
    Right(C),
    Wrong,
    /// No action is pending in this browser: it expired, or there were too many wrong codes.
    Expired,
}

impl EmailTokens {
    /// Verifies a typed code. It is valid once; after five guesses the action is cancelled (ASVS
    /// 6.6.3).
    pub(crate) async fn check_code<C: Coded>(
        &self,
        session: &Session,
        typed: &str,
    ) -> Result<Typed<C>> {
        let Some(action) = self.tokens.pending::<C>(session).await? else {
            return Ok(Typed::Expired);
        };
        // counted for this code only, so that other clients' guesses do not cancel it
        let life = Duration::from_secs(C::LIFETIME_SECS.unsigned_abs());
        let standing = self.limits.guess_code(action.code(), life).await;
        if matches!(standing, LockState::Locked(_)) {
            return self
                .tokens
                .complete::<C>(session)
                .await
                .map(|_| Typed::Expired);
        }
        if !constant_time_eq(hash(typed).as_bytes(), action.code().as_bytes()) {
            return Ok(Typed::Wrong);
        }
        let completed = self.tokens.complete(session).await?;
        Ok(completed.map_or(Typed::Expired, Typed::Right))
    }

    /// Starts an action and queues its mail in one transaction.
    pub(crate) async fn begin_by_mail<C: Coded>(
        &self,
        session: &Session,
        action: &C,
        kind: MailKind,
        letter: &Letter,
    ) -> Result<()> {
        let begin = async |tx: &Tx| {
            let token = self.tokens.begin_in(tx, session, action).await?;
            self.send(tx, kind, letter, C::LIFETIME_SECS).await?;
            Ok::<_, Error>(token)
        };
        let token = self.database.write_always(begin).await?;
        self.tokens.remember::<C>(session, token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // ASVS 6.5.4, 6.4.1: codes of 50 bits, with uniform characters, and normalised when typed
    #[test]
    fn codes_are_long_and_read_as_typed() {
        let codes: std::collections::BTreeSet<String> =
            (0..10_000).map(|_| MailedCode::new().0).collect();
        assert_eq!(codes.len(), 10_000);
        let mut counts = std::collections::BTreeMap::new();
        codes
            .iter()
            .flat_map(|code| code.chars())
            .filter(|letter| *letter != '-')
            .for_each(|letter| *counts.entry(letter).or_insert(0) += 1);
        assert!(
            counts.len() == 32 && counts.values().all(|count| (2_800..3_500).contains(count)),
            "{counts:?}"
        );
        let code = MailedCode::new();
        assert_eq!(
            hash(&format!(
                " {} ",
                code.expose().to_lowercase().replace('-', " ")
            )),
            code.hash()
        );
        assert_ne!(hash(""), code.hash());
    }
}
