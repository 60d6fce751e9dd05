//! Types of a JSON body: each has a limit.

use super::{
    Day, Decimal, Digits, Email, Field, Hex, Line, Many, Moment, Money, Number, Password, Slug,
    Text, Token, Username, WebUrl,
};
use crate::views::{Error, ErrorKind, Result};
use http::Extensions;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// A type that [`Json`](super::Json) reads: a form (`#[derive(Form)]`), whose errors are reported by
/// field with 422; or a structure of structures and lists (`#[derive(Deserialize, JsonBody)]`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a JSON body",
    note = "derive `Form` for a flat object, or `Deserialize` and `JsonBody` for nested ones; a list is `Vec<T>` of such a type"
)]
pub trait JsonBody: Sized {
    /// Reads a body whose length and depth are checked already.
    ///
    /// # Errors
    /// 400 for another shape, 422 with the errors of a form.
    fn read_json(body: &[u8], request: &Extensions) -> impl Future<Output = Result<Self>> + Send;
}

/// A type within a JSON body. It has a limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a JSON body, because it has no limit",
    label = "how long may this be?",
    note = "write `Line<120>` for one line, `Text<10_000>` for several, `Email`, `Number<1, 100>`, `bool`, or a type with #[derive(Deserialize, JsonBody)]"
)]
pub trait Bounded: DeserializeOwned {}

/// Reads a type that serde derives. For `#[derive(JsonBody)]`.
///
/// # Errors
/// 400 with the place and the reason.
#[doc(hidden)]
pub fn read_bounded<T: Bounded>(body: &[u8]) -> Result<T> {
    read(body).map_err(|message| {
        let message: String = message.chars().take(LONGEST_MESSAGE).collect();
        Error::new(
            ErrorKind::BadRequest,
            format!("The JSON cannot be read: {message}."),
        )
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut unknown = None;
    let value = serde_ignored::deserialize(&mut reader, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    });
    let value = value
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| error.to_string())?;
    match unknown {
        Some(path) => Err(format!("{path:?} is an unknown field")),
        None => Ok(value),
    }
}

/// Longest error message, in characters: it may quote an invalid value.
const LONGEST_MESSAGE: usize = 200;

impl<T: Bounded> JsonBody for Vec<T> {
    async fn read_json(body: &[u8], _: &Extensions) -> Result<Self> {
        read_bounded(body)
    }
}

impl<T: Bounded> Bounded for Vec<T> {}
impl<T: Bounded> Bounded for Option<T> {}
impl<T: Bounded> Bounded for Box<T> {}

macro_rules! bounded {
    ($($type:ty),+) => {
        $(impl Bounded for $type {})+
    };
}

bounded!(bool, u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

/// Reads a field from a JSON string, number or boolean, with the limits and sentences of forms.
struct Scalar<T>(PhantomData<T>);

impl<T: Field> Scalar<T> {
    fn parse<E: serde::de::Error>(text: &str) -> Result<T, E> {
        T::parse(Some(text)).map_err(|message| E::custom(message.trim_end_matches('.')))
    }
}

impl<T: Field> Visitor<'_> for Scalar<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or a boolean")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        Self::parse(text)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<T, E> {
        Self::parse(&number.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<T, E> {
        Self::parse(&number.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<T, E> {
        Self::parse(&number.to_string())
    }
}

macro_rules! fields {
    ($([$($generic:tt)*] $type:ty),+ $(,)?) => {
        $(
            impl<'de, $($generic)*> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                    input.deserialize_any(Scalar(PhantomData))
                }
            }

            impl<$($generic)*> Bounded for $type {}
        )+
    };
}

fields!(
    [const MAX: usize] Line<MAX>,
    [const MAX: usize] Text<MAX>,
    [const MAX: usize] Token<MAX>,
    [const MAX: usize] WebUrl<MAX>,
    [const MAX: usize] Slug<MAX>,
    [const MIN: usize, const MAX: usize] Digits<MIN, MAX>,
    [const LENGTH: usize] Hex<LENGTH>,
    [const MIN: i64, const MAX: i64] Number<MIN, MAX>,
    [const DIGITS: u32, const SCALE: u32] Decimal<DIGITS, SCALE>,
    [const MAX: i64, const DECIMALS: u32] Money<MAX, DECIMALS>,
    [] Username,
    [] Email,
    [] Password,
    [] Day,
    [] Moment,
);

/// A list within a JSON body.
impl<'de, T: Bounded + PartialEq, const MAX: usize> Deserialize<'de> for Many<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut distinct = Vec::new();
        for value in Vec::<T>::deserialize(input)? {
            if !distinct.contains(&value) {
                distinct.push(value);
            }
        }
        match distinct.len() <= MAX {
            true => Ok(Self::from_vec(distinct)),
            false => Err(D::Error::custom(format!("Choose at most {MAX}"))),
        }
    }
}

impl<T: Bounded + PartialEq, const MAX: usize> Bounded for Many<T, MAX> {}

macro_rules! as_text {
    ($([$($generic:tt)*] $type:ty),+ $(,)?) => {
        $(
            impl<$($generic)*> Serialize for $type {
                fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
                    output.collect_str(self)
                }
            }
        )+
    };
}

as_text!(
    [const MAX: usize] Line<MAX>,
    [const MAX: usize] Text<MAX>,
    [const MAX: usize] Token<MAX>,
    [const MAX: usize] WebUrl<MAX>,
    [const MAX: usize] Slug<MAX>,
    [const MIN: usize, const MAX: usize] Digits<MIN, MAX>,
    [const LENGTH: usize] Hex<LENGTH>,
    [const DIGITS: u32, const SCALE: u32] Decimal<DIGITS, SCALE>,
    [const MAX: i64, const DECIMALS: u32] Money<MAX, DECIMALS>,
    [] Username,
    [] Email,
    [] Day,
    [] Moment,
);
