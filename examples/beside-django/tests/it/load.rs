//! Both programs write sessions, users and posts at once, for a minute.

use super::browser::Browser;
use super::pair::{PASSWORD, Pair, VARIANTS};
use palisade::testing;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Tally {
    requests: AtomicUsize,
    logins: AtomicUsize,
    posts: AtomicUsize,
    passwords: AtomicUsize,
    faults: AtomicUsize,
}

impl Tally {
    fn count(&self, status: http::StatusCode, what: &str) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if status.is_server_error() {
            println!("{what}: {status}");
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn all(&self) -> [usize; 5] {
        [
            &self.requests,
            &self.logins,
            &self.posts,
            &self.passwords,
            &self.faults,
        ]
        .map(|number| number.load(Ordering::Relaxed))
    }
}

/// Comes, writes on both sides, changes the password now and then, and goes; says which password is the last one.
async fn visitor(pair: &Pair, name: &str, tally: &Tally, until: Instant) -> String {
    let front = &pair.front;
    let mut password = PASSWORD.to_owned();
    let mut round = name.len() + usize::from(name.as_bytes()[0]);
    while Instant::now() < until {
        round += 1;
        let mut browser = Browser::new();
        let login = format!(
            "{front}{}",
            if round.is_multiple_of(2) {
                "/account/login"
            } else {
                "/accounts/login/"
            }
        );
        let answer = browser
            .submit(
                &login,
                &login,
                &[("username", name), ("password", &password)],
            )
            .await;
        tally.count(answer.status, &login);
        assert!(
            answer.status.is_redirection(),
            "{name} logs in with the last password that was taken: {} {}",
            answer.status,
            answer.body
        );
        tally.logins.fetch_add(1, Ordering::Relaxed);
        for step in 0..10 {
            let action = format!(
                "{front}{}",
                if step % 2 == 0 {
                    "/latest/1/answer"
                } else {
                    "/topics/1/"
                }
            );
            let answer = browser
                .submit(
                    &action,
                    &action,
                    &[("text", &format!("{name} {round} {step}"))],
                )
                .await;
            tally.count(answer.status, &action);
            if answer.status.is_redirection() && !answer.header("location").contains("login") {
                tally.posts.fetch_add(1, Ordering::Relaxed);
            }
            for path in ["/latest", "/me.json", "/account/sessions"] {
                tally.count(browser.get(&format!("{front}{path}")).await.status, path);
            }
            let (here, there) = pair.seen(&mut browser).await;
            assert_eq!((here.as_str(), there.as_str()), (name, name));
        }
        let new = format!("a passphrase of {name} in round {round}");
        let (page, fields) = if round.is_multiple_of(3) {
            (
                "/account/password",
                [
                    ("current_password", password.as_str()),
                    ("new_password", &new),
                    ("new_password_again", &new),
                ],
            )
        } else {
            (
                "/accounts/password_change/",
                [
                    ("old_password", password.as_str()),
                    ("new_password1", &new),
                    ("new_password2", &new),
                ],
            )
        };
        let page = format!("{front}{page}");
        let answer = browser.submit(&page, &page, &fields).await;
        tally.count(answer.status, &page);
        if answer.status.is_redirection() {
            password = new;
            tally.passwords.fetch_add(1, Ordering::Relaxed);
        }
    }
    password
}

async fn a_minute(pair: Pair) {
    let (tally, until) = (Tally::default(), Instant::now() + MINUTE);
    let count = || {
        pair.ask_django("__import__('forum.models').models.Post.objects.count()")
            .parse::<usize>()
            .unwrap()
    };
    let before = count();
    let [a, b, c, d, e, f] =
        ["ann", "bob", "cid", "dot", "eve", "fay"].map(|name| visitor(&pair, name, &tally, until));
    let (a, b, c, d, e, f) = tokio::join!(a, b, c, d, e, f);
    let [requests, logins, posts, passwords, faults] = tally.all();
    assert_eq!(faults, 0, "no error of ours or Django's reaches a visitor");
    assert_eq!(
        count() - before,
        posts,
        "every post that was taken is there"
    );
    for (name, password) in [
        ("ann", a),
        ("bob", b),
        ("cid", c),
        ("dot", d),
        ("eve", e),
        ("fay", f),
    ] {
        assert!(
            pair.log_in_here(&mut Browser::new(), name, &password).await,
            "{name}: the last password that was taken holds here"
        );
        assert!(
            pair.log_in_there(&mut Browser::new(), name, &password)
                .await,
            "{name}: and there"
        );
    }
    let log = pair.log();
    assert!(
        !log.contains("database is locked") && !log.contains("ERROR"),
        "{log}"
    );
    assert!(
        logins > 5 && posts > 50 && passwords > 5,
        "{:?}",
        tally.all()
    );
    let kind = if pair.variant.postgres {
        "PostgreSQL"
    } else {
        "SQLite"
    };
    testing::ran(&format!(
        "a minute of both on {kind}: {requests} changes and pages, {logins} logins, {posts} posts, {passwords} passwords, no fault"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_write_for_a_minute_on_sqlite() {
    let Some(pair) = Pair::start(VARIANTS[0]) else {
        return;
    };
    a_minute(pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_write_for_a_minute_on_postgres() {
    let Some(pair) = Pair::start(VARIANTS[2]) else {
        return;
    };
    a_minute(pair).await;
}
