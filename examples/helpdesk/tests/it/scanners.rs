//! Tools that grade and probe web sites, on the running helpdesk.

use crate::desk::{open, staff};
use crate::perimeter::{certificate, free_address};
use crate::process::{Folder, Server, command, run};
use crate::wire::{Visitor, get, request};
use helpdesk::app;
use palisade::testing::{TestSite, ran, server};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What every page gets: no weakness, and the credit for a policy that starts from nothing (10), frames by it (5), a private referrer (5) and own resources
/// (10). More can be had only where there is more to be done well: a script with its hash, and a cookie. Five points are for the browsers' list.
const EVERY_PAGE: i64 = 130;
/// For scripts that are all checked, and for cookies as they should be.
const EACH: i64 = 5;

// D18, F058 to F063; V3.4.1, V3.4.3 to V3.4.6, V3.3.1 to V3.3.4
#[tokio::test]
async fn the_observatory_gives_its_highest_score_to_every_page() {
    let Some(observe) = server("PALISADE_TEST_OBSERVATORY") else {
        return;
    };
    let folder = Folder::new();
    certificate(&folder);
    std::fs::set_permissions(
        folder.0.join("key.pem"),
        std::fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let (database, key) = (
        format!("sqlite:{}", folder.0.join("desk.sqlite3").display()),
        palisade::crypto::KeyRing::generate(),
    );
    let site = TestSite::production(
        app(),
        &[("database.url", &database), ("keys.secret", key.expose())],
    )
    .await;
    let mut ines = staff(&site, "ines").await;
    let ticket = open(&mut ines, "It smokes", "A lot").await;
    ines.get(&format!("/tickets/{ticket}")).await;
    let cookie = format!("__Host-session={}", ines.cookies()["__Host-session"]);
    let (address, plain) = (free_address(), free_address());
    let (at, redirects) = (format!("localhost:{}", address.port()), plain.to_string());
    let variables = [
        ("PALISADE_PROFILE", "production"),
        ("PALISADE_HTTP__ALLOWED_HOSTS", "localhost"),
        ("PALISADE_HTTP__HTTPS_HOST", at.as_str()),
        ("PALISADE_TLS__CERTIFICATE", "cert.pem"),
        ("PALISADE_TLS__KEY", "key.pem"),
        ("PALISADE_TLS__REDIRECT_ADDRESS", redirects.as_str()),
        ("PALISADE_DATABASE__URL", database.as_str()),
        ("SECRET_KEY", key.expose().as_str()),
    ];
    let mut desk = command(
        &folder,
        &variables,
        &["serve", "--address", &address.to_string()],
    )
    .spawn()
    .unwrap();
    let mut greeting = String::new();
    BufReader::new(desk.stdout.take().unwrap())
        .read_line(&mut greeting)
        .unwrap();
    assert!(greeting.starts_with("Serving https://"), "{greeting}");
    let url = |path: &str| format!("https://{at}{path}");
    let graded = |cookie: Option<&str>, paths: &[String]| {
        let mut node = Command::new("node");
        node.arg(&observe)
            .args(["--http-port", &plain.port().to_string()])
            .env("NODE_EXTRA_CA_CERTS", folder.0.join("root.pem"));
        node.args(cookie.iter().flat_map(|cookie| ["--cookie", cookie]))
            .args(paths.iter().map(|path| url(path)));
        let output = node.output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let reports: Vec<serde_json::Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(
            reports.len(),
            paths.len(),
            "{lines}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        reports
    };
    let strangers = ["/", "/account/login", "/account/signup", "/nothing-here"].map(str::to_owned);
    let own = [
        "/",
        "/tickets",
        "/tickets/new",
        &format!("/tickets/{ticket}"),
        "/queue",
        "/account/password",
        "/nothing-here",
    ];
    let mut reports = graded(None, &strangers);
    reports.extend(graded(Some(&cookie), &own.map(str::to_owned)));
    let _ = desk.kill();
    let _ = desk.wait();
    for report in &reports {
        assert_eq!(report["failing"], serde_json::json!([]), "{report}");
        assert_eq!(
            report["results"]["redirection"], "redirection-to-https",
            "{report}"
        );
        assert_eq!(
            report["landed"], report["url"],
            "no other page is graded in its place: {report}"
        );
        let has = |test: &str, result: &str| i64::from(report["results"][test] == result);
        let cookies = has(
            "cookies",
            "cookies-secure-with-httponly-sessions-and-samesite",
        );
        let scripts = has(
            "subresource-integrity",
            "sri-implemented-and-all-scripts-loaded-securely",
        );
        assert_eq!(
            report["score"],
            EVERY_PAGE + EACH * (cookies + scripts),
            "{report}"
        );
        // a page without either says so, and is no page with one that is wrong
        assert!(
            cookies == 1 || has("cookies", "cookies-not-found") == 1,
            "{report}"
        );
    }
    let with = |score: i64| {
        reports
            .iter()
            .filter(|report| report["score"] == score)
            .count()
    };
    assert!(
        with(EVERY_PAGE + EACH) >= 3,
        "two pages with a script, and strangers get a cookie with a form: {reports:?}"
    );
    ran("scanners::observatory");
}

/// Methods of each path, as `routes` lists them.
fn declared(folder: &Folder) -> BTreeMap<String, Vec<String>> {
    let routes = String::from_utf8(run(folder, &[], &["routes"], "").stdout).unwrap();
    let mut declared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in routes.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let path = columns[1]
            .replace("{id}", "1")
            .replace("{key}", &"0".repeat(40))
            .replace("{*name}", "palisade.css");
        let methods = declared.entry(path).or_default();
        methods.push(columns[0].to_owned());
        if columns[0] == "GET" {
            methods.push("HEAD".to_owned());
        }
        methods.sort();
    }
    declared
}

// F003, F004; V13.4.4, V13.4.6
#[test]
fn nmap_finds_the_declared_methods_and_no_others() {
    let Some(nmap) = server("PALISADE_TEST_NMAP") else {
        return;
    };
    let folder = Folder::new();
    let desk = Server::start(&folder, &[]);
    let port = desk.address.port().to_string();
    let scanned = |scripts: &str, arguments: &str| {
        let mut scan = Command::new(&nmap);
        scan.args([
            "-Pn",
            "-n",
            "-sT",
            "-p",
            &port,
            "-oX",
            "-",
            "--script",
            scripts,
            "--script-args",
            arguments,
            "127.0.0.1",
        ]);
        String::from_utf8(scan.output().unwrap().stdout).unwrap()
    };
    let mut paths = declared(&folder);
    // the pages of the admin have one rule
    paths.retain(|path, _| !path.starts_with("/admin-") || path.matches('/').count() == 1);
    assert!(paths.len() > 12, "{paths:?}");
    for (path, methods) in &paths {
        let arguments = format!(
            "http-methods.test-all=true,http-methods.url-path={path},http-put.url={path}.put,http-put.file=/etc/hostname"
        );
        let report = scanned(
            "+http-methods,+http-trace,+http-server-header,+http-put",
            &arguments,
        );
        assert!(
            report.contains("state=\"open\"") && report.contains("could not be created"),
            "{path}: {report}"
        );
        for found in [
            "id=\"http-trace\"",
            "id=\"http-server-header\"",
            "was successfully created",
        ] {
            assert!(!report.contains(found), "{path}: {report}");
        }
        // to nmap, a page that is hidden in every method has them all
        if get(desk.address, path).status == 404 {
            assert!(
                [
                    "/queue",
                    "/admin-",
                    "/account/locks",
                    "/health/detail",
                    "/openapi.json",
                    "/uploaded/",
                    "/.well-known/security.txt"
                ]
                .iter()
                .any(|hidden| path.starts_with(hidden)),
                "{path}"
            );
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                let status = request(desk.address, method, path, &[], "").status;
                assert!(
                    status == 404
                        || (status == 405
                            && (path.ends_with(".txt") || path.starts_with("/uploaded/"))),
                    "{method} {path}: {status}"
                );
            }
            continue;
        }
        let listed = report
            .split_once("Supported Methods: ")
            .map_or("", |(_, rest)| rest.split(['&', '"', '\n']).next().unwrap());
        let mut found: Vec<&str> = listed.split_whitespace().collect();
        found.sort_unstable();
        assert_eq!(found, *methods, "{path}: {report}");
    }
    // files and folders that people forget on servers
    let report = scanned(
        "+http-enum,+http-git,+http-svn-enum",
        "http-enum.displayall=false",
    );
    for script in ["http-git", "http-svn-enum"] {
        assert!(!report.contains(&format!("id=\"{script}\"")), "{report}");
    }
    // to nmap, an address that is refused (400) is one that may be there
    let (_, enumerated) = report
        .split_once("id=\"http-enum\" output=\"")
        .unwrap_or_default();
    let found: Vec<&str> = enumerated
        .split('"')
        .next()
        .unwrap_or_default()
        .split("&#xa;")
        .filter(|line| line.contains('/'))
        .collect();
    assert!(
        found.iter().all(|line| line.ends_with("(400 Bad Request)")),
        "{found:?}"
    );
    ran("scanners::nmap");
}

