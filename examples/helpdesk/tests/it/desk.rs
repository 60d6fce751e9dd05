//! The helpdesk for authorized users.

use helpdesk::app;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};

pub async fn staff(site: &TestSite, name: &str) -> Client {
    site.sign_in(name, Rank::Staff).await
}

pub async fn open(client: &mut Client, subject: &str, body: &str) -> i32 {
    let answer = client
        .submit(
            "/tickets/new",
            "/tickets",
            &[("subject", subject), ("body", body)],
        )
        .await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    answer
        .header("location")
        .rsplit('/')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

async fn act(client: &mut Client, id: i32, action: &str, fields: &[(&str, &str)]) -> Answer {
    let page = format!("/tickets/{id}");
    let version = client
        .get(&page)
        .await
        .hidden_field("version")
        .unwrap_or_else(|| "1".into());
    client
        .submit(
            &page,
            action,
            &[&[("version", version.as_str())], fields].concat(),
        )
        .await
}

async fn status(site: &TestSite, id: i32) -> String {
    let row: Option<(String,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT status FROM helpdesk_ticket WHERE id = ?", id))
        .await
        .unwrap();
    row.unwrap().0
}

// F080
#[tokio::test]
async fn a_ticket_moves_along_allowed_states_only() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut ines = staff(&site, "ines").await;
    let id = open(&mut ann, "It smokes", "A lot").await;
    let (path, comments) = (
        format!("/tickets/{id}/status"),
        format!("/tickets/{id}/comments"),
    );
    for forbidden in ["closed", "waiting", "open", "deleted", "OPEN", ""] {
        let answer = act(&mut ann, id, &path, &[("status", forbidden)]).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 409),
            "{forbidden}: {}",
            answer.status
        );
        assert_eq!(status(&site, id).await, "open");
    }
    assert_eq!(
        act(&mut ines, id, &format!("/queue/{id}/assign"), &[])
            .await
            .status,
        303
    );
    assert_eq!(
        act(&mut ines, id, &comments, &[("body", "Please unplug it.")])
            .await
            .status,
        303
    );
    assert_eq!(status(&site, id).await, "waiting");
    assert_eq!(
        act(&mut ann, id, &comments, &[("body", "Done.")])
            .await
            .status,
        303
    );
    assert_eq!(status(&site, id).await, "open");
    assert_eq!(
        act(&mut ann, id, &path, &[("status", "resolved")])
            .await
            .status,
        303
    );
    assert_eq!(
        act(&mut ann, id, &path, &[("status", "open")]).await.status,
        303,
        "the customer may reopen"
    );
    assert_eq!(
        act(&mut ines, id, &path, &[("status", "closed")])
            .await
            .status,
        303
    );
    assert_eq!(
        act(&mut ann, id, &comments, &[("body", "One more thing")])
            .await
            .status,
        409,
        "closed for good"
    );
    assert_eq!(
        act(&mut ines, id, &path, &[("status", "open")])
            .await
            .status,
        409
    );
    let page = ann.get(&format!("/tickets/{id}")).await.body;
    assert!(
        page.contains("Please unplug it.")
            && page.contains("ines works on it")
            && page.contains("(staff)"),
        "{page}"
    );
}

#[tokio::test]
async fn two_people_at_once_lose_nothing() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let mut ines = staff(&site, "ines").await;
    let id = open(&mut ann, "It smokes", "A lot").await;
    let (page, comments) = (format!("/tickets/{id}"), format!("/tickets/{id}/comments"));
    let seen = ines.get(&page).await;
    assert_eq!(
        act(&mut ann, id, &comments, &[("body", "It is out.")])
            .await
            .status,
        303
    );
    let token = seen.token().unwrap();
    let version = seen.hidden_field("version").unwrap();
    let late = ines
        .post(
            &comments,
            &[
                ("csrfmiddlewaretoken", &token),
                ("version", &version),
                ("body", "Call the fire brigade!"),
            ],
        )
        .await;
    assert_eq!(late.status, 409);
    assert!(
        late.body.contains("changed by another user") && late.body.contains("It is out."),
        "{}",
        late.body
    );
    assert!(
        late.body.contains("Call the fire brigade!"),
        "what was typed is still there"
    );
    assert!(
        !ann.get(&page).await.body.contains("fire brigade"),
        "and nothing was written"
    );
    let newer = late.hidden_field("version").unwrap();
    let again = ines
        .post(
            &comments,
            &[
                ("csrfmiddlewaretoken", &late.token().unwrap()),
                ("version", &newer),
                ("body", "Good."),
            ],
        )
        .await;
    assert_eq!(again.status, 303, "sent again with what is new");
    let stale = ines
        .post(
            &format!("/tickets/{id}/status"),
            &[
                ("csrfmiddlewaretoken", &token),
                ("version", &version),
                ("status", "closed"),
            ],
        )
        .await;
    assert_eq!(
        (stale.status.as_u16(), status(&site, id).await.as_str()),
        (409, "waiting")
    );
    // a version of the future is as wrong as one of the past
    let next = (ines
        .get(&page)
        .await
        .hidden_field("version")
        .unwrap()
        .parse::<i32>()
        .unwrap()
        + 1)
    .to_string();
    let early = ines
        .post(
            &format!("/tickets/{id}/status"),
            &[
                ("csrfmiddlewaretoken", &token),
                ("version", &next),
                ("status", "closed"),
            ],
        )
        .await;
    assert_eq!(
        (early.status.as_u16(), status(&site, id).await.as_str()),
        (409, "waiting")
    );
}

