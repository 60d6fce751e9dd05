use super::{Field, Shape};
use crate::encrypted_fields::Encryptable;
use crate::mail::deliverable;
use palisade_crypto::Secret;
use std::fmt;
use std::ops::Deref;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use zeroize::{Zeroize, Zeroizing};

/// One line of 1 to `MAX` characters: trimmed, Unicode NFC, without control characters.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct NewTicket {
///     subject: Line<120>,
///     body: Text<10_000>,
///     contact: Email,
///     priority: Number<1, 5>,
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<const MAX: usize>(String);

/// Several lines of 1 to `MAX` characters: Unicode NFC, line ends as `\n`, no other control
/// characters but tabs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<const MAX: usize>(String);

/// A hidden value of at most `MAX` printable ASCII characters without quotes and `<>\`: a path, a
/// version, a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token<const MAX: usize>(String);

/// A username: 1 to 150 letters, digits and `@.+-_`, Unicode NFKC, as in Django.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// A deliverable email address of at most 254 characters. Its domain may be in any script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// A URL with `http` or `https`, of at most `MAX` characters, without user name and password: safe
/// as a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebUrl<const MAX: usize = 2000>(String);

/// A password exactly as typed, at most 1024 bytes. Never displayed again.
#[derive(Debug, Clone)]
pub struct Password(Secret<String>);

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Number<MIN, MAX> {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

impl<const MIN: i64, const MAX: i64> From<Number<MIN, MAX>> for i64 {
    fn from(number: Number<MIN, MAX>) -> Self {
        number.0
    }
}

impl<const MIN: i64, const MAX: i64> fmt::Display for Number<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Password {
    /// The password.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl<const MAX: usize> Field for Line<MAX> {
    const SHAPE: Shape = Shape::new("text", MAX);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text: String = raw.unwrap_or_default().trim().nfc().collect();
        without_controls(&text, |_| false)
            .and_then(|()| check_length(&text, MAX))
            .map(|()| Self(text))
    }
}

impl<const MAX: usize> Field for Text<MAX> {
    const SHAPE: Shape = Shape::new("textarea", MAX);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text: String = raw
            .unwrap_or_default()
            .replace("\r\n", "\n")
            .trim()
            .nfc()
            .collect();
        without_controls(&text, |c| c == '\n' || c == '\t')
            .and_then(|()| check_length(&text, MAX))
            .map(|()| Self(text))
    }
}

impl<const MAX: usize> Field for Token<MAX> {
    const SHAPE: Shape = Shape::new("hidden", MAX);

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text = raw.unwrap_or_default();
        let is_token = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"\"'<>`\\".contains(&byte));
        if is_token {
            check_length(text, MAX).map(|()| Self(text.into()))
        } else {
            Err("This value was changed in transit.".into())
        }
    }
}

impl Field for Username {
    const SHAPE: Shape = Shape {
        autocomplete: "username",
        autocapitalize: "none",
        ..Shape::new("text", 150)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let name: String = raw.unwrap_or_default().trim().nfkc().collect();
        check_length(&name, 150)?;
        // the whole value, not a part of it
        let is_name = name
            .chars()
            .all(|c| (c.is_alphanumeric() && !is_invisible(c)) || "@.+-_".contains(c));
        match (is_name, name.chars().any(is_combining_mark)) {
            (true, _) => Ok(Self(name)),
            // as in Django, whose tables hold these names
            (false, true) => Err(
                "Use letters and digits without signs above or below them, and @ . + - _ only."
                    .into(),
            ),
            (false, false) => Err("Use letters, digits and @ . + - _ only.".into()),
        }
    }
}

impl Field for Email {
    const SHAPE: Shape = Shape {
        autocomplete: "email",
        autocapitalize: "none",
        ..Shape::new("email", 254)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let address: String = raw.unwrap_or_default().trim().nfc().collect();
        check_length(&address, 254)?;
        if deliverable(&address).is_some() {
            Ok(Self(address))
        } else {
            Err("Enter an e-mail address such as ann@example.org.".into())
        }
    }
}

impl<const MAX: usize> Field for WebUrl<MAX> {
    const SHAPE: Shape = Shape {
        autocomplete: "url",
        autocapitalize: "none",
        ..Shape::new("url", MAX)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text = raw.unwrap_or_default().trim();
        without_controls(text, |_| false).and_then(|()| check_length(text, MAX))?;
        let url = url::Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
        let url = url.map(String::from).filter(|url| url.len() <= MAX);
        url.map(Self)
            .ok_or_else(|| "Enter a web address such as https://example.org/page.".into())
    }
}

