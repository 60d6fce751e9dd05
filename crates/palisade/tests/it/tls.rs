//! TLS that ends in this process: what is spoken, certificates that change, slow handshakes, and the port that only redirects.

use crate::server::Served;
use palisade::app::Server;
use palisade::testing::{TestSite, events};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate authority of the test's own, and the folder of the server's files.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    folder: tempfile::TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let (root, root_pem) = (root.der().clone(), root.pem());
        let made = Self {
            issuer: Issuer::new(params, key),
            root,
            folder: tempfile::tempdir().unwrap(),
        };
        made.issue("localhost");
        std::fs::write(made.path("ca.pem"), root_pem).unwrap();
        made
    }

    /// Writes a fresh certificate for this name.
    pub fn issue(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        std::fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(self.path("cert.pem"), certificate.pem()).unwrap();
    }

    pub fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }

    pub async fn serve(&self, settings: &[(&str, &str)]) -> Served {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let files = [
            ("tls.certificate", certificate.as_str()),
            ("tls.key", key.as_str()),
        ];
        Served::start(&[&files[..], settings].concat()).await
    }

    pub async fn connect(
        &self,
        served: &Served,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(served.address).await?, protocol)
            .await
    }

    /// TLS over a connection that is there.
    pub async fn over(
        &self,
        stream: TcpStream,
        protocol: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// A site with a second listener that redirects to HTTPS: the site, its URL, and the address of that listener.
    pub async fn serve_with_redirect(
        &self,
        settings: &[(&str, &str)],
    ) -> (TestSite, String, std::net::SocketAddr) {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let base = [
            ("server.address", "127.0.0.1:0"),
            ("tls.redirect_address", "127.0.0.1:0"),
            ("tls.certificate", certificate.as_str()),
            ("tls.key", key.as_str()),
            ("site.allow_dangerous", "without_csrf /echo"),
        ];
        let site = TestSite::start(crate::server::app(), &[&base[..], settings].concat()).await;
        let server = Server::listen(site.site().clone()).unwrap();
        let (url, plain) = (server.url(), server.redirect_address().unwrap());
        tokio::spawn(server.run(std::future::pending()));
        (site, url, plain)
    }

    async fn get(&self, served: &Served, path: &str) -> String {
        let mut stream = self.connect(served, "http/1.1").await.unwrap();
        stream
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await
            .unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }
}

fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

// F005, F007, F008; ASVS 12.1.1, 12.2.1
#[tokio::test]
async fn pages_come_over_tls_and_know_it() {
    let authority = Authority::new();
    let served = authority
        .serve(&[
            ("headers.hsts_secs", "31536000"),
            ("http.https_redirect", "true"),
        ])
        .await;
    let answer = authority.get(&served, "/").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("front\n"),
        "{answer}"
    );
    assert!(
        answer.contains("strict-transport-security: max-age=31536000"),
        "{answer}"
    );
    let stream = authority.connect(&served, "http/1.1").await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(
        session.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    // plain HTTP on this port: the connection is closed
    assert!(!served.get("/").await.contains("front"));
    // a claim in a header changes nothing
    assert!(
        served
            .raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n\r\n")
            .await
            .len()
            < 20
    );
}

