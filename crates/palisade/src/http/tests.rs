#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::cookies::{Cookie, SameSite, Transport, read};
use super::*;
use crate::testing::vectors;
use http::{HeaderMap, HeaderValue};

// F009
#[test]
fn hosts_vectors() {
    for case in vectors::cases("hosts.json") {
        let host = RequestHost::parse(vectors::text(&case, "host"));
        let patterns: Vec<HostPattern> = vectors::texts(&case, "allowed_hosts")
            .iter()
            .filter_map(|pattern| pattern.parse().ok())
            .collect();
        assert_eq!(
            host.as_ref().map_or("", |host| host.domain()),
            vectors::text(&case, "domain"),
            "{case}"
        );
        assert_eq!(
            host.as_ref().and_then(|host| host.port()).unwrap_or(""),
            vectors::text(&case, "port"),
            "{case}"
        );
        assert_eq!(
            host.is_some_and(|host| host.is_allowed(&patterns)),
            case["accepted"].as_bool().unwrap(),
            "{case}"
        );
    }
}

// ASVS 3.7.2
#[test]
fn safe_redirects_vectors() {
    for case in vectors::cases("safe_redirects.json") {
        let hosts = vectors::texts(&case, "allowed_hosts");
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let url = vectors::text(&case, "url");
        let page = match case["require_https"].as_bool().unwrap() {
            true => Scheme::Https,
            false => Scheme::Http,
        };
        let accepted = case["accepted"].as_bool().unwrap();
        assert_eq!(is_safe_redirect(url, &hosts, page), accepted, "{case}");
        if let Some(target) = RedirectTarget::from_input(url) {
            assert!(
                hosts.is_empty() && accepted || is_safe_redirect(url, &[], Scheme::Https),
                "{case}: {target:?}"
            );
        }
    }
}

#[test]
fn redirect_targets_are_paths_of_this_site() {
    let rows = [
        ("/tickets/7?a=b#c", Some("/tickets/7?a=b#c")),
        ("/a b/ü", Some("/a%20b/%C3%BC")),
        ("tickets", None),
        ("//evil.org", None),
        ("/\\evil.org", None),
        ("/\t/evil.org", None),
        ("/x\r\nSet-Cookie: a=b", None),
        ("/lo\tgin", None),
        ("/../..//evil.org", None),
        ("https://evil.org", None),
        ("javascript:alert(1)", None),
        ("", None),
    ];
    for (input, expected) in rows {
        let found =
            RedirectTarget::from_input(input).map(axum::response::IntoResponse::into_response);
        assert_eq!(
            found
                .as_ref()
                .map(|response| response.headers()["location"].to_str().unwrap()),
            expected,
            "{input:?}"
        );
    }
}

fn plain(address: &str) -> Peer {
    Peer {
        address: address.parse().unwrap(),
        link: Link::Plain,
        may_forward: true,
        entrance: Entrance::Site,
    }
}

