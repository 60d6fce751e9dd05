//! Who gets a file, and how.

use super::{files_of, png, send, site};
use palisade::auth::Rank;

// F083, D35, V3.2.1, V5.3.1: the rule of the row, an attachment, nothing that runs
#[tokio::test]
async fn a_file_is_served_by_the_rule_of_its_row() {
    let (site, mut ann) = site(&[]).await;
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), b"hello").await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let own = ann.get(&url).await;
    assert_eq!((own.status.as_u16(), own.body.as_str()), (200, "hello"));
    let expected = [
        ("content-type", "text/plain; charset=utf-8"),
        ("content-disposition", "attachment; filename=\"a.txt\""),
        (
            "content-security-policy",
            "sandbox; default-src 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("cross-origin-resource-policy", "same-origin"),
        ("accept-ranges", "bytes"),
        ("set-cookie", ""),
    ];
    for (name, value) in expected {
        assert_eq!(own.header(name), value, "{name}");
    }
    let mut eve = site.client();
    eve.sign_up("eve").await;
    let mut staff = site.sign_in("carl", Rank::Staff).await;
    assert_eq!(staff.get(&url).await.status, 200);
    let unknown = format!("/uploaded/{}", "0".repeat(40));
    let (hidden, missing) = (eve.get(&url).await, eve.get(&unknown).await);
    assert_eq!(
        (hidden.status.as_u16(), missing.status.as_u16()),
        (404, 404)
    );
    assert_eq!(
        hidden.header("content-type"),
        missing.header("content-type")
    );
    assert_eq!(site.client().get(&url).await.status, 404);
    for method in ["POST", "PUT", "DELETE"] {
        let request = ann.request(method.parse().unwrap(), &url);
        assert_eq!(
            ann.send(request, axum::body::Body::empty()).await.status,
            405
        );
    }
}

// D51: paths and globs are no keys
#[tokio::test]
async fn hostile_keys_are_not_found() {
    let (_site, mut ann) = site(&[]).await;
    let long = "a".repeat(5_000);
    let keys = [
        "..%2f..%2fpalisade.key",
        "%2e%2e",
        "*",
        "%00",
        "0000000000000000000000000000000000000000.new",
        "'%20OR%201=1--",
        long.as_str(),
    ];
    for key in keys {
        let status = ann.get(&format!("/uploaded/{key}")).await.status;
        assert!(status.is_client_error(), "{key}: {status}");
    }
}

// CVE-2026-33174, CVE-2026-33658, F085: one range, streamed, across the borders of chunks
#[tokio::test]
async fn ranges_are_decrypted_by_chunk() {
    let (_site, mut ann) = site(&[]).await;
    let content: String = (0..30_000).map(|line| format!("{line}\n")).collect();
    let created = send(
        &mut ann,
        ("plain", "a.log", "text/plain"),
        content.as_bytes(),
    )
    .await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let length = content.len();
    for (first, last) in [
        (0, 0),
        (0, 65_535),
        (65_535, 65_536),
        (65_536, 131_072),
        (length - 1, length + 9),
        (100_000, 160_000),
    ] {
        let mut client = ann
            .clone()
            .with_header("range", &format!("bytes={first}-{last}"));
        let part = client.get(&url).await;
        assert_eq!(part.status, 206, "{first}-{last}");
        let last = last.min(length - 1);
        assert_eq!(part.body, content[first..=last], "{first}-{last}");
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{last}/{length}")
        );
        assert_eq!(
            part.header("content-disposition").split(';').next(),
            Some("attachment")
        );
    }
    let ranges = |header: String| ann.clone().with_header("range", &header);
    let outside = ranges(format!("bytes={length}-")).get(&url).await;
    assert_eq!(outside.status, 416);
    let flood = (0..500)
        .map(|at| format!("{at}-{at}"))
        .collect::<Vec<_>>()
        .join(",");
    let flood = ranges(format!("bytes={flood}")).get(&url).await;
    assert_eq!((flood.status.as_u16(), flood.body.len()), (200, length));
    let suffix = ranges("bytes=-5".into()).get(&url).await;
    assert_eq!(suffix.body, content[length - 5..]);
}

// F085: what was changed on the disk is not served
#[tokio::test]
async fn a_changed_file_is_not_served() {
    let (site, mut ann) = site(&[]).await;
    let content = vec![b'a'; 200_000];
    let created = send(&mut ann, ("plain", "a.txt", "text/plain"), &content).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let path = super::stored(&site).remove(0);
    let sealed = std::fs::read(&path).unwrap();
    assert!(
        !sealed.windows(64).any(|bytes| bytes == [b'a'; 64]),
        "it is encrypted"
    );
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let chunk = 65_552;
    let swapped = [
        &sealed[chunk..2 * chunk],
        &sealed[..chunk],
        &sealed[2 * chunk..],
    ]
    .concat();
    let mut flipped = sealed.clone();
    flipped[10] ^= 1;
    for (what, bytes) in [
        ("swapped", swapped),
        ("flipped", flipped),
        ("cut", sealed[..chunk].to_vec()),
        ("empty", Vec::new()),
    ] {
        std::fs::write(&path, bytes).unwrap();
        assert!(!is_whole(&mut ann, &url, &content).await, "{what}");
    }
    std::fs::write(&path, &sealed).unwrap();
    assert!(is_whole(&mut ann, &url, &content).await);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ann.get(&url).await.status, 503);
}

/// Whether the whole content comes; a broken stream ends before its length.
async fn is_whole(client: &mut palisade::testing::Client, url: &str, content: &[u8]) -> bool {
    let answered = client.try_get(url).await;
    answered.is_some_and(|answer| answer.bytes == content)
}

// a picture that was encoded again is shown in pages, from this site only
#[tokio::test]
async fn only_pictures_are_inline() {
    let (_site, mut ann) = site(&[]).await;
    let created = send(&mut ann, ("shot", "a.png", "image/png"), &png()).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let picture = ann.get(&url).await;
    assert!(
        picture
            .header("content-disposition")
            .starts_with("inline; ")
    );
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><path d=\"M0 0h9\"/></svg>";
    let created = send(&mut ann, ("drawing", "a.svg", "image/svg+xml"), svg).await;
    let url = files_of(&mut ann, &created).await.remove(0);
    let drawing = ann.get(&url).await;
    assert!(
        drawing
            .header("content-disposition")
            .starts_with("attachment; ")
    );
    assert_eq!(drawing.header("content-type"), "image/svg+xml");
}
