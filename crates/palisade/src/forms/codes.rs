//! Codes from an app, a mail or paper, as typed by users.

use super::{Field, Shape};
use std::ops::Deref;
use unicode_normalization::UnicodeNormalization;

/// A code of letters and digits in normal form: full-width letters become ASCII, digits of other
/// scripts 0 to 9, and separators are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code(String);

/// A code of digits, with a numeric keyboard on phones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DigitCode(String);

/// Longest input for a code, with separators.
const MAX: usize = 60;

/// `0` of other scripts' digits; the other nine follow
/// ([Nd](https://www.unicode.org/reports/tr44/#General_Category_Values)).
const ZEROS: [char; 19] = [
    '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}',
    '\u{be6}', '\u{c66}', '\u{ce6}', '\u{d66}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}',
    '\u{17e0}', '\u{1810}', '\u{ff10}',
];

impl Field for Code {
    const SHAPE: Shape = Shape {
        autocomplete: "one-time-code",
        autocapitalize: "characters",
        enterkeyhint: "go",
        ..Shape::new("text", MAX)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        letters_and_digits(raw).map(Self)
    }
}

impl Field for DigitCode {
    const SHAPE: Shape = Shape {
        inputmode: "numeric",
        autocapitalize: "",
        ..Code::SHAPE
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        letters_and_digits(raw).map(Self)
    }
}

fn letters_and_digits(raw: Option<&str>) -> Result<String, String> {
    let raw = raw.unwrap_or_default();
    if raw.chars().count() > MAX {
        return Err(format!("Use at most {MAX} characters."));
    }
    let code: String = raw
        .nfkc()
        .map(ascii_digit)
        .filter(char::is_ascii_alphanumeric)
        .collect();
    if code.is_empty() {
        Err("This field is required.".into())
    } else {
        Ok(code)
    }
}

fn ascii_digit(letter: char) -> char {
    let value = |zero: &char| {
        u32::from(letter)
            .checked_sub(u32::from(*zero))
            .filter(|value| *value < 10)
    };
    ZEROS
        .iter()
        .find_map(value)
        .and_then(|value| char::from_digit(value, 10))
        .unwrap_or(letter)
}

impl Deref for Code {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for DigitCode {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
