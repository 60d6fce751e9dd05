//! Certificates that the site orders by itself, from a real authority: Pebble, the one that Let's Encrypt tests with.

use palisade::app::Server;
use palisade::http::client::{Client, ClientSettings};
use palisade::prelude::*;
use palisade::testing::{TestDatabase, TestSite, events, ran, server};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority that sees every name at 127.0.0.1, and asks on ports of the test's own.
struct Pebble {
    folder: tempfile::TempDir,
    directory: String,
    management: u16,
    children: [Child; 2],
    /// Where tls-alpn-01 and http-01 are asked.
    tls: u16,
    http: u16,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The certificate of the authority's own server, as files.
fn certify(folder: &std::path::Path) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.signed_by(&key, &issuer).unwrap();
    for (name, text) in [
        ("ca.pem", root),
        ("cert.pem", certificate.pem()),
        ("key.pem", key.serialize_pem()),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

impl Pebble {
    /// Starts it; certificates hold for so many seconds. None where it was not named for the test.
    async fn start(validity_secs: u32) -> Option<Self> {
        let program = server("PALISADE_TEST_PEBBLE")?;
        // between the choice of a port and its use another test may have taken it
        for _ in 0..3 {
            if let Some(pebble) = Self::on_free_ports(&program, validity_secs).await {
                return Some(pebble);
            }
        }
        panic!("the authority starts");
    }

    async fn on_free_ports(program: &str, validity_secs: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        certify(folder.path());
        let [api, management, names, control, tls, http] = std::array::from_fn(|_| free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{api}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("cert.pem"), "privateKey": path("key.pem"), "httpPort": http, "tlsPort": tls,
            "certificateValidityPeriod": validity_secs, "domainBlocklist": ["blocked.example.org"],
        }});
        std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let resolver = Command::new(format!("{program}-challtestsrv"))
            .args([
                "-dns01",
                &format!("127.0.0.1:{names}"),
                "-http01",
                "",
                "-https01",
                "",
                "-tlsalpn01",
                "",
            ])
            .args([
                "-management",
                &format!("127.0.0.1:{control}"),
                "-defaultIPv4",
                "127.0.0.1",
                "-defaultIPv6",
                "",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let authority = Command::new(program)
            .args([
                "-config",
                &path("config.json"),
                "-dnsserver",
                &format!("127.0.0.1:{names}"),
            ])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let directory = format!("https://localhost:{api}/dir");
        let pebble = Self {
            folder,
            directory,
            management,
            children: [resolver, authority],
            tls,
            http,
        };
        let ready = async {
            while pebble.client().get(&pebble.directory).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(20), ready).await.ok()?;
        Some(pebble)
    }

    fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }

    fn client(&self) -> Client {
        let private_networks = ["127.0.0.0/8", "::1/128"]
            .iter()
            .map(|network| network.parse().unwrap())
            .collect();
        Client::new(&ClientSettings {
            private_networks,
            certificate_authority: Some(self.ca()),
            ..ClientSettings::default()
        })
        .unwrap()
    }

    /// The root of the certificates that it issues.
    async fn root(&self) -> CertificateDer<'static> {
        let answer = self
            .client()
            .get(&format!("https://localhost:{}/roots/0", self.management))
            .await
            .unwrap();
        CertificateDer::from_pem_slice(answer.body()).unwrap()
    }

    /// A site that orders from it.
    async fn site(&self, settings: &[(&str, &str)]) -> TestSite {
        TestSite::start(app(), &self.settings(settings)).await
    }

    fn settings<'a>(&'a self, settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let ours: [(&str, &str); 7] = [
            ("acme.domains", "desk.example.org"),
            ("acme.accept_terms", "true"),
            ("acme.contact", "admin@example.org"),
            ("acme.directory", &self.directory),
            (
                "http.allowed_hosts",
                "desk.example.org, www.example.org, localhost",
            ),
            ("client.private_networks", "127.0.0.0/8, ::1/128"),
            (
                "client.certificate_authority",
                Box::leak(self.ca().into_boxed_str()),
            ),
        ];
        [&ours[..], settings].concat()
    }

    /// The certificate that is shown under a name, if it is one of this authority's.
    async fn shown(&self, address: SocketAddr, name: &str) -> Option<CertificateDer<'static>> {
        let stream = connect(address, name, &[b"http/1.1"], self.root().await)
            .await
            .ok()?;
        Some(
            stream.get_ref().1.peer_certificates()?[0]
                .clone()
                .into_owned(),
        )
    }

    /// Waits for it.
    async fn issued(&self, address: SocketAddr, name: &str) -> CertificateDer<'static> {
        let issued = async {
            loop {
                match self.shown(address, name).await {
                    Some(certificate) => return certificate,
                    None => sleep(Duration::from_millis(200)).await,
                }
            }
        };
        timeout(Duration::from_secs(60), issued)
            .await
            .expect("a certificate is issued")
    }
}