// D19; ASVS 1.1.2, 1.2.1; F054
#[tokio::test]
async fn markup_is_text_everywhere_and_kept_as_typed() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    let payload = "</textarea></title><script>alert(1)</script><img src=x onerror='alert(1)'>\" onmouseover=\"alert(1)";
    let id = open(&mut ann, payload, payload).await;
    let (stored,): (String,) = site
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT body FROM helpdesk_ticket"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored, payload, "kept as typed");
    let encoded: String = payload.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for path in [
        format!("/tickets/{id}"),
        "/tickets".into(),
        format!("/tickets?q={}", &encoded[..90]),
    ] {
        let page = ann.get(&path).await.body;
        assert!(
            !page.contains("<script>")
                && !page.contains("<img")
                && !page.contains("\" onmouseover"),
            "{path}: {page}"
        );
        assert!(!page.contains("&amp;lt;"), "escaped once: {path}");
    }
    let refused = ann
        .submit(
            "/tickets/new",
            "/tickets",
            &[("subject", payload), ("body", "")],
        )
        .await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("This field is required.")
            && refused.body.contains("&lt;script&gt;")
            && !refused.body.contains("<script>")
    );
}

// D10, D28
#[tokio::test]
async fn searching_and_paging_take_what_they_know() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for number in 0..23 {
        open(&mut ann, &format!("Number {number} at 100%"), "x").await;
    }
    assert_eq!(
        ann.get("/tickets").await.body.matches("<tr>").count(),
        21,
        "twenty and the heading"
    );
    assert_eq!(
        ann.get("/tickets?page=2")
            .await
            .body
            .matches("<tr>")
            .count(),
        4
    );
    assert_eq!(
        ann.get("/tickets?q=100%25&page=2")
            .await
            .body
            .matches("<tr>")
            .count(),
        4,
        "% is a character"
    );
    assert!(
        ann.get("/tickets?q=100_")
            .await
            .body
            .contains("Nothing here")
    );
    assert!(
        ann.get("/tickets?page=100000")
            .await
            .body
            .contains("Nothing here")
    );
    for query in [
        "page=0",
        "page=-1",
        "page=100001",
        "order=id",
        "order=subject;--",
        "status=any",
        "page=1&page=2",
        "q=%ff",
    ] {
        assert_eq!(
            ann.get(&format!("/tickets?{query}")).await.status,
            400,
            "{query}"
        );
    }
}

// the user's data is deleted with the account; other users' data stays
#[tokio::test]
async fn a_customer_is_forgotten_with_the_tickets() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut bob) = (site.client(), site.client());
    ann.sign_up("ann").await;
    bob.sign_up("bob").await;
    let mut ines = staff(&site, "ines").await;
    let (hers, his) = (
        open(&mut ann, "It smokes", "A lot").await,
        open(&mut bob, "It beeps", "Loudly").await,
    );
    for id in [hers, his] {
        act(&mut ines, id, &format!("/queue/{id}/assign"), &[]).await;
        act(
            &mut ines,
            id,
            &format!("/tickets/{id}/comments"),
            &[("body", "Unplug it.")],
        )
        .await;
    }
    let prove = [("current_password", "correct horse battery staple")];
    let file = ann
        .submit("/account/export", "/account/export", &prove)
        .await
        .body;
    assert!(
        file.contains("It smokes") && !file.contains("It beeps"),
        "{file}"
    );
    let gone = ann
        .submit("/account/delete", "/account/delete", &prove)
        .await;
    assert_eq!(gone.status, 303, "{:?}", gone.events());
    assert_eq!(ines.get(&format!("/tickets/{hers}")).await.status, 404);
    let gone = ines
        .submit("/account/delete", "/account/delete", &prove)
        .await;
    assert_eq!(gone.status, 303, "{:?}", gone.events());
    let left = bob.get(&format!("/tickets/{his}")).await.body;
    assert!(
        left.contains("It beeps") && !left.contains("Unplug it.") && !left.contains("ines"),
        "{left}"
    );
}

// ASVS 15.2.2: the screen on the wall asks without a login, and must not read every ticket
#[tokio::test]
async fn how_busy_the_desk_is_costs_little() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    for subject in ["one", "two"] {
        open(&mut ann, subject, "Please help.").await;
    }
    let answer = site.client().get("/status").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (200, r#"{"open":2}"#)
    );
    let plan: Vec<(i32, i32, i32, String)> = site
        .site()
        .database()
        .handle()
        .fetch_all(sql!(
            "EXPLAIN QUERY PLAN SELECT status, COUNT(id) FROM helpdesk_ticket WHERE status IN ('open', 'waiting') GROUP BY status"
        ))
        .await
        .unwrap();
    let plan: Vec<&str> = plan.iter().map(|(.., step)| step.as_str()).collect();
    assert!(
        plan.len() == 1 && plan[0].contains("COVERING INDEX helpdesk_ticket_status"),
        "{plan:?}"
    );
}
