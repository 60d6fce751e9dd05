use super::keeper::{Lifetime, pause_secs};

// F005
#[test]
fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let day = 86_400;
    for days in [6, 47, 90, 398] {
        let lifetime = Lifetime { begin: 1000, end: 1000 + days * day };
        let (last, first) = (lifetime.renewal(0), lifetime.renewal(255));
        assert_eq!(last, lifetime.end - days * day / 3, "{days}");
        assert!(first < last && first >= last - days * day / 20, "{days}: by chance a little earlier");
        assert!(first > 1000 + days * day / 2, "{days}: never a certificate that is still young");
    }
    let odd = Lifetime { begin: 10, end: 5 };
    assert_eq!(odd.renewal(255), 5, "one that never held is due");
}

// F117: an authority is not asked again and again
#[test]
fn an_order_that_failed_is_tried_again_later_and_later() {
    let pauses: Vec<i64> = (0..12).map(|before| pause_secs(before, 0)).collect();
    assert_eq!(pauses[..4], [60, 120, 240, 480]);
    assert!(pauses.is_sorted() && pauses[11] == 6 * 3600);
    assert_eq!(pause_secs(u32::MAX, 255), 6 * 3600 + 6 * 3600 / 4);
    assert_eq!(pause_secs(0, 255), 75, "by chance a little later");
}
