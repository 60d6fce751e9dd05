use super::WebhookSettings;
use http::{HeaderMap, HeaderValue};
use palisade_crypto::Secret;
use palisade_crypto::webhook::{Delivery, Scheme, TOLERANCE, WebhookError};
use std::collections::BTreeMap;

/// How the sender of webhooks signs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookScheme {
    /// [Standard Webhooks](https://www.standardwebhooks.com): `webhook-id`, `webhook-timestamp` and
    /// `webhook-signature`.
    Standard,
    /// Stripe: `Stripe-Signature`.
    Stripe,
    /// GitHub: `X-Hub-Signature-256`. It has no timestamp: a delivery is the same for 30 days.
    GitHub,
}

/// A source that the site declares.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeclaredSource {
    pub(crate) name: &'static str,
    pub(crate) scheme: WebhookScheme,
}

/// The name of a verified delivery, in the extensions of its request: the same for each attempt.
#[derive(Debug, Clone)]
pub(crate) struct SignedName {
    pub(crate) source: &'static str,
    pub(super) name: String,
    /// Seconds for which it is known.
    pub(super) kept: i64,
}

/// The sources of a site with their secrets.
#[derive(Default)]
pub(crate) struct WebhookSources(BTreeMap<&'static str, Source>);

struct Source {
    scheme: WebhookScheme,
    secrets: Vec<Secret<String>>,
}

impl WebhookSources {
    pub(crate) fn new(declared: &[DeclaredSource], settings: &WebhookSettings) -> Self {
        let source = |declared: &DeclaredSource| {
            let own = settings.secrets.iter();
            let own = own.filter(|secret| secret.source == declared.name);
            let source = Source {
                scheme: declared.scheme,
                secrets: own.map(|secret| secret.secret.clone()).collect(),
            };
            (declared.name, source)
        };
        Self(declared.iter().map(source).collect())
    }

    /// Verifies a delivery of a source at a time in milliseconds.
    pub(crate) fn verify(
        &self,
        source: &'static str,
        (headers, body): (&HeaderMap, &[u8]),
        now: i64,
    ) -> Result<SignedName, WebhookError> {
        let known = self.0.get(source).ok_or(WebhookError::Secret)?;
        let header = |name: &str| single(headers, name);
        let delivery = Delivery {
            header: &header,
            body,
            now,
            tolerance: TOLERANCE,
        };
        let scheme = known.scheme.of_crypto();
        let mut verdict = Err(WebhookError::Secret);
        for secret in &known.secrets {
            verdict = verdict.or_else(|_| scheme.verify(secret, delivery));
        }
        verdict.map(|name| SignedName {
            source,
            name,
            kept: known.scheme.kept(),
        })
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next().filter(|_| all.next().is_none());
    first.map(HeaderValue::to_str)?.ok()
}

impl WebhookScheme {
    fn of_crypto(self) -> Scheme {
        match self {
            Self::Standard => Scheme::Standard,
            Self::Stripe => Scheme::Stripe,
            Self::GitHub => Scheme::GitHub,
        }
    }

    /// Senders try again for up to three days. A delivery without a timestamp can be replayed later.
    fn kept(self) -> i64 {
        const DAY: i64 = 24 * 3600;
        match self {
            Self::Standard | Self::Stripe => 4 * DAY,
            Self::GitHub => 30 * DAY,
        }
    }
}
