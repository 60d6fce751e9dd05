//! Detection of new usernames that could be mistaken for another user's
//! ([UTS 39](https://www.unicode.org/reports/tr39/)).

use crate::auth::user::entity::Column;
use crate::auth::user::same_letters;
use sea_orm::Condition;
use unicode_security::MixedScript;
use unicode_security::mixed_script::AugmentedScriptSet;

/// Whether a name mixes scripts, or consists of non-ASCII letters that all look like ASCII ones.
pub(in crate::auth) fn is_confusable(username: &str) -> bool {
    !username.is_single_script() || (!is_latin(username) && ascii_reading(username).is_some())
}

/// Condition for accounts with an equivalent name: case (on SQLite: of ASCII letters) and Latin
/// letters such as `ı` that look like ASCII ones make no difference.
pub(in crate::auth) fn same_name(username: &str) -> Condition {
    let reading = ascii_reading(username).map(|reading| same_letters(Column::Username, &reading));
    Condition::any()
        .add(same_letters(Column::Username, username))
        .add_option(reading)
}

/// Whether a name is an email address other than the account's: its owner could not log in with it.
pub(in crate::auth) fn is_foreign_address(username: &str, email: &str) -> bool {
    username.contains('@') && username.to_lowercase() != email.to_lowercase()
}

/// A key that is equal for names that [`same_name`] treats as equivalent.
pub(in crate::auth) fn reading(username: &str) -> String {
    ascii_reading(username)
        .unwrap_or_else(|| username.to_owned())
        .to_lowercase()
}

fn is_latin(username: &str) -> bool {
    let mut scripts = AugmentedScriptSet::for_str(username);
    scripts.intersect_with(AugmentedScriptSet::for_char('a'));
    !scripts.is_empty()
}

/// The ASCII form of a name whose letters all look like ASCII ones.
fn ascii_reading(username: &str) -> Option<String> {
    let read = |letter: char| match letter.is_ascii() {
        true => letter.to_string(),
        false => unicode_security::skeleton(letter.encode_utf8(&mut [0; 4])).collect(),
    };
    let reading: String = username.chars().map(read).collect();
    (!username.is_ascii() && reading.is_ascii()).then_some(reading)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_judged_by_script_and_look() {
        for name in ["c\u{430}rol", "\u{441}\u{43e}\u{441}\u{43e}", "\u{3b1}nn"] {
            assert!(is_confusable(name), "{name}");
        }
        for name in [
            "ann",
            "admin.1",
            "Ольга",
            "zoë",
            "佐藤さくら",
            "yıldız",
            "kræn",
            "cœur",
            "ångström",
        ] {
            assert!(!is_confusable(name), "{name}");
        }
        assert_eq!(
            (reading("YILDIZ"), reading("yıldız")),
            ("yildiz".into(), "yildiz".into())
        );
        assert_eq!(ascii_reading("zoë"), None);
        assert_eq!(ascii_reading("admin"), None, "m of ASCII is not rn");
        assert!(
            is_foreign_address("bob@x.org", "eve@x.org")
                && !is_foreign_address("Bob@x.org", "bob@X.org")
        );
        assert!(!is_foreign_address("bob", "eve@x.org"));
    }
}
