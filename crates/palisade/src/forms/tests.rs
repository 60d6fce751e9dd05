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

// D33: dates and times that exist, in the zone of the site; exact numbers; links that cannot be scripts
#[test]
fn dates_numbers_and_links_take_the_whole_value_or_nothing() {
    let day = |text: &str| Day::parse(Some(text)).ok().map(|day| day.to_string());
    assert_eq!(day(" 2028-02-29 ").as_deref(), Some("2028-02-29"));
    for bad in [
        "2026-02-29",
        "29.11.2026",
        "2026-11-29T00:00",
        "0000-01-01",
        "+2026-1-1",
        "",
        "2026-11-9 ",
    ] {
        assert_eq!(day(bad), None, "{bad:?}");
    }
    let berlin: chrono_tz::Tz = "Europe/Berlin".parse().unwrap();
    let moment = |text: &str| {
        let parsed = Moment::parse_all(&[text.to_owned()], berlin);
        parsed.ok().map(|moment| moment.to_rfc3339())
    };
    for (typed, utc) in [
        ("2026-11-29T10:30", Some("2026-11-29T09:30:00+00:00")),
        ("2026-07-01T10:30", Some("2026-07-01T08:30:00+00:00")),
        (
            "2026-11-29T10:30:00-05:00",
            Some("2026-11-29T15:30:00+00:00"),
        ),
        // the hour that is skipped, and the one that occurs twice
        ("2026-03-29T02:30", None),
        ("2026-10-25T02:30", Some("2026-10-25T00:30:00+00:00")),
        ("2026-11-29", None),
        ("2026-11-29T25:00", None),
        ("", None),
    ] {
        assert_eq!(moment(typed).as_deref(), utc, "{typed:?}");
    }
    let decimal = |text: &str| {
        Decimal::<5, 2>::parse(Some(text))
            .ok()
            .map(|number| number.to_string())
    };
    for (typed, exact) in [
        ("12.5", "12.5"),
        ("-999,99", "-999.99"),
        ("0", "0"),
        (" 7 ", "7"),
        ("007", "7"),
    ] {
        assert_eq!(decimal(typed).as_deref(), Some(exact), "{typed:?}");
    }
    for bad in [
        "", "1000", "1.234", "1e3", "1,000.5", ".5", "5.", "NaN", "0x1", "--1", "٣", "1 000",
    ] {
        assert_eq!(decimal(bad), None, "{bad:?}");
    }
    let money = |text: &str| {
        Money::<100_000>::parse(Some(text))
            .ok()
            .map(Money::minor_units)
    };
    assert_eq!(money("12.3"), Some(1230));
    assert_eq!(money("1000"), Some(100_000));
    assert_eq!(money("0,10"), Some(10));
    for bad in ["1000.01", "-1", "12.345", "99999999999999999999", "", "€5"] {
        assert_eq!(money(bad), None, "{bad:?}");
    }
    let url = |text: &str| WebUrl::<60>::parse(Some(text)).map(String::from).ok();
    assert_eq!(
        url("https://example.org/a b").as_deref(),
        Some("https://example.org/a%20b")
    );
    for bad in [
        "javascript:alert(1)",
        "data:text/html,x",
        "//example.org",
        "https://user:secret@example.org",
        "https://example.org@evil.example",
        "ftp://example.org",
        "https://",
        "java\nscript:alert(1)",
        &format!("https://example.org/{}", "ü".repeat(30)),
    ] {
        assert_eq!(url(bad), None, "{bad:?}");
    }
}

// parameter pollution: only a field of several values gets several, each once, and not more than its limit
#[test]
fn a_field_of_several_values_has_a_limit() {
    let many = |texts: &[&str]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let parsed = Many::<Number<1, 9>, 3>::parse_all(&texts, chrono_tz::Tz::UTC);
        parsed.map(|many| many.iter().map(|number| number.get()).collect::<Vec<_>>())
    };
    assert_eq!(many(&[]), Ok(vec![]));
    assert_eq!(many(&["", "2", "1", "2"]), Ok(vec![2, 1]));
    assert_eq!(many(&["1", "2", "3", "3"]), Ok(vec![1, 2, 3]));
    assert_eq!(
        many(&["1", "2", "3", "4"]),
        Err("Choose at most 3.".to_owned())
    );
    assert!(many(&["1", "x"]).is_err());
}

// D19: each key is compared with all before it, so that more than a field takes are not compared
#[test]
fn more_values_than_a_field_takes_are_not_compared() {
    let many = (0..100_000).map(|key: u32| key.to_string()).collect();
    let typed = [("tags".to_owned(), many)].into();
    let input = super::input::Input::new(typed, chrono_tz::Tz::UTC);
    assert_eq!(input.given("tags", 3).len(), 4);
}
