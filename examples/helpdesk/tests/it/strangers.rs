//! Two customers and a crawler: nothing of one is there for the other, in any route or method.

use crate::desk::{open, staff};
use axum::body::Body;
use helpdesk::app;
use palisade::prelude::*;
use palisade::testing::{Client, Crawl, TestSite};

async fn snapshot(site: &TestSite) -> Vec<(i32, String, i32, Option<String>)> {
    site.site()
        .database()
        .handle()
        .fetch_all(sql!(
            "SELECT id, status, version, assignee_name FROM helpdesk_ticket ORDER BY id"
        ))
        .await
        .unwrap()
}

async fn comments(site: &TestSite) -> i64 {
    let row: Option<(i64,)> = site
        .site()
        .database()
        .handle()
        .fetch_one(sql!("SELECT COUNT(*) FROM helpdesk_comment"))
        .await
        .unwrap();
    row.unwrap().0
}

/// Every answer of a path, in every method, with a token that the client may use.
async fn every_method(client: &mut Client, path: &str) -> Vec<(String, u16)> {
    let token = client.get("/tickets/new").await.token().unwrap_or_default();
    let mut found = Vec::new();
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let request = client
            .request(method.parse().unwrap(), path)
            .header("origin", "http://localhost")
            .header("x-csrftoken", &token);
        let answer = if method == "POST" {
            client
                .form(
                    request,
                    &[("version", "1"), ("body", "mine now"), ("status", "closed")]
                        [..if path.ends_with("assign") { 1 } else { 2 }],
                )
                .await
        } else {
            client.send(request, Body::empty()).await
        };
        found.push((method.to_owned(), answer.status.as_u16()));
    }
    found
}

// D09; F047; ASVS 8.2.2: found by the owner's own links and forms
#[tokio::test]
async fn the_crawl_of_two_customers_finds_nothing() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut eve) = (site.client(), site.client());
    ann.sign_up("ann").await;
    eve.sign_up("eve").await;
    for client in [&mut ann, &mut eve] {
        let id = open(client, "my own", "private").await;
        let page = format!("/tickets/{id}");
        let fields = [("body", "a comment"), ("version", "1")];
        let action = format!("{page}/comments");
        let said = client.submit(&page, &action, &fields).await;
        assert_eq!(said.status, 303);
    }
    let crawl = Crawl::new(&site, ann, eve);
    let crawl = crawl.unreached("/queue/{id}/assign", "customers assign no ticket");
    crawl.run().await.assert_sealed();
}

// D09; F048, F049; ASVS 8.2.1, 8.3.1
#[tokio::test]
async fn every_id_of_one_is_nothing_to_the_other() {
    let site = TestSite::start(app(), &[]).await;
    let (mut ann, mut eve, mut anonymous) = (site.client(), site.client(), site.client());
    ann.sign_up("ann").await;
    eve.sign_up("eve").await;
    let mut ids = Vec::new();
    for number in 0..3 {
        ids.push(open(&mut ann, &format!("ann's {number}"), "private").await);
    }
    let own = open(&mut eve, "eve's own", "x").await;
    let before = snapshot(&site).await;
    let routes: Vec<String> = site
        .site()
        .routes()
        .iter()
        .map(|route| route.path.clone())
        .filter(|path| path.contains("{id}"))
        .collect();
    assert!(routes.len() >= 4, "{routes:?}");
    for id in ids.iter().copied().chain([own + 1, 0, -1, i32::MAX]) {
        for route in &routes {
            let path = route.replace("{id}", &id.to_string());
            for (method, status) in every_method(&mut eve, &path).await {
                let is_hidden =
                    status == 404 || (status == 405 && !matches!(method.as_str(), "GET" | "HEAD"));
                // a form is no body of the API, for any row
                let is_form = status == 415 && route.starts_with("/api/");
                assert!(
                    is_hidden || is_form || (status == 405 && !route.ends_with("{id}")),
                    "eve: {method} {path} is {status}"
                );
            }
            for (method, status) in every_method(&mut anonymous, &path).await {
                assert!(
                    matches!(status, 303 | 401 | 403 | 404 | 405),
                    "anonymous: {method} {path} is {status}"
                );
            }
        }
    }
    for odd in [
        "/tickets/1%20OR%201=1",
        "/tickets/abc",
        "/tickets/99999999999999999999",
        "/tickets/1.0",
        "/tickets/%31x",
    ] {
        let status = eve.get(odd).await.status.as_u16();
        assert_eq!(status, 404, "{odd}");
    }
    assert_eq!(
        (snapshot(&site).await, comments(&site).await),
        (before, 0),
        "nothing changed"
    );
    let list = eve.get("/tickets").await.body + &eve.get("/tickets?q=ann").await.body;
    assert!(
        list.contains("eve&#x27;s own") && !list.contains("ann&#x27;s"),
        "{list}"
    );
}

/// Follows every link and sends every form it finds, as a crawler would.
// ASVS 2.2.1, 3.4.3, 4.1.1; D04
#[tokio::test]
async fn a_crawler_finds_no_fault_and_no_way_in() {
    let site = TestSite::start(app(), &[]).await;
    let mut ann = site.client();
    ann.sign_up("ann").await;
    open(&mut ann, "ann's", "private").await;
    let mut ines = staff(&site, "ines").await;
    let mut anonymous = site.client();
    for (name, client) in [
        ("ann", &mut ann),
        ("ines", &mut ines),
        ("anonymous", &mut anonymous),
    ] {
        let (mut seen, mut waiting) = (
            std::collections::BTreeSet::new(),
            vec!["/".to_owned(), "/tickets".into(), "/queue".into()],
        );
        while let Some(path) = waiting.pop() {
            if !seen.insert(path.clone()) || seen.len() > 100 {
                continue;
            }
            let answer = client.get(&path).await;
            assert!(
                answer.status.as_u16() < 500,
                "{name}: {path} is {}",
                answer.status
            );
            assert!(
                answer
                    .header("content-security-policy")
                    .contains("default-src 'none'"),
                "{name}: {path}"
            );
            for form in answer
                .body
                .split("<form ")
                .skip(1)
                .filter(|form| form.starts_with("method=\"post\""))
            {
                assert!(
                    form.split("</form>")
                        .next()
                        .unwrap()
                        .contains("csrfmiddlewaretoken"),
                    "{path}: {form}"
                );
                let action = form
                    .split("action=\"")
                    .nth(1)
                    .unwrap()
                    .split('"')
                    .next()
                    .unwrap();
                assert_eq!(
                    client.post(action, &[]).await.status,
                    403,
                    "{name}: {action} without a token"
                );
            }
            let links = answer
                .body
                .split("href=\"")
                .skip(1)
                .filter_map(|rest| rest.split('"').next());
            waiting.extend(
                links
                    .filter(|link| link.starts_with('/'))
                    .map(|link| link.replace("&amp;", "&")),
            );
        }
        println!("{name} saw {} pages", seen.len());
        assert!(seen.len() >= 5);
    }
}
