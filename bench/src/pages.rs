//! The same pages on four servers, alternately: the helpdesk with every protection, bare axum with
//! the same templates and queries, and Django under gunicorn with the same tables. Medians of five
//! rounds, ratios, 99th percentiles; memory at rest, after the load, and with a thousand idle
//! connections.

use crate::load::{self, Measured, Visit};
use crate::{HOST, ROUNDS};
use palisade::testing::TestSite;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A measured server.
pub struct Served {
    name: &'static str,
    pub child: Child,
    pub port: u16,
    /// Cookies of a signed-in visitor.
    pub cookie: String,
    /// The visitor's CSRF token.
    pub token: String,
    at_rest_mb: f64,
}

struct Page {
    name: &'static str,
    path: fn(&Served) -> String,
    is_signed_in: bool,
    is_post: bool,
}

const PAGES: [Page; 5] = [
    Page {
        name: "front page, no session",
        path: |_| "/".into(),
        is_signed_in: false,
        is_post: false,
    },
    Page {
        name: "JSON, 1 query",
        path: |_| "/status".into(),
        is_signed_in: false,
        is_post: false,
    },
    Page {
        name: "session page, 20 rows, 3 queries",
        path: |_| "/tickets".into(),
        is_signed_in: true,
        is_post: false,
    },
    Page {
        name: "form post with CSRF, 2 commits",
        path: |_| "/tickets".into(),
        is_signed_in: true,
        is_post: true,
    },
    Page {
        name: "static file, 5 KB",
        path: |_| "/static/palisade.css".into(),
        is_signed_in: false,
        is_post: false,
    },
];