// F005
#[tokio::test]
async fn certificates_are_read_again_and_no_connection_is_dropped() {
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let mut kept = authority.connect(&served, "http/1.1").await.unwrap();
    let first = presented(&kept);
    // a file that is no certificate changes nothing
    std::fs::write(
        authority.path("cert.pem"),
        "-----BEGIN CERTIFICATE-----\nhalf a file",
    )
    .unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(
        presented(&authority.connect(&served, "http/1.1").await.unwrap()),
        first,
        "the previous one stays"
    );
    assert!(
        !events("cannot be used: the previous one stays").is_empty()
            || !events("cert.pem").is_empty(),
        "and it is said"
    );
    authority.issue("localhost");
    let changed = async {
        while presented(&authority.connect(&served, "http/1.1").await.unwrap()) == first {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(20), changed)
        .await
        .expect("the new certificate is used");
    kept.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = kept.read_to_string(&mut answer).await;
    assert!(
        answer.ends_with("front\n"),
        "the connection from before still answers: {answer}"
    );
}

// F117, D38: a handshake that never ends
#[tokio::test]
async fn slow_handshakes_are_cut_off_and_others_served() {
    let authority = Authority::new();
    let served = authority
        .serve(&[("server.handshake_timeout_secs", "1")])
        .await;
    let mut slow = Vec::new();
    for _ in 0..20 {
        let mut stream = served.connect().await;
        stream
            .write_all(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01])
            .await
            .unwrap();
        slow.push(stream);
    }
    assert!(
        authority.get(&served, "/").await.ends_with("front\n"),
        "beside them"
    );
    for mut stream in slow {
        let ended = timeout(Duration::from_secs(10), stream.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "closed");
    }
}

