use crate::process::{Folder, Server, run};
use crate::wire::{Visitor, get, request};
use palisade::sea_orm::ConnectionTrait;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

// the README's first command, as a newcomer meets it
#[test]
fn a_newcomer_signs_up_and_becomes_the_administrator() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    assert!(
        server.greeting.contains("development profile"),
        "{}",
        server.greeting
    );
    let mut visitor = Visitor::new(server.address);
    visitor.sign_up(&server, "ann");
    let opened = visitor.submit(
        "/tickets/new",
        "/tickets",
        &[("subject", "It smokes"), ("body", "A lot.")],
    );
    assert_eq!(
        (opened.status, opened.header("location")),
        (303, "/tickets/1")
    );
    assert!(visitor.get("/tickets/1").body.contains("It smokes"));
    let made = run(
        &folder,
        &[],
        &[
            "user",
            "create",
            "boss",
            "--email",
            "boss@example.org",
            "--superuser",
        ],
        "correct horse battery staple\n",
    );
    assert!(made.status.success(), "{}", text(&made.stderr));
    let weak = run(
        &folder,
        &[],
        &["user", "create", "weak", "--email", "w@example.org"],
        "123456\n",
    );
    assert!(
        !weak.status.success() && text(&weak.stderr).contains("at least 12 characters"),
        "{}",
        text(&weak.stderr)
    );
    let list = text(&run(&folder, &[], &["user", "list"], "").stdout);
    assert!(
        list.contains("superuser") && list.contains("ann@example.org") && !list.contains("argon2"),
        "{list}"
    );
    let mut boss = Visitor::new(server.address);
    let login = [
        ("username", "boss"),
        ("password", "correct horse battery staple"),
    ];
    assert_eq!(
        boss.submit("/account/login", "/account/login", &login)
            .status,
        303
    );
    boss.add_factor();
    assert!(boss.get("/queue").body.contains("It smokes"));
    assert_eq!(visitor.get("/queue").status, 404);
    let changed = run(
        &folder,
        &[],
        &["user", "password", "ann"],
        "another fine long phrase\n",
    );
    assert!(changed.status.success());
    assert_eq!(visitor.get("/tickets").status, 303, "her sessions ended");
    let log = server.stop();
    assert!(
        log.contains("event.action=\"signup\"")
            && log.contains("event.action=\"login\"")
            && !log.contains("correct horse"),
        "{log}"
    );
}

// F102
#[test]
fn keys_rotate_and_nobody_is_signed_out() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut visitor = Visitor::new(server.address);
    visitor.sign_up(&server, "ann");
    server.stop();
    let rotated = run(&folder, &[], &["keys", "rotate"], "");
    assert!(
        rotated.status.success() && text(&rotated.stdout).contains("2 key(s)"),
        "{}",
        text(&rotated.stdout)
    );
    let server = Server::start(&folder, &[]);
    visitor.address = server.address;
    assert_eq!(visitor.get("/tickets").status, 200);
    assert!(
        !run(&folder, &[], &["keys", "new"], "").status.success(),
        "an existing ring is not replaced"
    );
    assert!(
        !folder.0.join("data.keys").exists(),
        "a site without encrypted columns needs no key for them"
    );
}

