#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::deliverable;
use crate::testing::vectors;

// F6: Django's verdicts and ASCII forms. Stricter, by rule: quoted parts, addresses in brackets, names without a dot, letters of full width
#[test]
fn email_vectors_of_addresses() {
    let mut judged = 0;
    for case in vectors::cases("email.json").into_iter().filter(|case| case["kind"] == "address") {
        let address = vectors::text(&case, "address");
        let is_stricter =
            address.contains(['"', '[']) || address.ends_with("@localhost") || case["may_refuse"] == true || address.contains('ｅ');
        let ours = deliverable(address).map(|address| address.to_string());
        match &ours {
            Some(ascii) if is_stricter => assert!(ascii.is_ascii(), "{case}"),
            None if is_stricter => continue,
            _ => assert_eq!(
                ours.as_deref(),
                case["smtp"].as_str().filter(|_| case["valid"] == true).map(lower_domain).as_deref(),
                "{case}"
            ),
        }
        judged += 1;
    }
    assert!(judged > 60, "{judged}");
}

fn lower_domain(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap();
    format!("{local}@{}", domain.to_lowercase())
}