fn app() -> App {
    App::new().routes(Routes::new().route("/", public().get(async || "front\n")))
}

async fn connect(
    address: SocketAddr,
    name: &str,
    protocols: &[&[u8]],
    root: CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(root).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, TcpStream::connect(address).await?)
        .await
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: desk.example.org\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

// F005, F008
#[tokio::test]
async fn a_certificate_is_ordered_kept_and_renewed_without_anybody() {
    let Some(pebble) = Pebble::start(24).await else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let (folder, address) = (
        data.path().display().to_string(),
        format!("127.0.0.1:{}", pebble.tls),
    );
    let settings = [
        ("site.data", folder.as_str()),
        ("server.address", address.as_str()),
        ("acme.domains", "desk.example.org, www.example.org"),
        ("server.header_timeout_secs", "60"),
    ];
    let site = pebble.site(&settings).await;
    let server = Server::listen(site.site().clone()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { stopped.await.unwrap_or_default() }));
    let first = pebble.issued(at(pebble.tls), "desk.example.org").await;
    assert_eq!(
        pebble.shown(at(pebble.tls), "www.example.org").await,
        Some(first.clone()),
        "one certificate for both names"
    );
    assert!(
        pebble
            .shown(at(pebble.tls), "other.example.org")
            .await
            .is_none()
    );
    let mut kept = connect(
        at(pebble.tls),
        "desk.example.org",
        &[b"http/1.1"],
        pebble.root().await,
    )
    .await
    .unwrap();
    // the response to a challenge is for the ACME server only
    assert!(
        connect(
            at(pebble.tls),
            "desk.example.org",
            &[b"acme-tls/1"],
            pebble.root().await
        )
        .await
        .is_err()
    );
    assert!(
        connect(
            at(pebble.tls),
            "evil.example",
            &[b"acme-tls/1"],
            pebble.root().await
        )
        .await
        .is_err()
    );
    // what is kept is sealed
    let files: Vec<_> = std::fs::read_dir(data.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    let held: Vec<u8> = files
        .iter()
        .flat_map(|file| std::fs::read(file).unwrap())
        .collect();
    let held = String::from_utf8_lossy(&held);
    assert!(
        held.contains("palisade_acme")
            && !held.contains("PRIVATE KEY")
            && !held.contains("key_pkcs8")
    );
    let renewed = async {
        while pebble
            .shown(at(pebble.tls), "desk.example.org")
            .await
            .is_none_or(|shown| shown == first)
        {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(40), renewed)
        .await
        .expect("it is renewed before it ends");
    kept.write_all(b"GET / HTTP/1.1\r\nHost: desk.example.org\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let _ = kept.read_to_string(&mut answer).await;
    assert!(
        answer.ends_with("front\n"),
        "no connection was dropped: {answer}"
    );
    let second = pebble.issued(at(pebble.tls), "desk.example.org").await;
    stop.send(()).unwrap();
    running.await.unwrap();
    // after a restart the one that is kept is shown, and none is ordered
    let ordered = || {
        events("a certificate is ordered")
            .iter()
            .filter(|event| event.contains(&pebble.directory))
            .count()
    };
    let before = ordered();
    let again = site.start_beside(app(), &pebble.settings(&settings)).await;
    let server = Server::listen(again.site().clone()).unwrap();
    tokio::spawn(server.run(std::future::pending()));
    assert_eq!(
        pebble.issued(at(pebble.tls), "desk.example.org").await,
        second
    );
    assert_eq!(ordered(), before);
    ran("pebble: tls-alpn-01");
}

// F005, F006
#[tokio::test]
async fn the_plain_port_answers_an_authority_and_only_redirects_all_others() {
    let Some(pebble) = Pebble::start(3600).await else {
        return;
    };
    let plain = format!("127.0.0.1:{}", pebble.http);
    let settings = [
        ("server.address", "127.0.0.1:0"),
        ("tls.redirect_address", plain.as_str()),
        ("acme.challenge", "http-01"),
    ];
    let site = pebble.site(&settings).await;
    let server = Server::listen(site.site().clone()).unwrap();
    let address = server.url().trim_start_matches("https://").parse().unwrap();
    tokio::spawn(server.run(std::future::pending()));
    pebble.issued(address, "desk.example.org").await;
    for path in [
        "/",
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/unknown",
        "/.well-known/acme-challenge/../../",
    ] {
        let answer = get(at(pebble.http), path).await;
        assert!(
            answer.starts_with("HTTP/1.1 301") || answer.starts_with("HTTP/1.1 400"),
            "{path}: {answer}"
        );
        assert!(!answer.ends_with("front\n"), "{path}");
    }
    ran("pebble: http-01");
}

// F005: instances share one certificate, and do not step on each other
#[tokio::test]
async fn two_instances_order_once_and_answer_for_each_other() {
    let Some(pebble) = Pebble::start(3600).await else {
        return;
    };
    let settings = pebble.settings(&[("server.address", "127.0.0.1:0")]);
    let Some(one) = TestSite::start_on(TestDatabase::Postgres, app(), &settings).await else {
        return;
    };
    let other = one.start_beside(app(), &settings).await;
    let mut addresses = Vec::new();
    for site in [&one, &other] {
        let server = Server::listen(site.site().clone()).unwrap();
        addresses.push(
            server
                .url()
                .trim_start_matches("https://")
                .parse::<SocketAddr>()
                .unwrap(),
        );
        tokio::spawn(server.run(std::future::pending()));
    }
    // a balancer that sends every connection to the next one
    let balancer = TcpListener::bind(at(pebble.tls)).await.unwrap();
    let behind = addresses.clone();
    tokio::spawn(async move {
        for address in behind.iter().cycle().copied() {
            let (mut client, _) = balancer.accept().await.unwrap();
            tokio::spawn(async move {
                let mut instance = TcpStream::connect(address).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut instance).await;
            });
        }
    });
    let first = pebble.issued(addresses[0], "desk.example.org").await;
    assert_eq!(
        pebble.issued(addresses[1], "desk.example.org").await,
        first,
        "one certificate"
    );
    sleep(Duration::from_secs(5)).await;
    let orders = events("a certificate is ordered")
        .iter()
        .filter(|event| event.contains(&pebble.directory))
        .count();
    assert_eq!(orders, 1, "ordered once");
    ran("pebble: two instances");
}

#[tokio::test]
async fn an_order_that_fails_says_why_and_is_not_tried_at_once() {
    let Some(pebble) = Pebble::start(3600).await else {
        return;
    };
    let blocked = [
        ("acme.domains", "blocked.example.org"),
        ("http.allowed_hosts", "blocked.example.org"),
    ];
    // no server listens at the port that the ACME server checks
    let unreachable = [
        ("acme.domains", "elsewhere.example.org"),
        ("http.allowed_hosts", "elsewhere.example.org"),
    ];
    let stranger = [
        ("client.certificate_authority", ""),
        ("acme.domains", "www.example.org"),
    ];
    for (settings, words) in [
        (&blocked, "blocked.example.org"),
        (&unreachable, "Failed to connect"),
        (&stranger, "UnknownIssuer"),
    ] {
        let site = pebble
            .site(&[&[("server.address", "127.0.0.1:0")], &settings[..]].concat())
            .await;
        let server = Server::listen(site.site().clone()).unwrap();
        let running = tokio::spawn(server.run(std::future::pending()));
        let said = || {
            events("could not be ordered")
                .into_iter()
                .filter(|event| event.contains(words))
                .collect::<Vec<_>>()
        };
        let failed = async {
            while said().is_empty() {
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(60), failed)
            .await
            .unwrap_or_else(|_| panic!("{words}: {:?}", events("could not be ordered")));
        sleep(Duration::from_secs(5)).await;
        assert_eq!(said().len(), 1, "{:?}", said());
        running.abort();
    }
    ran("pebble: failures");
}

// F005
#[test]
fn settings_that_cannot_work_stop_production() {
    use palisade::settings::{Origin, Sources};
    let found = |changed: &[(&str, &str)]| {
        let base = [
            ("profile", "production"),
            ("acme.domains", "desk.example.org"),
            ("acme.accept_terms", "true"),
            ("http.allowed_hosts", "desk.example.org"),
            ("tls.redirect_address", "127.0.0.1:80"),
        ];
        let mut sources = Sources::none();
        for (key, value) in base.iter().chain(changed) {
            sources.set(key, *value, Origin::CommandLine("test"));
        }
        let findings = palisade::app::SiteSettings::read(sources)
            .unwrap()
            .findings();
        let ours = findings.into_iter().map(|finding| finding.id).filter(|id| {
            id.starts_with("acme.") || id.starts_with("client.") || id.contains("tls")
        });
        ours.collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), Vec::<String>::new());
    for (changed, id) in [
        (&[("acme.accept_terms", "false")][..], "acme.terms"),
        (
            &[("acme.domains", "desk.example.org, other.example.org")],
            "acme.not_served",
        ),
        (
            &[
                ("acme.domains", "*.example.org"),
                ("http.allowed_hosts", ".example.org"),
            ],
            "acme.not_served",
        ),
        (
            &[("tls.certificate", "a.pem"), ("tls.key", "b.pem")],
            "acme.two_certificates",
        ),
        (
            &[("acme.challenge", "http-01"), ("tls.redirect_address", "")],
            "acme.nowhere_to_show",
        ),
        (
            &[("acme.directory", "http://ca.example.org/dir")],
            "acme.in_clear",
        ),
        (&[("acme.account_id", "kid-1")], "acme.account_by_halves"),
        (
            &[("client.only_hosts", "api.example.org")],
            "client.own_hosts_missing",
        ),
    ] {
        assert!(
            found(changed).contains(&id.to_owned()),
            "{id}: {:?}",
            found(changed)
        );
    }
}