// F006, F007
#[tokio::test]
async fn the_plain_port_only_redirects() {
    let authority = Authority::new();
    // not even what a proxy says makes this port serve anything
    let settings = [
        ("headers.hsts_secs", "31536000"),
        ("http.trusted_proxies", "127.0.0.1/32"),
    ];
    let (_site, _, plain) = authority.serve_with_redirect(&settings).await;
    let rows = [
        ("GET", "/", "301", "https://localhost/"),
        (
            "GET",
            "/health/live",
            "301",
            "https://localhost/health/live",
        ),
        (
            "GET",
            "/a?b=c%0d%0aX:y",
            "301",
            "https://localhost/a?b=c%0d%0aX:y",
        ),
        ("POST", "/echo", "308", "https://localhost/echo"),
    ];
    for (method, path, status, location) in rows {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut stream = TcpStream::connect(plain).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {path}: {answer}"
        );
        assert!(
            answer.contains(&format!("location: {location}\r\n")),
            "{method} {path}: {answer}"
        );
        assert!(
            !answer.contains("strict-transport-security"),
            "never over plain HTTP (RFC 6797 section 7.2)"
        );
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_say_why() {
    let authority = Authority::new();
    std::fs::copy(authority.path("key.pem"), authority.path("first.pem")).unwrap();
    authority.issue("localhost");
    let (certificate, key) = (authority.path("cert.pem"), authority.path("key.pem"));
    let (missing, other) = (authority.path("missing.pem"), authority.path("first.pem"));
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(authority.path(name), bytes).unwrap();
        authority.path(name)
    };
    let protected = file(
        "protected.pem",
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let traditional =
        file("old.pem", b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIB\n-----END RSA PRIVATE KEY-----\n");
    let (der, empty) = (
        file("cert.der", b"\x30\x82\x01\x00"),
        file("empty.pem", b""),
    );
    let rows = [
        (
            Some(&certificate),
            None,
            "only one of tls.certificate and tls.key is set",
        ),
        (Some(&missing), Some(&key), "missing.pem cannot be read"),
        (Some(&certificate), Some(&certificate), "tls.key"),
        (Some(&certificate), Some(&other), "does not match the key"),
        // F21 of the reports
        (Some(&certificate), Some(&protected), "pass phrase"),
        (Some(&certificate), Some(&traditional), "pass phrase"),
        (Some(&der), Some(&key), "is DER"),
        (Some(&key), Some(&key), "holds no certificate"),
        (Some(&certificate), Some(&empty), "holds no private key"),
    ];
    for (certificate, key, message) in rows {
        let mut settings = vec![("site.allow_dangerous", "without_csrf /echo")];
        settings.extend(certificate.map(|path| ("tls.certificate", path.as_str())));
        settings.extend(key.map(|path| ("tls.key", path.as_str())));
        let site = TestSite::start(crate::server::app(), &settings).await;
        let error = Server::listen(site.site().clone())
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains(message) && error.contains("fix: "),
            "{error}"
        );
        let secret = std::fs::read_to_string(authority.path("key.pem")).unwrap();
        assert!(
            !error.contains(secret.lines().nth(1).unwrap()),
            "never the key itself"
        );
    }
    assert!(Path::new(&key).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_everybody_can_read_stops_production() {
    use palisade::settings::{Origin, Sources};
    use std::os::unix::fs::PermissionsExt;
    let authority = Authority::new();
    let (certificate, key) = (authority.path("cert.pem"), authority.path("key.pem"));
    let found = |cache: &str| {
        let mut sources = Sources::none();
        let settings = [
            ("profile", "production"),
            ("tls.certificate", certificate.as_str()),
            ("tls.key", key.as_str()),
        ];
        for (name, value) in settings.into_iter().chain([("cache.url", cache)]) {
            sources.set(name, value, Origin::CommandLine("test"));
        }
        let settings = palisade::app::SiteSettings::read(sources).unwrap();
        settings
            .findings()
            .into_iter()
            .map(|finding| finding.id.to_string())
            .collect::<Vec<_>>()
    };
    for (mode, is_found) in [(0o644, true), (0o604, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(
            found("memory:").iter().any(|id| id == "tls.key_readable"),
            is_found,
            "{mode:o}"
        );
    }
    for (url, is_found) in [
        ("redis://10.0.0.5", true),
        ("redis://:password@cache.example.org:6379", true),
        ("redis://127.0.0.1", false),
        ("redis://localhost:6379", false),
        ("redis://[::1]:6379", false),
        ("memory:", false),
    ] {
        assert_eq!(
            found(url).iter().any(|id| id == "cache.in_clear"),
            is_found,
            "{url}"
        );
    }
}

// F119, V12.3.2, V12.3.4
#[tokio::test]
async fn requests_of_ours_go_to_who_shows_a_valid_certificate() {
    use palisade::http::client::{Client, ClientSettings, FetchErrorKind};
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let url = format!("https://localhost:{}/", served.address.port());
    let private_networks: Vec<_> = ["127.0.0.0/8", "::1/128"]
        .iter()
        .map(|network| network.parse().unwrap())
        .collect();
    let settings = ClientSettings {
        private_networks,
        ..ClientSettings::default()
    };
    let error = Client::new(&settings).unwrap().get(&url).await.unwrap_err();
    assert_eq!(
        error.kind(),
        FetchErrorKind::Unreachable,
        "an unknown authority"
    );
    assert!(error.to_string().contains("certificate"), "{error}");
    let named = ClientSettings {
        certificate_authority: Some(authority.path("ca.pem")),
        ..settings
    };
    let client = Client::new(&named).unwrap();
    assert_eq!(client.get(&url).await.unwrap().status(), 200);
    assert!(
        client
            .get(&url.replace("localhost", "127.0.0.1"))
            .await
            .is_err(),
        "a certificate for another name"
    );
}

// F107: a certificate that was not renewed is reported in its last week, once a day
#[tokio::test]
async fn a_certificate_near_its_end_is_an_event() {
    use palisade::chrono::{DateTime, Utc};
    let authority = Authority::new();
    let served = authority.serve(&[]).await;
    let site = served.site();
    let count = async || {
        site.site().minute_ended().await;
        site.site().audit_stored().await.unwrap();
        let count = palisade::sql!(
            "SELECT COUNT(*) FROM palisade_audit WHERE event = 'certificate_near_end'"
        );
        let db = site.site().database().handle();
        let count: Option<(i64,)> = db.fetch_one(count).await.unwrap();
        count.unwrap().0
    };
    assert_eq!(count().await, 0);
    // the certificates of the test end in the year 4096
    let end = "4096-01-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    let left = end - site.site().now();
    site.clock()
        .advance(left - palisade::chrono::TimeDelta::days(6));
    assert_eq!((count().await, count().await), (1, 1));
}
