//! The desk's admin in a real browser: markup in every text, and barriers on every page.

use crate::driver::Browser;
use crate::process::{Folder, run};
use palisade::app::Server;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};
use std::path::Path;
use std::time::Duration;

/// Markup that would run in a page that does not escape it.
const MARKUP: &str = "</title></textarea>'\"><script>window.pwned=1</script><img src=x onerror=window.pwned=2>{{7*7}}";

// the guide is the code, and short
#[test]
fn the_guide_shows_the_desks_admin_in_forty_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = std::fs::read_to_string(root.join("src/admin.rs")).unwrap();
    let guide = std::fs::read_to_string(root.join("../../docs/admin.md")).unwrap();
    assert!(guide.contains(&code), "docs/admin.md shows src/admin.rs");
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with("//");
    assert!(code.lines().filter(is_code).count() <= 40);
}

#[test]
fn a_declaration_is_printed_for_a_table() {
    let folder = Folder::new();
    run(&folder, &[], &["migrate"], "");
    let printed = run(&folder, &[], &["generate", "admin", "helpdesk_ticket"], "");
    let printed = String::from_utf8(printed.stdout).unwrap();
    for line in [
        "#[admin(of = ticket::Entity)]",
        "struct Tickets {",
        "    subject: Line<120>,",
        "    body: Text<10_000>,",
        "    assignee_id: Option<Pick<palisade::admin::user::Entity>>,",
        "    opened_at: Moment,",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let users = run(&folder, &[], &["generate", "admin", "auth_user"], "");
    let users = String::from_utf8(users.stdout).unwrap();
    assert!(
        users.contains("// password: a secret is no field of the admin"),
        "{users}"
    );
    let unknown = run(&folder, &[], &["generate", "admin", "nonsense"], "");
    assert_eq!(unknown.status.code(), Some(1));
}

/// A site with a superuser, and markup wherever a user can write.
async fn desk() -> (TestSite, Client) {
    let settings = [
        ("server.address", "127.0.0.1:0"),
        ("admin.path", "/office"),
        ("throttle.requests", "1000000/m"),
        ("throttle.changes", "1000000/m"),
    ];
    let site = TestSite::start(helpdesk::app(), &settings).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    for _ in 0..3 {
        let ticket = [("subject", MARKUP), ("body", MARKUP)];
        let opened = ann.submit("/tickets/new", "/tickets", &ticket).await;
        assert_eq!(opened.status, 303, "{}", opened.body);
    }
    let mut root = site.sign_in("root", Rank::Superuser).await;
    let comment = [("version", "1"), ("body", MARKUP)];
    root.submit("/tickets/1", "/tickets/1/comments", &comment)
        .await;
    memberships(&site).await;
    (site, root)
}

/// A group and a lock with markup in every text.
async fn memberships(site: &TestSite) {
    let write = async |tx: &palisade::db::Tx| -> Result<()> {
        tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES (?)", MARKUP))
            .await?;
        tx.execute_sql(sql!(
            "INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) \
             SELECT 1, id, 9999999999, 1, name FROM auth_group"
        ))
        .await?;
        tx.execute_sql(sql!(
            "INSERT INTO palisade_lock (id, kind, username, address, agent, since, until, is_lifted) \
             VALUES ('x', 'name', ?, ?, ?, 1, 9999999999, ?)",
            MARKUP,
            MARKUP,
            MARKUP,
            false
        ))
        .await?;
        Ok(())
    };
    site.site().database().handle().write(write).await.unwrap();
}

/// Changes, proposals, views and deleted rows with markup, and the pages that show them.
async fn pages(root: &mut Client) -> Vec<String> {
    let path = "/office/tickets/row/1";
    let seen = root.get(path).await.hidden_field("seen").unwrap();
    let body = format!("{MARKUP} again");
    let change = [
        ("subject", MARKUP),
        ("body", &body),
        ("status", "waiting"),
        ("why", MARKUP),
        ("seen", &seen),
    ];
    let saved = root.submit(path, path, &change).await;
    assert_eq!(saved.status, 303, "{}", saved.body);
    let view = [("name", &MARKUP[..60]), ("query", "status=open")];
    root.submit(
        "/office/tickets?status=open",
        "/office/tickets/views",
        &view,
    )
    .await;
    let proposed = [("action", "delete"), ("key", "1"), ("why", MARKUP)];
    root.submit("/office/comments", "/office/comments/action/run", &proposed)
        .await;
    let gone = root
        .submit(
            "/office/tickets/row/3",
            "/office/tickets/row/3/delete",
            &[("why", MARKUP)],
        )
        .await;
    assert_eq!(gone.status, 303, "{}", gone.body);
    let proposals = root.get("/office/proposals").await.body;
    let start = proposals.find("/office/proposals/").unwrap();
    let proposal = proposals[start..].split('"').next().unwrap().to_owned();
    let all = [
        "",
        "/tickets",
        "/tickets?q=script&order=subject",
        "/tickets/row/1",
        "/tickets/row/1/history",
        "/tickets/row/2/delete",
        "/tickets/export",
        "/comments",
        "/comments/row/1",
        "/users",
        "/users/row/1",
        "/access/1",
        "/access/1/join",
        "/access/1/grant",
        "/members/1",
        "/locks",
        "/mail",
        "/groups",
        "/history",
        "/audit",
        "/bin",
        "/proposals",
        "/view-as/1",
    ];
    all.into_iter()
        .map(|page| format!("/office{page}"))
        .chain([proposal])
        .collect()
}

// D45 F054 V1.2.1 V3.4.3; WCAG 2.2
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_runs_on_no_page_of_the_admin_and_no_page_has_a_barrier() {
    let Some(driver) = palisade::testing::server("PALISADE_TEST_CHROMEDRIVER") else {
        return;
    };
    let Some(axe) = palisade::testing::server("PALISADE_TEST_AXE") else {
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let (site, mut root) = desk().await;
    let pages = pages(&mut root).await;
    let server = Server::listen(site.site().clone()).unwrap();
    let address = server.url().split("//").nth(1).unwrap().parse().unwrap();
    let _running = tokio::spawn(server.run(std::future::pending()));
    let browser = Browser::start(&driver, address);
    browser.open("/health/live");
    for (name, value) in root.cookies().clone() {
        browser.eval(&format!("document.cookie = '{name}={value}; path=/'"));
    }
    let _ = browser.console();
    let mut barriers = Vec::new();
    for (number, page) in pages.iter().enumerate() {
        for (pixels, scheme) in [(1200, "light"), (360, "dark")] {
            browser.wide(pixels);
            browser.dark(scheme);
            browser.open(page);
            assert_eq!(
                browser.eval("document.body.classList.contains('admin')"),
                true,
                "{page}"
            );
            std::thread::sleep(Duration::from_millis(50));
            assert_eq!(browser.eval("window.pwned === undefined"), true, "{page}");
            for direction in ["rtl", "ltr"] {
                browser.eval(&format!("document.documentElement.dir = '{direction}'"));
                let overflow = browser.eval(
                    "document.documentElement.scrollWidth - document.documentElement.clientWidth",
                );
                if overflow.as_i64().unwrap() > 1 {
                    barriers.push(format!(
                        "{page} is wider than {pixels}, {direction}: {overflow}"
                    ));
                }
                if (direction, pixels) == ("rtl", 1200) {
                    browser.picture(&format!("admin-{number}-rtl"));
                }
            }
            barriers.extend(
                barriers_of(&browser, &axe)
                    .into_iter()
                    .map(|why| format!("{page} {scheme}: {why}")),
            );
            browser.picture(&format!("admin-{number}-{scheme}"));
        }
    }
    let console = browser.console();
    assert!(
        console
            .iter()
            .all(|line| !line.contains("Content Security Policy")
                && !line.contains("Content-Security-Policy")),
        "{console:?}"
    );
    assert!(barriers.is_empty(), "{}", barriers.join("\n"));
    keyboard(&browser);
}

/// The findings of axe on the open page.
fn barriers_of(browser: &Browser, axe: &str) -> Vec<String> {
    browser.eval(&format!("(() => {{ {axe}; window.found = null; axe.run({{ resultTypes: ['violations'] }}).then(r => {{ window.found = r.violations.map(v => v.id + ' ' + v.nodes.map(n => n.html.slice(0, 160)).join(' | ')) }}); return true }})()"));
    for _ in 0..400 {
        let found = browser.eval("window.found");
        if let Some(found) = found.as_array() {
            return found
                .iter()
                .map(|why| why.as_str().unwrap_or_default().to_owned())
                .collect();
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("axe does not end");
}

/// The command palette and the rows by keys alone.
fn keyboard(browser: &Browser) {
    browser.wide(1200);
    browser.open("/office/tickets");
    browser
        .eval("document.dispatchEvent(new KeyboardEvent('keydown', { key: 'j', bubbles: true }))");
    assert_eq!(
        browser.eval("document.activeElement.classList.contains('row-link')"),
        true
    );
    browser.eval(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '/', bubbles: true }))",
    );
    assert_eq!(
        browser.eval("document.getElementById('palette').open"),
        true
    );
    browser.type_into("#palette_q", "comm");
    for _ in 0..200 {
        if browser.eval("document.querySelector('#palette_found a')?.getAttribute('href')")
            == "/office/comments"
        {
            return;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    panic!("the palette finds nothing");
}