// D08, D17; F020
#[test]
fn production_says_what_is_missing_and_starts_when_nothing_is() {
    let folder = Folder::new();
    let profile = ("PALISADE_PROFILE", "production");
    let refused = run(
        &folder,
        &[profile],
        &["serve", "--address", "127.0.0.1:0"],
        "",
    );
    let said = text(&refused.stderr);
    assert!(!refused.status.success());
    for part in [
        "there is no secret key",
        "no host is allowed",
        "fix: run `keys new`",
        "TLS is not terminated",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(
        std::fs::read_dir(&folder.0).unwrap().next().is_none(),
        "production invents no key and makes no file"
    );
    let check = run(&folder, &[profile], &["check", "--deploy", "--json"], "");
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    let ids: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding["django"].as_str())
        .collect();
    assert!(
        check.status.code() == Some(1)
            && ids.contains(&"security.W009")
            && ids.contains(&"security.W020"),
        "{report}"
    );
    let typo = run(
        &folder,
        &[profile, ("PALISADE_HTTP__ALLOWED_HOST", "x")],
        &["check"],
        "",
    );
    assert!(
        !typo.status.success() && text(&typo.stdout).contains("did you mean http.allowed_hosts?"),
        "{}",
        text(&typo.stdout)
    );

    assert!(
        run(&folder, &[profile], &["keys", "new"], "")
            .status
            .success()
    );
    let fine = [
        profile,
        ("PALISADE_HTTP__ALLOWED_HOSTS", "desk.example.org"),
        ("PALISADE_HTTP__TRUSTED_PROXIES", "127.0.0.1/32"),
    ];
    let plan = text(&run(&folder, &fine, &["migrate", "--plan"], "").stdout);
    assert!(
        plan.contains("would run: helpdesk_0001_tickets")
            && !folder.0.join("helpdesk.sqlite3").exists(),
        "a plan makes no file: {plan}"
    );
    assert!(
        text(&run(&folder, &fine, &["serve", "--address", "127.0.0.1:0"], "").stderr)
            .contains("run `migrate`")
    );
    assert!(run(&folder, &fine, &["migrate"], "").status.success());
    assert!(text(&run(&folder, &fine, &["migrate"], "").stdout).contains("nothing to do"));
    let check = run(&folder, &fine, &["check", "--deploy"], "");
    assert!(
        check.status.success(),
        "{}{}",
        text(&check.stdout),
        text(&check.stderr)
    );
    let server = Server::start(&folder, &fine);
    let headers = [("Host", "desk.example.org"), ("X-Forwarded-Proto", "https")];
    let page = request(server.address, "GET", "/", &headers, "");
    assert_eq!(
        (page.status, page.header("strict-transport-security")),
        (200, "max-age=31536000; includeSubDomains")
    );
    assert_eq!(get(server.address, "/").status, 400, "another host");
    assert_eq!(
        request(server.address, "GET", "/", &headers[..1], "").status,
        301,
        "plain HTTP"
    );
}

#[test]
fn commands_explain_themselves() {
    let folder = Folder::new();
    let routes = text(&run(&folder, &[], &["routes"], "").stdout);
    for part in [
        "METHOD",
        "/queue",
        "staff",
        "/tickets/{id}",
        "token",
        "src/lib.rs:",
        "helpdesk::tickets::show",
    ] {
        assert!(routes.contains(part), "{part} in {routes}");
    }
    let settings = text(
        &run(
            &folder,
            &[("DATABASE_URL", "postgres://u:hunter2@127.0.0.1/x")],
            &["settings"],
            "",
        )
        .stdout,
    );
    assert!(
        settings.contains("postgres://u:***@127.0.0.1/x")
            && settings.contains("environment, DATABASE_URL")
            && !settings.contains("hunter2")
    );
    let help = text(&run(&folder, &[], &["--help"], "").stdout);
    for command in [
        "serve", "check", "migrate", "routes", "settings", "user", "lockout", "keys", "seed",
    ] {
        assert!(help.contains(command), "{command} in {help}");
    }
    let open = run(&folder, &[], &["serve", "--address", "0.0.0.0:0"], "");
    assert!(
        !open.status.success() && text(&open.stderr).contains("PALISADE_PROFILE=staging"),
        "{}",
        text(&open.stderr)
    );
    let junk = run(&folder, &[], &["serve", "--address", "nowhere"], "");
    assert!(
        text(&junk.stderr).contains("server.address (command line, --address): \"nowhere\""),
        "{}",
        text(&junk.stderr)
    );
}

#[test]
fn seeding_fills_the_desk_once() {
    let folder = Folder::new();
    let seeded = text(&run(&folder, &[], &["seed"], "").stdout);
    assert!(seeded.contains("32 tickets"), "{seeded}");
    assert!(text(&run(&folder, &[], &["seed"], "").stdout).contains("nothing was added"));
    let password = seeded.trim().rsplit(' ').next().unwrap();
    let server = Server::start(&folder, &[]);
    let mut staff = Visitor::new(server.address);
    assert_eq!(
        staff
            .submit(
                "/account/login",
                "/account/login",
                &[("username", "desk.ines"), ("password", password)]
            )
            .status,
        303
    );
    staff.add_factor();
    let queue = staff.get("/queue").body;
    assert!(
        queue.contains("Next page") && queue.contains("&lt;b&gt;") && !queue.contains("<b>"),
        "{queue}"
    );
    assert!(staff.get("/queue?page=2").body.contains("Previous page"));
}

