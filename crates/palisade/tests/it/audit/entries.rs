use super::site::{app, on_both, owner, texts};
use palisade::audit_log::Event;
use palisade::testing::TestSite;

/// Event, outcome, actor, route and name, in their order.
async fn entries(site: &TestSite) -> Vec<String> {
    site.site().audit_stored().await.unwrap();
    let sql = "SELECT e.event || ' ' || e.outcome || ' ' || e.actor || ' ' || e.subject || ' ' ||
        e.route || ' ' || COALESCE(w.name, '') || ' ' || COALESCE(w.address, '') AS text
        FROM palisade_audit e LEFT JOIN palisade_audit_who w ON w.seq = e.seq ORDER BY e.seq";
    texts(&owner(site).await, sql).await
}

// F106 F113 V16.2.1 V16.3.1 V16.3.2: time, request, actor, client, route and outcome of logins, failures and refusals
#[tokio::test]
async fn every_login_failure_and_refusal_is_an_entry() {
    on_both(&[], async |site| {
        let from = |address: &str| site.client().from_address(address.parse().unwrap());
        let mut ann = from("192.0.2.7");
        ann.sign_up("ann").await;
        let id = site.id_of("ann").await;
        ann.get("/staff/1").await;
        from("192.0.2.8").log_in("ann", "wrong password").await;
        from("192.0.2.8").log_in("unknown", "wrong password").await;
        from("192.0.2.8").get("/staff/1").await;
        let found = entries(site).await;
        let wanted = [
            "signup success anonymous user:ID /account/confirm ann 192.0.2.7",
            "login success anonymous user:ID /account/confirm ann 192.0.2.7",
            "access_denied failure user:ID  /staff/{id}  192.0.2.7",
            "login_failed failure anonymous user:ID /account/login ann 192.0.2.8",
            "login_failed failure anonymous  /account/login (unknown name) 192.0.2.8",
            "access_denied failure anonymous  /staff/{id}  192.0.2.8",
        ];
        for wanted in wanted {
            let wanted = wanted.replace("ID", &id.to_string());
            assert!(found.contains(&wanted), "{wanted} in {found:#?}");
        }
        let owner = owner(site).await;
        let requests = "SELECT request AS text FROM palisade_audit";
        assert!(
            texts(&owner, requests)
                .await
                .iter()
                .all(|id| !id.is_empty())
        );
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
    })
    .await;
}

// V16.2.5 V16.4.1 D30: no password, and no line break of a client, is in an entry or a line
#[tokio::test]
async fn input_neither_starts_a_line_nor_brings_a_password() {
    let site = TestSite::start(app(), &[]).await;
    let mut attacker = site
        .client()
        .with_header("user-agent", "x <!channel> Bcc: y");
    attacker
        .log_in("eve\r\nBcc: all", "s3cret-typed-password")
        .await;
    site.site().audit_stored().await.unwrap();
    let owner = owner(&site).await;
    for (table, columns) in [
        (
            "palisade_audit",
            "event || actor || subject || request || route || detail",
        ),
        ("palisade_audit_who", "name || address || agent"),
    ] {
        for text in texts(&owner, &format!("SELECT {columns} AS text FROM {table}")).await {
            assert!(!text.contains("s3cret") && !text.contains('\n'), "{text:?}");
        }
    }
}

// F113: every event has a name, an OWASP word, an outcome and a severity of its own
#[test]
fn every_event_is_described() {
    let source = include_str!("../../../src/audit_log/event.rs");
    let body = source.split_once("pub enum Event {").unwrap().1;
    let body = body.split_once("\n}").unwrap().0;
    let variants = body
        .lines()
        .filter(|line| line.trim_end().ends_with(',') && !line.trim_start().starts_with("//"))
        .filter(|line| !line.contains("Site("))
        .count();
    let names: std::collections::BTreeSet<&str> = Event::all().map(Event::name).collect();
    assert_eq!(names.len(), variants);
    for event in Event::all() {
        assert!(event.name() != "unknown" && !event.owasp().is_empty());
    }
}
