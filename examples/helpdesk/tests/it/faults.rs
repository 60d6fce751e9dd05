//! Two instances under load while what they need goes away and comes back: Redis, PostgreSQL, one of the instances. What was answered is there, limits hold, and
//! no restart is needed.

use crate::perimeter::free_address;
use crate::process::{Folder, Server, serving_roles};
use crate::wire::{Reply, Visitor, raw};
use palisade::testing::{ran, server};
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// Changes of one address: far fewer than the visitors try.
const LIMIT: &str = "1200/m burst 60";
const BURST: f64 = 60.0;
const A_SECOND: f64 = 20.0;
/// Seconds after an outage until every instance asks Redis again.
const REST: f64 = 2.0;

/// A PostgreSQL of the test's own, because it is restarted.
struct Postgres {
    folder: Folder,
    bin: PathBuf,
    port: u16,
}

/// The server does not run as root.
fn as_postgres(program: &Path) -> Command {
    let is_root = std::fs::metadata("/proc/self")
        .is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid",
            "postgres",
            "--regid",
            "postgres",
            "--clear-groups",
            "--",
        ])
        .arg(program);
    command
}

impl Postgres {
    fn start() -> Self {
        let versions = std::fs::read_dir("/usr/lib/postgresql")
            .expect("PostgreSQL is installed (scripts/servers)");
        let bin = versions
            .map(|version| version.unwrap().path().join("bin"))
            .max()
            .unwrap();
        let folder = Folder::new();
        let own = Command::new("chmod")
            .args(["777"])
            .arg(&folder.0)
            .status()
            .unwrap();
        assert!(own.success());
        let server = Self {
            folder,
            bin,
            port: free_address().port(),
        };
        let mut init = as_postgres(&server.bin.join("initdb"));
        init.args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"])
            .arg(server.data());
        assert!(init.stdout(Stdio::null()).status().unwrap().success());
        server.ctl("start");
        server
    }

    fn data(&self) -> PathBuf {
        self.folder.0.join("data")
    }

    fn ctl(&self, action: &str) {
        let mut ctl = as_postgres(&self.bin.join("pg_ctl"));
        let options = format!(
            "-p {} -h 127.0.0.1 -k {} -c fsync=off",
            self.port,
            self.folder.0.display()
        );
        ctl.args(["-w", "-m", "fast", "-o", &options, "-l"])
            .arg(self.folder.0.join("log"))
            .arg("-D")
            .arg(self.data())
            .arg(action);
        assert!(
            ctl.stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap()
                .success(),
            "{action}"
        );
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// What a query says, line by line.
    fn lines(&self, query: &str) -> Vec<String> {
        let output = Command::new(self.bin.join("psql"))
            .args([&self.url(), "-qtAc", query])
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = as_postgres(&self.bin.join("pg_ctl"));
        let _ = stop
            .args(["-m", "immediate", "-D"])
            .arg(self.data())
            .arg("stop")
            .stdout(Stdio::null())
            .status();
    }
}

struct Redis(Child);

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn redis(port: u16) -> Redis {
    let mut command = Command::new("redis-server");
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
    ]);
    let child = command
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed (scripts/servers)");
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    Redis(child)
}

/// What the visitors know.
struct Load {
    /// Where a balancer would send them.
    instances: RwLock<Vec<SocketAddr>>,
    is_over: AtomicBool,
    sent: AtomicUsize,
    /// Subjects of tickets whose opening was answered.
    opened: Mutex<Vec<String>>,
    limited: AtomicUsize,
    failed: AtomicUsize,
}

impl Load {
    /// Opens tickets until it is over, each at the next instance.
    fn run(&self, cookies: &str, token: &str) {
        while !self.is_over.load(Ordering::Relaxed) {
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            let subject = format!("ticket-{number}");
            match self
                .post(
                    number,
                    cookies,
                    &format!("csrfmiddlewaretoken={token}&subject={subject}&body=x"),
                )
                .map(|reply| reply.status)
            {
                Some(303) => self.opened.lock().unwrap().push(subject),
                Some(429) => drop(self.limited.fetch_add(1, Ordering::Relaxed)),
                // 503 while the database is away, or a connection that was refused or cut off
                _ => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
            }
            std::thread::sleep(Duration::from_millis(4));
        }
    }