// F010, D22, ASVS 4.1.3
#[test]
fn forwarded_headers_of_strangers_are_nothing() {
    let networks = ["10.0.0.0/8".parse().unwrap()];
    let proxies = TrustedProxies::new(&networks, ForwardedBy::XForwarded);
    let rows = [
        (
            "a stranger's header",
            "192.0.2.1",
            "203.0.113.9",
            "192.0.2.1",
        ),
        ("one proxy", "10.0.0.1", "203.0.113.9", "203.0.113.9"),
        (
            "leftmost is the client's invention",
            "10.0.0.1",
            "6.6.6.6, 203.0.113.9",
            "203.0.113.9",
        ),
        (
            "two proxies",
            "10.0.0.1",
            "203.0.113.9, 10.0.0.2",
            "203.0.113.9",
        ),
        (
            "junk ends the way",
            "10.0.0.1",
            "203.0.113.9, junk",
            "10.0.0.1",
        ),
        ("no header", "10.0.0.1", "", "10.0.0.1"),
        (
            "bytes that are no text, before the proxy's",
            "10.0.0.1",
            "\u{ff}\u{fe}, 203.0.113.9",
            "203.0.113.9",
        ),
        ("with a port", "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
        ("v4 in v6", "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
    ];
    for (name, peer, header, expected) in rows {
        let bytes: Vec<u8> = header
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        let headers = HeaderMap::from_iter([(
            "x-forwarded-for".parse().unwrap(),
            HeaderValue::from_bytes(&bytes).unwrap(),
        )]);
        assert_eq!(
            proxies.client(peer.parse().unwrap(), &headers).to_string(),
            expected,
            "{name}"
        );
    }
    let https = HeaderMap::from_iter([(
        "x-forwarded-proto".parse().unwrap(),
        HeaderValue::from_static("https"),
    )]);
    assert_eq!(proxies.scheme(plain("10.0.0.1"), &https), Scheme::Https);
    assert_eq!(
        proxies.scheme(plain("192.0.2.1"), &https),
        Scheme::Http,
        "a stranger's word"
    );
    let ours = Peer {
        link: Link::Encrypted,
        ..plain("192.0.2.1")
    };
    assert_eq!(
        proxies.scheme(ours, &HeaderMap::new()),
        Scheme::Https,
        "TLS that ends here"
    );
    let proxied = Peer {
        link: Link::Encrypted,
        ..plain("10.0.0.1")
    };
    assert_eq!(
        proxies.scheme(proxied, &HeaderMap::new()),
        Scheme::Http,
        "the proxy's own connection says nothing of the client's"
    );
}

// F010, D22, V15.3.4
#[test]
fn the_standard_header_is_read_where_the_proxies_write_it() {
    let networks = [
        "10.0.0.0/8".parse().unwrap(),
        "2001:db8:1::/48".parse().unwrap(),
    ];
    let proxies = TrustedProxies::new(&networks, ForwardedBy::Forwarded);
    let rows = [
        (
            "a stranger",
            "192.0.2.1",
            "for=203.0.113.9;proto=https",
            "192.0.2.1",
            false,
        ),
        (
            "one proxy",
            "10.0.0.1",
            "for=203.0.113.9;proto=https;by=10.0.0.1",
            "203.0.113.9",
            true,
        ),
        (
            "over plain HTTP",
            "10.0.0.1",
            "for=203.0.113.9;proto=http",
            "203.0.113.9",
            false,
        ),
        (
            "v6 with a port",
            "10.0.0.1",
            "for=\"[2001:db8:2::9]:4711\";proto=https",
            "2001:db8:2::9",
            true,
        ),
        (
            "leftmost is invented",
            "10.0.0.1",
            "for=6.6.6.6;proto=https, for=203.0.113.9;proto=http",
            "203.0.113.9",
            false,
        ),
        (
            "two proxies",
            "10.0.0.1",
            "for=203.0.113.9;proto=https, for=10.0.0.2;proto=http",
            "203.0.113.9",
            true,
        ),
        (
            "two proxies, v6",
            "2001:db8:1::5",
            "For=203.0.113.9;Proto=HTTPS, for=\"[2001:db8:1::7]\"",
            "203.0.113.9",
            true,
        ),
        (
            "unknown",
            "10.0.0.1",
            "for=unknown;proto=https",
            "10.0.0.1",
            false,
        ),
        (
            "obfuscated",
            "10.0.0.1",
            "for=203.0.113.9, for=_hidden",
            "10.0.0.1",
            false,
        ),
        (
            "junk in quotes",
            "10.0.0.1",
            "for=\"1.2.3.4, for=203.0.113.9",
            "203.0.113.9",
            false,
        ),
        ("no header", "10.0.0.1", "", "10.0.0.1", false),
    ];
    for (name, peer, header, client, is_secure) in rows {
        let lines = [
            ("forwarded", header),
            ("x-forwarded-for", "198.51.100.1"),
            ("x-forwarded-proto", "https"),
        ];
        let headers = HeaderMap::from_iter(
            lines.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))),
        );
        assert_eq!(
            proxies.client(peer.parse().unwrap(), &headers).to_string(),
            client,
            "{name}"
        );
        assert_eq!(
            proxies.scheme(plain(peer), &headers) == Scheme::Https,
            is_secure,
            "{name}"
        );
    }
}