// ASVS 1.4.3
#[test]
fn requests_leave_nothing_behind_in_memory() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("RUST_LOG", "warn")]);
    let mut visitor = Visitor::new(server.address);
    visitor.sign_up(&server, "ann");
    let mut kilobytes = Vec::new();
    for _ in 0..2 {
        for _ in 0..1500 {
            assert_eq!(visitor.get("/tickets/new").status, 200);
        }
        kilobytes.push(server.memory_kilobytes());
    }
    let grown = kilobytes[1].saturating_sub(kilobytes[0]);
    println!(
        "1500 requests grew the process by {grown} KB, from {} KB",
        kilobytes[0]
    );
    assert!(
        grown < 500,
        "a few hundred bytes a request would be a leak: {kilobytes:?}"
    );
}

// DATABASE_URL, as in Django projects
#[test]
fn the_helpdesk_runs_on_postgres_by_url() {
    let Some(url) = palisade::testing::server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let name = format!(
        "palisade_test_{}",
        palisade::crypto::random::alphanumeric(12)
            .expose()
            .to_lowercase()
    );
    let made = std::process::Command::new("psql")
        .args([&url, "-qc", &format!("CREATE DATABASE {name}")])
        .status();
    assert!(made.unwrap().success(), "psql makes a database");
    let own = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
    let folder = Folder::new();
    let server = Server::start(&folder, &[("DATABASE_URL", &own)]);
    let mut visitor = Visitor::new(server.address);
    visitor.sign_up(&server, "ann");
    let opened = visitor.submit(
        "/tickets/new",
        "/tickets",
        &[("subject", "On PostgreSQL"), ("body", "It works.")],
    );
    assert_eq!(opened.header("location"), "/tickets/1");
    assert!(
        visitor
            .get("/tickets?q=postgres")
            .body
            .contains("On PostgreSQL")
    );
    assert!(!folder.0.join("helpdesk.sqlite3").exists());
    palisade::testing::ran("the helpdesk on PostgreSQL");
}

// F056: what a reviewer of templates looks at first
#[test]
fn check_lists_the_places_that_are_not_text() {
    let folder = Folder::new();
    let listed = text(&run(&folder, &[], &["check", "--templates"], "").stdout);
    assert!(
        listed.starts_with("PLACE") && listed.contains("tickets/show.html:18:38"),
        "{listed}"
    );
    assert!(
        listed.contains("ticket.id")
            && listed.contains("the path of a URL in the \"-quoted attribute action"),
        "{listed}"
    );
    assert!(
        !listed.contains("ticket.body"),
        "HTML text is not listed: {listed}"
    );
    let json: serde_json::Value =
        serde_json::from_slice(&run(&folder, &[], &["check", "--templates", "--json"], "").stdout)
            .unwrap();
    assert!(
        json.as_array().unwrap().len() > 40 && json[0]["line"].as_u64().is_some(),
        "{json}"
    );
}

