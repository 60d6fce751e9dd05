use crate::stolen::is_stolen;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// One rule of a [`Policy`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rule {
    /// At least this many characters.
    MinLength(usize),
    /// At most this many characters, to bound the cost of hashing. Never below 64 (ASVS 6.2.9).
    MaxLength(usize),
    /// Not similar to the user's own name or address: `quick_ratio` below 0.7, as in Django.
    NotSimilarToUser,
    /// Not on the list of 19,640 common passwords that Django ships (compiled by Royce Williams).
    NotCommon,
    /// Not only digits.
    NotNumeric,
    /// Not among half a million breached passwords, in upper or lower case (ASVS 6.2.12).
    NotStolen,
}

/// The rules for new passwords. The default requires 12 to 128 characters, all of Django's four
/// rules, and no breached password (NIST SP 800-63B, ASVS 6.2); no composition rules, because they
/// weaken passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// The user's attributes.
#[derive(Debug, Clone, Copy, Default)]
pub struct UserAttributes<'a> {
    /// Username.
    pub username: &'a str,
    /// First name, may be empty.
    pub first_name: &'a str,
    /// Last name, may be empty.
    pub last_name: &'a str,
    /// Email address, may be empty.
    pub email: &'a str,
}

/// A rule that a password violates. `Display` is a sentence for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The attribute that the password is too close to, for [`Rule::NotSimilarToUser`].
    pub attribute: Option<&'static str>,
}

impl Default for Policy {
    fn default() -> Self {
        Self::new([
            Rule::MinLength(12),
            Rule::MaxLength(128),
            Rule::NotSimilarToUser,
            Rule::NotCommon,
            Rule::NotNumeric,
            Rule::NotStolen,
        ])
    }
}

impl Policy {
    /// A policy of the given rules.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        Self {
            rules: rules.into_iter().collect(),
        }
    }

    /// The rules in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Validates a password against every rule.
    ///
    /// ```
    /// use palisade_password::{Policy, Rule, UserAttributes};
    /// let policy = Policy::new([Rule::MinLength(15)]);
    /// assert!(policy.judge("too short", &UserAttributes::default()).is_err());
    /// ```
    ///
    /// # Errors
    /// All violated rules, in order.
    pub fn judge(&self, password: &str, user: &UserAttributes<'_>) -> Result<(), Vec<Violation>> {
        let violations: Vec<_> = self
            .rules
            .iter()
            .filter_map(|rule| rule.violation(password, user))
            .collect();
        if violations.is_empty() {
            Ok(())
        } else {
            Err(violations)
        }
    }

    /// A sentence for each rule, to show next to the field before anything is typed.
    pub fn help(&self) -> Vec<String> {
        self.rules.iter().map(Rule::help).collect()
    }
}

impl Rule {
    /// Django's code of a violation, or a similar one where Django has no such rule.
    pub fn django_code(&self) -> &'static str {
        match self {
            Self::MinLength(_) => "password_too_short",
            Self::MaxLength(_) => "password_too_long",
            Self::NotSimilarToUser => "password_too_similar",
            Self::NotCommon => "password_too_common",
            Self::NotNumeric => "password_entirely_numeric",
            Self::NotStolen => "password_stolen",
        }
    }

    fn violation(self, password: &str, user: &UserAttributes<'_>) -> Option<Violation> {
        let (is_broken, attribute) = match self {
            Self::MinLength(least) => (password.chars().count() < least, None),
            Self::MaxLength(most) => (password.chars().count() > most, None),
            Self::NotSimilarToUser => {
                let attribute = similar_attribute(password, user);
                (attribute.is_some(), attribute)
            }
            Self::NotCommon => (is_common(password), None),
            Self::NotStolen => (is_stolen(password), None),
            Self::NotNumeric => (
                !password.is_empty() && password.chars().all(char::is_numeric),
                None,
            ),
        };
        is_broken.then_some(Violation {
            rule: self,
            attribute,
        })
    }

    fn help(&self) -> String {
        match self {
            Self::MinLength(least) => format!("Use at least {least} characters."),
            Self::MaxLength(most) => format!("Use at most {most} characters."),
            Self::NotSimilarToUser => "Do not use your name or e-mail address.".into(),
            Self::NotCommon => "Do not use a password that many people use.".into(),
            Self::NotNumeric => "Do not use digits alone.".into(),
            Self::NotStolen => "Do not use a password that was stolen from some site.".into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rule {
            Rule::MinLength(least) => write!(f, "This password is too short: use at least {least} characters."),
            Rule::MaxLength(most) => write!(f, "This password is too long: use at most {most} characters."),
            Rule::NotSimilarToUser => write!(f, "This password is too similar to your {}.", self.attribute.unwrap_or("details")),
            Rule::NotCommon => f.write_str("This password is one that many people use."),
            Rule::NotNumeric => f.write_str("This password has digits only."),
            Rule::NotStolen => f.write_str("This password was stolen from another site, and is among the first that attackers try."),
        }
    }
}

static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

fn is_common(password: &str) -> bool {
    // the file is sorted by byte, so that only an index is kept in memory
    COMMON
        .binary_search(&password.to_lowercase().trim())
        .is_ok()
}

const MAX_SIMILARITY: f64 = 0.7;

fn similar_attribute(password: &str, user: &UserAttributes<'_>) -> Option<&'static str> {
    let attributes = [
        ("username", user.username),
        ("first name", user.first_name),
        ("last name", user.last_name),
        ("e-mail address", user.email),
    ];
    attributes
        .into_iter()
        .find(|(_, value)| is_similar(password, value))
        .map(|(name, _)| name)
}

/// Whether a password is similar to a value or to a part of it, as in [`Rule::NotSimilarToUser`].
pub fn is_similar(password: &str, value: &str) -> bool {
    let (password, value) = (password.to_lowercase(), value.to_lowercase());
    let parts = value.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    !value.is_empty()
        && parts
            .chain([value.as_str()])
            .any(|part| is_close(&password, part))
}

/// Django's rule: a part much shorter than the password is ignored.
fn is_close(password: &str, part: &str) -> bool {
    let (password_length, part_length) = (password.chars().count(), part.chars().count());
    let says_nothing = password_length >= 10 * part_length
        && (part_length as f64) < MAX_SIMILARITY / 2.0 * password_length as f64;
    !says_nothing && quick_ratio(password, part) >= MAX_SIMILARITY
}

/// Python's `difflib.SequenceMatcher.quick_ratio`: twice the characters in common over all characters.
fn quick_ratio(left: &str, right: &str) -> f64 {
    let mut available: HashMap<char, usize> = HashMap::new();
    for character in right.chars() {
        *available.entry(character).or_default() += 1;
    }
    let total = left.chars().count() + right.chars().count();
    if total == 0 {
        return 1.0;
    }
    let in_common = left
        .chars()
        .filter(|character| take(&mut available, *character))
        .count();
    2.0 * in_common as f64 / total as f64
}

fn take(available: &mut HashMap<char, usize>, character: char) -> bool {
    match available.get_mut(&character) {
        Some(count) if *count > 0 => {
            *count -= 1;
            true
        }
        _ => false,
    }
}