// ASVS 3.3.1 to 3.3.5; D39
#[test]
fn cookies_are_host_bound_and_never_carry_control_characters() {
    let cookie = Cookie {
        name: "session",
        transport: Transport::Secure,
        same_site: SameSite::Lax,
        max_age_secs: None,
    };
    assert_eq!(
        cookie.set("abc").unwrap(),
        "__Host-session=abc; Path=/; HttpOnly; SameSite=Lax; Secure"
    );
    for value in ["a\r\nSet-Cookie: x=y", "a;b", "a b", "ü", &"x".repeat(4096)] {
        assert!(cookie.set(value).is_none(), "{value:?}");
    }
    let headers = |line: &'static str| {
        HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static(line))])
    };
    assert_eq!(read(&headers("a=1; session=2; b=3"), "session"), Some("2"));
    assert_eq!(
        read(&headers("session=1; session=2"), "session"),
        None,
        "one of the two was planted"
    );
    assert_eq!(read(&headers("xsession=1"), "session"), None);
}

// D31
#[test]
fn wildcard_origins_are_too_wide() {
    let rows = [
        ("https://*", true),
        ("https://*.com", true),
        ("https://*.co.uk", true),
        ("https://*.github.io", true),
        ("https://*.example.org", false),
        ("https://a.example.org", false),
    ];
    for (text, is_too_wide) in rows {
        assert_eq!(
            text.parse::<OriginPattern>().unwrap().is_too_wide(),
            is_too_wide,
            "{text}"
        );
    }
}

// F097, D32
#[test]
fn an_address_is_in_a_list_however_it_is_written() {
    let list = "# a comment\n192.0.2.1\n198.51.100.0/24 ; a network\n\n2001:db8:1::/48\n2001:db8:2::9\n::ffff:203.0.113.0/120\n";
    let networks = Networks::read(list).unwrap();
    let inside = [
        "192.0.2.1",
        "::ffff:192.0.2.1",
        "198.51.100.0",
        "198.51.100.255",
        "2001:db8:1::",
        "2001:db8:1:ffff::1",
        "2001:db8:2::9",
    ];
    let outside = [
        "192.0.2.0",
        "192.0.2.2",
        "198.51.99.255",
        "198.51.101.0",
        "2001:db8::1",
        "2001:db8:2::8",
        "2001:db8:2::a",
        "::c000:201",
    ];
    for address in inside.iter().chain(&["203.0.113.7", "::ffff:203.0.113.7"]) {
        assert!(networks.contains(address.parse().unwrap()), "{address}");
    }
    for address in outside {
        assert!(!networks.contains(address.parse().unwrap()), "{address}");
    }
    let tor = "ExitNode 0011BD2485AD45D984EC4159C88FC066E5E3300E\nPublished 2026-01-01 00:00:00\nLastStatus 2026-01-01 00:00:00\n\
               ExitAddress 192.0.2.77 2026-01-01 00:00:00\n";
    assert!(
        Networks::read(tor)
            .unwrap()
            .contains("192.0.2.77".parse().unwrap())
    );
    for broken in [
        "192.0.2.300",
        "<html>not found</html>",
        "192.0.2.0/33",
        "192.0.2.1\nexample.org",
        "ExitAddress",
    ] {
        assert!(Networks::read(broken).is_err(), "{broken:?}");
    }
    let error = Networks::read("192.0.2.1\n# fine\nexample.org")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "line 3: \"example.org\" is no address and no network"
    );
    let nested = Networks::read("10.0.0.0/8\n10.1.0.0/16\n10.255.255.255\n0.0.0.0").unwrap();
    assert!(
        nested.contains("10.200.0.1".parse().unwrap())
            && !nested.contains("11.0.0.0".parse().unwrap())
    );
    let all = Networks::read("0.0.0.0/0").unwrap();
    assert!(
        all.contains("255.255.255.255".parse().unwrap())
            && !all.contains("2001:db8::1".parse().unwrap())
    );
}

