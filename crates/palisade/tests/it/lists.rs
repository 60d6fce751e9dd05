//! Block lists and allow-lists, on a site.

use axum::response::IntoResponse;
use palisade::http::Networks;
use palisade::prelude::*;
use palisade::testing::{TestSite, events};

fn app() -> App {
    let office: Networks = "192.0.2.0/24, 2001:db8:1::/48".parse().unwrap();
    let back = Routes::new()
        .route("/back/one", public().get(async || "back"))
        .route("/back/two", staff().get(async || "back"));
    let routes = Routes::new()
        .route("/", public().get(async || "front"))
        .route(
            "/here",
            public()
                .get(async || "here")
                .only_from("127.0.0.0/8".parse().unwrap()),
        )
        .merge(back.only_from(&office));
    App::new().routes(routes)
}

async fn status(site: &TestSite, address: &str, path: &str) -> u16 {
    site.client()
        .from_address(address.parse().unwrap())
        .get(path)
        .await
        .status
        .as_u16()
}

// F097, D32
#[tokio::test]
async fn a_listed_address_is_blocked_and_lists_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tor.txt").display().to_string();
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("ExitNode AAAA\nExitAddress 198.51.100.7 2026-01-01 00:00:00\n2001:db8::/32\n");
    let settings = [
        ("http.block_lists", path.as_str()),
        ("http.blocked_networks", "203.0.113.0/24"),
    ];
    let site = TestSite::start(app(), &settings).await;
    for address in [
        "198.51.100.7",
        "::ffff:198.51.100.7",
        "2001:db8::1",
        "203.0.113.9",
    ] {
        assert_eq!(status(&site, address, "/").await, 403, "{address}");
    }
    assert!(
        events("event.action=blocked")
            .iter()
            .any(|event| event.contains("198.51.100.7")),
        "it is recorded"
    );
    assert_eq!(status(&site, "198.51.100.8", "/").await, 200);
    // behind a proxy it is the client that counts
    let proxied = TestSite::start(
        app(),
        &[&settings[..], &[("http.trusted_proxies", "127.0.0.1/32")]].concat(),
    )
    .await;
    let mut client = proxied
        .client()
        .with_header("x-forwarded-for", "198.51.100.7");
    assert_eq!(client.get("/").await.status, 403);
    assert_eq!(
        site.client()
            .with_header("x-forwarded-for", "198.51.100.7")
            .get("/")
            .await
            .status,
        200,
        "a stranger's header"
    );
    // a new list; one that is broken or gone; a new one again
    write("198.51.100.8\n");
    site.site().block_lists_refreshed();
    assert_eq!(
        (
            status(&site, "198.51.100.7", "/").await,
            status(&site, "198.51.100.8", "/").await
        ),
        (200, 403)
    );
    write("<html>502 Bad Gateway</html>\n");
    site.site().block_lists_refreshed();
    assert_eq!(
        status(&site, "198.51.100.8", "/").await,
        403,
        "the previous one stays"
    );
    assert!(
        !events("cannot be read: the previous one stays").is_empty()
            || !events("tor.txt").is_empty()
    );
    std::fs::remove_file(&path).unwrap();
    site.site().block_lists_refreshed();
    assert_eq!(status(&site, "198.51.100.8", "/").await, 403, "and stays");
    write("");
    site.site().block_lists_refreshed();
    assert_eq!(status(&site, "198.51.100.8", "/").await, 200);
    // a site with a configured block list does not start without it
    write("198.51.100.8\nexample.org\n");
    let error = TestSite::try_start(app(), &settings)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("tor.txt: line 2") && error.contains("fix: "),
        "{error}"
    );
}

// F097: the modes
#[tokio::test]
async fn a_site_may_ask_or_only_look() {
    let list = [("http.blocked_networks", "198.51.100.0/24")];
    let with = |mode: &'static str| [&list[..], &[("http.block_mode", mode)]].concat();
    let looking = TestSite::start(app(), &with("log")).await;
    assert_eq!(status(&looking, "198.51.100.7", "/").await, 200);
    assert!(
        events("event.action=blocked")
            .iter()
            .any(|event| event.contains("198.51.100.7"))
    );
    let puzzle = |parts: &http::request::Parts| {
        let is_solved = parts
            .headers
            .get("cookie")
            .is_some_and(|cookie| cookie == "puzzle=solved");
        (!is_solved).then(|| {
            (
                http::StatusCode::FORBIDDEN,
                axum::response::Html("<h1>A puzzle</h1>"),
            )
                .into_response()
        })
    };
    let asking = TestSite::start(app().challenge(puzzle), &with("challenge")).await;
    let mut client = asking
        .client()
        .from_address("198.51.100.7".parse().unwrap());
    let asked = client.get("/").await;
    assert_eq!(
        (asked.status.as_u16(), asked.body.contains("A puzzle")),
        (403, true)
    );
    assert!(
        !asked.header("content-security-policy").is_empty(),
        "with the headers of every page"
    );
    client.cookies().insert("puzzle".into(), "solved".into());
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(
        status(&asking, "198.51.101.7", "/").await,
        200,
        "other clients get no challenge"
    );
    let broken = TestSite::start(
        app().challenge(|_| panic!("a bug in the puzzle")),
        &with("challenge"),
    )
    .await;
    assert_eq!(
        status(&broken, "198.51.100.7", "/").await,
        500,
        "a bug admits no client, and is an error page"
    );
    assert_eq!(status(&broken, "198.51.101.7", "/").await, 200);
    let without = TestSite::start(app(), &with("challenge")).await;
    assert_eq!(
        status(&without, "198.51.100.7", "/").await,
        403,
        "without a challenge: blocked"
    );
}

