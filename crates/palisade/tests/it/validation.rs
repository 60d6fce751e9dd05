//! Patterns, rules over several fields, groups and repeated rows: on running sites.

use http::StatusCode;
use palisade::forms::{Digits, Field, Group, Hex, Repeated, RuleError, Slug};
use palisade::prelude::*;
use palisade::template::Layer;
use palisade::testing::TestSite;

palisade::pattern!(
    /// An account number.
    Iban, 34, r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", "Enter an IBAN such as NL91ABNA0417164300."
);
palisade::pattern!(Word, 100, r"(a+)+", "Enter the letter a.");
palisade::pattern!(Either, 10, r"yes|no", "Enter yes or no.");

fn parse<T: Field>(text: &str) -> Result<T, String> {
    T::parse(Some(text))
}

// F075 F076 D33: the whole value, in linear time, without control characters
#[test]
fn patterns_match_the_whole_value() {
    for good in ["NL91ABNA0417164300", " NL91ABNA0417164300 "] {
        assert_eq!(&*parse::<Iban>(good).unwrap(), "NL91ABNA0417164300");
    }
    let bad = [
        "",
        "NL91",
        "nl91ABNA0417164300",
        "NL91ABNA0417164300\n",
        "NL91ABNA0417164300\0",
        "x NL91ABNA0417164300",
        "NL91ABNA0417164300<script>",
        "NL91ABNA0417164300\nNL91ABNA0417164300",
        "NL\u{0669}1ABNA0417164300",
        "NL91ABNA041716430\u{ff10}",
        "NL91ABNA0417164300\u{202e}",
    ];
    for text in bad {
        assert!(parse::<Iban>(text).is_err(), "{text:?}");
    }
    assert!(parse::<Iban>(&format!("NL91{}", "A".repeat(1 << 20))).is_err());
    assert_eq!(
        parse::<Iban>("NL").err().unwrap(),
        "Enter an IBAN such as NL91ABNA0417164300."
    );
    // an alternative is anchored on both sides
    for (text, is_good) in [
        ("yes", true),
        ("no", true),
        ("yesx", false),
        ("xno", false),
        ("yes no", false),
    ] {
        assert_eq!(parse::<Either>(text).is_ok(), is_good, "{text}");
    }
}

// V1.3.12: nested quantifiers take linear time
#[test]
fn nested_quantifiers_end() {
    let evil = "a".repeat(99) + "!";
    assert!(parse::<Word>(&evil).is_err());
    assert!(parse::<Word>(&"a".repeat(100)).is_ok());
}

#[test]
fn built_in_types_take_their_characters_only() {
    for good in ["a", "a-b_C9", &"x".repeat(50)] {
        assert!(parse::<Slug>(good).is_ok(), "{good}");
    }
    for bad in ["", "a b", "a/b", "..", "a\n", "\u{e9}", &"x".repeat(51)] {
        assert!(parse::<Slug>(bad).is_err(), "{bad:?}");
    }
    assert_eq!(&*parse::<Digits<4, 8>>("0012").unwrap(), "0012");
    for bad in [
        "",
        "123",
        "123456789",
        "12a4",
        "-1234",
        "+1234",
        "1 234",
        "\u{661}\u{662}\u{663}\u{664}",
    ] {
        assert!(parse::<Digits<4, 8>>(bad).is_err(), "{bad:?}");
    }
    assert_eq!(&*parse::<Hex<8>>("DEADbeef").unwrap(), "deadbeef");
    for bad in ["", "deadbee", "deadbeef0", "deadbeeg", "0xdeadbe"] {
        assert!(parse::<Hex<8>>(bad).is_err(), "{bad:?}");
    }
}

#[derive(Form)]
struct Address {
    street: Line<40>,
    zip: Digits<4, 5>,
}

#[derive(Form)]
struct OrderLine {
    title: Line<40>,
    count: Number<1, 9>,
}

#[derive(Form)]
#[form(rule = NewOrder::check)]
struct NewOrder {
    from: Day,
    to: Day,
    address: Group<Address>,
    lines: Repeated<OrderLine, 3>,
}

impl NewOrder {
    fn check(&self) -> Result<(), RuleError> {
        if self.to < self.from {
            return Err(RuleError::at("to", "The end is before the start."));
        }
        match self.lines.is_empty() {
            true => Err(RuleError::new("An order has at least one line.")),
            false => Ok(()),
        }
    }
}

