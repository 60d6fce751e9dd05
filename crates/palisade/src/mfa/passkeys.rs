//! Passkeys and security keys: [WebAuthn level 3](https://www.w3.org/TR/webauthn-3/), verified by
//! webauthn-rs.
//!
//! The authenticator must have verified its user, by PIN or biometrics, so a passkey is two
//! factors, and a login with it needs no password. It is bound to the site's host, so it cannot be
//! phished. Its private key never leaves it, so the database holds no secret of it.

use super::Factors;
use super::keys::{KeptKey, MOST_KEYS, NewKey, hash_of};
use crate::auth::{Purpose, User};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    AuthenticationResult, Credential, DiscoverableAuthentication, Passkey, PasskeyAuthentication,
    PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Uuid, Webauthn,
    WebauthnBuilder, WebauthnError,
};

/// A pending registration.
#[derive(Serialize, Deserialize)]
pub(super) struct Adding {
    state: PasskeyRegistration,
    handle: Uuid,
    /// Options for the browser.
    pub(super) options: Value,
}

/// A passkey that a browser has created.
pub(super) struct NewPasskey<'a> {
    pub(super) site: &'a RelyingParty,
    /// The user's name for it.
    pub(super) name: &'a str,
    /// The response of the authenticator, in base64url.
    pub(super) credential: &'a str,
}

/// A pending authentication.
#[derive(Serialize, Deserialize)]
pub(super) struct Asking {
    // the names that earlier versions stored
    #[serde(rename = "whose")]
    pub(super) purpose: PasskeyPurpose,
    /// Options for the browser.
    pub(super) options: Value,
    pub(super) next: Option<String>,
}

/// Which passkeys are accepted.
#[derive(Serialize, Deserialize)]
pub(super) enum PasskeyPurpose {
    /// Any (discoverable credentials), for a login without a username.
    #[serde(rename = "Anybodys")]
    Login(DiscoverableAuthentication),
    /// That of a pending login's user.
    #[serde(rename = "Held")]
    SecondFactor(PasskeyAuthentication),
    /// That of the authenticated user.
    #[serde(rename = "Signed")]
    Reauthentication(PasskeyAuthentication),
}

/// A [`PasskeyPurpose`] without its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PurposeKind {
    Login,
    SecondFactor,
    Reauthentication,
}

impl PasskeyPurpose {
    pub(super) fn kind(&self) -> PurposeKind {
        match self {
            Self::Login(_) => PurposeKind::Login,
            Self::SecondFactor(_) => PurposeKind::SecondFactor,
            Self::Reauthentication(_) => PurposeKind::Reauthentication,
        }
    }
}

impl Asking {
    /// Path to choose another method.
    pub(super) fn alternative_page(&self) -> String {
        let page = match self.purpose {
            PasskeyPurpose::Login(_) => "/account/login",
            PasskeyPurpose::SecondFactor(_) => return "/account/login/second".into(),
            PasskeyPurpose::Reauthentication(_) => "/account/reauthenticate",
        };
        let next = self
            .next
            .as_deref()
            .map(|next| url::form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>());
        next.map_or_else(|| page.to_owned(), |next| format!("{page}?next={next}"))
    }
}

impl Purpose for Adding {
    const NAME: &'static str = "passkey added";
    const LIFETIME_SECS: i64 = 300;
}

impl Purpose for Asking {
    const NAME: &'static str = "passkey asked";
    const LIFETIME_SECS: i64 = 300;
}

/// Why a response was refused.
pub(super) enum Refused {
    /// It is invalid, or the credential unknown.
    Wrong,
    /// Its counter went back: the authenticator may be cloned.
    Copied(Box<KeptKey>),
    /// It could not be verified.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Refused {
    #[track_caller]
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// The relying party: the host that passkeys are bound to.
pub(super) struct RelyingParty(Webauthn);

impl RelyingParty {
    /// The relying party of a scheme and host.
    ///
    /// # Errors
    /// When the host is an IP address.
    pub(super) fn at(base: &str) -> Result<Self> {
        let no_name = || {
            let said = "Passkeys belong to a host name, and this page was opened by an IP address. Open it by its name, such as http://localhost:8000.";
            Error::new(ErrorKind::Conflict, said)
        };
        let origin = Url::parse(base)
            .ok()
            .filter(|url| url.domain().is_some())
            .ok_or_else(no_name)?;
        let host = origin.domain().unwrap_or_default();
        let builder = WebauthnBuilder::new(host, &origin).map_err(bug)?;
        Ok(Self(builder.rp_name(host).build().map_err(bug)?))
    }
}

#[track_caller]
fn bug(error: WebauthnError) -> Error {
    Error::bug(error.to_string())
}

/// Parses the page script's response: JSON in base64url.
fn answer<T: DeserializeOwned>(typed: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(typed).ok()?).ok()
}

