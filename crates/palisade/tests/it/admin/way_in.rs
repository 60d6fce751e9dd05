//! Where the admin is, and for whom.

use super::desk::{ON, TICKETS, app, events, on_both, staff};
use crate::server::{Served, free_port, raw};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::chrono::TimeDelta;
use palisade::testing::{Answer, TestSite};

/// A 404 page without what differs by request.
fn shape(answer: &Answer) -> (StatusCode, String, Vec<String>) {
    let id = answer.header("x-request-id").to_owned();
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    let body = answer.body.replace(&id, "");
    let path = body
        .replace("/office-none", "/office")
        .replace("/office/tickets", "/office");
    (answer.status, path, names)
}

// F053 D04 D09 D36 V13.4.5
#[tokio::test]
async fn the_admin_is_a_404_for_all_but_staff_with_a_second_factor() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &TICKETS).await;
        assert_eq!(ines.get("/office").await.status, StatusCode::OK);
        assert_eq!(ines.get("/office/tickets").await.status, StatusCode::OK);
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        // her password is known, her second factor is not
        let mut without = site.sign_in("piet", Rank::Plain).await;
        site.set_rank("piet", Rank::Staff).await;
        let mut anonymous = site.client();
        for client in [&mut anonymous, &mut ann, &mut without] {
            // the first response of a client may set a cookie
            client.get("/office-none").await;
            let unknown = client.get("/office-none").await;
            for path in [
                "/office",
                "/office/tickets",
                "/office/tickets/add",
                "/office/audit",
            ] {
                let hidden = client.get(path).await;
                assert_eq!(hidden.status, StatusCode::NOT_FOUND, "{path}");
                assert_eq!(shape(&hidden).0, shape(&unknown).0);
                assert_eq!(shape(&hidden).2, shape(&unknown).2, "{path}");
                let like = format!("/{}", "x".repeat(path.len() - 1));
                assert_eq!(
                    hidden.body.len(),
                    client.get(&like).await.body.len(),
                    "{path}"
                );
            }
            for path in ["/office/tickets/row/1", "/office/tickets/action/run"] {
                let posted = client.post(path, &[("subject", "x")]).await;
                assert_eq!(
                    posted.status,
                    client.post("/office-none", &[]).await.status,
                    "{path}"
                );
            }
        }
    })
    .await;
}

// F053
#[tokio::test]
async fn the_path_is_derived_from_the_key_and_no_site_without_an_admin_has_one() {
    let site = TestSite::start(app(), &[]).await;
    let admin = site
        .site()
        .routes()
        .iter()
        .find(|route| route.path.starts_with("/admin-"));
    let path = &admin.unwrap().path;
    assert_eq!(path.len(), "/admin-".len() + 8, "{path}");
    let other = TestSite::start(app(), &[]).await;
    let is_same = other
        .site()
        .routes()
        .iter()
        .any(|route| route.path == *path);
    assert!(!is_same, "another key, another path");
    let mut ines = staff(&site, "ines", &TICKETS).await;
    assert_eq!(ines.get(path).await.status, StatusCode::OK);
    assert_eq!(ines.get("/admin").await.status, StatusCode::NOT_FOUND);

    let without = TestSite::start(palisade::prelude::App::new(), &[]).await;
    assert!(
        without
            .site()
            .routes()
            .iter()
            .all(|route| !route.path.contains("admin"))
    );
}

// F053
#[tokio::test]
async fn other_networks_and_other_hosts_get_the_404() {
    let mut elsewhere = ON.to_vec();
    elsewhere.push(("admin.networks", "192.0.2.0/24"));
    let site = TestSite::start(app(), &elsewhere).await;
    let mut ines = staff(&site, "ines", &TICKETS).await;
    assert_eq!(ines.get("/office").await.status, StatusCode::NOT_FOUND);

    let mut other = ON.to_vec();
    other.push(("admin.host", "127.0.0.1"));
    let site = TestSite::start(app(), &other).await;
    let mut ines = staff(&site, "ines", &TICKETS).await;
    assert_eq!(ines.get("/office").await.status, StatusCode::NOT_FOUND);
    let mut ines = ines.with_header("host", "127.0.0.1");
    assert_eq!(ines.get("/office").await.status, StatusCode::OK);
}

// F053: on real sockets, with the same session
#[tokio::test]
async fn a_listener_of_its_own_serves_the_admin_and_no_other_does() {
    let own = format!("127.0.0.1:{}", free_port());
    let mut settings = ON.to_vec();
    settings.extend([("server.address", "127.0.0.1:0"), ("admin.address", &own)]);
    let site = TestSite::start(app(), &settings).await;
    let mut ines = staff(&site, "ines", &TICKETS).await;
    let denied = ines.get("/office").await;
    assert_eq!(
        (denied.status, events(&denied)),
        (StatusCode::NOT_FOUND, vec!["access_denied".to_owned()])
    );
    let mut inside = ines.clone().at_admin();
    assert_eq!(inside.get("/office/tickets").await.status, StatusCode::OK);
    assert_eq!(inside.get("/").await.body, "front", "and the site");
    let cookies = ines.cookies().iter();
    let cookies: Vec<String> = cookies
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let request = format!(
        "GET /office HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {}\r\n\r\n",
        cookies.join("; ")
    );
    let served = Served::of(site).await;
    let outside = served.raw(request.as_bytes()).await;
    assert!(outside.starts_with("HTTP/1.1 404"), "{outside}");
    let within = raw(&own, request.as_bytes()).await;
    assert!(within.starts_with("HTTP/1.1 200"), "{within}");
    served.stop().await;
}

// F053
#[tokio::test]
async fn an_old_login_is_asked_again_and_sooner_for_dangerous_operations() {
    let site = TestSite::start(app(), &ON).await;
    let mut ines = staff(&site, "ines", &TICKETS).await;
    site.clock().advance(TimeDelta::minutes(30));
    assert_eq!(ines.get("/office/tickets").await.status, StatusCode::OK);
    let restored = ines
        .submit("/office/tickets", "/office/bin", &[("id", "x")])
        .await;
    assert!(
        restored.header("location").contains("reauthenticate")
            || restored.header("location").contains("going"),
        "{:?}",
        restored.header("location")
    );
    site.clock().advance(TimeDelta::hours(12));
    let old = ines.get("/office/tickets").await;
    assert_ne!(old.status, StatusCode::OK);
    assert!(!old.body.contains("Tickets"));
}

// V8.2.1
#[tokio::test]
async fn staff_without_a_permission_see_no_resource_and_each_refusal_is_an_event() {
    on_both(async |site| {
        let mut piet = staff(site, "piet", &["desk.view_comment"]).await;
        let home = piet.get("/office").await;
        assert!(home.body.contains("/office/comments"), "{}", home.body);
        assert!(!home.body.contains("/office/tickets"));
        for path in [
            "/office/tickets",
            "/office/tickets/row/1",
            "/office/audit",
            "/office/history",
        ] {
            let refused = piet.get(path).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(events(&refused), ["access_denied"], "{path}");
        }
        // the resource is visible, the operation is not his
        let refused = piet.get("/office/comments/add").await;
        assert_eq!(
            (refused.status, events(&refused)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()])
        );
    })
    .await;
}
