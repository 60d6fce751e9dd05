//! Encrypted columns: what opens where, under which key, until when.

use palisade_crypto::field::{
    BlindIndexKey, OpenError, Place, Plain, UserKey, expiry, index_key_id, is_sealed, key_id, open,
    prefix_of, seal,
};
use palisade_crypto::{DataKey, DataKeyError, DataRing, Secret};

const DAY: u64 = 86_400;
const HERE: Place<'_> = Place {
    table: "contact",
    column: "phone",
    key: "7",
};

fn ring() -> DataRing {
    DataRing::new(vec![DataKey::generate(0, 90 * DAY)]).unwrap()
}

// F104 V11.3.2 V11.3.3
#[test]
fn a_value_opens_in_its_place_only_and_no_byte_can_change() {
    let ring = ring();
    let sealed = seal(&ring, HERE, Plain::new(b"+31 20 1234567"), 0);
    assert_eq!(
        open(&ring, HERE, &sealed, 0).unwrap().expose(),
        b"+31 20 1234567"
    );
    let elsewhere = [
        Place { key: "8", ..HERE },
        Place {
            column: "fax",
            ..HERE
        },
        Place {
            table: "contacts",
            ..HERE
        },
        // the parts are kept apart
        Place {
            table: "contactp",
            column: "hone",
            ..HERE
        },
        Place { key: "", ..HERE },
    ];
    for place in elsewhere {
        assert_eq!(
            open(&ring, place, &sealed, 0).err(),
            Some(OpenError::Moved),
            "{place:?}"
        );
    }
    for at in 0..sealed.len() {
        for other in ['A', 'B', '.', '\u{e9}'] {
            let mut changed: Vec<char> = sealed.chars().collect();
            if changed[at] == other {
                continue;
            }
            changed[at] = other;
            let changed: String = changed.into_iter().collect();
            let error = open(&ring, HERE, &changed, 0).err();
            let is_refused = matches!(error, Some(OpenError::Damaged | OpenError::UnknownKey));
            assert!(is_refused, "{at}: {error:?}");
        }
    }
    for length in 0..sealed.len() {
        let error = open(&ring, HERE, &sealed[..length], 0).err();
        let is_refused = matches!(error, Some(OpenError::Damaged | OpenError::UnknownKey));
        assert!(is_refused, "{length}: {error:?}");
    }
}

// D55: a wrong key is an error, never the raw text
#[test]
fn another_key_opens_nothing() {
    let sealed = seal(&ring(), HERE, Plain::new(b"x"), 0);
    assert_eq!(
        open(&ring(), HERE, &sealed, 0).err(),
        Some(OpenError::UnknownKey)
    );
    for text in [
        "",
        "plain",
        "e1.",
        "e1..",
        "e1.aaaaaaaa.",
        "s1.abc",
        "b1.x.y",
    ] {
        assert!(open(&ring(), HERE, text, 0).is_err(), "{text:?}");
    }
    // the same id with another secret
    let key = DataKey::generate(0, DAY);
    let secret = DataKey::generate(0, DAY).secret_text();
    let forged = DataKey::from_parts(key.id(), (0, DAY), &secret).unwrap();
    let sealed = seal(
        &DataRing::new(vec![key]).unwrap(),
        HERE,
        Plain::new(b"x"),
        0,
    );
    let forged = DataRing::new(vec![forged]).unwrap();
    assert_eq!(
        open(&forged, HERE, &sealed, 0).err(),
        Some(OpenError::Damaged)
    );
}

// F105
#[test]
fn an_expiry_is_part_of_the_value() {
    let ring = ring();
    let sealed = seal(
        &ring,
        HERE,
        Plain {
            value: b"x",
            until: Some(100),
        },
        0,
    );
    assert!(open(&ring, HERE, &sealed, 99).is_ok());
    assert_eq!(
        open(&ring, HERE, &sealed, 100).err(),
        Some(OpenError::Expired)
    );
    assert_eq!(expiry(&ring, HERE, &sealed), Ok(Some(100)));
    // another place says nothing about the expiry
    let other = Place { key: "8", ..HERE };
    assert_eq!(
        open(&ring, other, &sealed, 100).err(),
        Some(OpenError::Moved)
    );
}

#[test]
fn short_values_have_one_length() {
    let ring = ring();
    let length = |value: &[u8]| seal(&ring, HERE, Plain::new(value), 0).len();
    assert_eq!(length(b""), length(&[b'x'; 35]));
    assert!(length(&[b'x'; 36]) > length(&[b'x'; 35]));
    for size in [0, 1, 34, 35, 36, 67, 68, 1000, 100_000] {
        let value = vec![b'x'; size];
        let sealed = seal(&ring, HERE, Plain::new(&value), 0);
        assert_eq!(open(&ring, HERE, &sealed, 0).unwrap().expose(), &value);
    }
}

