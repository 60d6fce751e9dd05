//! The helpdesk in operation: systemd, and tools that attack servers.

use crate::process::{Folder, Server, command, run};
use crate::wire::get;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

/// Starts the helpdesk as systemd does: with a socket that is open already.
const ACTIVATE: &str = r"
import os, socket, sys
listening = socket.create_server((sys.argv[1], int(sys.argv[2])))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ['LISTEN_FDS'] = '1'
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[3], sys.argv[3:])
";

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn systemd_opens_the_socket_and_hears_when_the_desk_is_ready() {
    let Some(python) = palisade::testing::server("PALISADE_TEST_DJANGO") else {
        return;
    };
    let folder = Folder::new();
    let address = free_address();
    let notify = UnixDatagram::bind(folder.0.join("notify")).unwrap();
    notify
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    // the address of the settings is not ours to open
    let program = command(&folder, &[], &["serve", "--address", "127.0.0.1:1"]);
    let mut child = Command::new(&python);
    child
        .args(["-c", ACTIVATE, "127.0.0.1", &address.port().to_string()])
        .arg(program.get_program())
        .args(program.get_args());
    child
        .env("NOTIFY_SOCKET", folder.0.join("notify"))
        .current_dir(&folder.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut heard = [0; 100];
    let length = notify.recv(&mut heard).expect("it says that it is ready");
    assert_eq!(
        std::str::from_utf8(&heard[..length]).unwrap().trim(),
        "READY=1"
    );
    assert_eq!(get(address, "/health/ready").status, 200);
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let length = notify.recv(&mut heard).expect("it says that it stops");
    assert_eq!(
        std::str::from_utf8(&heard[..length]).unwrap().trim(),
        "STOPPING=1"
    );
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        child.wait().unwrap().success() && said.ends_with("stopped\n"),
        "{said}"
    );

    // D40: nor does an inherited socket expose the development profile to the network
    let mut public = Command::new(python);
    public
        .args([
            "-c",
            ACTIVATE,
            "0.0.0.0",
            &free_address().port().to_string(),
        ])
        .arg(program.get_program())
        .args(program.get_args());
    let refused = public.current_dir(&folder.0).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        !refused.status.success() && said.contains("development profile serves this one only"),
        "{said}"
    );
}

/// How slowhttptest attacks, and what it calls that.
const ATTACKS: [(&str, &[&str]); 3] = [
    (
        "slow headers",
        &[
            "-H", "-i", "2", "-r", "200", "-s", "8192", "-t", "GET", "-x", "24",
        ],
    ),
    (
        "slow body",
        &[
            "-B", "-i", "2", "-r", "200", "-s", "8192", "-t", "POST", "-x", "10",
        ],
    ),
    (
        "slow read",
        &[
            "-X", "-r", "200", "-w", "1", "-y", "16", "-n", "2", "-z", "8", "-k", "3",
        ],
    ),
];

/// Connections of the server that are not over, as the kernel counts them: what the tool has not noticed yet is over all the same.
fn open_connections(address: SocketAddr) -> usize {
    const LISTEN: &str = "0A";
    const TIME_WAIT: &str = "06";
    let ours = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&ours) && ![LISTEN, TIME_WAIT].contains(&row[3]))
        .count()
}

