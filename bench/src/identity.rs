//! User enumeration by response time, and a flood of logins: in one process, through the whole
//! request pipeline.

use palisade::auth::{NewUser, Rank};
use palisade::password::Hasher;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Accounts of the site, so that a scan for one of them would show.
const CROWD: u32 = 300_000;
/// Requests of each kind.
const SAMPLES: u32 = 200;
const PASSWORD: &str = "correct horse battery staple";

pub async fn measure() {
    let limits = [
        ("lockout.failures", "100000"),
        ("lockout.address_failures", "100000"),
        ("lockout.account_failures", "100000"),
    ];
    let site = TestSite::production(
        App::new(),
        &[&limits[..], &[("passwords.hash_queue", "10000")]].concat(),
    )
    .await;
    for number in 0..SAMPLES {
        let (username, email) = (
            format!("known{number}"),
            format!("known{number}@example.org"),
        );
        let new = NewUser {
            username: &username,
            email: &email,
            password: PASSWORD,
            rank: Rank::Plain,
        };
        site.site().accounts().sign_up(new).await.unwrap();
    }
    crowd(&site).await;
    println!("{CROWD} accounts, {SAMPLES} requests of each kind in turn");
    println!(
        "{:<34}{:>14}{:>14}{:>12}{:>10}",
        "an attacker with a clock", "known", "unknown", "difference", "Welch's t"
    );
    compare(&site, "login, wrong password", login).await;
    compare(&site, "password reset", reset).await;
    compare(&site, "sign-up, address taken or not", sign_up).await;
    flood(&site).await;
}

/// Fills the user table. These accounts cannot log in.
async fn crowd(site: &TestSite) {
    let tx = site.site().database().handle().begin().await.unwrap();
    let rows = sql!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?) \
         INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined) \
         SELECT '!', 0, 'crowd' || n, '', '', 'crowd' || n || '@example.net', 0, 1, '2026-01-01 00:00:00' FROM numbers",
        CROWD
    );
    tx.execute_sql(rows).await.unwrap();
    tx.commit().await.unwrap();
}

type Asking = for<'a> fn(
    &'a mut Client,
    &'a str,
    &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = u16> + Send + 'a>>;

async fn post(client: &mut Client, path: &str, token: &str, fields: &[(&str, &str)]) -> u16 {
    client
        .post(path, &[fields, &[("csrfmiddlewaretoken", token)]].concat())
        .await
        .status
        .as_u16()
}

fn login<'a>(
    client: &'a mut Client,
    name: &'a str,
    token: &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = u16> + Send + 'a>> {
    Box::pin(async move {
        post(
            client,
            "/account/login",
            token,
            &[("username", name), ("password", "wrong password")],
        )
        .await
    })
}

fn reset<'a>(
    client: &'a mut Client,
    name: &'a str,
    token: &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = u16> + Send + 'a>> {
    Box::pin(async move {
        let email = format!("{name}@example.org");
        post(client, "/account/reset", token, &[("email", &email)]).await
    })
}

fn sign_up<'a>(
    client: &'a mut Client,
    name: &'a str,
    token: &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = u16> + Send + 'a>> {
    Box::pin(async move {
        let (email, username) = (format!("{name}@example.org"), format!("new{name}"));
        let fields = [
            ("username", username.as_str()),
            ("email", &email),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
        ];
        post(client, "/account/signup", token, &fields).await
    })
}

/// A client behind the proxy.
fn from(site: &TestSite, address: u32) -> Client {
    site.client()
        .with_header("x-forwarded-for", &Ipv4Addr::from_bits(address).to_string())
}

/// Sends known and unknown names alternately, the order changed with each pair, each from its own
/// address.
async fn compare(site: &TestSite, name: &str, ask: Asking) {
    let mut took = [Vec::new(), Vec::new()];
    let mut statuses = Vec::new();
    for number in 0..SAMPLES {
        for turn in 0..2 {
            let kind = ((number + turn) % 2) as usize;
            let prefix = ["known", "unknown"][kind];
            let mut client = from(site, 0x0a00_0000 + number * 2 + kind as u32);
            let token = client.get("/account/login").await.token().unwrap();
            let who = format!("{prefix}{number}");
            let began = Instant::now();
            statuses.push(ask(&mut client, &who, &token).await);
            took[kind].push(began.elapsed());
        }
    }
    statuses.dedup();
    assert_eq!(
        statuses.len(),
        1,
        "{name}: one status for all: {statuses:?}"
    );
    let [known, unknown] = took.each_ref().map(|times| median(times));
    let shown = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1000.0);
    let difference = (known.as_secs_f64() - unknown.as_secs_f64()) * 1000.0;
    println!(
        "{name:<34}{:>14}{:>14}{:>12}{:>10.2}",
        shown(known),
        shown(unknown),
        format!("{difference:+.2} ms"),
        welch(&took[0], &took[1])
    );
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

/// Welch's t: an absolute value over 4.5 shows a difference.
fn welch(one: &[Duration], other: &[Duration]) -> f64 {
    let moments = |times: &[Duration]| {
        let count = times.len() as f64;
        let mean = times.iter().map(Duration::as_secs_f64).sum::<f64>() / count;
        let variance = times
            .iter()
            .map(|time| (time.as_secs_f64() - mean).powi(2))
            .sum::<f64>()
            / (count - 1.0);
        (mean, variance / count)
    };
    let ((mean, variance), (other_mean, other_variance)) = (moments(one), moments(other));
    (mean - other_mean) / (variance + other_variance).sqrt()
}

/// Logins per second, compared with the hashes per second of the same cores.
async fn flood(site: &TestSite) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| (0..40).for_each(|_| drop(Hasher::default().hash(PASSWORD))));
        }
    });
    let raw = 40.0 * cores as f64 / began.elapsed().as_secs_f64();
    let mut tasks = tokio::task::JoinSet::new();
    let before = crate::load::memory_mb(std::process::id());
    let began = Instant::now();
    for number in 0..200u32 {
        let mut client = from(site, 0x0b00_0000 + number);
        tasks.spawn(async move {
            client
                .log_in(&format!("nobody{number}"), "wrong password")
                .await
                .status
                .as_u16()
        });
    }
    let statuses = tasks.join_all().await;
    let logins = statuses.len() as f64 / began.elapsed().as_secs_f64();
    let grown = crate::load::memory_mb(std::process::id()) - before;
    println!(
        "\n200 logins at once: {logins:.0} a second; {cores} threads that only hash: {raw:.0} a second ({:.2}); memory grew {grown:.0} MB",
        logins / raw
    );
}
