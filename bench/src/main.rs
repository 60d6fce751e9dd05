//! What the protections cost: the helpdesk's front page and a page behind a session, beside the same pages on bare axum with the same
//! templates and the same queries, and nothing else. Five rounds in turn, medians, ratios; memory at rest and after. Block lists and templates
//! are measured in this process.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be made ends")]

mod bare;
mod lists;
mod load;
mod templates;

use palisade::testing::TestSite;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const HOST: &str = "desk.example.org";
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("bare") => return bare::serve(&arguments.next().unwrap(), arguments.next().unwrap().parse().unwrap()).await,
        Some("templates") => return templates::measure(),
        Some("lists") => return lists::measure(),
        _ => {
            templates::measure();
            lists::measure();
        }
    }
    let key = palisade::crypto::KeyRing::generate();
    let folder = std::env::temp_dir().join(format!("palisade-bench-{}", palisade::crypto::random::nonce()));
    std::fs::create_dir_all(&folder).unwrap();
    let cookie = prepare(&folder, key.expose()).await;
    let (guarded, bare) = (start_helpdesk(&folder, key.expose()), start_bare(&folder));
    println!("{:<28}{:>12}{:>12}{:>8}", "page", "palisade", "bare axum", "ratio");
    for (name, path, cookie) in [("front page", "/", None), ("session page, 20 tickets", "/tickets", Some(cookie.as_str()))] {
        load::expect_page(guarded.1, path, cookie);
        load::expect_page(bare.1, path, cookie);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(load::requests_per_second(guarded.1, path, cookie));
            theirs.push(load::requests_per_second(bare.1, path, cookie));
        }
        let (ours, theirs) = (load::median(ours), load::median(theirs));
        println!("{name:<28}{ours:>10.0}/s{theirs:>10.0}/s{:>8.2}", ours / theirs);
    }
    println!("{:<28}{:>9.1} MB{:>9.1} MB", "memory after the load", load::memory_mb(&guarded.0), load::memory_mb(&bare.0));
    for (mut child, _) in [guarded, bare] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// An account with twenty tickets; returns its cookie.
async fn prepare(folder: &Path, key: &str) -> String {
    let database = format!("sqlite:{}", folder.join("helpdesk.sqlite3").display());
    let site = TestSite::production(helpdesk::app(), &[("database.url", &database), ("keys.secret", key)]).await;
    let mut client = site.client();
    client.sign_up("ann").await;
    for number in 0..20 {
        let fields = [("subject", format!("Ticket number {number}")), ("body", "What happened, in a line or two.".to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.submit("/tickets/new", "/tickets", &fields).await;
    }
    client.get("/tickets/1").await; // shows the messages that wait, so that they are not part of what is measured
    format!("__Host-session={}", client.cookies()["__Host-session"])
}

fn start_helpdesk(folder: &Path, key: &str) -> (Child, u16) {
    let port = load::free_port();
    let program = std::env::current_exe().unwrap().with_file_name("helpdesk");
    let mut command = Command::new(program);
    command.args(["--data", &folder.display().to_string(), "serve", "--address", &format!("127.0.0.1:{port}")]);
    command.env_clear().env("RUST_LOG", "warn").env("PALISADE_PROFILE", "production").env("SECRET_KEY", key);
    command.env("PALISADE_HTTP__ALLOWED_HOSTS", HOST).env("PALISADE_HTTP__TRUSTED_PROXIES", "127.0.0.1/32");
    // counted as ever, and never used up
    command.env("PALISADE_THROTTLE__REQUESTS", "1000000/s").env("PALISADE_THROTTLE__CHANGES", "1000000/s");
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    load::wait_for(port);
    println!("memory at rest: {:.1} MB (the helpdesk, release build)", load::memory_mb(&child));
    (child, port)
}

fn start_bare(folder: &Path) -> (Child, u16) {
    let port = load::free_port();
    let database = folder.join("helpdesk.sqlite3").display().to_string();
    let child = Command::new(std::env::current_exe().unwrap()).args(["bare", &database, &port.to_string()]).spawn().unwrap();
    load::wait_for(port);
    (child, port)
}