impl Factors {
    /// Starts a registration.
    pub(super) async fn begin_registration(
        &self,
        site: &RelyingParty,
        user: &User,
    ) -> Result<Adding> {
        let keys = self.keys(user.id).await?;
        if keys.len() >= MOST_KEYS {
            return Err(Error::new(
                ErrorKind::Conflict,
                "There are 20 passkeys already. Remove one first.",
            ));
        }
        let passkeys: Vec<Passkey> = keys
            .iter()
            .filter_map(|row| self.opened_key(row).transpose())
            .collect::<Result<_>>()?;
        let known = passkeys
            .iter()
            .map(|passkey| passkey.cred_id().clone())
            .collect();
        // one user handle per user
        let handle = keys
            .first()
            .and_then(|row| row.handle.parse().ok())
            .unwrap_or_else(Uuid::new_v4);
        let begun =
            site.0
                .start_passkey_registration(handle, &user.username, &user.username, Some(known));
        let (challenge, state) = begun.map_err(bug)?;
        let mut options = serde_json::to_value(challenge.public_key)?;
        // discoverable, for logins without a username
        options["authenticatorSelection"]["residentKey"] = "required".into();
        options["authenticatorSelection"]["requireResidentKey"] = true.into();
        Ok(Adding {
            state,
            handle,
            options,
        })
    }

    /// Completes a registration, and returns the recovery codes if it is the first factor. `None`:
    /// the response is invalid, or the credential known.
    pub(super) async fn finish_registration(
        &self,
        tx: &Tx,
        user: &User,
        begun: &Adding,
        passkey: NewPasskey<'_>,
    ) -> Result<Option<Vec<String>>> {
        let NewPasskey {
            site,
            name,
            credential,
        } = passkey;
        let Some(answer) = answer::<RegisterPublicKeyCredential>(credential) else {
            return Ok(None);
        };
        let Ok(passkey) = site.0.finish_passkey_registration(&answer, &begun.state) else {
            return Ok(None);
        };
        let is_synchronised = Credential::from(passkey.clone()).backup_state;
        let credential_id: &[u8] = passkey.cred_id();
        let new = NewKey {
            credential_id,
            handle: begun.handle.to_string(),
            name,
            credential: &passkey,
            is_synchronised,
        };
        self.add_key(tx, user, new).await
    }

    /// Starts an authentication by any passkey of the site.
    pub(super) fn begin_login(site: &RelyingParty, next: Option<String>) -> Result<Asking> {
        let (challenge, state) = site.0.start_discoverable_authentication().map_err(bug)?;
        Ok(Asking {
            purpose: PasskeyPurpose::Login(state),
            options: serde_json::to_value(challenge.public_key)?,
            next,
        })
    }

    /// Starts an authentication by a passkey of one user. `None` without any.
    pub(super) async fn begin_authentication(
        &self,
        site: &RelyingParty,
        user: &User,
        purpose: fn(PasskeyAuthentication) -> PasskeyPurpose,
        next: Option<String>,
    ) -> Result<Option<Asking>> {
        let keys = self.keys(user.id).await?;
        let keys: Vec<Passkey> = keys
            .iter()
            .filter_map(|row| self.opened_key(row).transpose())
            .collect::<Result<_>>()?;
        if keys.is_empty() {
            return Ok(None);
        }
        let (challenge, state) = site.0.start_passkey_authentication(&keys).map_err(bug)?;
        Ok(Some(Asking {
            purpose: purpose(state),
            options: serde_json::to_value(challenge.public_key)?,
            next,
        }))
    }

    /// Verifies a response, and returns its user.
    pub(super) async fn verify_key(
        &self,
        site: &RelyingParty,
        asked: PasskeyPurpose,
        typed: &str,
    ) -> Result<i32, Refused> {
        let answer: PublicKeyCredential = answer(typed).ok_or(Refused::Wrong)?;
        let row = self
            .key(&hash_of(answer.get_credential_id()))
            .await?
            .ok_or(Refused::Wrong)?;
        let mut passkey: Passkey = self.opened_key(&row)?.ok_or(Refused::Wrong)?;
        let judged = match asked {
            PasskeyPurpose::Login(state) => {
                let (handle, _) = site
                    .0
                    .identify_discoverable_authentication(&answer)
                    .map_err(|_| Refused::Wrong)?;
                if handle.to_string() != row.handle {
                    return Err(Refused::Wrong);
                }
                site.0
                    .finish_discoverable_authentication_v2(&answer, state, &passkey)
            }
            PasskeyPurpose::SecondFactor(state) | PasskeyPurpose::Reauthentication(state) => {
                site.0.finish_passkey_authentication(&answer, &state)
            }
        };
        match judged {
            Ok(proven) if proven.user_verified() => {
                self.note_use(&row, &mut passkey, &proven).await
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Err(Refused::Copied(Box::new(row))),
            _ => Err(Refused::Wrong),
        }
    }

    async fn note_use(
        &self,
        row: &KeptKey,
        passkey: &mut Passkey,
        proven: &AuthenticationResult,
    ) -> Result<i32, Refused> {
        // the verified state may be older than the stored one by now
        if proven.counter() > 0 && proven.counter() <= Credential::from(passkey.clone()).counter {
            return Err(Refused::Copied(Box::new(row.clone())));
        }
        let is_changed = passkey.update_credential(proven) == Some(true);
        let is_good = self
            .used_key(
                row,
                is_changed.then_some((&*passkey, proven.backup_state())),
            )
            .await?;
        if is_good {
            Ok(row.user_id)
        } else {
            Err(Refused::Wrong)
        }
    }
}
