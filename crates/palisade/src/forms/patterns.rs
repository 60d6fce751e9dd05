//! Field types by a pattern of the whole value.

use super::fields::{bits_of_characters, text_types, without_controls};
use super::{Field, Shape};
use crate::encrypted_fields::Encryptable;
#[doc(hidden)]
pub use regex::Regex;
use std::fmt;
use std::ops::Deref;
use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

/// A field type by a pattern: [`pattern!`](crate::pattern) declares one.
pub trait PatternType: Sized {
    /// Longest value, in characters.
    const MAX: usize;
    /// The sentence for another value.
    const MESSAGE: &'static str;

    /// Whether the pattern matches a whole text.
    fn matches(text: &str) -> bool;

    /// The value of a text that matches.
    #[doc(hidden)]
    fn new(text: String) -> Self;
}

/// A pattern that was compiled once already, when the site was built.
///
/// # Panics
/// For another one.
#[doc(hidden)]
pub fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern was compiled by pattern!")
}

/// Reads a value of such a type.
///
/// # Errors
/// A sentence for the visitor.
#[doc(hidden)]
pub fn parse_pattern<T: PatternType>(raw: Option<&str>) -> Result<T, String> {
    let raw = raw.unwrap_or_default();
    without_controls(raw, |_| false)?;
    let text: String = raw.trim().nfc().collect();
    match text.chars().count() {
        0 => Err("This field is required.".into()),
        length if length > T::MAX => Err(format!(
            "Use at most {} characters; these are {length}.",
            T::MAX
        )),
        _ if T::matches(&text) => Ok(T::new(text)),
        _ => Err(T::MESSAGE.into()),
    }
}

/// Traits of a type of [`pattern!`](crate::pattern).
#[doc(hidden)]
#[macro_export]
macro_rules! pattern_type {
    ($name:ident) => {
        impl $crate::forms::Field for $name {
            const SHAPE: $crate::forms::Shape =
                $crate::forms::Shape::of_text(<Self as $crate::forms::PatternType>::MAX);

            fn parse(
                raw: ::core::option::Option<&str>,
            ) -> ::core::result::Result<Self, ::std::string::String> {
                $crate::forms::parse_pattern(raw)
            }
        }

        impl ::core::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, out: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl ::core::convert::From<$name> for ::std::string::String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl $crate::forms::ShowColumn<::std::string::String> for $name {
            fn show(column: &::std::string::String) -> ::std::vec::Vec<::std::string::String> {
                ::std::vec![column.clone()]
            }
        }

        impl $crate::forms::IntoColumn<::std::string::String> for $name {
            fn into_column(self) -> ::std::string::String {
                self.0
            }
        }

        impl $crate::encrypted_fields::Zeroize for $name {
            fn zeroize(&mut self) {
                $crate::encrypted_fields::Zeroize::zeroize(&mut self.0);
            }
        }

        impl $crate::encrypted_fields::Encryptable for $name {
            // digits at least
            const DOMAIN_BITS: u32 = 3 * <Self as $crate::forms::PatternType>::MAX as u32;

            fn to_plaintext(&self) -> $crate::encrypted_fields::Zeroizing<::std::string::String> {
                $crate::encrypted_fields::Zeroizing::new(self.0.clone())
            }

            fn from_plaintext(text: &str) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self(text.into()))
            }

            fn accept(text: &str) -> ::core::option::Option<Self> {
                $crate::forms::parse_pattern(::core::option::Option::Some(text)).ok()
            }
        }

        impl<'de> $crate::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::serde::Deserializer<'de>>(
                input: D,
            ) -> ::core::result::Result<Self, D::Error> {
                let text =
                    <::std::string::String as $crate::serde::Deserialize>::deserialize(input)?;
                $crate::forms::parse_pattern(::core::option::Option::Some(&text))
                    .map_err(<D::Error as $crate::serde::de::Error>::custom)
            }
        }

        impl $crate::serde::Serialize for $name {
            fn serialize<S: $crate::serde::Serializer>(
                &self,
                output: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                output.serialize_str(&self.0)
            }
        }

        impl $crate::forms::Bounded for $name {}
    };
}

/// Letters, digits, `-` and `_` of ASCII, at most `MAX`: the part of a URL that names a page, as
/// Django's `SlugField`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slug<const MAX: usize = 50>(String);

/// From `MIN` to `MAX` digits, kept as text with their leading zeros: a postcode, a customer's
/// number, a phone number without signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits<const MIN: usize, const MAX: usize>(String);

/// Exactly `LENGTH` hexadecimal digits, in lower case: a checksum, a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hex<const LENGTH: usize>(String);

fn checked(raw: Option<&str>, max: usize) -> Result<String, String> {
    let raw = raw.unwrap_or_default();
    without_controls(raw, |_| false)?;
    match raw.trim() {
        "" => Err("This field is required.".into()),
        long if long.len() > max => Err(format!("Use at most {max} characters.")),
        text => Ok(text.to_owned()),
    }
}

impl<const MAX: usize> Field for Slug<MAX> {
    const SHAPE: Shape = Shape {
        autocapitalize: "none",
        ..Shape::new("text", MAX)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text = checked(raw, MAX)?;
        let is_slug = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        match text.bytes().all(is_slug) {
            true => Ok(Self(text)),
            false => Err("Use letters, digits, - and _ only.".into()),
        }
    }
}

impl<const MIN: usize, const MAX: usize> Field for Digits<MIN, MAX> {
    const SHAPE: Shape = Shape {
        inputmode: "numeric",
        ..Shape::new("text", MAX)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text = checked(raw, MAX)?;
        let is_right = text.len() >= MIN && text.bytes().all(|byte| byte.is_ascii_digit());
        match is_right {
            true => Ok(Self(text)),
            false if MIN == MAX => Err(format!("Enter {MAX} digits.")),
            false => Err(format!("Enter {MIN} to {MAX} digits.")),
        }
    }
}

impl<const LENGTH: usize> Field for Hex<LENGTH> {
    const SHAPE: Shape = Shape {
        autocapitalize: "none",
        ..Shape::new("text", LENGTH)
    };

    fn parse(raw: Option<&str>) -> Result<Self, String> {
        let text = checked(raw, LENGTH)?;
        let is_right = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match is_right {
            true => Ok(Self(text.to_ascii_lowercase())),
            false => Err(format!(
                "Enter {LENGTH} hexadecimal digits: 0 to 9 and a to f."
            )),
        }
    }
}

text_types! {
    [const MAX: usize] Slug<MAX>: bits_of_characters(MAX),
    [const MIN: usize, const MAX: usize] Digits<MIN, MAX>: MAX as u32 * 332 / 100,
    [const LENGTH: usize] Hex<LENGTH>: 4 * LENGTH as u32,
}
