use super::totp::TokenKind;
use super::{Authenticator, code_at};
use palisade_crypto::Secret;

// F029; RFC 6238 appendix B (SHA-1, the last six of eight digits), and RFC 4226 appendix D, whose counters are our steps
#[test]
fn codes_are_those_of_the_standards() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; // "12345678901234567890"
    for (seconds, code) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        assert_eq!(code_at(secret, seconds).as_deref(), Some(code), "{seconds}");
    }
    let hotp = [
        "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
        "520489",
    ];
    for (counter, code) in (0..).zip(hotp) {
        assert_eq!(
            code_at(secret, counter * 30).as_deref(),
            Some(code),
            "counter {counter}"
        );
    }
}

// ASVS 6.5.5, 6.5.3: one step of clock skew, and no more; secrets differ
#[test]
fn a_code_is_good_for_its_step_and_the_two_beside_it() {
    let app = Authenticator::new(
        &Secret::new(b"12345678901234567890".to_vec()),
        "desk",
        "ann",
    );
    let at = |seconds: i64| code_at(&app.grouped_secret(), seconds).expect("a code");
    let now = 1_800_000_015;
    for (offset, is_good) in [
        (-60, false),
        (-30, true),
        (0, true),
        (30, true),
        (60, false),
    ] {
        assert_eq!(
            app.step_of(&at(now + offset), now).is_some(),
            is_good,
            "{offset}"
        );
    }
    for strange in [
        "",
        "12345",
        "1234567",
        "abcdef",
        "１２３４５６",
        "-12345",
        "+12345",
        " 12345",
    ] {
        assert_eq!(app.step_of(strange, now), None, "{strange}");
    }
    assert_ne!(
        Authenticator::new_secret().expose(),
        Authenticator::new_secret().expose()
    );
    let (path, width) = app.picture().expect("a picture");
    assert!(
        width > 20 && path.starts_with("M0 0h1v1h-1z"),
        "the corner is dark"
    );
}

// F029; RFC 4226 section 7: a look-ahead window of ten counters, and no replay
#[test]
fn a_counted_code_is_good_behind_the_last_one() {
    let token = Authenticator::new(
        &Secret::new(b"12345678901234567890".to_vec()),
        "desk",
        "ann",
    )
    .of_kind(TokenKind::Counter);
    for (code, last, counter) in [
        ("755224", -1, Some(0)),
        ("287082", 0, Some(1)),
        ("520489", -1, Some(9)),
        ("287082", 1, None),
        ("755224", 5, None),
        ("520489", -2, None),
        ("", 0, None),
        ("75522", -1, None),
    ] {
        assert_eq!(
            token.counter_of(code, last),
            counter,
            "{code} behind {last}"
        );
    }
}