// F092 F111 F112: an operator stops changes, blocks a request and freezes an account of the running site
#[test]
fn an_operator_contains_an_incident_by_commands() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    let incident = |arguments: &[&str]| {
        let output = run(&folder, &[], &[&["incident"], arguments].concat(), "");
        let said = text(&output.stdout) + &text(&output.stderr);
        (output.status.success(), said)
    };
    let because = ["--reason", "the contact form is attacked"];
    assert!(incident(&[&["open", "contact"], &because[..]].concat()).0);
    let ticket = [("subject", "It smokes"), ("body", "really")];
    let (is_done, said) = incident(&[&["read-only", "on"], &because[..]].concat());
    assert!(
        is_done && said.contains("read-only, on 1 running instance"),
        "{said}"
    );
    assert_eq!(ann.get("/tickets").status, 200);
    assert_eq!(ann.submit("/tickets/new", "/tickets", &ticket).status, 503);
    assert!(!ann.get("/tickets").body.contains("It smokes"));
    let (is_done, said) = incident(&[&["read-only", "off"], &because[..]].concat());
    assert!(is_done && said.contains("ended 1 measure"), "{said}");
    assert_eq!(ann.submit("/tickets/new", "/tickets", &ticket).status, 303);

    let block = [
        "block",
        "--path",
        "/tickets/{id}",
        "--parameter",
        "x",
        "--until",
        "2200-01-01",
    ];
    let (is_done, said) = incident(&[&block[..], &because[..]].concat());
    assert!(
        is_done && said.contains("blocked on 1 running instance"),
        "{said}"
    );
    assert_eq!(ann.get("/tickets/1?x=1").status, 403);
    assert_eq!(ann.get("/tickets/1").status, 200);
    for wrong in [
        vec!["block", "--until", "2200-01-01", "--reason", "x"],
        vec![
            "block",
            "--path",
            "tickets",
            "--until",
            "2200-01-01",
            "--reason",
            "x",
        ],
        vec![
            "block",
            "--path",
            "/x",
            "--until",
            "2001-01-01",
            "--reason",
            "x",
        ],
        vec!["block", "--path", "/x", "--until", "2200-01-01"],
        vec!["pause", "everything", "--reason", "x"],
        vec!["freeze", "unknown", "--reason", "x"],
    ] {
        assert!(!incident(&wrong).0, "{wrong:?}");
    }
    let (is_done, said) = incident(&[&["freeze", "ann"], &because[..]].concat());
    assert!(is_done && said.contains("ann is frozen"), "{said}");
    assert_eq!(ann.get("/tickets").status, 303, "her sessions have ended");
    let (_, said) = incident(&["status"]);
    assert!(
        said.contains("1 of 1 running instance(s) have applied this") && said.contains("contact"),
        "{said}"
    );
    // bob's session ends with those of his network; a canary and a frozen account outlive the incident
    let mut bob = Visitor::new(server.address);
    bob.sign_up(&server, "bob");
    assert_eq!(bob.get("/account").status, 200);
    let (_, said) = incident(&[&["revoke", "--network", "192.0.2.0/24"], &because[..]].concat());
    assert!(said.contains("no login matches"), "{said}");
    assert_eq!(bob.get("/account").status, 200);
    let (is_done, said) = incident(&[&["revoke", "--network", "127.0.0.1"], &because[..]].concat());
    assert!(
        is_done && said.contains("of 1 account(s) have ended"),
        "{said}"
    );
    assert_eq!(bob.get("/account").status, 303);
    let login = [
        ("username", "bob"),
        ("password", "correct horse battery staple"),
    ];
    assert_eq!(
        bob.submit("/account/login", "/account/login", &login)
            .status,
        303
    );
    assert_eq!(bob.get("/account").status, 200);
    let (is_done, said) = incident(&[&["revoke", "--since", "2199-01-01"], &because[..]].concat());
    assert!(is_done && said.contains("no login matches"), "{said}");
    let (is_done, said) = incident(&[&["revoke", "--all"], &because[..]].concat());
    assert!(is_done && said.contains("have ended"), "{said}");
    assert_eq!(bob.get("/account").status, 303);
    for wrong in [
        vec!["revoke", "--reason", "x"],
        vec!["revoke", "--all", "--user", "bob", "--reason", "x"],
    ] {
        assert!(!incident(&wrong).0, "{wrong:?}");
    }
    let (is_done, said) = incident(&[&["canary", "backup-admin"], &because[..]].concat());
    assert!(
        is_done && said.contains("is watched on 1 running"),
        "{said}"
    );
    let (_, said) = incident(&["plan"]);
    assert!(
        said.starts_with("# Incidents of ") && said.contains("within 72 hours"),
        "{said}"
    );
    let (is_done, said) = incident(&["drill"]);
    assert!(is_done && said.ends_with("Open: nothing\n"), "{said}");
    assert!(!incident(&["close"]).0, "a block holds");
    assert!(incident(&["close", "--end-measures"]).0);
    let (_, said) = incident(&["status"]);
    assert!(
        said.contains("backup-admin") && said.contains("freeze"),
        "{said}"
    );
    let opened = run(&folder, &[], &["user", "open", "ann"], "");
    assert!(opened.status.success());
    assert!(!incident(&["status"]).1.contains("freeze"));
    let (is_done, said) = incident(&[&["rotate-keys"], &because[..]].concat());
    assert!(is_done && said.contains("This ended nothing"), "{said}");
    let listed = run(
        &folder,
        &[],
        &["audit", "list", "--event", "posture_changed"],
        "",
    );
    let listed = text(&listed.stdout);
    assert!(
        listed.contains("the contact form is attacked") && listed.contains("end of block"),
        "{listed}"
    );
    server.stop();
}

