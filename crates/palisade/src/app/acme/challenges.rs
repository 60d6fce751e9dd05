use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The responses to ACME challenges while an order is open.
#[derive(Debug, Default)]
pub(in crate::app) struct Challenges(RwLock<Open>);

#[derive(Debug, Default)]
struct Open {
    /// http-01 responses by token.
    http: HashMap<String, String>,
    /// tls-alpn-01 certificates by name.
    tls: HashMap<String, Arc<CertifiedKey>>,
}

/// Path prefix of http-01 challenge files.
const FOLDER: &str = "/.well-known/acme-challenge/";
/// The ALPN protocol of a tls-alpn-01 validation connection, which offers nothing else.
pub(in crate::app) const ACME_TLS: &[u8] = b"acme-tls/1";

impl Challenges {
    /// The http-01 response for a path.
    pub(in crate::app) fn file(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(FOLDER)?;
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .http
            .get(token)
            .cloned()
    }

    /// The tls-alpn-01 certificate for a name.
    pub(in crate::app) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tls
            .get(name)
            .cloned()
    }

    /// Replaces all challenges.
    #[cfg(feature = "acme")]
    pub(super) fn set(
        &self,
        http: HashMap<String, String>,
        tls: HashMap<String, Arc<CertifiedKey>>,
    ) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Open { http, tls };
    }
}