pub async fn measure() {
    let folder = std::env::temp_dir().join(format!(
        "palisade-bench-{}",
        palisade::crypto::random::nonce()
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let mut servers = vec![
        palisade(&folder).await.0,
        bare("bare axum", "bare", &folder),
        bare("with mimalloc", "bare-mimalloc", &folder),
    ];
    servers.extend(django(&folder));
    for served in &mut servers {
        served.at_rest_mb = load::memory_mb(served.child.id());
    }
    print_head(&servers);
    for page in &PAGES {
        print_page(page, &servers, measured(page, &servers));
    }
    print_memory(&servers);
    for mut served in servers {
        load::stop(&mut served.child);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn visit<'a>(page: &Page, served: &'a Served, path: &'a str) -> Visit<'a> {
    let cookie = page.is_signed_in.then_some(served.cookie.as_str());
    Visit {
        port: served.port,
        path,
        cookie,
        token: page.is_post.then_some(served.token.as_str()),
    }
}

/// Five rounds, the servers alternately.
fn measured(page: &Page, servers: &[Served]) -> Vec<Measured> {
    let mut rounds: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
    for served in servers {
        load::expect(&visit(page, served, &(page.path)(served)), page.name);
    }
    for _ in 0..ROUNDS {
        for (served, rounds) in servers.iter().zip(&mut rounds) {
            rounds.push(load::measured(&visit(page, served, &(page.path)(served))));
        }
    }
    rounds.into_iter().map(Measured::median).collect()
}

fn print_head(servers: &[Served]) {
    print!("{:<34}", "requests a second (slowest 1 %)");
    servers
        .iter()
        .for_each(|served| print!("{:>20}", served.name));
    servers[1..]
        .iter()
        .for_each(|served| print!("{:>17}", format!("to {}", served.name)));
    println!();
}

fn print_page(page: &Page, servers: &[Served], measured: Vec<Measured>) {
    print!("{:<34}", page.name);
    measured.iter().for_each(|one| {
        print!(
            "{:>20}",
            format!("{:.0} ({:.1} ms)", one.a_second, one.slowest_ms)
        )
    });
    measured[1..servers.len()]
        .iter()
        .for_each(|other| print!("{:>17.2}", measured[0].a_second / other.a_second));
    println!();
}

fn print_memory(servers: &[Served]) {
    let row = |name: &str, value: &dyn Fn(&Served) -> f64| {
        print!("{name:<34}");
        servers
            .iter()
            .for_each(|served| print!("{:>20}", format!("{:.1} MB", value(served))));
        println!();
    };
    row("memory at rest", &|served| served.at_rest_mb);
    row("memory after the load", &|served| {
        load::memory_mb(served.child.id())
    });
    // gunicorn's workers hold no idle connection
    let ours = &servers[..3];
    print!("{:<34}", "with 1,000 idle connections");
    ours.iter().for_each(|served| {
        print!(
            "{:>20}",
            format!(
                "{:.1} MB",
                load::with_idle_connections(served.port, served.child.id())
            )
        )
    });
    println!();
}

/// The helpdesk and its key. In the database of one server, `ann` has twenty tickets and `ben` writes.
pub async fn palisade(folder: &Path) -> (Served, String) {
    let key = palisade::crypto::KeyRing::generate();
    let database = format!("sqlite:{}", folder.join("helpdesk.sqlite3").display());
    let site = TestSite::production(
        helpdesk::app(),
        &[("database.url", &database), ("keys.secret", key.expose())],
    )
    .await;
    let mut client = site.client();
    client.sign_up("ann").await;
    for number in 0..20 {
        let (subject, body) = (
            format!("Ticket number {number}"),
            "What happened, in a line or two.",
        );
        client
            .submit(
                "/tickets/new",
                "/tickets",
                &[("subject", subject.as_str()), ("body", body)],
            )
            .await;
    }
    client.get("/tickets/1").await; // shows the messages that wait, so that they are not part of what is measured
    let token = client.get("/tickets/new").await.token().unwrap();
    let cookie = format!("__Host-session={}", client.cookies()["__Host-session"]);
    site.site().database().close().await.unwrap();
    std::fs::copy(
        folder.join("helpdesk.sqlite3"),
        folder.join("unused.sqlite3"),
    )
    .unwrap();
    let (child, port) = start_helpdesk(folder, key.expose());
    let served = Served {
        name: "Palisade",
        child,
        port,
        cookie,
        token,
        at_rest_mb: 0.0,
    };
    (served, key.expose().clone())
}

fn start_helpdesk(folder: &Path, key: &str) -> (Child, u16) {
    let port = load::free_port();
    let program = std::env::current_exe().unwrap().with_file_name("helpdesk");
    let mut command = Command::new(program);
    command.args([
        "--data",
        &folder.display().to_string(),
        "serve",
        "--address",
        &format!("127.0.0.1:{port}"),
    ]);
    command
        .env_clear()
        .env("PALISADE_PROFILE", "production")
        .env("SECRET_KEY", key);
    command
        .env("PALISADE_HTTP__ALLOWED_HOSTS", HOST)
        .env("PALISADE_HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
    // the limit counts as usual, but is too high to be reached
    command
        .env("PALISADE_THROTTLE__REQUESTS", "1000000/s")
        .env("PALISADE_THROTTLE__CHANGES", "1000000/s");
    let child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    load::wait_for(port);
    (child, port)
}

fn bare(name: &'static str, program: &str, folder: &Path) -> Served {
    let port = load::free_port();
    let database = folder.join(format!("{program}.sqlite3"));
    std::fs::copy(folder.join("unused.sqlite3"), &database).unwrap();
    let program = std::env::current_exe().unwrap().with_file_name(program);
    let child = Command::new(program)
        .arg(&database)
        .arg(port.to_string())
        .spawn()
        .unwrap();
    load::wait_for(port);
    Served {
        name,
        child,
        port,
        cookie: "session=1".into(),
        token: "none".into(),
        at_rest_mb: 0.0,
    }
}

/// `None` without a Python that has Django.
fn django(folder: &Path) -> Option<Served> {
    let python = PathBuf::from(std::env::var_os("PALISADE_BENCH_DJANGO")?);
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("django");
    let database = folder.join("django.sqlite3");
    std::fs::copy(folder.join("unused.sqlite3"), &database).unwrap();
    let prepared = Command::new(&python)
        .arg("prepare.py")
        .current_dir(&here)
        .env("BENCH_DATABASE", &database)
        .output()
        .unwrap();
    assert!(
        prepared.status.success(),
        "{}",
        String::from_utf8_lossy(&prepared.stderr)
    );
    let said = String::from_utf8(prepared.stdout).unwrap();
    let (cookie, token) = said.trim().split_once('\n').unwrap();
    let (port, workers) = (
        load::free_port(),
        std::thread::available_parallelism().unwrap(),
    );
    let child = Command::new(&python)
        .args([
            "-m",
            "gunicorn",
            "--workers",
            &workers.to_string(),
            "--bind",
            &format!("127.0.0.1:{port}"),
            "--log-level",
            "error",
            "site_:application",
        ])
        .current_dir(&here)
        .env("BENCH_DATABASE", &database)
        .spawn()
        .unwrap();
    load::wait_for(port);
    Some(Served {
        name: "Django",
        child,
        port,
        cookie: cookie.into(),
        token: token.into(),
        at_rest_mb: 0.0,
    })
}
