//! The helpdesk as whoever runs it meets it: systemd, tools that attack servers.

use crate::process::{Folder, Server, command};
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
listening = socket.create_server(('127.0.0.1', int(sys.argv[1])))
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ['LISTEN_FDS'] = '1'
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
";

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn systemd_opens_the_socket_and_hears_when_the_desk_is_ready() {
    let Some(python) = palisade::testing::server("PALISADE_TEST_DJANGO") else { return };
    let folder = Folder::new();
    let address = free_address();
    let notify = UnixDatagram::bind(folder.0.join("notify")).unwrap();
    notify.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // the address of the settings is not ours to open
    let program = command(&folder, &[], &["serve", "--address", "127.0.0.1:1"]);
    let mut child = Command::new(python);
    child.args(["-c", ACTIVATE, &address.port().to_string()]).arg(program.get_program()).args(program.get_args());
    child.env("NOTIFY_SOCKET", folder.0.join("notify")).current_dir(&folder.0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut heard = [0; 100];
    let length = notify.recv(&mut heard).expect("it says that it is ready");
    assert_eq!(std::str::from_utf8(&heard[..length]).unwrap().trim(), "READY=1");
    assert_eq!(get(address, "/health/ready").status, 200);
    let _ = Command::new("kill").arg(child.id().to_string()).status();
    let length = notify.recv(&mut heard).expect("it says that it stops");
    assert_eq!(std::str::from_utf8(&heard[..length]).unwrap().trim(), "STOPPING=1");
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success() && said.ends_with("stopped\n"), "{said}");
}

/// How slowhttptest attacks, and what it calls that.
const ATTACKS: [(&str, &[&str]); 3] = [
    ("slow headers", &["-H", "-i", "2", "-r", "200", "-s", "8192", "-t", "GET", "-x", "24"]),
    ("slow body", &["-B", "-i", "2", "-r", "200", "-s", "8192", "-t", "POST", "-x", "10"]),
    ("slow read", &["-X", "-r", "200", "-w", "1", "-y", "16", "-n", "2", "-z", "8", "-k", "3"]),
];

/// Connections of the server that are not over, as the kernel counts them: what the tool has not noticed yet is over all the same.
fn open_connections(address: SocketAddr) -> usize {
    const LISTEN: &str = "0A";
    const TIME_WAIT: &str = "06";
    let ours = format!(":{:04X}", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[1].ends_with(&ours) && ![LISTEN, TIME_WAIT].contains(&row[3])).count()
}

// D38, F117; V15.2.2
#[test]
fn slowhttptest_closes_nobody_but_itself() {
    let Some(_) = palisade::testing::server("PALISADE_TEST_SLOWHTTPTEST") else { return };
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
        let (url, report) = (format!("http://{}/account/login", server.address), folder.0.join(format!("attack{number}")));
        let mut attack = Command::new("slowhttptest");
        attack.args(["-g", "-o"]).arg(&report).args(["-c", "200", "-l", "20", "-p", "3", "-u", &url]).args(how);
        let mut attack = attack.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let (mut most, mut least, mut served) = (0, usize::MAX, 0);
        while attack.try_wait().unwrap().is_none() {
            assert_eq!(get(server.address, "/").status, 200, "{name}: somebody beside it");
            served += 1;
            let open = open_connections(server.address);
            most = most.max(open);
            least = if open == most { usize::MAX } else { least.min(open) };
            std::thread::sleep(Duration::from_millis(100));
        }
        let available = std::fs::read_to_string(report.with_extension("csv")).unwrap();
        assert!(most >= 150 && served > 10, "{name}: it held {most}, and {served} were served");
        assert!(least <= 5 || open_connections(server.address) == 0, "{name}: closed as many as it opened: {least} were left");
        assert!(!available.lines().skip(1).any(|line| line.ends_with(",0")), "{name}: always available: {available}");
    }
    palisade::testing::ran("perimeter::slowhttptest_closes_nobody_but_itself");
}

/// Writes the certificate of an authority of the test's own, and one for localhost with its key.
fn certificate(folder: &Folder) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec![]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    std::fs::write(folder.0.join("root.pem"), authority.self_signed(&key).unwrap().pem()).unwrap();
    let (issuer, key) = (Issuer::new(authority, key), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    // what a scanner expects of a certificate of today
    let day = Duration::from_secs(86_400);
    params.not_before = (SystemTime::now() - day).into();
    params.not_after = (SystemTime::now() + 80 * day).into();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.use_authority_key_identifier_extension = true;
    std::fs::write(folder.0.join("cert.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(folder.0.join("key.pem"), key.serialize_pem()).unwrap();
}

// V12.1.1, V12.1.2
#[test]
fn sslyze_finds_what_mozilla_recommends() {
    let Some(sslyze) = palisade::testing::server("PALISADE_TEST_SSLYZE") else { return };
    let folder = Folder::new();
    certificate(&folder);
    let server = Server::start(&folder, &[("PALISADE_TLS__CERTIFICATE", "cert.pem"), ("PALISADE_TLS__KEY", "key.pem")]);
    let mut scan = Command::new(sslyze);
    scan.args(["-m", "sslyze", "--mozilla_config", "intermediate", "--certinfo_ca_file"]).arg(folder.0.join("root.pem"));
    let report = scan.arg(format!("localhost:{}", server.address.port())).output().unwrap();
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(report.contains("OK - Compliant"), "{report}");
    for old in ["SSL 2.0", "SSL 3.0", "TLS 1.0", "TLS 1.1"] {
        let (_, after) =
            report.split_once(&format!("{old} Cipher Suites")).unwrap_or_else(|| panic!("{old} was not tried: {report}"));
        let found = after.split(" * ").next().unwrap_or_default();
        assert!(found.contains("the server rejected all cipher suites"), "{old}: {found}");
    }
    palisade::testing::ran("perimeter::sslyze_finds_what_mozilla_recommends");
}
