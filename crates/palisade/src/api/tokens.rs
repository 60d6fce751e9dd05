use super::issue::{Grant, KIND, OwnKeys};
use super::{ApiSettings, Issuer};
use crate::audit_log::{Entry, Event, record_now};
use crate::auth::{Accounts, TokenRefusal as Refused, User};
use crate::db::Db;
use crate::http::client::Client;
use crate::permissions::Caller;
use crate::social::{
    Audience, Discovery, Doubt, Identities, LEEWAY_SECS, ProviderError, verify_signature,
};
use crate::views::{Error, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;
use palisade_crypto::constant_time_eq;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Issues and verifies the access tokens of a site.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    audience: String,
    own: Option<OwnKeys>,
    issuers: Vec<(Issuer, Discovery)>,
    client: Client,
    accounts: Arc<Accounts>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    scope: Option<String>,
    client_id: Option<String>,
    bound_to: Option<String>,
}

/// Unverified claims, read to find the issuer's keys.
#[derive(Deserialize)]
struct Said {
    iss: String,
}

impl Tokens {
    /// The tokens of a site at `base`.
    ///
    /// # Errors
    /// When its keys cannot be used.
    pub(crate) fn new(
        settings: &ApiSettings,
        base: String,
        client: Client,
        accounts: Arc<Accounts>,
    ) -> Result<Self> {
        let audience = settings.audience.clone().unwrap_or_else(|| base.clone());
        let own = || OwnKeys::new(base, accounts.ring());
        let own = settings.issue.then(own).transpose();
        let own =
            own.map_err(|error| Error::bug(format!("there are no keys for tokens: {error}")))?;
        let issuers = settings
            .issuers
            .iter()
            .map(|issuer| (issuer.clone(), Discovery::default()))
            .collect();
        Ok(Self(Arc::new(Inner {
            audience,
            own,
            issuers,
            client,
            accounts,
        })))
    }

    /// Issues an access token for an API client of a user, in the format of
    /// [RFC 9068](https://www.rfc-editor.org/rfc/rfc9068). It is a credential: its holder acts as
    /// that user, for the audience and scopes, until it expires.
    ///
    /// # Errors
    /// When `api.issue` is off, the grant is empty or too long, or the account is closed.
    pub async fn issue(&self, grant: &Grant<'_>) -> Result<String> {
        let own = self
            .0
            .own
            .as_ref()
            .ok_or_else(|| Error::bug("api.issue is off: this site issues no tokens"))?;
        let bound_to = self
            .0
            .accounts
            .token_bindings(grant.user.id)
            .await?
            .ok_or_else(Error::forbidden)?
            .1;
        let issued = Entry::new(Event::TokenIssued).about(grant.user.id);
        let detail = format!("{} for {}", grant.scopes.join(" "), grant.audience);
        record_now(self.0.accounts.database(), issued.detail(detail)).await?;
        own.sign(
            grant,
            self.0.accounts.now().timestamp(),
            bound_to.first().map_or("", String::as_str),
        )
    }

