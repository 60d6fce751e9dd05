//! Deliveries of webhooks, judged by the packages of their senders (RUSTSEC-2024-0010,
//! CVE-2024-21491).

use crate::vectors::{cases, text};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use palisade_crypto::webhook::{Delivery, Scheme, TOLERANCE, WebhookError, sign_webhook};
use palisade_crypto::{Secret, random};
use serde_json::Value;

fn scheme(case: &Value) -> Scheme {
    match text(case, "scheme") {
        "standard" => Scheme::Standard,
        "stripe" => Scheme::Stripe,
        _ => Scheme::GitHub,
    }
}

fn body(case: &Value) -> Vec<u8> {
    match case["body_base64"].as_str() {
        Some(encoded) => STANDARD.decode(encoded).unwrap(),
        None => text(case, "body").as_bytes().to_vec(),
    }
}

fn verify(case: &Value, secret: &str) -> Result<String, WebhookError> {
    let headers = case["headers"].as_object().unwrap();
    let header = |name: &str| {
        let mut all = headers.iter();
        let found = all.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| value.as_str())
    };
    let body = body(case);
    let now = (case["now"].as_f64().unwrap() * 1000.0) as i64;
    let tolerance = case["tolerance"]
        .as_i64()
        .map_or(TOLERANCE, |seconds| seconds * 1000);
    let delivery = Delivery {
        header: &header,
        body: &body,
        now,
        tolerance,
    };
    scheme(case).verify(&Secret::new(secret.to_owned()), delivery)
}

#[test]
fn deliveries_are_judged_as_by_the_packages_of_their_senders() {
    let (mut judged, mut wrong) = (0, Vec::new());
    for case in cases("webhooks.json") {
        if case["kind"] == "sign" {
            continue;
        }
        judged += 1;
        let verdict = verify(&case, text(&case, "secret"));
        let may_refuse = case["may_refuse"] == true;
        let is_right = match case["accepted"].as_bool() {
            Some(true) if may_refuse => true,
            Some(expected) => verdict.is_ok() == expected,
            // where the packages differ, refusing is the safe answer
            None => verdict.is_err(),
        };
        if !is_right {
            wrong.push(format!("{verdict:?}: {case}"));
        }
    }
    assert!(judged > 200, "{judged}");
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn signatures_are_those_of_the_packages() {
    let mut signed = 0;
    for case in cases("webhooks.json") {
        if case["kind"] != "sign" || case["scheme"] != "standard" {
            continue;
        }
        signed += 1;
        let secret = Secret::new(text(&case, "secret").to_owned());
        let named = (text(&case, "id"), case["timestamp"].as_i64().unwrap());
        let signature = sign_webhook(&secret, named, &body(&case)).unwrap();
        assert_eq!(signature, text(&case, "signature"));
    }
    assert_eq!(signed, 8);
}

#[test]
fn each_attempt_of_an_event_has_one_name() {
    let secret = Secret::new(format!("whsec_{}", STANDARD.encode(random::bytes::<24>())));
    let (now, body) = (1_800_000_000, br#"{"id":"evt_1","n":1}"#);
    let name = |id: &str, at: i64| {
        let signature = sign_webhook(&secret, (id, at), body).unwrap();
        let time = at.to_string();
        let header = |name: &str| match name {
            "webhook-id" => Some(id),
            "webhook-timestamp" => Some(time.as_str()),
            "webhook-signature" => Some(signature.as_str()),
            _ => None,
        };
        let delivery = Delivery {
            header: &header,
            body,
            now: now * 1000,
            tolerance: TOLERANCE,
        };
        Scheme::Standard.verify(&secret, delivery)
    };
    assert_eq!(name("msg_1", now), Ok("msg_1".into()));
    assert_eq!(name("msg_1", now - 299), Ok("msg_1".into()));
    assert_ne!(name("msg_2", now), name("msg_1", now));
    assert_eq!(name("msg_1", now - 301), Err(WebhookError::Time));
    assert_eq!(name("msg_1", now + 301), Err(WebhookError::Time));
}