    fn post(&self, number: usize, cookies: &str, body: &str) -> Option<Reply> {
        let instances = self.instances.read().unwrap().clone();
        let address = instances[number % instances.len()];
        let length = body.len();
        let text = format!(
            "POST /tickets HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: {cookies}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        raw(address, text.as_bytes())
    }

    fn opened(&self) -> usize {
        self.opened.lock().unwrap().len()
    }

    /// Waits until tickets are opened again.
    fn recovers(&self, after: &str) {
        let (begun, before) = (Instant::now(), self.opened());
        while self.opened() < before + 30 {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "tickets are opened again after {after}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        println!("after {after}: tickets again within {:?}", begun.elapsed());
    }
}

// F090, F117; D07
#[test]
fn nothing_that_was_answered_is_lost_and_limits_hold() {
    let (Some(_), Some(_)) = (
        server("PALISADE_TEST_POSTGRES"),
        server("PALISADE_TEST_REDIS"),
    ) else {
        return;
    };
    let (postgres, port) = (Postgres::start(), free_address().port());
    let cache = redis(port);
    let cache_url = format!("redis://127.0.0.1:{port}");
    let (_, database) = serving_roles(&Folder::new(), &postgres.url());
    let key = palisade::crypto::KeyRing::generate();
    let variables = [
        ("DATABASE_URL", database.as_str()),
        ("PALISADE_SITE__MIGRATE_AT_START", "false"),
        ("CACHE_URL", cache_url.as_str()),
        ("SECRET_KEY", key.expose().as_str()),
        ("PALISADE_THROTTLE__CHANGES", LIMIT),
        ("RUST_LOG", "error"),
    ];
    let folders = [Folder::new(), Folder::new(), Folder::new()];
    let (one, two) = (
        Server::start(&folders[0], &variables),
        Server::start(&folders[1], &variables),
    );
    let mut ann = Visitor::new(one.address);
    ann.sign_up(&one, "ann");
    let token = ann
        .get("/tickets/new")
        .hidden_field("csrfmiddlewaretoken")
        .unwrap()
        .to_owned();
    let cookies = ann
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ");
    let load = Arc::new(Load {
        instances: RwLock::new(vec![one.address, two.address]),
        is_over: AtomicBool::new(false),
        sent: AtomicUsize::new(0),
        opened: Mutex::default(),
        limited: AtomicUsize::new(0),
        failed: AtomicUsize::new(0),
    });
    let begun = Instant::now();
    let visitors: Vec<_> = (0..6)
        .map(|_| {
            let (load, cookies, token) = (load.clone(), cookies.clone(), token.clone());
            std::thread::spawn(move || load.run(&cookies, &token))
        })
        .collect();
    load.recovers("the start");

    let away = Instant::now();
    drop(cache);
    load.recovers("Redis was killed");
    let cache = redis(port);
    let away = away.elapsed().as_secs_f64() + REST;
    load.recovers("Redis came back");

    postgres.ctl("restart");
    load.recovers("PostgreSQL was restarted");

    // an instance is stopped as systemd does it, and another one takes its place
    *load.instances.write().unwrap() = vec![one.address];
    let log = two.stop();
    load.recovers("an instance was stopped");
    let three = Server::start(&folders[2], &variables);
    *load.instances.write().unwrap() = vec![one.address, three.address];
    load.recovers("an instance was started");

    std::thread::sleep(Duration::from_secs(3));
    load.is_over.store(true, Ordering::Relaxed);
    visitors
        .into_iter()
        .for_each(|visitor| visitor.join().unwrap());
    let elapsed = begun.elapsed();

    let kept: Vec<String> = postgres.lines("SELECT subject FROM helpdesk_ticket");
    let (kept_once, opened) = (
        kept.iter().collect::<BTreeSet<_>>(),
        load.opened.lock().unwrap(),
    );
    let lost: Vec<&String> = opened
        .iter()
        .filter(|subject| !kept_once.contains(subject))
        .collect();
    assert!(lost.is_empty(), "answered and not there: {lost:?}");
    assert_eq!(kept.len(), kept_once.len(), "nothing was done twice");
    // a burst at the start, one when Redis had forgotten everything, and one of each instance that counted for itself meanwhile
    let most = BURST * 4.0 + A_SECOND * (elapsed.as_secs_f64() + away);
    assert!(
        opened.len() as f64 <= most,
        "{} of at most {most}",
        opened.len()
    );
    let (sent, limited, failed) = (
        load.sent.load(Ordering::Relaxed),
        load.limited.load(Ordering::Relaxed),
        load.failed.load(Ordering::Relaxed),
    );
    assert!(
        limited >= 50,
        "the visitors tried more than the limit: {limited} of {sent}"
    );
    println!(
        "{sent} sent in {elapsed:?}: {} opened of at most {most:.0}, {limited} limited, {failed} failed, {} kept",
        opened.len(),
        kept.len()
    );
    assert!(!log.contains("panicked"), "{log}");
    drop(cache);
    ran("faults::nothing_that_was_answered_is_lost_and_limits_hold");
}