// V16.2.2 V16.2.4 V16.4.1: one object for each line, with UTC times, for any input
#[test]
fn a_json_line_is_one_object_with_the_names_of_ecs() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[("PALISADE_SITE__LOG_FORMAT", "json")]);
    let agent = [("User-Agent", "x\"}\t{\"event.action\":\"login\" <!channel>")];
    let path = "/queue%0d%0a%1b[2J";
    request(server.address, "GET", path, &agent, "");
    request(server.address, "GET", "/queue", &agent, "");
    let log = server.stop();
    let mut denied = 0;
    for line in log.lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let time = line["@timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok());
        for name in ["log.level", "log.logger", "ecs.version"] {
            assert!(line[name].is_string(), "{name} in {line}");
        }
        if line["event.action"] == "access_denied" {
            denied += 1;
            assert_eq!(line["event.code"], "authz_fail");
            assert_eq!(line["event.outcome"], "failure");
            assert_eq!(line["source.ip"], "127.0.0.1");
            assert_eq!(line["http.route"], "/queue");
        }
        assert_ne!(line["event.action"], "login");
    }
    assert_eq!(denied, 1, "{log}");
    assert!(log.contains("\"event.action\":\"checkpoint\""), "{log}");
}

// V16.2.1: all log lines of a request have its id
#[test]
fn every_line_of_the_log_says_which_request_it_belongs_to() {
    for format in ["json", "text"] {
        let folder = Folder::new();
        let server = Server::start(&folder, &[("PALISADE_SITE__LOG_FORMAT", format)]);
        let id = get(server.address, "/nowhere")
            .header("x-request-id")
            .to_owned();
        let log = server.stop();
        let line = log
            .lines()
            .find(|line| line.contains("request refused"))
            .unwrap();
        if format == "json" {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["http.request.id"], id.as_str(), "{line}");
        } else {
            assert!(line.ends_with(&format!(" request_id={id}")), "{line}");
        }
    }
}

// V2.3.3: a stop signal right after the start is a graceful stop
#[test]
fn a_stop_right_after_the_start_is_graceful() {
    let folder = Folder::new();
    for _ in 0..10 {
        // asserts the exit status
        Server::start(&folder, &[]).stop();
    }
}

