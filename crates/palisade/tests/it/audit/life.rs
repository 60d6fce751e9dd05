use super::site::{on_both, owner, texts};
use http::Method;
use palisade::api::{Grant, Tokens};
use palisade::axum::body::Body;
use palisade::prelude::*;
use palisade::testing::{Client, PASSWORD, TestDatabase, TestSite};

/// The parts of an entry: event, outcome, actor, subject, request, route and address.
type Entry = [String; 7];

/// All entries after a number of them.
async fn entries(site: &TestSite, after: usize) -> Vec<Entry> {
    site.site().audit_stored().await.unwrap();
    let sql = "SELECT e.event || '|' || e.outcome || '|' || e.actor || '|' || e.subject || '|' || e.request
        || '|' || e.route || '|' || COALESCE(w.address, '') AS text
        FROM palisade_audit e LEFT JOIN palisade_audit_who w ON w.seq = e.seq WHERE e.at > 0 ORDER BY e.seq";
    let all = texts(&owner(site).await, sql).await;
    let parts = |text: &String| -> Entry {
        let parts: Vec<String> = text.split('|').map(str::to_owned).collect();
        parts.try_into().unwrap()
    };
    all.iter().skip(after).map(parts).collect()
}

/// Checks the entries of one act: the wanted event with its outcome, by and about a user, and the
/// place of the request (ASVS 16.2.1: when, where, who, what).
struct Life<'a> {
    site: &'a TestSite,
    seen: usize,
}

impl Life<'_> {
    async fn wants(&mut self, (event, outcome): (&str, &str), (actor, subject): (&str, &str)) {
        let new = entries(self.site, self.seen).await;
        self.seen += new.len();
        let found = new.iter().find(|entry| entry[0] == event);
        let found = found.unwrap_or_else(|| panic!("no {event} in {new:#?}"));
        assert_eq!(found[1], outcome, "{found:?}");
        assert_eq!(found[2], actor, "{found:?}");
        // an act about oneself names no one twice
        let is_own = subject == actor && found[3].is_empty();
        assert!(is_own || found[3] == subject, "{found:?}");
        assert!(!found[4].is_empty(), "the request of {found:?}");
        assert_eq!(found[6], "192.0.2.7", "{found:?}");
    }
}

const NEW: &str = "seven slow turtles at noon";
const NEWER: &str = "eight slow turtles at dusk";

