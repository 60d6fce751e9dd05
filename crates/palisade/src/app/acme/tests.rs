#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::renewal::{Lifetime, pause_secs};
use super::store::{Store, Turn};
use crate::app::App;
use crate::crypto::KeyRing;
use crate::testing::TestSite;

// F005
#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let day = 86_400;
    for days in [6, 47, 90, 398] {
        let lifetime = Lifetime {
            begin: 1000,
            end: 1000 + days * day,
        };
        let (last, first) = (lifetime.renewal(0), lifetime.renewal(255));
        assert_eq!(last, lifetime.end - days * day / 3, "{days}");
        assert!(
            first < last && first >= last - days * day / 20,
            "{days}: by chance a little earlier"
        );
        assert!(
            first > 1000 + days * day / 2,
            "{days}: never a certificate that is still young"
        );
        assert_eq!(lifetime.rest(), 3600, "{days}: not two in an hour");
    }
    let odd = Lifetime { begin: 10, end: 5 };
    assert_eq!(odd.renewal(255), 5, "one that never held is due");
}

// F117: the ACME server is not asked again and again
#[test]
fn an_order_that_failed_is_tried_again_later_and_later() {
    let pauses: Vec<i64> = (0..12).map(|before| pause_secs(before, 0)).collect();
    assert_eq!(pauses[..4], [60, 120, 240, 480]);
    assert!(pauses.is_sorted() && pauses[11] == 6 * 3600);
    assert_eq!(pause_secs(u32::MAX, 255), 6 * 3600 + 6 * 3600 / 4);
    assert_eq!(pause_secs(0, 255), 75, "by chance a little later");
}

fn ring(keys: &[&str]) -> KeyRing {
    KeyRing::from_keys(
        keys.iter()
            .map(|key| format!("{key}, at least fifty characters long: 0123456789abcdef").into())
            .collect(),
    )
    .unwrap()
}

// F005: instances do not interfere with each other
#[tokio::test]
async fn one_instance_has_the_turn_and_no_clock_holds_it_for_ever() {
    let site = TestSite::start(App::new(), &[]).await;
    let store = || Store::new(site.site().database().clone(), ring(&["a key"]));
    let (one, other) = (store(), store());
    let turn = |now: i64| Turn {
        until: now + 600,
        latest: now + 43_200,
    };
    assert_eq!(one.take_turn(1000, turn(1000)).await.unwrap(), Some(0));
    assert_eq!(
        other.take_turn(1001, turn(1001)).await.unwrap(),
        None,
        "another instance holds the lock"
    );
    assert!(one.end_turn(turn(1000), 3, 2000).await.unwrap());
    assert_eq!(
        other.take_turn(1999, turn(1999)).await.unwrap(),
        None,
        "the last order failed not long ago"
    );
    assert_eq!(other.take_turn(2000, turn(2000)).await.unwrap(), Some(3));
    // a crash during an order, and a late end of an order that was taken over
    assert_eq!(one.take_turn(2601, turn(2601)).await.unwrap(), Some(3));
    assert!(
        !other.end_turn(turn(2000), 0, 9_000_000).await.unwrap(),
        "the turn is no longer its own"
    );
    assert_eq!(other.take_turn(2700, turn(2700)).await.unwrap(), None);
    // a clock that was years ahead for a moment
    assert!(one.end_turn(turn(2601), 1, 300_000_000).await.unwrap());
    assert_eq!(other.take_turn(3000, turn(3000)).await.unwrap(), Some(1));
}

// F102
#[tokio::test]
async fn what_is_kept_survives_the_end_of_an_old_key() {
    let site = TestSite::start(App::new(), &[]).await;
    let store = |keys: &[&str]| Store::new(site.site().database().clone(), ring(keys));
    store(&["old"])
        .put("certificate", b"value", 10)
        .await
        .unwrap();
    let opened = async |keys: &[&str]| {
        store(keys)
            .get("certificate")
            .await
            .unwrap()
            .map(|value| value.expose().clone())
    };
    assert_eq!(opened(&["new", "old"]).await, Some(b"value".to_vec()));
    assert_eq!(opened(&["new"]).await, None);
    store(&["new", "old"]).reseal("certificate").await.unwrap();
    assert_eq!(opened(&["new"]).await, Some(b"value".to_vec()));
    store(&["new"]).reseal("nothing").await.unwrap();
}
