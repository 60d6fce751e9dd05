use super::order::{Issued, Orderer, Proof, account_of, is_unknown_account};
use super::store::{Store, Turn};
use crate::app::Site;
use crate::app::server::Certificates;
use palisade_crypto::random;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::parse_x509_certificate;

/// How often an instance polls for changes by other instances.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Seconds that an order may take before another instance takes over.
const TURN_SECS: i64 = 600;
/// Seconds to wait after the first failed order; doubled after each further failure.
const FIRST_PAUSE_SECS: i64 = 60;
/// Longest wait after a failure, in seconds.
const LAST_PAUSE_SECS: i64 = 6 * 3600;
/// Longer than any lease and back-off, jitter included.
const LATEST_SECS: i64 = 2 * LAST_PAUSE_SECS;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Keeps the certificate valid for as long as the server runs.
pub(in crate::app) async fn keep(site: Arc<Site>, certificates: Arc<Certificates>) {
    let mut keeper = Renewal::new(&site, certificates);
    for kept in [
        "certificate".to_owned(),
        account_of(&site.settings.acme.directory),
    ] {
        if let Err(error) = keeper.store.reseal(&kept).await {
            tracing::warn!(target: "palisade", %error, kept, "ACME state cannot be re-encrypted with the newest key");
        }
    }
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        if let Err(error) = keeper.look().await {
            tracing::error!(target: "palisade", %error, "certificates cannot be renewed");
        }
    }
}

struct Renewal<'a> {
    site: &'a Site,
    store: Store,
    certificates: Arc<Certificates>,
    /// The certificate chain in use, and its renewal time.
    shown: Option<(Issued, Lifetime)>,
    /// Jitter from 0 to 255, so that instances do not all start at once.
    chance: u8,
}

/// Validity period of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) begin: i64,
    pub(super) end: i64,
}

impl Lifetime {
    /// Renews when a third of the validity is left, or up to a twentieth earlier.
    pub(super) fn renewal(self, chance: u8) -> i64 {
        let length = (self.end - self.begin).max(0);
        self.end - length / 3 - length / 20 * i64::from(chance) / 255
    }

    /// Seconds after issuance in which no instance orders another certificate, for any of its
    /// settings: certificate authorities have rate limits.
    pub(super) fn rest(self) -> i64 {
        ((self.end - self.begin) / 10).clamp(0, 3600)
    }
}

impl<'a> Renewal<'a> {
    fn new(site: &'a Site, certificates: Arc<Certificates>) -> Self {
        let store = Store::new(site.database.clone(), site.ring.clone());
        Self {
            site,
            store,
            certificates,
            shown: None,
            chance: random::bytes::<1>()[0],
        }
    }

    fn now(&self) -> i64 {
        chrono::Utc::now().timestamp()
    }

    /// One iteration: adopts the state of other instances, and orders if an order is due and this
    /// instance holds the lease.
    async fn look(&mut self) -> Result<(), Failed> {
        self.take_over().await?;
        self.answer().await?;
        if !self.is_due() {
            return Ok(());
        }
        let turn = Turn {
            until: self.now() + TURN_SECS,
            latest: self.now() + LATEST_SECS,
        };
        let Some(failed) = self.store.take_turn(self.now(), turn).await? else {
            return Ok(());
        };
        // another instance may have been faster
        self.take_over().await?;
        if !self.is_due() {
            return Ok(self.store.end_turn(turn, 0, 0).await.map(drop)?);
        }
        let in_time = Duration::from_secs(TURN_SECS.unsigned_abs() - 60);
        let ordered = tokio::time::timeout(in_time, self.order())
            .await
            .unwrap_or_else(|_| Err("the order timed out".into()));
        let (failures, pause) = match &ordered {
            Ok(lifetime) => (0, lifetime.rest()),
            Err(error) => self.record_failure(failed, error),
        };
        if self
            .store
            .end_turn(turn, failures, self.now() + pause)
            .await?
        {
            self.store.close_challenges().await?;
        }
        self.answer().await
    }

    fn is_due(&self) -> bool {
        let wanted = &self.site.settings.acme;
        self.shown.as_ref().is_none_or(|(issued, lifetime)| {
            // a superset of the wanted names is fine: while settings change, instances must not
            // order in turn
            let is_covered = wanted
                .domains
                .iter()
                .all(|domain| issued.domains.contains(domain));
            !is_covered
                || issued.directory != wanted.directory
                || lifetime.renewal(self.chance) <= self.now()
        })
    }

    /// Installs the stored certificate if it differs from the current one.
    async fn take_over(&mut self) -> Result<(), Failed> {
        let Some(kept) = self.store.get("certificate").await? else {
            return Ok(());
        };
        let issued: Issued = serde_json::from_slice(kept.expose())?;
        if self
            .shown
            .as_ref()
            .is_some_and(|(shown, _)| shown.chain == issued.chain)
        {
            return Ok(());
        }
        let lifetime = self.show(&issued)?;
        self.shown = Some((issued, lifetime));
        Ok(())
    }

