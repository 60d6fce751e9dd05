//! Password reset links in Django's format: the user's id and a token that is bound to password,
//! address and last login.

use crate::auth::tokens::{PasswordReset, Purpose};
use crate::auth::user::entity::Model;
use crate::clock::Clock;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_crypto::user_tokens::{ResetClaims, is_reset_token, reset_token};
use palisade_password::is_usable;
use std::sync::Arc;

/// A parsed link.
pub(in crate::auth) struct DjangoLink {
    pub(in crate::auth) uid: String,
    pub(in crate::auth) token: String,
}

/// Prefix of the session entry, to tell it from hashes of this site's tokens.
const REMEMBERED: &str = "django ";
const PURPOSE: &str = "links of Django";

impl DjangoLink {
    /// The claimed user.
    pub(super) fn user_id(&self) -> Option<i32> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.uid).ok()?;
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }
}

/// The state that a token is bound to.
struct Bound {
    id: String,
    last_login: String,
}

impl Bound {
    fn new(row: &Model) -> Self {
        let last_login = row
            .last_login
            .map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string())
            .unwrap_or_default();
        Self {
            id: row.id.to_string(),
            last_login,
        }
    }

    fn claims<'a>(&'a self, row: &'a Model) -> ResetClaims<'a> {
        ResetClaims {
            user_id: &self.id,
            password_field: &row.password,
            last_login: &self.last_login,
            email: &row.email,
        }
    }
}

/// Creates and verifies links in Django's format.
pub(in crate::auth) struct DjangoResetLinks {
    pub(in crate::auth) ring: KeyRing,
    pub(in crate::auth) clock: Arc<dyn Clock>,
    /// Path of the links, where a Django project is configured.
    pub(in crate::auth) path: Option<String>,
}

impl DjangoResetLinks {
    /// A link, if a project is configured.
    pub(super) fn link(&self, base: &str, row: &Model) -> Option<String> {
        let path = self.path.as_ref()?;
        let token = reset_token(&self.ring, Bound::new(row).claims(row), self.now());
        let uid = URL_SAFE_NO_PAD.encode(row.id.to_string());
        Some(format!("{base}{path}/{uid}/{token}/"))
    }

    /// Whether an account has this link. It expires like one of this site's, independent of Django's
    /// setting.
    pub(super) fn is_of(&self, link: &DjangoLink, row: &Model) -> bool {
        let age = u64::try_from(PasswordReset::LIFETIME_SECS).unwrap_or_default();
        let (bound, not_before) = (Bound::new(row), self.now().saturating_sub(age));
        row.is_active
            && is_usable(&row.password)
            && is_reset_token(&self.ring, bound.claims(row), &link.token, not_before)
    }

    fn now(&self) -> u64 {
        crate::clock::unix_seconds(self.clock.now())
    }

    /// The session entry of a link: encrypted, so that read access to the database is not enough to
    /// use it.
    pub(in crate::auth) fn remember(&self, link: &DjangoLink) -> String {
        let text = format!("{} {}", link.uid, link.token);
        let sealed = Sealer::new(&self.ring, PURPOSE).seal(text.as_bytes(), "session");
        format!("{REMEMBERED}{sealed}")
    }

    /// The link of a session entry.
    pub(super) fn recall(&self, text: &str) -> Option<DjangoLink> {
        self.path.as_ref()?;
        let opened = Sealer::new(&self.ring, PURPOSE)
            .open(text.strip_prefix(REMEMBERED)?, "session")
            .ok()?;
        let (uid, token) = std::str::from_utf8(opened.expose()).ok()?.split_once(' ')?;
        Some(DjangoLink {
            uid: uid.into(),
            token: token.into(),
        })
    }
}