// Finding 6; F102: a key leaves when nothing needs it any more
#[test]
fn a_key_is_retired_when_nothing_needs_it() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    let secret = ann.add_factor();
    // a site that is running does not know the new key: nothing is encrypted with it behind its back
    let rotated = text(&run(&folder, &[], &["keys", "rotate"], "").stdout);
    assert!(
        rotated.contains("2 key(s)") && rotated.contains("after the restart"),
        "{rotated}"
    );
    let refused = run(&folder, &[], &["keys", "retire"], "");
    assert!(
        !refused.status.success() && text(&refused.stderr).contains("palisade_totp.sealed: 1"),
        "{}",
        text(&refused.stderr)
    );
    let check = text(&run(&folder, &[], &["check", "--deploy"], "").stdout);
    assert!(
        check.contains("need a key that is not the newest"),
        "{check}"
    );
    let early = run(&folder, &[], &["keys", "reencrypt"], "");
    assert!(
        !early.status.success() && text(&early.stderr).contains("does not know the newest key"),
        "{}",
        text(&early.stdout)
    );
    server.stop();
    let server = Server::start(&folder, &[]);
    let restarted = run(&folder, &[], &["keys", "reencrypt"], "");
    assert!(
        restarted.status.success(),
        "a site that was restarted knows it: {}",
        text(&restarted.stderr)
    );
    server.stop();
    let done = run(&folder, &[], &["keys", "reencrypt"], "");
    assert!(
        done.status.success() && text(&done.stdout).contains("re-encrypted"),
        "{}",
        text(&done.stdout)
    );
    let retired = run(&folder, &[], &["keys", "retire"], "");
    assert!(
        retired.status.success() && text(&retired.stdout).contains("1 key(s)"),
        "{}{}",
        text(&retired.stdout),
        text(&retired.stderr)
    );
    let last = run(&folder, &[], &["keys", "retire"], "");
    assert!(
        !last.status.success() && text(&last.stderr).contains("one key"),
        "{}",
        text(&last.stderr)
    );
    // where none is running, it is done at once
    let rotated = text(&run(&folder, &[], &["keys", "rotate"], "").stdout);
    assert!(
        rotated.contains("re-encrypted with the newest key"),
        "{rotated}"
    );
    assert!(run(&folder, &[], &["keys", "retire"], "").status.success());
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    let login = [
        ("username", "ann"),
        ("password", "correct horse battery staple"),
    ];
    assert_eq!(
        ann.submit("/account/login", "/account/login", &login)
            .header("location"),
        "/account/login/second"
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    // the code of the next step: the first one was used when the app was added
    let code = palisade::mfa::code_at(&secret, now as i64 + 30).unwrap();
    let done = ann.submit(
        "/account/login/second",
        "/account/login/second",
        &[("code", &code)],
    );
    assert_eq!(
        done.status, 303,
        "the app goes on with the new key: {}",
        done.body
    );
}

// Findings 16 and 17: what operators do to accounts
#[test]
fn operators_open_close_readdress_and_delete_accounts() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    let user = |arguments: &[&str]| {
        let output = run(&folder, &[], &[&["user"], arguments].concat(), "");
        (
            output.status.success(),
            text(&output.stdout) + &text(&output.stderr),
        )
    };
    let login = |name: &str| {
        let fields = [
            ("username", name),
            ("password", "correct horse battery staple"),
        ];
        Visitor::new(server.address)
            .submit("/account/login", "/account/login", &fields)
            .status
    };
    assert_eq!(ann.get("/tickets").status, 200);
    assert!(user(&["close", "ann"]).0);
    assert_eq!(
        (ann.get("/tickets").status, login("ann")),
        (303, 422),
        "closed, and signed out"
    );
    assert!(user(&["open", "ann"]).0);
    assert_eq!(
        (ann.get("/tickets").status, login("ann")),
        (303, 303),
        "open, and the old session is not back"
    );
    let (is_done, said) = user(&["email", "ann", "not an address"]);
    assert!(!is_done && said.contains("the address"), "{said}");
    assert!(
        user(&["email", "ann", "new@example.org"]).0
            && user(&["list"]).1.contains("new@example.org")
    );
    let (is_done, said) = user(&["grant", "ann", "helpdesk.no_such_thing"]);
    assert!(
        !is_done && said.contains("no permission helpdesk.no_such_thing"),
        "{said}"
    );
    let (is_done, said) = user(&["grant", "ann"]);
    assert!(!is_done && said.contains("--staff"), "{said}");
    assert!(user(&["grant", "ann", "--staff"]).0 && user(&["list"]).1.contains("staff"));
    assert!(user(&["revoke", "ann", "--staff"]).0 && !user(&["list"]).1.contains("staff"));
    let (is_done, said) = user(&["delete", "ann"]);
    assert!(
        !is_done && said.contains("--yes") && login("ann") == 303,
        "{said}"
    );
    assert!(user(&["delete", "ann", "--yes"]).0);
    assert_eq!(login("ann"), 422);
    for command in ["open", "close", "delete"] {
        let flags: &[&str] = if command == "delete" { &["--yes"] } else { &[] };
        let (is_done, said) = user(&[&[command, "nobody"], flags].concat());
        assert!(
            !is_done && said.contains("there is no account nobody"),
            "{command}: {said}"
        );
    }
}

