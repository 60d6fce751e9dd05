use rustls::sign::CertifiedKey;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// What an instance answers to an authority that checks a name, while an order is open.
#[derive(Debug, Default)]
pub(in crate::app) struct Challenges(RwLock<Open>);

#[derive(Debug, Default)]
struct Open {
    /// By token.
    http: HashMap<String, String>,
    /// By name.
    tls: HashMap<String, Arc<CertifiedKey>>,
}

/// Where files of http-01 are asked for.
const FOLDER: &str = "/.well-known/acme-challenge/";
/// What a client offers that looks at a certificate of tls-alpn-01, and nothing else.
pub(in crate::app) const ACME_TLS: &[u8] = b"acme-tls/1";

impl Challenges {
    /// The answer of http-01 to a path.
    pub(in crate::app) fn file(&self, path: &str) -> Option<String> {
        let token = path.strip_prefix(FOLDER)?;
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .http
            .get(token)
            .cloned()
    }

    /// The certificate of tls-alpn-01 for a name.
    pub(in crate::app) fn certificate(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .tls
            .get(name)
            .cloned()
    }

    /// These and no others.
    #[cfg(feature = "acme")]
    pub(super) fn set(
        &self,
        http: HashMap<String, String>,
        tls: HashMap<String, Arc<CertifiedKey>>,
    ) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Open { http, tls };
    }
}