// F106 V16.3.1 V16.3.2 V16.3.3 V16.3.4: the acts of a user's life, each with the event that the row of the
// standard asks for
#[tokio::test]
async fn each_act_of_an_account_is_an_event_with_its_place() {
    on_both(&[], async |site| {
        let client = || site.client().from_address("192.0.2.7".parse().unwrap());
        let mut ann = client();
        ann.sign_up("ann").await;
        let me = format!("user:{}", site.id_of("ann").await);
        let me = me.as_str();
        let mut life = Life { site, seen: 0 };
        life.wants(("signup", "success"), ("anonymous", me)).await;

        // 16.3.1: failed and successful logins, with and without a second factor
        client().log_in("ann", "a wrong password").await;
        life.wants(("login_failed", "failure"), ("anonymous", me))
            .await;
        client().log_in("ann", PASSWORD).await;
        life.wants(("login", "success"), ("anonymous", me)).await;
        let secret = ann.add_factor().await;
        life.wants(("factor_added", "success"), (me, me)).await;
        let mut second = client();
        second.log_in("ann", PASSWORD).await;
        life.wants(("second_step_begun", "success"), ("anonymous", me))
            .await;
        let step = "/account/login/second";
        second.submit(step, step, &[("code", "000000")]).await;
        life.wants(("second_step_failed", "failure"), ("anonymous", me))
            .await;
        site.clock().advance(chrono::TimeDelta::seconds(60));
        let code = second.code(&secret);
        second.submit(step, step, &[("code", &code)]).await;
        life.wants(("login", "success"), ("anonymous", me)).await;
        ann.submit("/account", "/account/logout", &[]).await;
        life.wants(("logout", "success"), (me, me)).await;

        // 16.3.1: changes of what proves the user
        let mut ann = second;
        site.clock().advance(chrono::TimeDelta::seconds(60));
        let change = [
            ("current_password", PASSWORD),
            ("new_password", NEW),
            ("new_password_again", NEW),
        ];
        ann.submit("/account/password", "/account/password", &change)
            .await;
        life.wants(("password_changed", "success"), (me, me)).await;
        let email = [("email", "ann@new.example.org"), ("current_password", NEW)];
        ann.submit("/account/email", "/account/email", &email).await;
        life.wants(("email_change_begun", "success"), (me, me))
            .await;
        ann.submit("/account/factors", "/account/factors/remove", &[])
            .await;
        life.wants(("factor_removed", "success"), (me, me)).await;
        // mails of one batch have no order
        site.site().mail().deliver().await.unwrap();
        let reset = "/account/reset";
        client()
            .submit(reset, reset, &[("email", "ann@example.org")])
            .await;
        life.wants(("reset_requested", "success"), ("anonymous", me))
            .await;
        let mut reader = client();
        let page = reader.follow_mail("ann@example.org").await;
        let newer = [("new_password", NEWER), ("new_password_again", NEWER)];
        reader.submit(&page, &page, &newer).await;
        life.wants(("password_reset", "success"), ("anonymous", me))
            .await;

        // 16.3.2 and 16.3.3: failed authorization, and attempts to bypass controls
        let mut ann = client();
        ann.log_in("ann", NEWER).await;
        ann.get("/staff/1").await;
        life.wants(("access_denied", "failure"), (me, "")).await;
        ann.post("/account/password", &[]).await;
        life.wants(("csrf_refused", "failure"), (me, "")).await;
        let other_host = client()
            .request(Method::GET, "/")
            .header("host", "evil.example");
        client().send(other_host, Body::empty()).await;
        let hosts = entries(site, life.seen).await;
        assert!(
            hosts.iter().any(|entry| entry[0] == "host_refused"),
            "{hosts:#?}"
        );
        guess_until_locked(&client).await;
        life.wants(("locked", "failure"), ("anonymous", "")).await;

        // data leaves, and the account ends
        let proof = [("current_password", NEWER)];
        ann.submit("/account/export", "/account/export", &proof)
            .await;
        life.wants(("data_exported", "success"), (me, me)).await;
        ann.submit("/account/close", "/account/close", &proof).await;
        life.wants(("account_closed", "success"), (me, me)).await;
        assert_eq!(site.site().audit_tampering("").await.unwrap(), None);
    })
    .await;
}

async fn guess_until_locked(client: &impl Fn() -> Client) {
    for _ in 0..12 {
        client().log_in("ann", "another wrong password").await;
    }
}

fn routes() -> Routes {
    Routes::new()
        .route("/token", signed_in().post(give))
        .route("/api/whose", token("notes.read").get(async || "read"))
}

async fn give(user: User, tokens: Tokens) -> Result<String> {
    tokens
        .issue(&Grant {
            audience: "https://localhost",
            user: &user,
            scopes: &["notes.read"],
            minutes: 10,
        })
        .await
}

// F106 V16.3.1: tokens that are issued and refused; the end of all sessions ends them
#[tokio::test]
async fn tokens_are_events_and_end_with_the_sessions() {
    let settings = [("api.issue", "true")];
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let app = App::new().routes(routes());
        let Some(site) = TestSite::start_on(database, app, &settings).await else {
            continue;
        };
        let mut ann = site.client();
        ann.sign_up("ann").await;
        let id = site.id_of("ann").await;
        let given = ann.submit("/account", "/token", &[]).await;
        assert_eq!(given.status, 200, "{}", given.body);
        let call = async |token: &str| {
            let header = format!("Bearer {token}");
            let mut program = site.client().with_header("authorization", &header);
            program.get("/api/whose").await.status
        };
        assert_eq!(call(&given.body).await, 200);
        assert_eq!(call(&format!("{}x", given.body)).await, 401);
        site.site().accounts().end_all_sessions(id).await.unwrap();
        assert_eq!(call(&given.body).await, 401, "it ended with the sessions");
        let all = entries(&site, 0).await;
        let me = format!("user:{id}");
        for (event, outcome, subject) in [
            ("token_issued", "success", me.as_str()),
            ("token_refused", "failure", ""),
        ] {
            let found = all.iter().find(|entry| entry[0] == event);
            let found = found.unwrap_or_else(|| panic!("no {event} in {all:#?}"));
            assert_eq!((&*found[1], &*found[3]), (outcome, subject), "{found:?}");
        }
    }
}