// F087; ASVS 6.3.1: an attack tool with the right password in its list, past the limit
#[test]
fn hydra_does_not_find_the_password() {
    let Some(hydra) = server("PALISADE_TEST_HYDRA") else {
        return;
    };
    let folder = Folder::new();
    let desk = Server::start(&folder, &[]);
    let mut ann = Visitor::new(desk.address);
    ann.sign_up(&desk, "ann");
    let words: Vec<String> = (0..60)
        .map(|number| format!("summer-of-the-year-{number}"))
        .chain(["correct horse battery staple".into()])
        .collect();
    std::fs::write(folder.0.join("words"), words.join("\n")).unwrap();
    let mut attacker = Visitor::new(desk.address);
    let token = attacker
        .get("/account/login")
        .hidden_field("csrfmiddlewaretoken")
        .unwrap()
        .to_owned();
    let cookies: Vec<String> = attacker
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    // a login answers with a redirect, everything else with the form again, or with 429
    let form = format!(
        "/account/login:username=^USER^&password=^PASS^&csrfmiddlewaretoken={token}:H=Cookie\\: {}:H=Origin\\: http\\://{}:S=location\\: /tickets",
        cookies.join("; "),
        desk.address.to_string().replace(':', "\\:")
    );
    let output = Command::new(&hydra)
        .args(["-I", "-l", "ann", "-t", "4", "-P"])
        .arg(folder.0.join("words"))
        .args([
            "-s",
            &desk.address.port().to_string(),
            "127.0.0.1",
            "http-post-form",
            &form,
        ])
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("61 login tries"), "{said}");
    assert!(!said.contains("password: "), "found: {said}");
    // the owner's browser still gets in, from the same address
    ann.submit("/tickets", "/account/logout", &[]);
    let login = [
        ("username", "ann"),
        ("password", "correct horse battery staple"),
    ];
    assert_eq!(
        ann.submit("/account/login", "/account/login", &login)
            .status,
        303
    );
    let listed = run(
        &folder,
        &[],
        &["lockout", "list", "--containing", "ann"],
        "",
    );
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(
        listed.contains("name and address") && listed.contains("127.0.0.1"),
        "{listed}{said}{}",
        desk.stop()
    );
    assert!(
        String::from_utf8(run(&folder, &[], &["lockout", "clear", "--user", "ann"], "").stdout)
            .unwrap()
            .contains("lifted 1 lock")
    );
    let mut stranger = Visitor::new(desk.address);
    assert_eq!(
        stranger
            .submit("/account/login", "/account/login", &login)
            .status,
        303,
        "the lock is lifted in the running server"
    );
    let log = desk.stop();
    let judged = log.matches("event.action=\"login_failed\"").count();
    println!("hydra: 61 tries, {judged} judged");
    assert!(
        (5..=10).contains(&judged) && log.contains("event.action=\"locked\""),
        "{judged} judged"
    );
    ran("scanners::hydra");
}
