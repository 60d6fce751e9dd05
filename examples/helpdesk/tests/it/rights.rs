//! Rights by command: groups, roles, memberships with an end, explanations and the access report.

use crate::process::{Folder, psql, run, serving_roles};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder with a migrated database, and its users.
struct Desk(Folder);

impl Desk {
    fn new(users: &[(&str, &[&str])]) -> Self {
        let desk = Self(Folder::new());
        desk.ok(&["migrate"]);
        for (name, flags) in users {
            let email = format!("{name}@example.org");
            let create = [&["user", "create", name, "--email", &email], *flags].concat();
            let made = run(&desk.0, &[], &create, "correct horse battery staple\n");
            assert!(made.status.success(), "{}", text(&made.stderr));
        }
        desk
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = run(&self.0, &[], arguments, "");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    fn refused(&self, arguments: &[&str]) -> String {
        let output = run(&self.0, &[], arguments, "");
        assert!(
            !output.status.success(),
            "{arguments:?}: {}",
            text(&output.stdout)
        );
        text(&output.stderr)
    }
}

// F045, F046
#[test]
fn groups_and_roles_are_managed_by_command() {
    let desk = Desk::new(&[("ann", &[])]);
    let new = "agents (0 members)\n  helpdesk.work_queue\n";
    assert_eq!(
        desk.ok(&["group", "list"]),
        new,
        "migrate creates the groups of roles"
    );
    assert_eq!(
        desk.ok(&["permissions", "sync"]),
        "the groups are those of the roles\n"
    );
    let drift = desk.ok(&["group", "revoke", "agents", "helpdesk.work_queue"]);
    assert!(drift.contains("sync --write"), "{drift}");
    let preview = desk.ok(&["permissions", "sync"]);
    assert!(
        preview.starts_with("agents\n  + helpdesk.work_queue\n"),
        "{preview}"
    );
    let empty = "agents (0 members)\n";
    assert_eq!(
        desk.ok(&["group", "list"]),
        empty,
        "a preview changes nothing"
    );
    let check = run(&desk.0, &[], &["check", "--deploy"], "");
    assert!(
        text(&check.stdout).contains("permissions.role_differs"),
        "{}",
        text(&check.stdout)
    );
    desk.ok(&["permissions", "sync", "--write"]);
    desk.ok(&["group", "create", "night shift"]);
    desk.ok(&["user", "grant", "ann", "--group", "night shift"]);
    desk.ok(&["group", "grant", "night shift", "helpdesk.work_queue"]);
    let list = desk.ok(&["group", "list"]);
    assert_eq!(
        list,
        "agents (0 members)\n  helpdesk.work_queue\nnight shift (1 members)\n  helpdesk.work_queue\n"
    );
    for (arguments, said) in [
        (
            &["group", "create", "agents"][..],
            "there is a group agents already",
        ),
        (&["group", "delete", "pilots"], "there is no group pilots"),
        (
            &["group", "grant", "agents", "helpdesk.fly"],
            "nothing was changed",
        ),
        (&["group", "create", " "], "1 to 150 characters"),
    ] {
        assert!(desk.refused(arguments).contains(said), "{arguments:?}");
    }
    desk.ok(&["group", "delete", "night shift"]);
    assert!(!desk.ok(&["group", "list"]).contains("night"));
}

// F044: a permission without an effect is a note
#[test]
fn unused_permissions_are_noted() {
    use palisade::app::Prepared;
    use palisade::prelude::*;
    use palisade::settings::Sources;
    #[derive(Permission, Clone, Copy)]
    #[permission(app = "helpdesk")]
    enum Unused {
        Fly,
    }
    let titles = |app: App| {
        let report = Prepared::new(app, Sources::none()).unwrap().report();
        report.to_string()
    };
    assert!(
        !titles(helpdesk::app()).contains("permissions.unused"),
        "{}",
        titles(helpdesk::app())
    );
    let noted = titles(helpdesk::app().permissions::<Unused>());
    assert!(
        noted.contains("helpdesk.fly") && noted.contains("permissions.unused"),
        "{noted}"
    );
}

// F051, ASVS 13.2.2: the role that serves changes no table
#[test]
fn the_site_serves_without_rights_to_tables() {
    let Some(url) = palisade::testing::server("PALISADE_TEST_POSTGRES") else {
        return;
    };
    let random = palisade::crypto::random::alphanumeric(12);
    let name = format!("palisade_test_{}", random.expose().to_lowercase());
    psql(&url, &format!("CREATE DATABASE {name}")).unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let own = format!("{server}/{name}");
    let folder = Folder::new();
    let (owner, site) = serving_roles(&folder, &own);
    let serving = [
        ("DATABASE_URL", &*site),
        ("PALISADE_SITE__MIGRATE_AT_START", "false"),
    ];
    let server = crate::process::Server::start(&folder, &serving);
    let mut visitor = crate::wire::Visitor::new(server.address);
    visitor.sign_up(&server, "ann");
    let fields = [("subject", "As a role"), ("body", "It works.")];
    let opened = visitor.submit("/tickets/new", "/tickets", &fields);
    assert_eq!(opened.header("location"), "/tickets/1");
    for command in [
        &["user", "list"][..],
        &["user", "access-report", "--save"],
        &["user", "delete", "ann", "--yes"],
    ] {
        let output = run(&folder, &serving, command, "");
        assert!(
            output.status.success(),
            "{command:?}: {}",
            text(&output.stderr)
        );
    }
    for statement in [
        "DROP TABLE helpdesk_ticket",
        "TRUNCATE helpdesk_ticket",
        "ALTER TABLE helpdesk_ticket ADD COLUMN x int",
        "CREATE TABLE mine (id int)",
        "DELETE FROM palisade_access_report",
        "UPDATE palisade_access_report SET content = '[]'",
        "DELETE FROM palisade_migrations",
    ] {
        let refused = psql(&site, statement).unwrap_err();
        assert!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{statement}: {refused}"
        );
    }
    let check = |url: &str| {
        text(
            &run(
                &folder,
                &[("DATABASE_URL", url)],
                &["check", "--deploy"],
                "",
            )
            .stdout,
        )
    };
    assert!(
        check(&owner).contains("as the owner of its tables"),
        "{}",
        check(&owner)
    );
    assert!(check(&own).contains("as a superuser"), "{}", check(&own));
    assert!(
        !check(&site).contains("db.excess_privileges"),
        "{}",
        check(&site)
    );
    palisade::testing::ran("the helpdesk on PostgreSQL as a role without DDL");
}

