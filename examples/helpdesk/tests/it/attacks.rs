//! The mistakes of other frameworks, tried on the running helpdesk.

use crate::process::{Folder, Server, run};
use crate::wire::{Reply, Visitor, request};
use std::time::{Duration, Instant};

pub const PASSWORD: &str = "correct horse battery staple";
const FORM: &str = "application/x-www-form-urlencoded";

/// A running helpdesk with `ann`, who has a ticket.
pub fn desk(variables: &[(&str, &str)]) -> (Folder, Server, Visitor) {
    let folder = Folder::new();
    let server = Server::start(&folder, variables);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    assert_eq!(
        ann.submit(
            "/tickets/new",
            "/tickets",
            &[("subject", "Mine"), ("body", "x")]
        )
        .status,
        303
    );
    (folder, server, ann)
}

/// Sends a request as ann's browser would if another site made it.
fn forged(ann: &Visitor, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let cookies: Vec<String> = ann
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let cookies = cookies.join("; ");
    let all = [
        &[("Cookie", cookies.as_str()), ("Content-Type", FORM)],
        headers,
    ]
    .concat();
    request(ann.address, method, path, &all, body)
}

// D01, D02, D04, D05
#[test]
fn no_method_and_no_form_is_without_protection() {
    let (folder, server, mut ann) = desk(&[]);
    let routes = String::from_utf8(run(&folder, &[], &["routes"], "").stdout).unwrap();
    let mut tried = 0;
    for line in routes.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (method, path) = (columns[0], columns[1].replace("{id}", "1"));
        // a reported token is its own authority
        if method == "GET" || path == "/account/tokens/found" {
            continue;
        }
        tried += 1;
        for headers in [
            &[][..],
            &[("Origin", "https://evil.example")],
            &[("Sec-Fetch-Site", "same-site")],
            &[("Sec-Fetch-Site", "cross-site")],
        ] {
            let reply = forged(
                &ann,
                method,
                &path,
                headers,
                "subject=forged&body=forged&status=closed&version=1&username=eve&password=x",
            );
            // a staff page is not even there
            let expected = if line.contains("staff") { 404 } else { 403 };
            assert_eq!(reply.status, expected, "{method} {path} with {headers:?}");
        }
    }
    assert!(tried >= 7, "{routes}");
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "FORGE"] {
        let reply = forged(&ann, method, "/tickets", &[], "subject=forged&body=forged");
        assert!(
            matches!(reply.status, 403 | 405 | 501),
            "{method}: {}",
            reply.status
        );
    }
    assert!(
        ann.get("/tickets").body.matches("<tr>").count() == 2
            && ann.get("/tickets/1").body.contains("badge open"),
        "nothing happened"
    );
    let log = server.stop();
    assert!(
        log.matches("event.action=\"csrf_refused\"").count()
            + log.matches("event.action=\"access_denied\"").count()
            >= tried * 4,
        "each was recorded"
    );
}

// D06, D29; ASVS 6.3.8
#[test]
fn known_and_unknown_names_get_one_answer() {
    // limits too high to be reached, so that every guess is verified
    let limits = ["FAILURES", "ADDRESS_FAILURES", "ACCOUNT_FAILURES"]
        .map(|name| (format!("PALISADE_LOCKOUT__{name}"), "1000"));
    let (folder, server, _) = desk(
        &limits
            .each_ref()
            .map(|(name, value)| (name.as_str(), *value)),
    );
    run(
        &folder,
        &[],
        &[
            "user",
            "create",
            "ines",
            "--email",
            "ines@example.org",
            "--staff",
        ],
        PASSWORD,
    );
    let mut visitor = Visitor::new(server.address);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut answers = Vec::new();
    for _ in 0..12 {
        for (index, name) in ["ann", "ines", "nobody"].into_iter().enumerate() {
            visitor.cookies.clear();
            let page = visitor.get("/account/login");
            let token = page.hidden_field("csrfmiddlewaretoken").unwrap().to_owned();
            let started = Instant::now();
            let reply = forged(
                &visitor,
                "POST",
                "/account/login",
                &[],
                &format!("username={name}&password=wrong-password&csrfmiddlewaretoken={token}"),
            );
            times[index].push(started.elapsed());
            let body = reply
                .body
                .replace(name, "")
                .replace(reply.hidden_field("csrfmiddlewaretoken").unwrap_or("-"), "");
            answers.push((reply.status, body));
        }
    }
    assert!(
        answers
            .iter()
            .all(|answer| answer == &answers[0] && answer.0 == 422),
        "{:?}",
        answers[0]
    );
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1000.0
    };
    let medians = times.each_mut().map(median);
    println!(
        "a failed login takes {medians:.1?} ms for a customer, for staff, for an unknown name"
    );
}