    /// The account of a caller. For a token of this site, its user, while the account is open and
    /// the password unchanged; for another issuer's, the user who has linked that login
    /// (`/account/logins`). Accounts are never matched by name or email address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_of(&self, db: &Db, caller: &Caller) -> Result<Option<User>> {
        let is_own = self
            .0
            .own
            .as_ref()
            .is_some_and(|own| own.issuer == caller.issuer);
        let id = if is_own {
            caller.subject.parse().ok()
        } else {
            Identities::user_of(db, &caller.issuer, &caller.subject).await?
        };
        let Some(id) = id else { return Ok(None) };
        let Some((user, bound_to)) = self.0.accounts.token_bindings(id).await? else {
            return Ok(None);
        };
        let is_bound = |said: &String| {
            bound_to
                .iter()
                .any(|one| constant_time_eq(said.as_bytes(), one.as_bytes()))
        };
        Ok((!is_own || caller.bound_to.as_ref().is_some_and(is_bound)).then_some(user))
    }

    /// The user of a caller. A token of this site is revoked by a change of its user's password, the
    /// end of all sessions, and by closing the account.
    async fn valid_user(&self, db: &Db, caller: &Caller) -> Result<Option<User>, Refused> {
        let own = self.0.own.as_ref();
        let is_own = own.is_some_and(|own| own.issuer == caller.issuer);
        let user = self.user_of(db, caller).await;
        match user.map_err(|error| Refused::Unknown(error.to_string()))? {
            None if is_own => Err(Refused::Wrong(
                "its user has changed the password, has ended all sessions, or has no account any more",
            )),
            user => Ok(user),
        }
    }

    /// Authenticates the caller of a token, and finds the user, if there is one.
    pub(crate) async fn caller(
        &self,
        db: &Db,
        token: &str,
    ) -> Result<(Caller, Option<User>), Refused> {
        let said: Said = jsonwebtoken::dangerous::insecure_decode_claims(token)
            .map_err(|_| Refused::Wrong("it is not a signed token"))?;
        let claims = self.verify_of_issuer(token, &said.iss).await?;
        claims
            .judge(
                &said.iss,
                &self.0.audience,
                self.0.accounts.now().timestamp(),
            )
            .map_or(Ok(()), |wrong| Err(Refused::Wrong(wrong)))?;
        let caller = claims.caller();
        let user = self.valid_user(db, &caller).await?;
        Ok((caller, user))
    }

    async fn verify_of_issuer(&self, token: &str, issuer: &str) -> Result<Claims, Refused> {
        let wrong = |doubt: Doubt| match doubt {
            Doubt::Wrong(why) => Refused::Wrong(why),
            Doubt::UnknownKey => Refused::Wrong("its key is unknown"),
        };
        if let Some(own) = self.0.own.as_ref().filter(|own| own.issuer == issuer) {
            return verify_signature(token, &own.public, is_access_token)
                .map(|(claims, _)| claims)
                .map_err(wrong);
        }
        let known = self
            .0
            .issuers
            .iter()
            .find(|(known, _)| known.as_str() == issuer);
        let (_, discovery) = known.ok_or(Refused::Wrong("its issuer is not one of api.issuers"))?;
        let (client, now) = (&self.0.client, self.0.accounts.now());
        let keys = discovery
            .current(client, issuer, now)
            .await
            .map_err(unknown)?;
        match verify_signature(token, &keys.keys, is_access_token) {
            Err(Doubt::UnknownKey) => {
                let keys = discovery
                    .refresh(client, issuer, now)
                    .await
                    .map_err(unknown)?;
                verify_signature(token, &keys.keys, is_access_token)
                    .map(|(claims, _)| claims)
                    .map_err(wrong)
            }
            judged => judged.map(|(claims, _)| claims).map_err(wrong),
        }
    }

    /// The public keys and metadata, if this site issues tokens.
    pub(crate) fn public_keys(&self) -> Option<(Value, Value)> {
        let own = self.0.own.as_ref()?;
        Some((serde_json::to_value(&own.public).ok()?, own.metadata()))
    }
}

fn unknown(trouble: ProviderError) -> Refused {
    Refused::Unknown(trouble.to_string())
}

/// Rejects ID tokens and other signed JWTs of the issuer (ASVS 9.2.2).
fn is_access_token(typ: Option<&str>) -> bool {
    let typ = typ.unwrap_or_default();
    let bare = typ
        .get(..12)
        .filter(|start| start.eq_ignore_ascii_case("application/"))
        .map_or(typ, |_| &typ[12..]);
    bare.eq_ignore_ascii_case(KIND)
}

impl Claims {
    /// The problem, for the log.
    fn judge(&self, issuer: &str, audience: &str, now: i64) -> Option<&'static str> {
        let rules = [
            (self.iss == issuer, "it is from another issuer"),
            (self.aud.holds(audience), "it is for another audience"),
            (self.exp > now - LEEWAY_SECS, "it has expired"),
            (self.iat <= now + LEEWAY_SECS, "it was issued in the future"),
            (
                self.nbf.is_none_or(|nbf| nbf <= now + LEEWAY_SECS),
                "it is not valid yet",
            ),
            (
                (1..=255).contains(&self.sub.len()),
                "the subject is missing or too long",
            ),
        ];
        rules
            .into_iter()
            .find(|(holds, _)| !holds)
            .map(|(_, wrong)| wrong)
    }

    fn caller(self) -> Caller {
        let scopes = self
            .scope
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        Caller {
            issuer: self.iss,
            subject: self.sub,
            client_id: self.client_id,
            scopes,
            token_id: None,
            bound_to: self.bound_to,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Tokens {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let tokens = parts.extensions.get::<Self>().cloned();
        tokens
            .ok_or_else(|| Error::bug("this site accepts no tokens: set api.issue or api.issuers"))
    }
}