// F048: the end of a membership
#[test]
fn memberships_end_at_a_time() {
    let desk = Desk::new(&[("ann", &[])]);
    desk.ok(&["permissions", "sync", "--write"]);
    let grant = ["user", "grant", "ann", "--group", "agents", "--until"];
    for (until, said) in [("2001-01-01", "in the past"), ("soon", "write 2027-01-31")] {
        let refused = desk.refused(&[&grant[..], &[until]].concat());
        assert!(refused.contains(said), "{refused}");
    }
    let refused = desk.refused(&["user", "grant", "ann", "--staff", "--until", "2999-01-01"]);
    assert!(refused.contains("name a --group"), "{refused}");
    let given = desk.ok(&[&grant[..], &["2999-01-31", "--reason", "holidays"]].concat());
    assert!(given.contains("until 2999-01-31 00:00 UTC"), "{given}");
    let report = desk.ok(&["user", "access-report"]);
    assert!(
        report.contains("group agents") && report.contains("2999-01-31T00:00:00"),
        "{report}"
    );
    desk.ok(&["user", "revoke", "ann", "--group", "agents"]);
    assert!(!desk.ok(&["user", "access-report"]).contains("agents"));
}

// D42, django/django#11385: a command in the name of a user
#[test]
fn commands_in_a_users_name_do_not_escalate() {
    let desk = Desk::new(&[
        ("ann", &[]),
        ("ines", &["--staff"]),
        ("root", &["--superuser"]),
    ]);
    for (arguments, said) in [
        (
            &["user", "grant", "ann", "--superuser", "--as", "ines"][..],
            "only rights that they hold",
        ),
        (
            &[
                "user",
                "grant",
                "ann",
                "helpdesk.work_queue",
                "--as",
                "ines",
            ],
            "only rights that they hold",
        ),
        (
            &["user", "grant", "ines", "--superuser", "--as", "ines"],
            "their own rights",
        ),
        (
            &["user", "password", "root", "--as", "ines"],
            "holds rights that this user does not hold",
        ),
        (
            &["user", "close", "root", "--as", "ines"],
            "holds rights that this user does not hold",
        ),
        (
            &["user", "remove-factors", "root", "--now", "--as", "ines"],
            "holds rights",
        ),
        (
            &["user", "grant", "ann", "--staff", "--as", "bob"],
            "no account bob",
        ),
    ] {
        let refused = desk.refused(arguments);
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
    let list = desk.ok(&["user", "list", "--json"]);
    assert_eq!(list.matches("\"is_superuser\": true").count(), 1, "{list}");
    desk.ok(&["user", "grant", "ann", "--staff", "--as", "ines"]);
    desk.ok(&[
        "user",
        "grant",
        "ann",
        "helpdesk.work_queue",
        "--as",
        "root",
    ]);
}

// F047: each named condition with its truth
#[test]
fn decisions_are_explained() {
    let desk = Desk::new(&[("ann", &[])]);
    desk.ok(&["seed"]);
    let route = desk.ok(&["permissions", "explain", "ann", "GET", "/queue"]);
    assert_eq!(
        route,
        "ann: GET /queue, access: (staff or can helpdesk.work_queue)\n  \
         no                     staff\n  no                     can helpdesk.work_queue\n"
    );
    let hidden = desk.ok(&["permissions", "explain", "ann", "change", "ticket", "1"]);
    assert_eq!(
        hidden,
        "ann: change helpdesk_ticket 1\n  change  one of    no   own\n  change  one of    no   queue\n  \
         view    one of    no   own\n  view    one of    no   queue\n  \
         view    one of    no   shared\ndenied: 404\n"
    );
    let own = desk.ok(&["permissions", "explain", "nora.lind", "view", "ticket", "1"]);
    assert!(
        own.ends_with(
            "  view    one of    yes  own\n  view    one of    no   queue\n  \
             view    one of    no   shared\nallowed\n"
        ),
        "{own}"
    );
    let denied = desk.ok(&[
        "permissions",
        "explain",
        "nora.lind",
        "delete",
        "ticket",
        "1",
    ]);
    assert!(denied.ends_with("denied: 403\n"), "{denied}");
    let missing = desk.ok(&["permissions", "explain", "ann", "view", "ticket", "999"]);
    assert!(
        missing.ends_with("there is no such row: 404\n"),
        "{missing}"
    );
    for (arguments, said) in [
        (
            ["ann", "view", "invoice", "1"],
            "register it with App::entity",
        ),
        (["ann", "fly", "ticket", "1"], "view, change or delete"),
        (["ann", "view", "ticket", "x"], "no key"),
        (["bob", "view", "ticket", "1"], "no account bob"),
    ] {
        let refused = desk.refused(&[&["permissions", "explain"][..], &arguments].concat());
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
    let refused = desk.refused(&["permissions", "explain", "ann", "GET", "/nowhere"]);
    assert!(refused.contains("there is no route /nowhere"), "{refused}");
}

/// The decision about a seeded ticket.
fn explained(desk: &Desk, user: &str, verb: &str) -> String {
    let explained = desk.ok(&["permissions", "explain", user, verb, "ticket", "1"]);
    explained.lines().last().unwrap_or_default().to_owned()
}

// F048, D42, V8.2.2: one ticket is shared by command with a user or a group, until a time, within the
// rights of the user of --as
#[test]
fn rights_on_one_object_are_given_by_command() {
    let desk = Desk::new(&[("ann", &[]), ("bob", &["--staff"])]);
    desk.ok(&["seed"]);
    let read = "helpdesk.read_ticket";
    assert_eq!(explained(&desk, "ann", "view"), "denied: 404");
    let on = ["--on", "ticket", "1"];
    let give = [&["user", "grant", "ann", read][..], &on].concat();
    let as_bob = [&give[..], &["--as", "bob"]].concat();
    let refused = desk.refused(&as_bob);
    assert!(refused.contains("bob may not do this"), "{refused}");
    assert_eq!(explained(&desk, "ann", "view"), "denied: 404");
    let end = ["--until", "2099-01-31", "--reason", "the audit"];
    let given = desk.ok(&[&give[..], &end].concat());
    let said =
        "ann was given: helpdesk.read_ticket on helpdesk_ticket 1 until 2099-01-31 00:00 UTC";
    assert!(given.starts_with(said), "{given}");
    assert_eq!(explained(&desk, "ann", "view"), "allowed");
    assert_eq!(explained(&desk, "ann", "change"), "denied: 403");
    let report = desk.ok(&["user", "access-report", "--format", "csv"]);
    let row = "\"ann\",\"helpdesk.read_ticket\",\"on helpdesk_ticket 1\",\"2099-01-31T00:00:00+00:00\",\"-\"";
    assert!(report.contains(row), "{report}");
    desk.ok(&[&["user", "revoke", "ann", read][..], &on].concat());
    assert_eq!(explained(&desk, "ann", "view"), "denied: 404");
    // by a group, and by a role
    desk.ok(&["group", "create", "auditors"]);
    desk.ok(&["group", "grant", "auditors", read]);
    desk.ok(&["user", "grant", "ann", "--group", "auditors"]);
    assert_eq!(
        explained(&desk, "ann", "view"),
        "denied: 404",
        "not everywhere"
    );
    desk.ok(&[
        &["group", "grant", "auditors", "--role", "auditors"][..],
        &on,
    ]
    .concat());
    assert_eq!(explained(&desk, "ann", "view"), "allowed");
    desk.ok(&[
        &["group", "revoke", "auditors", "--role", "auditors"][..],
        &on,
    ]
    .concat());
    assert_eq!(explained(&desk, "ann", "view"), "denied: 404");
    for (arguments, said) in [
        (
            &["user", "grant", "ann", read, "--on", "ticket", "999"][..],
            "there is no helpdesk_ticket 999",
        ),
        (
            &["user", "grant", "ann", read, "--on", "ticket", "x"],
            "there is no helpdesk_ticket x",
        ),
        (
            &["user", "grant", "ann", read, "--on", "comment", "1"],
            "no table of grants",
        ),
        (
            &["user", "grant", "ann", read, "--on", "invoice", "1"],
            "register it with App::entity",
        ),
        (
            &[
                "user",
                "grant",
                "ann",
                "helpdesk.fly",
                "--on",
                "ticket",
                "1",
            ],
            "there is no permission helpdesk.fly",
        ),
        (
            &[
                "user", "grant", "ann", "--role", "pilots", "--on", "ticket", "1",
            ],
            "pilots",
        ),
        (
            &["user", "grant", "ann", "--on", "ticket", "1"],
            "name a permission or a --role",
        ),
        (&["user", "grant", "ann", "--role", "auditors"], "--on"),
        (
            &[
                "user", "grant", "ann", read, "--group", "agents", "--on", "ticket", "1",
            ],
            "cannot be used with",
        ),
        (
            &[
                "user",
                "grant",
                "ann",
                read,
                "--on",
                "ticket",
                "1",
                "--until",
                "2001-01-01",
            ],
            "in the past",
        ),
        (
            &["user", "revoke", "ann", read, "--on", "ticket", "1"],
            "there is no such grant",
        ),
        (
            &["group", "grant", "pilots", read, "--on", "ticket", "1"],
            "There is no group pilots",
        ),
    ] {
        let refused = desk.refused(arguments);
        assert!(refused.contains(said), "{arguments:?}: {refused}");
    }
}

// F052
#[test]
fn the_access_report_names_sources_and_differences() {
    let desk = Desk::new(&[("ann", &[])]);
    desk.ok(&["permissions", "sync", "--write"]);
    desk.ok(&["user", "grant", "ann", "helpdesk.work_queue"]);
    let root = [
        "user",
        "create",
        "root",
        "--email",
        "root@example.org",
        "--superuser",
    ];
    assert!(
        run(&desk.0, &[], &root, "correct horse battery staple\n")
            .status
            .success()
    );
    let report = desk.ok(&["user", "access-report", "--save"]);
    assert!(
        report.contains("ann   helpdesk.work_queue  own"),
        "{report}"
    );
    assert!(
        report.contains("note: root is a superuser without a second factor"),
        "{report}"
    );
    assert!(
        report.contains("note: ann has not logged in for 90 days"),
        "{report}"
    );
    desk.ok(&["user", "grant", "ann", "--group", "agents"]);
    desk.ok(&["user", "revoke", "ann", "helpdesk.work_queue"]);
    let day = chrono::Utc::now().format("%Y-%m-%d").to_string();
    let difference = desk.ok(&["user", "access-report", "--against", &day]);
    assert!(
        difference.ends_with(
            "+ ann helpdesk.work_queue (group agents)\n+ ann member of agents (membership)\n\
             - ann helpdesk.work_queue (own)\n"
        ),
        "{difference}"
    );
    let refused = desk.refused(&["user", "access-report", "--against", "2001-01-01"]);
    assert!(refused.contains("no report was stored"), "{refused}");
    let csv = desk.ok(&["user", "access-report", "--format", "csv"]);
    assert!(
        csv.starts_with("\"user\",\"permission\",\"source\",\"until\",\"last use\"\r\n"),
        "{csv}"
    );
    assert!(
        csv.contains("\"ann\",\"helpdesk.work_queue\",\"group agents\",\"-\",\"-\"\r\n"),
        "{csv}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&desk.ok(&["user", "access-report", "--format", "json"])).unwrap();
    assert_eq!(json["rows"][0]["user"], "ann");
    assert_eq!(json["rows"][1]["permission"], "member of agents");
    assert_eq!(json["rows"][2]["permission"], "*");
    assert_eq!(
        json["rows"][3]["permission"], "staff",
        "superusers are staff"
    );
}
