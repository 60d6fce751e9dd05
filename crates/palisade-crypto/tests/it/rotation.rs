use palisade_crypto::signing::{BadSignature, Signer, cookie};
use palisade_crypto::{KeyError, KeyRing, Secret, random};
use std::collections::HashSet;

// F102
#[test]
fn weak_keys_are_refused() {
    let rows = [
        ("missing", String::new(), KeyError::Missing),
        ("short", "abcdef".repeat(8), KeyError::TooShort),
        ("uniform", "abab".repeat(20), KeyError::TooUniform),
        (
            "django's placeholder",
            format!("django-insecure-{}", "0123456789".repeat(6)),
            KeyError::Placeholder,
        ),
    ];
    for (name, key, why) in rows {
        assert_eq!(KeyRing::new(key).unwrap_err(), why, "{name}");
    }
}

// F102, ASVS 11.2.2
#[test]
fn old_keys_verify_and_the_newest_signs() {
    let (old, new) = (KeyRing::generate(), KeyRing::generate());
    let before = KeyRing::from_keys(vec![old.clone()]).unwrap();
    let after = KeyRing::from_keys(vec![new.clone(), old]).unwrap();
    let later = KeyRing::from_keys(vec![new]).unwrap();
    let signed = Signer::new(&before, "p").sign("v");
    assert_eq!(Signer::new(&after, "p").unsign(&signed), Ok("v"));
    assert_eq!(
        Signer::new(&later, "p").unsign(&signed),
        Err(BadSignature::Forged)
    );
    assert_eq!(
        Signer::new(&later, "p").unsign(&Signer::new(&after, "p").sign("v")),
        Ok("v")
    );
}

// ASVS 9.1.1, 9.2.2
#[test]
fn every_changed_byte_and_every_other_purpose_is_refused() {
    let ring = KeyRing::from_keys(vec![KeyRing::generate()]).unwrap();
    let signer = Signer::new(&ring, "purpose");
    let signed = signer.sign("value");
    for index in 0..signed.len() {
        let mut forged = signed.clone().into_bytes();
        forged[index] ^= 1;
        assert!(
            String::from_utf8(forged).is_ok_and(|forged| signer.unsign(&forged).is_err()),
            "byte {index}"
        );
    }
    assert!(Signer::new(&ring, "other").unsign(&signed).is_err());
    assert!(
        signer.unsign("").is_err()
            && signer.unsign(":").is_err()
            && signer.unsign("value").is_err()
    );
}

// D26
#[test]
fn cookie_name_and_purpose_cannot_be_traded() {
    let ring = KeyRing::from_keys(vec![KeyRing::generate()]).unwrap();
    let signed = cookie(&ring, "a", "bc").sign_at("v", 1);
    assert_eq!(cookie(&ring, "a", "bc").unsign_timed(&signed), Ok(("v", 1)));
    assert!(cookie(&ring, "ab", "c").unsign_timed(&signed).is_err());
    assert!(cookie(&ring, "bca", "").unsign_timed(&signed).is_err());
}

// ASVS 7.2.3, 11.5.1
#[test]
fn tokens_are_long_different_and_stored_as_hashes() {
    let tokens: HashSet<String> = (0..1000)
        .map(|_| random::token().expose().clone())
        .collect();
    assert_eq!(tokens.len(), 1000);
    assert!(tokens.iter().all(|token| token.len() == 43));
    let token = tokens.iter().next().unwrap();
    assert_eq!(random::stored_hash(token).len(), 40);
    assert_ne!(&random::stored_hash(token), token);
    assert_eq!(random::alphanumeric(33).expose().len(), 33);
}

// D21, ASVS 14.2.1
#[test]
fn secrets_and_rings_print_nothing() {
    let secret = Secret::new(String::from("canary"));
    let ring = KeyRing::from_keys(vec![KeyRing::generate()]).unwrap();
    assert_eq!(format!("{secret:?} {ring:?}"), "Secret(…) KeyRing(1 keys)");
}

// ASVS 11.5.1: what is asked for ahead of time is handed out once, on every thread
#[test]
fn nonces_are_never_given_twice() {
    let some = || {
        std::thread::spawn(|| {
            (0..5000)
                .flat_map(|_| random::nonces())
                .collect::<Vec<String>>()
        })
    };
    let all: Vec<String> = [some(), some(), some()]
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let different: HashSet<&String> = all.iter().collect();
    assert_eq!(different.len(), 30_000);
    // 128 bits, of which none is always the same: among so many each of the 64 characters stands at each place, but for the last, which has two bits
    for place in 0..22 {
        let seen: HashSet<u8> = all.iter().map(|nonce| nonce.as_bytes()[place]).collect();
        assert_eq!(seen.len(), if place < 21 { 64 } else { 4 }, "place {place}");
    }
}