// M3 of the reports: names that Django or an older version made
#[tokio::test]
async fn names_that_are_read_the_same_are_listed() {
    use palisade::sql;
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let conflicts = || text(&run(&folder, &[], &["user", "conflicts"], "").stdout);
    for name in ["ann", "bob", "carl", "dora", "yildiz"] {
        Visitor::new(server.address).sign_up(&server, name);
    }
    assert!(conflicts().contains("no names conflict"), "{}", conflicts());
    let url = format!("sqlite:{}", folder.0.join("helpdesk.sqlite3").display())
        .parse()
        .unwrap();
    let settings = palisade::db::DatabaseSettings {
        url,
        ..Default::default()
    };
    let database = palisade::db::Database::connect(&settings, &folder.0)
        .await
        .unwrap();
    let tx = database.handle().begin().await.unwrap();
    for (old, new) in [("bob", "ANN"), ("carl", "\u{430}nn"), ("dora", "yıldız")] {
        tx.execute_sql(sql!(
            "UPDATE auth_user SET username = ? WHERE username = ?",
            new,
            old
        ))
        .await
        .unwrap();
    }
    tx.commit().await.unwrap();
    let said = conflicts();
    assert!(
        said.contains("ann  ANN  \u{430}nn")
            && said.contains("yıldız  yildiz")
            && said.contains("2 group(s)"),
        "{said}"
    );
}

// Finding 18: a stopped site's database is whole in its file, and a running one's can be copied
#[test]
fn a_copy_of_the_database_file_is_whole() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    let copy = folder.0.join("copy.sqlite3");
    let copied = run(
        &folder,
        &[],
        &["backup", "copy", copy.to_str().unwrap()],
        "",
    );
    assert!(copied.status.success(), "{}", text(&copied.stderr));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(
        std::fs::metadata(&copy).unwrap().permissions().mode() & 0o077,
        0,
        "only the owner can read it"
    );
    let again = run(
        &folder,
        &[],
        &["backup", "copy", copy.to_str().unwrap()],
        "",
    );
    assert!(
        !again.status.success() && text(&again.stderr).contains("exists already"),
        "{}",
        text(&again.stderr)
    );
    server.stop();
    let restored = Folder::new();
    for file in [copy, folder.0.join("helpdesk.sqlite3")] {
        std::fs::copy(&file, restored.0.join("helpdesk.sqlite3")).unwrap();
        let list = text(&run(&restored, &[], &["user", "list"], "").stdout);
        assert!(
            list.contains("ann@example.org"),
            "{}: {list}",
            file.display()
        );
        let _ = std::fs::remove_file(restored.0.join("helpdesk.sqlite3"));
    }
}

// W12: one step back, and forward again
#[test]
fn migrations_run_to_a_name_and_back() {
    let folder = Folder::new();
    assert!(run(&folder, &[], &["migrate"], "").status.success());
    let to = ["migrate", "--to", "helpdesk_0001_tickets"];
    let plan = run(&folder, &[], &[&to[..], &["--plan"]].concat(), "");
    assert_eq!(
        text(&plan.stdout),
        "would take back: helpdesk_0003_ticket_grants\nwould take back: helpdesk_0002_status\n"
    );
    let asked = run(&folder, &[], &to, "no\n");
    assert!(!asked.status.success());
    assert!(
        text(&asked.stderr).contains("helpdesk_0003_ticket_grants"),
        "{}",
        text(&asked.stderr)
    );
    let back = run(&folder, &[], &[&to[..], &["--yes"]].concat(), "");
    assert!(back.status.success(), "{}", text(&back.stderr));
    let pending = run(&folder, &[], &["migrate", "--plan"], "");
    assert_eq!(
        text(&pending.stdout),
        "would run: helpdesk_0002_status\nwould run: helpdesk_0003_ticket_grants\n"
    );
    let forward = run(
        &folder,
        &[],
        &["migrate", "--to", "helpdesk_0002_status"],
        "",
    );
    assert_eq!(text(&forward.stdout), "ran: helpdesk_0002_status\n");
    let unknown = run(&folder, &[], &["migrate", "--to", "nowhere"], "");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("helpdesk_0002_status"));
}

