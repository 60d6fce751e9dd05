//! What is sealed opens in its own place and nowhere else.

use palisade_crypto::KeyRing;
use palisade_crypto::seal::{NotSealed, Sealer};

const OLD: &str = "an old key, at least fifty characters long: 0123456789abcdef";
const NEW: &str = "a new key, at least fifty characters long: 0123456789abcdefg";

fn ring(keys: &[&str]) -> KeyRing {
    KeyRing::from_keys(keys.iter().map(|key| (*key).to_owned().into()).collect()).unwrap()
}

fn opened(ring: &KeyRing, purpose: &str, sealed: &str, place: &str) -> Result<Vec<u8>, NotSealed> {
    Sealer::new(ring, purpose)
        .open(sealed, place)
        .map(|value| value.expose().clone())
}

// F031, V11.3.2, V11.3.3
#[test]
fn a_sealed_value_opens_in_its_place_only_and_no_byte_can_change() {
    let ring = ring(&[OLD]);
    let sealed = Sealer::new(&ring, "a").seal(b"value", "bc");
    assert_eq!(opened(&ring, "a", &sealed, "bc"), Ok(b"value".to_vec()));
    for (purpose, place) in [("a", "b"), ("a", ""), ("b", "bc"), ("ab", "c"), ("", "abc")] {
        assert_eq!(
            opened(&ring, purpose, &sealed, place),
            Err(NotSealed),
            "{purpose} {place}"
        );
    }
    for at in 0..sealed.len() {
        let mut changed = sealed.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(
            opened(&ring, "a", &String::from_utf8(changed).unwrap(), "bc").is_err(),
            "byte {at}"
        );
    }
    for wrong in [
        "",
        "s1.",
        "s1.AAAA",
        "s2.AAAA",
        &sealed[..sealed.len() - 1],
        &format!("{sealed}A"),
    ] {
        assert!(opened(&ring, "a", wrong, "bc").is_err(), "{wrong}");
    }
    assert!(!sealed.contains("value"));
    assert_ne!(
        sealed,
        Sealer::new(&ring, "a").seal(b"value", "bc"),
        "the same value is sealed differently each time"
    );
    assert_eq!(
        opened(&ring, "a", &Sealer::new(&ring, "a").seal(b"", "p"), "p"),
        Ok(vec![])
    );
}

// F102, V11.2.2
#[test]
fn old_keys_open_and_the_newest_seals() {
    let sealed = Sealer::new(&ring(&[OLD]), "a").seal(b"value", "p");
    assert_eq!(
        opened(&ring(&[NEW, OLD]), "a", &sealed, "p"),
        Ok(b"value".to_vec())
    );
    assert!(opened(&ring(&[NEW]), "a", &sealed, "p").is_err());
    let newer = Sealer::new(&ring(&[NEW, OLD]), "a").seal(b"value", "p");
    assert!(opened(&ring(&[OLD]), "a", &newer, "p").is_err());
    assert_eq!(
        opened(&ring(&[NEW]), "a", &newer, "p"),
        Ok(b"value".to_vec())
    );
}