// V13.3.4
#[test]
fn keys_encrypt_between_their_dates_and_decrypt_for_good() {
    let old = DataKey::generate(0, 90 * DAY);
    let new = DataKey::generate(90 * DAY, 180 * DAY);
    let both = DataRing::new(vec![new.clone(), old.clone()]).unwrap();
    let before = seal(&both, HERE, Plain::new(b"x"), 90 * DAY - 1);
    let after = seal(&both, HERE, Plain::new(b"x"), 90 * DAY);
    assert_eq!(key_id(&before), Some(old.id()));
    assert_eq!(key_id(&after), Some(new.id()));
    assert!(before.starts_with(&prefix_of(old.id())));
    assert!(open(&both, HERE, &before, 0).is_ok() && open(&both, HERE, &after, 0).is_ok());
    // a key stays in use where the next one is missing
    let late = DataRing::new(vec![old.clone()]).unwrap();
    assert_eq!(late.active(1000 * DAY).id(), old.id());
    // before all activations, such as with a clock that is behind
    let early = DataRing::new(vec![new.clone()]).unwrap();
    assert_eq!(early.active(0).id(), new.id());
}

#[test]
fn stored_keys_are_checked_and_printed_nowhere() {
    let key = DataKey::generate(0, DAY);
    let secret = key.secret_text();
    let read = DataKey::from_parts(key.id(), (0, DAY), &secret).unwrap();
    let sealed = seal(
        &DataRing::new(vec![key.clone()]).unwrap(),
        HERE,
        Plain::new(b"x"),
        0,
    );
    assert!(open(&DataRing::new(vec![read]).unwrap(), HERE, &sealed, 0).is_ok());
    let zero = Secret::new("A".repeat(43));
    let refused = [
        (
            DataKey::from_parts("short", (0, DAY), &secret),
            DataKeyError::Id,
        ),
        (
            DataKey::from_parts("ABCDEFGH", (0, DAY), &secret),
            DataKeyError::Id,
        ),
        (
            DataKey::from_parts(key.id(), (DAY, DAY), &secret),
            DataKeyError::Dates,
        ),
        (
            DataKey::from_parts(key.id(), (0, DAY), &zero),
            DataKeyError::Secret,
        ),
        (
            DataKey::from_parts(key.id(), (0, DAY), &Secret::new("abc".into())),
            DataKeyError::Secret,
        ),
    ];
    for (key, error) in refused {
        assert_eq!(key.err(), Some(error));
    }
    assert_eq!(DataRing::new(vec![]).err(), Some(DataKeyError::Empty));
    let same = DataRing::new(vec![key.clone(), key.clone()]);
    assert_eq!(same.err(), Some(DataKeyError::SameId(key.id().into())));
    let shown = format!("{key:?} {:?}", ring());
    assert!(!shown.contains(secret.expose().as_str()), "{shown}");
}

// F104 D24: the index needs the key, and equal values in two columns differ
#[test]
fn an_index_is_of_one_column_and_one_key() {
    let ring = ring();
    let index = BlindIndexKey {
        table: "contact",
        column: "phone_index",
        bits: 128,
    };
    let key = ring.active(0);
    let one = index.of(key, &["31201234567"]);
    assert_eq!(one, index.of(key, &["31201234567"]));
    assert_eq!(index_key_id(&one), Some(key.id()));
    let column = BlindIndexKey {
        column: "fax_index",
        ..index
    };
    let table = BlindIndexKey {
        table: "contactp",
        column: "hone_index",
        ..index
    };
    let others = [
        index.of(key, &["31201234568"]),
        index.of(key, &["31201234567", ""]),
        index.of(key, &["3120123456", "7"]),
        column.of(key, &["31201234567"]),
        table.of(key, &["31201234567"]),
        index.of(&DataKey::generate(0, DAY), &["31201234567"]),
    ];
    let tag = |index: &str| index.rsplit_once('.').unwrap().1.to_owned();
    for other in others {
        assert_ne!(tag(&one), tag(&other));
    }
}

#[test]
fn a_truncated_index_has_so_many_values() {
    let ring = ring();
    let index = BlindIndexKey {
        table: "t",
        column: "c",
        bits: 4,
    };
    let texts: std::collections::BTreeSet<String> = (0..1000)
        .map(|n| index.of(ring.active(0), &[&n.to_string()]))
        .collect();
    assert_eq!(texts.len(), 16);
}

#[test]
fn a_user_key_opens_the_values_of_its_user_only() {
    let key = UserKey::generate();
    let sealed = key.seal(HERE, Plain::new(b"diagnosis"));
    let again = UserKey::from_text(&key.to_text()).unwrap();
    assert_eq!(again.open(HERE, &sealed, 0).unwrap().expose(), b"diagnosis");
    assert!(is_sealed(&sealed) && key_id(&sealed).is_none());
    let other = UserKey::generate();
    assert_eq!(
        other.open(HERE, &sealed, 0).err(),
        Some(OpenError::UnknownKey)
    );
    assert_eq!(
        open(&ring(), HERE, &sealed, 0).err(),
        Some(OpenError::Damaged)
    );
    assert!(UserKey::from_text(&Secret::new("x".into())).is_err());
}
