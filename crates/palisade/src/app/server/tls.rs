//! TLS 1.2 and 1.3 by rustls. Certificate files are reloaded when they change.

use super::TlsSettings;
use crate::app::acme::{ACME_TLS, Challenges};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

/// The current certificate, and its source.
pub(in crate::app) struct Certificates {
    /// `None` before the first issuance: every handshake fails until then.
    current: RwLock<Option<Arc<CertifiedKey>>>,
    source: Source,
}

enum Source {
    /// From the files.
    Files {
        certificate: PathBuf,
        key: PathBuf,
        seen: Mutex<Stamp>,
    },
    /// From an ACME server.
    Ordered(Arc<Challenges>),
}

/// Modification times and lengths of the two files.
type Stamp = [Option<(SystemTime, u64)>; 2];

/// Why there is no certificate.
#[derive(Debug)]
pub struct TlsError {
    what: String,
    fix: &'static str,
}

/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(5);

impl Certificates {
    pub(super) fn load(settings: &TlsSettings) -> Result<Arc<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&settings.certificate, &settings.key) else {
            let what = "only one of tls.certificate and tls.key is set".to_owned();
            return Err(TlsError {
                what,
                fix: "name the PEM files of the certificate chain and of its private key",
            });
        };
        let (certificate, key) = (PathBuf::from(certificate), PathBuf::from(key));
        let seen = Mutex::new(stamp(&certificate, &key));
        let current = RwLock::new(Some(read(&certificate, &key)?));
        Ok(Arc::new(Self {
            current,
            source: Source::Files {
                certificate,
                key,
                seen,
            },
        }))
    }

    /// A certificate that is ordered by ACME.
    pub(super) fn from_acme(challenges: Arc<Challenges>) -> Arc<Self> {
        Arc::new(Self {
            current: RwLock::new(None),
            source: Source::Ordered(challenges),
        })
    }

    /// Installs a certificate. Open connections keep the old one.
    pub(in crate::app) fn show(&self, certificate: Arc<CertifiedKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }

    /// End of the current certificate, in seconds since 1970.
    pub(in crate::app) fn end(&self) -> Option<i64> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let first = current.as_ref()?.cert.first()?;
        let (_, parsed) = x509_parser::parse_x509_certificate(first).ok()?;
        Some(parsed.validity().not_after.timestamp())
    }

    /// Watches the files for as long as the server runs.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            let me = self.clone();
            let _ = tokio::task::spawn_blocking(move || me.look()).await;
        }
    }

    fn look(&self) {
        let Source::Files {
            certificate,
            key,
            seen,
        } = &self.source
        else {
            return;
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = stamp(certificate, key);
        if now == *seen {
            return;
        }
        // partially written files are read again later
        *seen = now;
        match read(certificate, key) {
            Ok(read) => {
                self.show(read);
                tracing::info!(target: "palisade", certificate = %certificate.display(), "the certificate was reloaded");
            }
            Err(error) => {
                tracing::error!(target: "palisade", %error, "the changed certificate cannot be used: the previous one stays in use");
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let proves = hello.alpn().is_some_and(|mut offered| {
            offered.next() == Some(ACME_TLS) && offered.next().is_none()
        });
        match &self.source {
            Source::Ordered(challenges) if proves => challenges.certificate(hello.server_name()?),
            _ => self
                .current
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Files { certificate, .. } => {
                write!(f, "Certificates({})", certificate.display())
            }
            Source::Ordered(_) => f.write_str("Certificates(ordered)"),
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = contents("tls.certificate", certificate)?;
    let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| unreadable("tls.certificate", certificate, &error))?;
    if chain.is_empty() {
        return Err(TlsError {
            what: format!(
                "tls.certificate: {} holds no certificate",
                certificate.display()
            ),
            fix: "name the file of the certificate and its chain, in PEM (-----BEGIN \
                CERTIFICATE-----)",
        });
    }
    let private = contents("tls.key", key)?;
    if is_encrypted(&private) {
        return Err(TlsError {
            what: format!(
                "tls.key: {} is encrypted with a pass phrase, which cannot be entered when the \
                    site starts",
                key.display()
            ),
            fix: "remove it (openssl pkey -in KEY -out NEW), and make the file readable for the \
                user of this process only",
        });
    }
    let private = PrivateKeyDer::from_pem_slice(&private).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TlsError {
            what: format!("tls.key: {} holds no private key", key.display()),
            fix: "name the file of the private key, in PEM (-----BEGIN PRIVATE KEY-----)",
        },
        error => unreadable("tls.key", key, &error),
    })?;
    let made = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    made.map(Arc::new).map_err(|error| TlsError {
        what: match error {
            rustls::Error::InconsistentKeys(_) => {
                format!(
                    "the first certificate of {} does not match the key in {}",
                    certificate.display(),
                    key.display()
                )
            }
            error => format!(
                "{} and {} cannot be used together: {error}",
                certificate.display(),
                key.display()
            ),
        },
        fix: "put the site's certificate first, then its chain, and use the key that the \
            certificate was made for",
    })
}

/// Reads a PEM file, without a byte order mark.
fn contents(setting: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = std::fs::read(path).map_err(|error| unreadable(setting, path, &error))?;
    // DER begins with a sequence whose length has two bytes
    if bytes.starts_with(&[0x30, 0x82]) {
        return Err(TlsError {
            what: format!("{setting}: {} is DER", path.display()),
            fix: "name a PEM file (openssl x509 -inform der, or openssl pkey -inform der, writes \
                one)",
        });
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(bytes)
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a key is encrypted with a pass phrase: PKCS #8 says so in its label
/// ([RFC 7468 section 11](https://www.rfc-editor.org/rfc/rfc7468#section-11)), older formats in a
/// `Proc-Type` header ([RFC 1421](https://www.rfc-editor.org/rfc/rfc1421#section-4.6.1.1)).
fn is_encrypted(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    text.lines().any(|line| {
        (line.starts_with("-----BEGIN") || line.starts_with("Proc-Type:"))
            && line.contains("ENCRYPTED")
    })
}

fn unreadable(setting: &str, path: &Path, error: &dyn fmt::Display) -> TlsError {
    TlsError {
        what: format!("{setting}: {} cannot be read: {error}", path.display()),
        fix: "name a PEM file that the user of this process may read",
    }
}

/// The recommendations of [RFC 9325](https://www.rfc-editor.org/rfc/rfc9325), which are rustls'
/// only versions and ciphers. HTTP/2 or 1.1 by ALPN.
pub(super) fn config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, TlsError> {
    let failed = |error: rustls::Error| TlsError {
        what: format!("TLS: {error}"),
        fix: "report this as a bug of the framework",
    };
    let is_ordered = matches!(certificates.source, Source::Ordered(_));
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(failed)?;
    let mut config = builder
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if is_ordered {
        config.alpn_protocols.push(ACME_TLS.to_vec());
    }
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(failed)?;
    Ok(Arc::new(config))
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  fix: {}", self.what, self.fix)
    }
}

impl std::error::Error for TlsError {}