// D14
#[test]
fn a_flood_of_logins_is_refused_and_the_desk_goes_on() {
    let (_folder, server, mut ann) = desk(&[
        ("PALISADE_PASSWORDS__HASH_JOBS", "1"),
        ("PALISADE_PASSWORDS__HASH_QUEUE", "4"),
    ]);
    let mut visitor = Visitor::new(server.address);
    let token = visitor
        .get("/account/login")
        .hidden_field("csrfmiddlewaretoken")
        .unwrap()
        .to_owned();
    let before = server.memory_kilobytes();
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let send = |number| {
            let fields =
                format!("username=nobody{number}&password=wrong&csrfmiddlewaretoken={token}");
            forged(&visitor, "POST", "/account/login", &[], &fields)
        };
        let flood: Vec<_> = (0..80)
            .map(|number| scope.spawn(move || send(number)))
            .collect();
        let started = Instant::now();
        assert_eq!(ann.get("/tickets").status, 200, "other pages answer");
        println!("a page took {:?} in the flood", started.elapsed());
        flood
            .into_iter()
            .map(|reply| reply.join().unwrap())
            .collect()
    });
    let busy: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 503).collect();
    assert!(
        !busy.is_empty() && busy.iter().all(|reply| reply.header("retry-after") == "5"),
        "the overflow is told to come back"
    );
    assert!(
        replies
            .iter()
            .all(|reply| matches!(reply.status, 422 | 503))
    );
    let grown = server.memory_kilobytes().saturating_sub(before);
    println!("the flood grew the process by {grown} KB");
    assert!(
        grown < 200_000,
        "memory is bounded by the hashes that run at once, not by those that wait: {grown} KB"
    );
}

// D20, D21, D26, D27
#[test]
fn sessions_change_are_private_and_leave_no_trace() {
    let (folder, server, mut ann) = desk(&[]);
    let session = |visitor: &Visitor| {
        visitor
            .cookies
            .iter()
            .find(|(name, _)| name == "session")
            .unwrap()
            .1
            .clone()
    };
    let first = session(&ann);
    assert_eq!(
        ann.submit(
            "/tickets/new",
            "/account/login",
            &[("username", "ann"), ("password", PASSWORD)]
        )
        .status,
        303,
        "again"
    );
    let second = session(&ann);
    assert_ne!(first, second);
    let old = request(
        server.address,
        "GET",
        "/tickets",
        &[("Cookie", &format!("session={first}"))],
        "",
    );
    assert_eq!(
        (old.status, old.header("cache-control")),
        (303, "no-store"),
        "the old key is dead"
    );
    let mine = ann.get("/tickets/1");
    assert_eq!(
        (mine.header("cache-control"), mine.header("vary")),
        ("no-store", "Cookie")
    );
    for tampered in [
        format!("{second}x"),
        second[1..].to_owned(),
        format!("{}\"", &second[..42]),
        second.to_lowercase() + "A",
    ] {
        let reply = request(
            server.address,
            "GET",
            "/tickets",
            &[("Cookie", &format!("session={tampered}"))],
            "",
        );
        assert_eq!(reply.status, 303, "{tampered}");
    }
    let moved = request(
        server.address,
        "GET",
        "/tickets",
        &[("Cookie", &format!("forms={second}"))],
        "",
    );
    assert_eq!(
        moved.status, 303,
        "a value under another cookie's name is nothing"
    );
    let log = server.stop();
    for secret in [PASSWORD, &first, &second, "argon2$"] {
        assert!(!log.contains(secret), "the log holds {secret}");
        let holds = |path: std::path::PathBuf| {
            std::fs::read(path)
                .unwrap()
                .windows(secret.len())
                .any(|window| window == secret.as_bytes())
        };
        let stored = std::fs::read_dir(&folder.0)
            .unwrap()
            .any(|entry| holds(entry.unwrap().path()));
        assert_eq!(
            stored,
            secret == "argon2$",
            "only the hash of a password is stored, and of a key: {secret}"
        );
    }
}