// D38, F117; V15.2.2
#[test]
fn slowhttptest_closes_nobody_but_itself() {
    let Some(_) = palisade::testing::server("PALISADE_TEST_SLOWHTTPTEST") else {
        return;
    };
    let folder = Folder::new();
    let settings = [
        ("PALISADE_SERVER__HEADER_TIMEOUT_SECS", "3"),
        ("PALISADE_SERVER__SLOW_GRACE_SECS", "3"),
        ("PALISADE_SERVER__KEEP_ALIVE_SECS", "3"),
        ("PALISADE_SERVER__MIN_BYTES_PER_SECOND", "5000"),
        ("PALISADE_SERVER__MAX_CONNECTIONS_PER_ADDRESS", "500"),
    ];
    let server = Server::start(&folder, &settings);
    for (number, (name, how)) in ATTACKS.into_iter().enumerate() {
        let (url, report) = (
            format!("http://{}/account/login", server.address),
            folder.0.join(format!("attack{number}")),
        );
        let mut attack = Command::new("slowhttptest");
        attack
            .args(["-g", "-o"])
            .arg(&report)
            .args(["-c", "200", "-l", "20", "-p", "3", "-u", &url])
            .args(how);
        let mut attack = attack
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut most, mut least, mut served) = (0, usize::MAX, 0);
        while attack.try_wait().unwrap().is_none() {
            assert_eq!(
                get(server.address, "/").status,
                200,
                "{name}: another client"
            );
            served += 1;
            let open = open_connections(server.address);
            most = most.max(open);
            least = if open == most {
                usize::MAX
            } else {
                least.min(open)
            };
            std::thread::sleep(Duration::from_millis(100));
        }
        let available = std::fs::read_to_string(report.with_extension("csv")).unwrap();
        assert!(
            most >= 150 && served > 10,
            "{name}: it held {most}, and {served} were served"
        );
        assert!(
            least <= 5 || open_connections(server.address) == 0,
            "{name}: closed as many as it opened: {least} were left"
        );
        assert!(
            !available.lines().skip(1).any(|line| line.ends_with(",0")),
            "{name}: always available: {available}"
        );
    }
    palisade::testing::ran("perimeter::slowhttptest_closes_nobody_but_itself");
}

