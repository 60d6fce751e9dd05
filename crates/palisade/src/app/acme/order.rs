use super::client::Outbound;
use super::store::Store;
use super::{AcmeSettings, Challenge};
use crate::http::client::Client;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeStatus, ChallengeType, Error,
    ExternalAccountKey, Identifier, NewAccount, NewOrder, Order, OrderStatus, RetryPolicy,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use zeroize::Zeroizing;

/// A certificate with its private key, as stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Issued {
    /// Names and ACME server of the order: other settings make a new order due.
    pub(super) domains: Vec<String>,
    pub(super) directory: String,
    pub(super) chain: String,
    pub(super) key: String,
}

/// An open challenge, as stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Proof {
    pub(super) domain: String,
    pub(super) token: String,
    /// Response body of http-01.
    pub(super) text: String,
    /// Content of the acmeIdentifier extension of tls-alpn-01.
    pub(super) digest: Vec<u8>,
}

/// Timeout for validation, and for issuance.
const PATIENCE: Duration = Duration::from_secs(120);

/// Parameters of an order.
pub(super) struct Orderer<'a> {
    pub(super) settings: &'a AcmeSettings,
    pub(super) client: &'a Client,
    pub(super) store: &'a Store,
    pub(super) now: i64,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

impl Orderer<'_> {
    /// Creates an order, and stores the response to each challenge.
    pub(super) async fn begin(&self) -> Result<Order, Failed> {
        let account = self.account().await?;
        let names: Vec<Identifier> = self
            .settings
            .domains
            .iter()
            .cloned()
            .map(Identifier::Dns)
            .collect();
        let mut order = account.new_order(&NewOrder::new(&names)).await?;
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let challenge = authorization
                .challenge(self.kind())
                .ok_or("the ACME server offers no such challenge for this name")?;
            let authorized = challenge.key_authorization();
            let proof = Proof {
                domain: challenge.identifier().to_string(),
                token: challenge.token.clone(),
                text: authorized.as_str().to_owned(),
                digest: authorized.digest().as_ref().to_vec(),
            };
            self.store
                .put_challenge(&proof.token, &serde_json::to_vec(&proof)?, self.now)
                .await?;
        }
        Ok(order)
    }

    /// Requests validation once the challenges are answered, and waits for the certificate.
    pub(super) async fn finish(&self, mut order: Order) -> Result<Issued, Failed> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            if let Some(mut challenge) = authorization?
                .challenge(self.kind())
                .filter(|challenge| challenge.status == ChallengeStatus::Pending)
            {
                challenge.set_ready().await?;
            }
        }
        let retry = RetryPolicy::new().timeout(PATIENCE);
        match order.poll_ready(&retry).await {
            Ok(OrderStatus::Ready) => {}
            Ok(status) => {
                return Err(format!("{}the order is {status:?}", reasons(&mut order).await).into());
            }
            Err(error) => return Err(format!("{}{error}", reasons(&mut order).await).into()),
        }
        let key = order.finalize().await?;
        let chain = order.poll_certificate(&retry).await?;
        Ok(Issued {
            domains: self.settings.domains.clone(),
            directory: self.settings.directory.clone(),
            chain,
            key,
        })
    }

    fn kind(&self) -> ChallengeType {
        match self.settings.challenge {
            Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
            Challenge::Http => ChallengeType::Http01,
        }
    }

    /// Loads the stored account, or creates one.
    async fn account(&self) -> Result<Account, Failed> {
        let builder = || Account::builder_with_http(Box::new(Outbound(self.client.clone())));
        let name = account_of(&self.settings.directory);
        if let Some(kept) = self.store.get(&name).await? {
            let credentials: AccountCredentials = serde_json::from_slice(kept.expose())?;
            return Ok(builder().from_credentials(credentials).await?);
        }
        let contact: Vec<String> = self
            .settings
            .contact
            .iter()
            .map(|address| format!("mailto:{address}"))
            .collect();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contact,
            terms_of_service_agreed: self.settings.accept_terms,
            only_return_existing: false,
        };
        let external = self.external_account()?;
        let (account, credentials) = builder()
            .create(&new, self.settings.directory.clone(), external.as_ref())
            .await?;
        self.store
            .put(
                &name,
                &Zeroizing::new(serde_json::to_vec(&credentials)?),
                i64::MAX,
            )
            .await?;
        Ok(account)
    }

    fn external_account(&self) -> Result<Option<ExternalAccountKey>, Failed> {
        let (Some(id), Some(key)) = (&self.settings.account_id, &self.settings.account_key) else {
            return Ok(None);
        };
        let key = URL_SAFE_NO_PAD
            .decode(key.expose().trim_end_matches('='))
            .map_err(|_| "acme.account_key is not base64url")?;
        Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
    }
}

/// Row name of the stored account, per ACME server.
pub(super) fn account_of(directory: &str) -> String {
    format!("account {directory}")
}

/// Errors that the ACME server reports for each name.
async fn reasons(order: &mut Order) -> String {
    let mut reasons = String::new();
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let Ok(state) = authorization.refresh().await else {
            continue;
        };
        for error in state
            .challenges
            .iter()
            .filter_map(|challenge| challenge.error.as_ref())
        {
            reasons.push_str(&format!(
                "{}; ",
                error.detail.as_deref().unwrap_or("no reason given")
            ));
        }
    }
    reasons
}

/// Whether the ACME server rejects the account as unknown.
pub(super) fn is_unknown_account(error: &Failed) -> bool {
    let Some(Error::Api(problem)) = error.downcast_ref::<Error>() else {
        return false;
    };
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist")
}