    fn show(&self, issued: &Issued) -> Result<Lifetime, Failed> {
        let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes())
            .collect::<Result<Vec<_>, _>>()?;
        let lifetime = lifetime(&chain)?;
        let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes())?;
        self.certificates.show(Arc::new(CertifiedKey::from_der(
            chain,
            key,
            &aws_lc_rs::default_provider(),
        )?));
        Ok(lifetime)
    }

    /// Installs the responses to all open challenges, of every instance's orders.
    async fn answer(&self) -> Result<(), Failed> {
        answer(self.site, &self.store, self.now()).await
    }

    async fn order(&mut self) -> Result<Lifetime, Failed> {
        let acme = &self.site.settings.acme;
        tracing::info!(target: "palisade", domains = ?acme.domains, directory = acme.directory, "a certificate is ordered");
        // with SQLite there is no other instance
        let is_alone = self.site.database.backend() == sea_orm::DbBackend::Sqlite;
        let spread = if is_alone {
            Duration::ZERO
        } else {
            LOOK_EVERY * 2
        };
        let client = &self.site.views.client;
        let orderer = Orderer {
            settings: acme,
            client,
            store: &self.store,
            now: self.now(),
        };
        let order = match orderer.begin().await {
            Err(error) if is_unknown_account(&error) => {
                self.store.forget(&account_of(&acme.directory)).await?;
                orderer.begin().await?
            }
            order => order?,
        };
        self.answer().await?;
        tokio::time::sleep(spread).await;
        let issued = orderer.finish(order).await?;
        // an unusable certificate is not stored
        let lifetime = self.show(&issued)?;
        self.store
            .put(
                "certificate",
                &zeroize::Zeroizing::new(serde_json::to_vec(&issued)?),
                lifetime.end,
            )
            .await?;
        let (domains, days) = (&issued.domains, (lifetime.end - self.now()) / 86_400);
        tracing::info!(target: "palisade", ?domains, days, "a certificate was issued");
        self.shown = Some((issued, lifetime));
        Ok(lifetime)
    }

    /// Logs the reason, and returns the number of consecutive failures and the end of the back-off.
    fn record_failure(&self, before: u32, error: &Failed) -> (u32, i64) {
        let pause_secs = pause_secs(before, self.chance);
        let left = self
            .shown
            .as_ref()
            .map_or(0, |(_, lifetime)| lifetime.end - self.now());
        let left_hours = left.max(0) / 3600;
        tracing::error!(
            target: "palisade", %error, left_hours, pause_secs,
            "a certificate could not be ordered: the current one stays in use until it expires, \
                and the order is retried"
        );
        (before.saturating_add(1), pause_secs)
    }
}

/// Back-off after this many earlier failures.
pub(super) fn pause_secs(before: u32, chance: u8) -> i64 {
    let pause = FIRST_PAUSE_SECS
        .saturating_mul(1 << before.min(16))
        .min(LAST_PAUSE_SECS);
    pause + pause / 4 * i64::from(chance) / 255
}

async fn answer(site: &Site, store: &Store, now: i64) -> Result<(), Failed> {
    let (mut http, mut tls) = (HashMap::new(), HashMap::new());
    for open in store.challenges(now).await? {
        let proof: Proof = serde_json::from_slice(open.expose())?;
        tls.insert(proof.domain.to_lowercase(), proving(&proof)?);
        http.insert(proof.token, proof.text);
    }
    if let Some(challenges) = &site.challenges {
        challenges.set(http, tls);
    }
    Ok(())
}

/// The certificate of a tls-alpn-01 challenge
/// ([RFC 8737 section 3](https://www.rfc-editor.org/rfc/rfc8737#section-3)).
fn proving(proof: &Proof) -> Result<Arc<CertifiedKey>, Failed> {
    let mut params = CertificateParams::new(vec![proof.domain.clone()])?;
    let digest: [u8; 32] = proof.digest.as_slice().try_into()?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    let key = aws_lc_rs::default_provider()
        .key_provider
        .load_private_key(PrivateKeyDer::from(key))?;
    // not `from_der`, which does not support the acmeIdentifier extension
    Ok(Arc::new(CertifiedKey::new(
        vec![certificate.der().clone()],
        key,
    )))
}

fn lifetime(chain: &[CertificateDer<'_>]) -> Result<Lifetime, Failed> {
    let first = chain.first().ok_or("the ACME server sent no certificate")?;
    let (_, certificate) = parse_x509_certificate(first)?;
    let validity = certificate.validity();
    Ok(Lifetime {
        begin: validity.not_before.timestamp(),
        end: validity.not_after.timestamp(),
    })
}