proptest::proptest! {
    /// The ranges agree with each single network.
    #[test]
    fn ranges_agree_with_the_networks_they_are_made_of(
        list in proptest::collection::vec((proptest::prelude::any::<u32>(), 8_u8..=32), 1..60),
        probe in proptest::prelude::any::<u32>(),
    ) {
        let networks: Vec<ipnet::Ipv4Net> = list.iter().map(|(bits, length)| ipnet::Ipv4Net::new((*bits).into(), *length).unwrap()).collect();
        let set: Networks = networks.iter().map(|network| ipnet::IpNet::V4(*network)).collect();
        let edges = networks.iter().flat_map(|network| {
            let (first, last) = (network.network().to_bits(), network.broadcast().to_bits());
            [first, last, first.wrapping_sub(1), last.wrapping_add(1)]
        });
        for bits in edges.chain([probe]) {
            let address = std::net::Ipv4Addr::from(bits);
            let expected = networks.iter().any(|network| network.contains(&address));
            proptest::prop_assert_eq!(set.contains(address.into()), expected, "{}", address);
        }
    }
}

// F7 of the reports: a list has one value of each proxy, in the order of X-Forwarded-For; case does not matter
#[test]
fn forwarded_protocols_are_read_by_the_trusted_hop_rule() {
    let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()], ForwardedBy::XForwarded);
    let peer = Peer {
        address: "10.0.0.2".parse().unwrap(),
        link: Link::Plain,
        may_forward: true,
        entrance: Entrance::Site,
    };
    for (way, said, is_secure) in [
        ("192.0.2.1, 10.0.0.1", &["https,http"][..], true),
        ("192.0.2.1, 10.0.0.1", &["https, https"], true),
        ("192.0.2.1, 10.0.0.1", &["https", "https"], true),
        ("192.0.2.1, 10.0.0.1", &["HTTPS"], true),
        ("192.0.2.1, 10.0.0.1", &["http,https"], false),
        ("192.0.2.1", &["https,https"], true),
        ("", &["https,https"], true),
        // the part that a client wrote before the values that the proxies append
        ("192.0.2.1", &["https, http"], false),
        ("192.0.2.1, 10.0.0.1", &["https, http, http"], false),
        ("192.0.2.1", &["https", "http"], false),
        ("192.0.2.1", &["on"], false),
        ("192.0.2.1", &[""], false),
        ("192.0.2.1", &[], false),
    ] {
        let mut headers = HeaderMap::new();
        if !way.is_empty() {
            headers.insert("x-forwarded-for", way.parse().unwrap());
        }
        for line in said {
            headers.append("x-forwarded-proto", line.parse().unwrap());
        }
        assert_eq!(
            proxies.scheme(peer, &headers) == Scheme::Https,
            is_secure,
            "{way} {said:?}"
        );
    }
}

#[test]
fn a_value_is_one_segment() {
    for (value, filled) in [
        ("a b", "/x/a%20b/y"),
        ("../../admin", "/x/..%2F..%2Fadmin/y"),
        ("..", "/x/-/y"),
        (".", "/x/-/y"),
        ("?q=1#f", "/x/%3Fq%3D1%23f/y"),
        ("%2e%2e", "/x/%252e%252e/y"),
        ("\u{e4}\r\n", "/x/%C3%A4%0D%0A/y"),
    ] {
        assert_eq!(crate::path!("/x/{id}/y", value), filled);
    }
    assert_eq!(crate::path!("/{a}/{b}", 1, "z"), "/1/z");
    assert_eq!(crate::path!("/plain"), "/plain");
    assert_eq!(
        crate::path!("/{a}/{b}", "", "evil.example"),
        "/-/evil.example"
    );
    assert_eq!(
        crate::path!("/{a}/{b}", "..", "evil.example"),
        "/-/evil.example"
    );
    assert_eq!(crate::path!("/x/.{a}/delete", "."), "/x/-/delete");
}