async fn order(form: Form<NewOrder>) -> Result<String> {
    let order = form.valid_or_show("order.html").await?;
    let lines = order
        .lines
        .iter()
        .map(|line| format!("{} {}", line.count.get(), &*line.title));
    let lines: Vec<String> = lines.collect();
    Ok(format!(
        "{} {}: {}",
        &*order.address.street,
        &*order.address.zip,
        lines.join(", ")
    ))
}

fn app() -> App {
    let page = "{% extends 'base.html' %}{% from 'palisade/form.html' import fields %}{% block main %}<form method=\"post\">{{ fields(form) }}<button>Order</button></form>{% endblock %}";
    let page = Layer::embedded(&[("order.html", page)]);
    let shown = show_form::<NewOrder>("order.html");
    App::new()
        .templates(page)
        .routes(Routes::new().route("/order", public().get(shown).post(order)))
}

const GOOD: [(&str, &str); 10] = [
    ("from", "2026-11-01"),
    ("to", "2026-11-02"),
    ("address.street", "Main"),
    ("address.zip", "01234"),
    ("lines.0.title", "Tea"),
    ("lines.0.count", "2"),
    ("lines.1.title", ""),
    ("lines.1.count", ""),
    ("lines.7.title", "Cup"),
    ("lines.7.count", "1"),
];

fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields: Vec<(&str, &str)> = GOOD.to_vec();
    for (name, value) in changes {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    fields
}

// V2.2.1 V2.2.3
#[tokio::test]
async fn groups_rows_and_rules_are_validated_together() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    let blank = client.get("/order").await.body;
    for shown in [
        "name=\"address.zip\"",
        "name=\"lines.0.title\"",
        "name=\"lines.2.count\"",
        "<legend>Lines 3</legend>",
        "<legend>Address</legend>",
    ] {
        assert!(blank.contains(shown), "{shown}: {blank}");
    }
    assert!(!blank.contains("lines.3."), "at most three");
    let good = client.submit("/order", "/order", &GOOD).await;
    assert_eq!(good.body, "Main 01234: 2 Tea, 1 Cup");
    // each error stands at its field, and everything that was typed comes back
    let bad = with(&[
        ("address.zip", "12"),
        ("lines.0.count", "99"),
        ("lines.7.title", ""),
    ]);
    let answer = client.submit("/order", "/order", &bad).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for shown in [
        "Enter 4 to 5 digits.",
        "Enter a whole number from 1 to 9.",
        "This field is required.",
        "value=\"12\"",
        "value=\"99\"",
        "value=\"Tea\"",
        "id=\"error_lines.0.count\"",
    ] {
        assert!(answer.body.contains(shown), "{shown}: {}", answer.body);
    }
    let turned = with(&[("to", "2026-10-01")]);
    let answer = client.submit("/order", "/order", &turned).await;
    assert!(
        answer.body.contains("The end is before the start."),
        "{}",
        answer.body
    );
    let empty = with(&[
        ("lines.0.title", ""),
        ("lines.0.count", " "),
        ("lines.7.title", ""),
        ("lines.7.count", ""),
    ]);
    let answer = client.submit("/order", "/order", &empty).await;
    assert!(
        answer.body.contains("An order has at least one line."),
        "{}",
        answer.body
    );
    let many: Vec<(String, &str)> = (0..4)
        .flat_map(|row| {
            [
                (format!("lines.{row}.title"), "Tea"),
                (format!("lines.{row}.count"), "1"),
            ]
        })
        .collect();
    let many: Vec<(&str, &str)> = many
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let answer = client.submit("/order", "/order", &with(&many)).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        answer.body.contains("Fill in at most 3 of these."),
        "{}",
        answer.body
    );
}

// the sneaky: names that are no fields of a group
#[tokio::test]
async fn names_of_no_field_are_refused() {
    let site = TestSite::start(app(), &[]).await;
    let mut client = site.client();
    for name in [
        "lines",
        "address",
        "lines.0",
        "lines.0.",
        "lines.0.owner",
        "lines.00.title",
        "lines.-1.title",
        "lines.+1.title",
        "lines.1000.title",
        "lines.99999999999999999999.title",
        "lines.title",
        "address.0.zip",
        "address.zip.x",
        "lines.0.title.x",
    ] {
        let answer = client
            .submit("/order", "/order", &with(&[(name, "1")]))
            .await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let twice = [&GOOD[..], &[("lines.0.title", "Tea")]].concat();
    let answer = client.submit("/order", "/order", &twice).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}
