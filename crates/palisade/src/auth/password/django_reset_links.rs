//! Password reset links in Django's format: the user's id and a token that is bound to password,
//! address and last login.

use crate::auth::Accounts;
use crate::auth::email::tokens::{PasswordReset, Purpose};
use crate::auth::user::entity::Model;
use crate::views::Result;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use palisade_crypto::user_tokens::{ResetClaims, is_reset_token, reset_token};
use palisade_password::is_usable;

/// A parsed link.
pub(in crate::auth) struct DjangoLink {
    pub(in crate::auth) uid: String,
    pub(in crate::auth) token: String,
}

/// Prefix of the session entry, to tell it from hashes of this site's tokens.
const REMEMBERED: &str = "django ";
const PURPOSE: &str = "links of Django";

impl DjangoLink {
    /// The session entry: encrypted, so that read access to the database is not enough to use the
    /// link.
    pub(in crate::auth) fn sealed(&self, ring: &KeyRing) -> String {
        let text = format!("{} {}", self.uid, self.token);
        format!(
            "{REMEMBERED}{}",
            Sealer::new(ring, PURPOSE).seal(text.as_bytes(), "session")
        )
    }

    pub(in crate::auth) fn remembered(ring: &KeyRing, text: &str) -> Option<Self> {
        let opened = Sealer::new(ring, PURPOSE)
            .open(text.strip_prefix(REMEMBERED)?, "session")
            .ok()?;
        let (uid, token) = std::str::from_utf8(opened.expose()).ok()?.split_once(' ')?;
        Some(Self {
            uid: uid.into(),
            token: token.into(),
        })
    }

    /// The claimed user.
    fn user_id(&self) -> Option<i32> {
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
    fn of(row: &Model) -> Self {
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

impl Accounts {
    /// A link in Django's format, if a project is configured.
    pub(in crate::auth) fn django_link(&self, base: &str, row: &Model) -> Option<String> {
        let path = self.django_reset.as_ref()?;
        let now = crate::clock::unix_seconds(self.clock.now());
        let token = reset_token(self.ring(), Bound::of(row).claims(row), now);
        Some(format!(
            "{base}{path}/{}/{token}/",
            URL_SAFE_NO_PAD.encode(row.id.to_string())
        ))
    }

    /// The account of a Django link. It expires like one of this site's, independent of Django's setting.
    pub(in crate::auth) async fn reset_of_django(
        &self,
        link: &DjangoLink,
    ) -> Result<Option<Model>> {
        let Some(id) = link.user_id() else {
            return Ok(None);
        };
        let row = self
            .active(id)
            .await?
            .filter(|row| is_usable(&row.password));
        let now = crate::clock::unix_seconds(self.clock.now());
        let age = u64::try_from(PasswordReset::LIFETIME_SECS).unwrap_or_default();
        Ok(row.filter(|row| {
            is_reset_token(
                self.ring(),
                Bound::of(row).claims(row),
                &link.token,
                now,
                age,
            )
        }))
    }
}