// W12: a table that differs from its entity is a finding, and the draft of a migration
#[tokio::test]
async fn a_drifted_table_is_found_and_a_migration_drafted() {
    let folder = Folder::new();
    assert!(run(&folder, &[], &["migrate"], "").status.success());
    let draft = || text(&run(&folder, &[], &["migrate", "--draft", "desk_0004"], "").stdout);
    assert!(draft().contains("nothing to do"), "{}", draft());
    let url = format!("sqlite:{}", folder.0.join("helpdesk.sqlite3").display());
    let db = palisade::testing::connect(url).await;
    for changed in ["DROP COLUMN assignee_name", "DROP COLUMN body"] {
        let statement = format!("ALTER TABLE helpdesk_ticket {changed}");
        db.execute_unprepared(&statement).await.unwrap();
    }
    db.close().await.unwrap();
    assert_eq!(
        draft(),
        "Migration::new(\"desk_0004\")\n    \
         // for the rows that exist: the right default\n    \
         .add_column(\"helpdesk_ticket\", string(\"body\").default(…))\n    \
         .add_column(\"helpdesk_ticket\", string_null(\"assignee_name\"))\n"
    );
    let checked = text(&run(&folder, &[], &["check", "--deploy"], "").stdout);
    assert!(
        checked.contains("helpdesk_ticket has no column assignee_name"),
        "{checked}"
    );
}

// F121: the data of a user is exported and deleted by commands, and stays deleted after a restore
#[test]
fn an_operator_exports_deletes_and_deletes_again_after_a_restore() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    let mut ann = Visitor::new(server.address);
    ann.sign_up(&server, "ann");
    let mut bob = Visitor::new(server.address);
    bob.sign_up(&server, "bob");
    server.stop();
    let program = |arguments: &[&str], input: &str| {
        let output = run(&folder, &[], arguments, input);
        let said = text(&output.stdout);
        (output.status.success(), said)
    };
    let (is_done, said) = program(&["user", "export", "ann"], "");
    assert!(is_done && said.contains("\"username\": \"ann\""), "{said}");
    let data: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(
        data["sessions"][0]["address"].is_string() && data["tickets"].is_array(),
        "{said}"
    );
    let file = folder.0.join("ann.json");
    let file = file.to_str().unwrap();
    assert!(program(&["user", "export", "ann", "--out", file], "").0);
    assert!(
        !program(&["user", "export", "ann", "--out", file], "").0,
        "not overwritten"
    );
    assert!(!program(&["user", "export", "unknown"], "").0);

    let copy = folder.0.join("copy.sqlite3");
    assert!(program(&["backup", "copy", copy.to_str().unwrap()], "").0);
    assert!(program(&["user", "delete", "ann", "--yes"], "").0);
    let (_, erasures) = program(&["privacy", "erasures"], "");
    assert_eq!(erasures.lines().count(), 1, "{erasures}");
    assert!(!erasures.contains("ann"), "{erasures}");

    // the backup is put back; an id of the list that is another account's now stays
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.0.join(format!("helpdesk.sqlite3{end}")));
    }
    std::fs::copy(&copy, folder.0.join("helpdesk.sqlite3")).unwrap();
    assert!(program(&["user", "list"], "").1.contains("ann"));
    let of_bob = erasures.replace("\"id\":\"1\"", "\"id\":\"2\"");
    assert_ne!(of_bob, erasures);
    let list = format!("{erasures}{of_bob}");
    assert!(!program(&["privacy", "erase-again", "-"], "no list").0);
    assert!(
        program(&["privacy", "erase-again", "-", "--plan"], &list)
            .1
            .contains("2 erasure(s)")
    );
    let (is_done, said) = program(&["privacy", "erase-again", "-"], &list);
    assert!(
        is_done && said.starts_with("1 account(s) were deleted again; 0 did not exist; 1 id(s)"),
        "{said}"
    );
    let (_, said) = program(&["user", "list"], "");
    assert!(!said.contains("ann") && said.contains("bob"), "{said}");

    let (is_done, report) = program(&["privacy", "report"], "");
    assert!(
        is_done && report.contains("palisade_audit_who") && report.contains("90 days"),
        "{report}"
    );
    assert!(!report.contains("NONE"), "{report}");
    let (is_done, said) = program(&["retention", "run", "--plan"], "");
    assert!(is_done && said.contains("ROWS TO DELETE"), "{said}");
    assert!(
        program(&["retention", "run"], "")
            .1
            .contains("ROWS DELETED")
    );
    assert!(program(&["audit", "verify"], "").0);
}