/// Writes the certificate of an authority of the test's own, and one for localhost with its key.
pub fn certificate(folder: &Folder) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    std::fs::write(
        folder.0.join("root.pem"),
        authority.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    let (issuer, key) = (Issuer::new(authority, key), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    // what a scanner expects of a certificate of today
    let day = Duration::from_secs(86_400);
    params.not_before = (SystemTime::now() - day).into();
    params.not_after = (SystemTime::now() + 80 * day).into();
    params
        .distinguished_name
        .push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    std::fs::write(
        folder.0.join("cert.pem"),
        params.signed_by(&key, &issuer).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(folder.0.join("key.pem"), key.serialize_pem()).unwrap();
}

// V12.1.1, V12.1.2
#[test]
fn sslyze_finds_what_mozilla_recommends() {
    let Some(sslyze) = palisade::testing::server("PALISADE_TEST_SSLYZE") else {
        return;
    };
    let folder = Folder::new();
    certificate(&folder);
    let server = Server::start(
        &folder,
        &[
            ("PALISADE_TLS__CERTIFICATE", "cert.pem"),
            ("PALISADE_TLS__KEY", "key.pem"),
        ],
    );
    let mut scan = Command::new(sslyze);
    scan.args([
        "-m",
        "sslyze",
        "--mozilla_config",
        "intermediate",
        "--certinfo_ca_file",
    ])
    .arg(folder.0.join("root.pem"));
    let report = scan
        .arg(format!("localhost:{}", server.address.port()))
        .output()
        .unwrap();
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains("OK - Compliant"), "{report}");
    for old in ["SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1"] {
        let (_, after) = report
            .split_once(&format!("{old} Cipher Suites"))
            .unwrap_or_else(|| panic!("{old} was not tried: {report}"));
        let found = after.split(" * ").next().unwrap_or_default();
        assert!(
            found.contains("the server rejected all cipher suites"),
            "{old}: {found}"
        );
    }
    palisade::testing::ran("perimeter::sslyze_finds_what_mozilla_recommends");
}

/// What `deploy` prints for production.
pub fn deployed(folder: &Folder, what: &[&str], more: &[(&str, &str)]) -> String {
    let path = |file: &str| folder.0.join(file).display().to_string();
    let settings = [
        (
            "PALISADE_HTTP__ALLOWED_HOSTS",
            "localhost,.desk.example.org",
        ),
        ("PALISADE_TLS__CERTIFICATE", &path("cert.pem")),
        ("PALISADE_TLS__KEY", &path("key.pem")),
    ];
    let printed = run(
        folder,
        &[&settings[..], more].concat(),
        &[&["deploy"], what].concat(),
        "",
    );
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    String::from_utf8(printed.stdout).unwrap()
}

/// Runs a server's own check of its configuration.
fn is_accepted(program: &str, arguments: &[&str]) {
    let checked = Command::new(program)
        .args(arguments)
        .env("XDG_DATA_HOME", "/tmp")
        .env("HOME", "/tmp")
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(checked.status.success(), "{program} {arguments:?}: {said}");
}

// F002
#[test]
fn the_servers_that_stand_in_front_accept_their_configurations() {
    let Some(nginx) = palisade::testing::server("PALISADE_TEST_NGINX") else {
        return;
    };
    let folder = Folder::new();
    certificate(&folder);
    let write = |name: &str, text: &str| {
        std::fs::write(folder.0.join(name), text).unwrap();
        folder.0.join(name).display().to_string()
    };
    let site = write("site.conf", &deployed(&folder, &["config", "nginx"], &[]));
    let limits = deployed(&folder, &["limits", "nginx"], &[]);
    let (shared, own) = limits.split_once("\n\n").unwrap();
    let pid = folder.0.join("pid").display().to_string();
    let whole = format!(
        "pid {pid};\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{shared}\ninclude {site};\nserver {{\nlisten 127.0.0.1:81;\n{own}\n}}\n}}\n"
    );
    is_accepted(&nginx, &["-t", "-c", &write("nginx.conf", &whole)]);
    let text = std::fs::read_to_string(&site).unwrap();
    for line in [
        "server_tokens off;",
        "listen 443 ssl",
        "ssl_protocols TLSv1.2 TLSv1.3;",
        "X-Forwarded-For $remote_addr",
    ] {
        assert!(text.contains(line), "{line}");
    }

    let apache = deployed(&folder, &["config", "apache"], &[])
        .replace("/run/apache2/", &format!("{}/", folder.0.display()));
    let modules = [
        "mpm_event",
        "authz_core",
        "ssl",
        "socache_shmcb",
        "http2",
        "proxy",
        "proxy_http",
        "headers",
        "reqtimeout",
        "alias",
    ];
    let loads = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let head = format!(
        "ServerRoot {0}\nPidFile {0}/apid\nErrorLog /dev/null\nListen 127.0.0.1:82\n{loads}",
        folder.0.display()
    );
    is_accepted(
        "apache2",
        &[
            "-t",
            "-f",
            &write("apache.conf", &format!("{head}{apache}")),
        ],
    );
    assert!(apache.contains("ServerTokens Prod") && apache.contains("ServerSignature Off"));

    let caddy = write("Caddyfile", &deployed(&folder, &["config", "caddy"], &[]));
    is_accepted(
        "caddy",
        &["validate", "--adapter", "caddyfile", "--config", &caddy],
    );
    palisade::testing::ran(
        "perimeter::the_servers_that_stand_in_front_accept_their_configurations",
    );
}

#[test]
fn units_and_images_give_the_program_nothing_it_does_not_need() {
    let folder = Folder::new();
    let unit = deployed(&folder, &["config", "systemd"], &[]);
    for line in [
        "DynamicUser=yes",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "Type=notify",
        "SystemCallFilter=@system-service",
    ] {
        assert!(unit.lines().any(|have| have == line), "{line}");
    }
    let image = deployed(&folder, &["config", "docker"], &[]);
    assert!(
        image.contains("FROM scratch")
            && image.contains("USER 65532")
            && image.contains("--read-only")
    );
    for what in [
        ["config", "nginx"],
        ["config", "apache"],
        ["config", "caddy"],
        ["limits", "nginx"],
        ["limits", "fail2ban"],
    ] {
        let text = deployed(&folder, &what, &[]);
        let left = text
            .split('@')
            .skip(1)
            .step_by(2)
            .find(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        assert_eq!(left, None, "{what:?}: a place that was not filled in");
        assert!(text.contains("helpdesk"));
    }
    let refused = run(&folder, &[], &["deploy", "config", "lighttpd"], "");
    assert!(
        !refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("nginx"),
        "it says what there is"
    );
}
