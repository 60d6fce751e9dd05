//! The helpdesk as a program of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A folder that is removed.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!(
            "helpdesk-test-{}",
            palisade::crypto::random::nonce()
        ));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A command with nothing of the test's own environment but what it needs to run, in a folder without settings.
pub fn command(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helpdesk"));
    command
        .env_clear()
        .env("PALISADE_SITE__LIVE_FILES", "false")
        .envs(variables.iter().copied())
        .current_dir(&folder.0)
        .arg("--data")
        .arg(&folder.0)
        .args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command to its end with this standard input.
pub fn run(folder: &Folder, variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Output {
    let mut child = command(folder, variables, arguments).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// A running helpdesk.
pub struct Server {
    pub address: SocketAddr,
    pub greeting: String,
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts on a port of its own and waits until it serves.
    pub fn start(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        Self::at(folder, variables, "127.0.0.1:0")
    }

    /// Starts at an address. Where that is a Unix socket, `address` means nothing.
    pub fn at(folder: &Folder, variables: &[(&str, &str)], at: &str) -> Self {
        let mut child = command(folder, variables, &["serve", "--address", at])
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        lines.read_line(&mut greeting).unwrap();
        let address = greeting
            .split("://")
            .nth(1)
            .and_then(|rest| rest.split([' ', '\n']).next()?.parse().ok());
        let is_socket = greeting.contains("unix:");
        let Some(address) = address.or_else(|| is_socket.then(|| SocketAddr::from(([0; 4], 0))))
        else {
            let mut error = String::new();
            let _ = child.stderr.take().unwrap().read_to_string(&mut error);
            panic!("the helpdesk starts: {greeting}{error}");
        };
        let log = Arc::new(Mutex::new(String::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line) + "\n";
                kept.lock().unwrap().push_str(&line);
            }
        });
        Self {
            address,
            greeting,
            child,
            log,
            reader: Some(reader),
        }
    }

    /// The path of the link in the newest mail to an address, which a server in development prints.
    pub fn link_to(&self, address: &str) -> String {
        let head = format!("--- mail to {address} ---");
        for _ in 0..200 {
            let log = self.log.lock().unwrap().clone();
            let mail = log
                .rsplit_once(&head)
                .map(|(_, mail)| mail)
                .filter(|mail| mail.contains("\n---\n"));
            let link = mail.and_then(|mail| mail.lines().find(|line| line.starts_with("http")));
            if let Some(link) = link {
                return link[link.find("/account/").unwrap()..].to_owned();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("no mail to {address}: {}", self.log.lock().unwrap());
    }

    /// What the process holds in memory.
    pub fn memory_kilobytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Asks it to stop and returns what it logged.
    pub fn stop(mut self) -> String {
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        assert!(self.child.wait().unwrap().success(), "a stop is no failure");
        self.reader.take().unwrap().join().unwrap();
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs SQL with psql; the error is psql's.
pub fn psql(url: &str, sql: &str) -> Result<(), String> {
    let output = Command::new("psql")
        .args([url, "-v", "ON_ERROR_STOP=1", "-qc", sql])
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The URLs of an owner that has migrated a database, and of the role that serves it, by `deploy grants
/// postgres`.
pub fn serving_roles(folder: &Folder, database: &str) -> (String, String) {
    let grants = run(folder, &[], &["deploy", "grants", "postgres"], "");
    let grants = String::from_utf8(grants.stdout).unwrap();
    let (scheme, rest) = database.split_once("://").unwrap();
    let host = rest.rsplit('@').next().unwrap();
    let as_role = |role: &str| format!("{scheme}://helpdesk_{role}@{host}");
    psql(database, &grants).unwrap();
    let (owner, site) = (as_role("owner"), as_role("site"));
    let migrated = run(folder, &[("DATABASE_URL", &owner)], &["migrate"], "");
    let said = String::from_utf8_lossy(&migrated.stderr);
    assert!(migrated.status.success(), "{said}");
    psql(database, &grants).unwrap();
    (owner, site)
}