// F004
#[tokio::test]
async fn a_part_of_a_site_is_there_for_some_networks_only() {
    let site = TestSite::start(app(), &[]).await;
    assert_eq!(status(&site, "192.0.2.9", "/back/one").await, 200);
    assert_eq!(status(&site, "2001:db8:1::9", "/back/one").await, 200);
    assert_eq!(
        status(&site, "192.0.2.9", "/back/two").await,
        404,
        "the access rule holds as well"
    );
    let (hidden, nothing) = ("/back/one", "/back/nothing");
    let mut stranger = site.client().from_address("192.0.3.9".parse().unwrap());
    let (hidden, nothing) = (stranger.get(hidden).await, stranger.get(nothing).await);
    assert_eq!(
        (hidden.status.as_u16(), nothing.status.as_u16()),
        (404, 404)
    );
    assert_eq!(
        hidden.headers.len(),
        nothing.headers.len(),
        "it looks like a page that does not exist"
    );
    assert!(
        hidden
            .events()
            .iter()
            .any(|event| event.contains("access_denied"))
    );
    assert_eq!(
        stranger.post("/back/one", &[]).await.status,
        404,
        "in every method"
    );
    assert_eq!(status(&site, "127.0.0.1", "/here").await, 200);
    assert_eq!(status(&site, "192.0.2.9", "/here").await, 404);
}

// F097, F119
#[tokio::test]
async fn lists_of_other_sites_are_fetched_and_the_last_good_one_is_kept() {
    let answer = std::sync::Arc::new(std::sync::Mutex::new((200, "185.220.101.0/28\n")));
    let (said, listener) = (
        answer.clone(),
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(),
    );
    let url = format!("http://{}/exits", listener.local_addr().unwrap());
    let handler = move || async move {
        let (status, text) = *said.lock().unwrap();
        (http::StatusCode::from_u16(status).unwrap(), text)
    };
    tokio::spawn(async move {
        axum::serve(
            listener,
            axum::Router::new().route("/exits", axum::routing::get(handler)),
        )
        .await
    });
    let data = tempfile::tempdir().unwrap();
    let data = data.path().display().to_string();
    let settings = [
        ("http.block_list_urls", url.as_str()),
        ("http.block_list_secs", "1"),
        ("site.data", &data),
    ];
    // no client is redirected to loopback, nor is a list fetched from it
    let careful = TestSite::start(app(), &settings[..2]).await;
    careful.site().block_lists_fetched().await;
    assert_eq!(status(&careful, "185.220.101.7", "/").await, 200);
    assert!(
        events(&url)
            .iter()
            .any(|event| event.contains("is not allowed")),
        "and the log says why"
    );
    let settings = [
        &settings[..],
        &[("client.private_networks", "127.0.0.1/32")],
    ]
    .concat();
    let site = TestSite::start(app(), &settings).await;
    assert_eq!(
        status(&site, "185.220.101.7", "/").await,
        200,
        "the site starts without waiting for others"
    );
    site.site().block_lists_fetched().await;
    for address in ["185.220.101.7", "::ffff:185.220.101.7"] {
        assert_eq!(status(&site, address, "/").await, 403, "{address}");
    }
    *answer.lock().unwrap() = (200, "185.220.101.16/28\n");
    site.site().block_lists_fetched().await;
    assert_eq!(
        status(&site, "185.220.101.7", "/").await,
        403,
        "not before it is due"
    );
    for bad in [
        (500, "185.220.101.16/28\n"),
        (200, "<html>maintenance</html>"),
        (200, ""),
        (302, ""),
        (200, "0.0.0.0/0\n"),
        (200, "::/8\n"),
        (200, "::ffff:64.0.0.0/98\n"),
        (200, "64.0.0.0/7\n"),
        // small ones that are much together
        (
            200,
            "9.0.0.0/8\n11.0.0.0/8\n12.0.0.0/8\n13.0.0.0/8\n15.0.0.0/8\n16.0.0.0/8\n17.0.0.0/8\n18.0.0.0/8\n19.0.0.0/8\n20.0.0.0/8\n21.0.0.0/8\n22.0.0.0/8\n23.0.0.0/8\n24.0.0.0/8\n25.0.0.0/8\n26.0.0.0/8\n28.0.0.0/8\n",
        ),
        (200, "10.0.0.0/8\n127.0.0.0/8\n"),
    ] {
        *answer.lock().unwrap() = bad;
        tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
        site.site().block_lists_fetched().await;
        assert_eq!(
            status(&site, "185.220.101.7", "/").await,
            403,
            "the one before stays: {bad:?}"
        );
    }
    // after a restart the last good one counts at once
    let again = TestSite::start(app(), &settings).await;
    assert_eq!(status(&again, "185.220.101.7", "/").await, 403);
    *answer.lock().unwrap() = (200, "185.220.101.16/28\n127.0.0.0/8\n10.0.0.0/8\n");
    site.site().block_lists_fetched().await;
    assert_eq!(
        status(&site, "127.0.0.1", "/").await,
        200,
        "a list cannot block private networks"
    );
    tokio::time::sleep(std::time::Duration::from_millis(1050)).await;
    *answer.lock().unwrap() = (200, "172.0.0.0/8\n100.0.0.0/8\n185.220.101.16/28\n");
    site.site().block_lists_fetched().await;
    for (address, expected) in [
        ("172.1.2.3", 403),
        ("172.16.0.1", 200),
        ("100.1.2.3", 403),
        ("100.64.0.1", 200),
    ] {
        assert_eq!(
            status(&site, address, "/").await,
            expected,
            "{address}: private networks are no business of a list"
        );
    }
    assert_eq!(
        (
            status(&site, "185.220.101.7", "/").await,
            status(&site, "185.220.101.17", "/").await
        ),
        (200, 403)
    );
}
