#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

// ASVS 1.1.1, 2.2.1; D33, D39; F075 to F077
#[test]
fn fields_take_the_whole_value_or_nothing() {
    let line = |text: &str| Line::<10>::parse(Some(text)).map(String::from).ok();
    assert_eq!(line("  a b  ").as_deref(), Some("a b"));
    assert_eq!(line("e\u{301}").as_deref(), Some("é"), "NFC");
    for bad in [
        "",
        " ",
        "a\nb",
        "a\0b",
        "a\u{202e}b",
        "a\u{85}b",
        &"x".repeat(11),
    ] {
        assert_eq!(line(bad), None, "{bad:?}");
    }
    let text = |text: &str| Text::<10>::parse(Some(text)).map(String::from).ok();
    assert_eq!(text("a\r\nb\tc").as_deref(), Some("a\nb\tc"));
    assert_eq!(text("a\u{1b}[31m"), None);
    let name = |text: &str| Username::parse(Some(text)).is_ok();
    assert!(name("ann.lee+1@example-org_x") && name("Ångström") && name(&"x".repeat(150)));
    assert!(
        !name("ann<script>")
            && !name("ann\nx")
            && !name("a b")
            && !name(&"x".repeat(151))
            && !name("")
    );
    let address = |text: &str| Email::parse(Some(text)).is_ok();
    assert!(address("ann@example.org") && address("a.b+c@x.example.org"));
    for bad in [
        "ann",
        "ann@",
        "@x.org",
        "a@b",
        "a b@x.org",
        "a@x.org\r\nBcc: b@y.org",
        "a@x..org",
        "a@-x.org",
        "a@x.org>",
        ".a@x.org",
    ] {
        assert!(!address(bad), "{bad:?}");
    }
}

// D10, D28
#[test]
fn numbers_and_choices_are_bounded() {
    let number = |text: &str| Number::<1, 100>::parse(Some(text)).map(Number::get).ok();
    assert_eq!(number("100"), Some(100));
    for bad in [
        "0",
        "101",
        "-1",
        "99999999999999999999",
        "1e3",
        "",
        "1 OR 1=1",
    ] {
        assert_eq!(number(bad), None, "{bad:?}");
    }
    assert!(
        bool::parse(None) == Ok(false)
            && bool::parse(Some("on")) == Ok(true)
            && bool::parse(Some("maybe")).is_err()
    );
}

// ASVS 1.1.1
#[test]
fn decoding_happens_once_and_strictly() {
    let found = pairs(b"a=%2526&b=x+y&c=", 1000).unwrap();
    assert_eq!(
        (
            found["a"].as_str(),
            found["b"].as_str(),
            found["c"].as_str()
        ),
        ("%26", "x y", "")
    );
    assert_eq!(
        pairs(b"a=%c0%af", 1000),
        Err(RawError::Encoding),
        "overlong"
    );
    assert_eq!(pairs(b"a=%ff", 1000), Err(RawError::Encoding));
    assert_eq!(
        pairs(b"a=1&a=2", 1000),
        Err(RawError::Duplicate("a".into()))
    );
    assert_eq!(
        pairs(&b"x=1&".repeat(2), 1000),
        Err(RawError::Duplicate("x".into()))
    );
    let many: String = (0..1001).map(|n| format!("f{n}=1&")).collect();
    assert_eq!(pairs(many.as_bytes(), 1000), Err(RawError::TooMany));
}

#[test]
fn passwords_are_taken_as_typed() {
    let password = Password::parse(Some("  Trailing and leading \u{301} ")).unwrap();
    assert_eq!(password.expose(), "  Trailing and leading \u{301} ");
    assert!(
        Password::parse(Some(&"x".repeat(1025))).is_err() && Password::parse(Some("")).is_err()
    );
    assert!(!format!("{password:?}").contains("Trailing"));
}

// F3, M18
#[test]
fn codes_are_read_as_people_type_them() {
    for typed in [
        "123456",
        "123 456",
        "123\u{a0}456",
        " 123-456 ",
        "123\u{2013}456",
        "\u{200e}123456\u{feff}",
        "１２３４５６",
        "١٢٣٤٥٦",
        "۱۲۳۴۵۶",
        "१२३४५६",
    ] {
        assert_eq!(
            DigitCode::parse(Some(typed)).as_deref(),
            Ok("123456"),
            "{typed:?}"
        );
    }
    assert_eq!(
        Code::parse(Some("abcde–ＦGHIJ")).as_deref(),
        Ok("abcdeFGHIJ")
    );
    for refused in ["", " - ", "\u{200b}"] {
        assert!(Code::parse(Some(refused)).is_err(), "{refused:?}");
    }
    assert!(Code::parse(Some(&"1".repeat(61))).is_err());
}
