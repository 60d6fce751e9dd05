use super::*;
use http::HeaderMap;

// F086
#[test]
fn a_site_s_file_takes_the_place_of_the_framework_s() {
    let files = StaticFiles::embedded(&[
        ("palisade.css", b"p { }"),
        ("a/b.min.js", b"1"),
        ("no-extension", b"2"),
        ("a.b/c", b"3"),
    ]);
    let store = Store::new(files.layered_over(StaticFiles::own()));
    let links = store.links();
    assert_eq!(links.len(), 4);
    let url = |plain: &str| {
        links
            .iter()
            .find(|(url, _)| url == plain)
            .map(|(_, link)| link.url.clone())
            .unwrap_or_default()
    };
    let length = http_body::Body::size_hint(
        store
            .answer("/static/palisade.css", &HeaderMap::new())
            .body(),
    )
    .exact();
    assert_eq!(length, Some(5));
    for (plain, before, after) in [
        ("/static/a/b.min.js", "/static/a/b.min.", ".js"),
        ("/static/no-extension", "/static/no-extension.", ""),
        ("/static/a.b/c", "/static/a.b/c.", ""),
    ] {
        let hashed = url(plain);
        assert!(
            hashed.starts_with(before)
                && hashed.ends_with(after)
                && hashed.len() > plain.len() + 15,
            "{hashed}"
        );
        assert_eq!(
            store.answer(&hashed, &HeaderMap::new()).status(),
            200,
            "{hashed}"
        );
    }
}

// F086: equal content has equal names, and different content different ones
#[test]
fn names_depend_on_the_content_only() {
    let name = |bytes: &'static [u8]| {
        Store::new(StaticFiles::embedded(&[("a.js", bytes)])).links()[0]
            .1
            .clone()
    };
    assert_eq!(name(b"one"), name(b"one"));
    assert_ne!(name(b"one").url, name(b"two").url);
    assert_ne!(name(b"one").integrity, name(b"two").integrity);
}