impl Field for Password {
    const SHAPE: Shape = Shape {
        autocomplete: "current-password",
        ..Shape::new("password", 1024)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        match raw.unwrap_or_default() {
            "" => Err("This field is required.".into()),
            long if long.len() > 1024 => Err("Use at most 1024 characters.".into()),
            password => Ok(Self(Secret::new(password.to_owned()))),
        }
    }
}

impl<const MIN: i64, const MAX: i64> Field for Number<MIN, MAX> {
    const SHAPE: Shape = Shape {
        range: Some((MIN, MAX)),
        ..Shape::new("number", 20)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let number = raw
            .unwrap_or_default()
            .trim()
            .parse()
            .ok()
            .filter(|number| (MIN..=MAX).contains(number));
        number
            .map(Self)
            .ok_or_else(|| format!("Enter a whole number from {MIN} to {MAX}."))
    }
}

fn check_length(text: &str, max: usize) -> Result<(), String> {
    match text.chars().count() {
        _ if text.chars().all(is_invisible) => Err("This field is required.".into()),
        length if length > max => Err(format!("Use at most {max} characters; these are {length}.")),
        _ => Ok(()),
    }
}

/// Also rejects bidirectional controls, which make a text read otherwise than it is (Trojan
/// Source).
pub(super) fn without_controls(text: &str, is_fine: fn(char) -> bool) -> Result<(), String> {
    let is_bad = |c: char| {
        (c.is_control() && !is_fine(c))
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.chars().any(is_bad) {
        Err("Control characters are not allowed.".into())
    } else {
        Ok(())
    }
}

/// Whether a text is invisible: white space, direction and joining marks, fillers
/// ([Default_Ignorable_Code_Point](https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point)),
/// the blank Braille pattern.
fn is_invisible(c: char) -> bool {
    let is_ignorable = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}');
    is_ignorable || c == '\u{2800}' || c.is_whitespace() || c.is_control()
}

/// Five for each character of a text that a person writes.
pub(super) const fn bits_of_characters(most: usize) -> u32 {
    (most as u32).saturating_mul(5)
}

/// Common traits of these types: they deref to text.
macro_rules! text_types {
    ($([$($generic:tt)*] $type:ty: $bits:expr),* $(,)?) => {
        $(
            impl<$($generic)*> Deref for $type {
                type Target = str;

                fn deref(&self) -> &str {
                    &self.0
                }
            }

            impl<$($generic)*> fmt::Display for $type {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl<$($generic)*> From<$type> for String {
                fn from(value: $type) -> Self {
                    value.0
                }
            }

            impl<$($generic)*> Zeroize for $type {
                fn zeroize(&mut self) {
                    self.0.zeroize();
                }
            }

            /// The limits hold for new values; a stored one stays readable when they change.
            impl<$($generic)*> Encryptable for $type {
                const DOMAIN_BITS: u32 = $bits;

                fn to_plaintext(&self) -> Zeroizing<String> {
                    Zeroizing::new(self.0.clone())
                }

                fn from_plaintext(text: &str) -> Option<Self> {
                    Some(Self(text.into()))
                }

                fn accept(text: &str) -> Option<Self> {
                    Self::parse(Some(text)).ok()
                }

                fn normal(&self) -> Zeroizing<String> {
                    Zeroizing::new(match <Self as Field>::SHAPE.kind {
                        // addresses that differ in case are one mailbox
                        "email" => self.0.to_lowercase(),
                        _ => self.0.clone(),
                    })
                }
            }
        )*
    };
}

text_types! {
    [const MAX: usize] Line<MAX>: bits_of_characters(MAX),
    [const MAX: usize] Text<MAX>: bits_of_characters(MAX),
    [const MAX: usize] Token<MAX>: bits_of_characters(MAX),
    [const MAX: usize] WebUrl<MAX>: bits_of_characters(MAX),
    [] Username: bits_of_characters(150),
    [] Email: bits_of_characters(254),
}

pub(super) use text_types;

#[cfg(unix)]
impl Field for crate::system::FileName {
    const SHAPE: Shape = Shape {
        autocapitalize: "none",
        ..Shape::new("text", 255)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let name = Self::new(raw.unwrap_or_default().trim());
        name.ok_or_else(|| "Enter the name of a file, such as report.pdf.".into())
    }
}
