use crate::db::{EncryptedColumn, NOT_ENCRYPTED, PlainField};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{ArrayType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ActiveValue, ColIdx, ColumnType, QueryResult, TryGetError, TryGetable, Value};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// A type whose values can be encrypted: the types of forms, whole numbers, `bool`, and every
/// `#[derive(Choice)]`. The plaintext is text of this type, never a serialised object.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encrypted, because it has no limit or no spelling",
    note = "write `Line<120>` for one line, `Text<10_000>` for several, `Email`, `Number<1, 100>`, `Day`, or implement `palisade::encrypted_fields::Encryptable`"
)]
pub trait Encryptable: Zeroize + Sized {
    /// The logarithm to base 2 of the number of its values, rounded down. An index of fewer than
    /// 2^20 values could be counted, and does not compile.
    const DOMAIN_BITS: u32;

    /// The value as text.
    fn to_plaintext(&self) -> Zeroizing<String>;

    /// The value of a decrypted text; `None` for a text that is no such value.
    fn from_plaintext(text: &str) -> Option<Self>;

    /// The value of a text from elsewhere, such as a column that was not encrypted before, with all
    /// limits of the type.
    fn accept(text: &str) -> Option<Self> {
        Self::from_plaintext(text)
    }

    /// The text for a blind index: equal for values that a search is to find together.
    fn normal(&self) -> Zeroizing<String> {
        self.to_plaintext()
    }
}

/// An encrypted column of type `text`. It has no `Display` and no `Serialize`; `Debug` shows no
/// value.
///
/// A new value is encrypted when its row is written: by [`Actor::insert`], [`Allowed::change`],
/// [`Tx::insert_row`] or [`Tx::change_row`]. Other statements with it are refused.
///
/// [`Actor::insert`]: crate::permissions::Actor::insert
/// [`Allowed::change`]: crate::permissions::Allowed::change
/// [`Tx::insert_row`]: crate::db::Tx::insert_row
/// [`Tx::change_row`]: crate::db::Tx::change_row
pub struct Encrypted<T> {
    state: State,
    kind: PhantomData<fn() -> T>,
}

#[derive(Clone)]
enum State {
    /// As in the database.
    Sealed(String),
    /// To be encrypted.
    Plain(Arc<PlainField>),
}

impl<T: Encryptable> Encrypted<T> {
    /// A value to be encrypted.
    pub fn new(value: T) -> Self {
        Self::with(&value, None)
    }

    /// The same; from this time on it cannot be decrypted any more.
    pub fn until(value: T, time: DateTime<Utc>) -> Self {
        Self::with(&value, Some(time.timestamp().max(1).unsigned_abs()))
    }

    fn with(value: &T, until: Option<u64>) -> Self {
        let text = value.to_plaintext();
        Self::in_state(State::Plain(Arc::new(PlainField { text, until })))
    }
}

impl<T> Encrypted<T> {
    fn in_state(state: State) -> Self {
        Self {
            state,
            kind: PhantomData,
        }
    }

    /// The encrypted text, if it was read from the database.
    #[doc(hidden)]
    pub fn sealed(&self) -> Option<&str> {
        match &self.state {
            State::Sealed(text) => Some(text),
            State::Plain(_) => None,
        }
    }
}

impl<T: Encryptable> From<T> for Encrypted<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> Clone for Encrypted<T> {
    fn clone(&self) -> Self {
        Self::in_state(self.state.clone())
    }
}

impl<T> fmt::Debug for Encrypted<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Encrypted(…)")
    }
}

/// Compares the stored texts: two encryptions of one value differ.
impl<T> PartialEq for Encrypted<T> {
    fn eq(&self, other: &Self) -> bool {
        self.sealed().is_some() && self.sealed() == other.sealed()
    }
}

impl<T> Eq for Encrypted<T> {}

impl<T> From<Encrypted<T>> for Value {
    fn from(value: Encrypted<T>) -> Self {
        Self::String(Some(match value.state {
            State::Sealed(text) => text,
            State::Plain(_) => NOT_ENCRYPTED.clone(),
        }))
    }
}

impl<T> TryGetable for Encrypted<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        String::try_get_by(row, index).map(|text| Self::in_state(State::Sealed(text)))
    }
}

impl<T> ValueType for Encrypted<T> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <String as ValueType>::try_from(value).map(|text| Self::in_state(State::Sealed(text)))
    }

    fn type_name() -> String {
        "Encrypted".into()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::Text
    }
}

impl<T> Nullable for Encrypted<T> {
    fn null() -> Value {
        Value::String(None)
    }
}

/// A column of a row that is written.
#[doc(hidden)]
pub trait ToEncrypt {
    /// Its plaintext, if it is to be encrypted.
    fn to_encrypt(&self) -> Option<PlainField>;
}

impl<T> ToEncrypt for ActiveValue<Encrypted<T>> {
    fn to_encrypt(&self) -> Option<PlainField> {
        match self {
            Self::Set(value) => value.plain(),
            _ => None,
        }
    }
}

impl<T> ToEncrypt for ActiveValue<Option<Encrypted<T>>> {
    fn to_encrypt(&self) -> Option<PlainField> {
        match self {
            Self::Set(Some(value)) => value.plain(),
            _ => None,
        }
    }
}

impl<T> Encrypted<T> {
    fn plain(&self) -> Option<PlainField> {
        match &self.state {
            State::Plain(plain) => Some(PlainField {
                text: plain.text.clone(),
                until: plain.until,
            }),
            State::Sealed(_) => None,
        }
    }
}

/// An encrypted column, for its table.
#[doc(hidden)]
pub fn describe_column<T: Encryptable>(
    name: &'static str,
    owner: Option<&'static str>,
) -> EncryptedColumn {
    EncryptedColumn {
        name,
        owner,
        spelling: |text| T::accept(text).map(|value| value.to_plaintext()),
    }
}

/// A value of a text that was encrypted.
pub(super) fn parse<T: Encryptable>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok().and_then(T::from_plaintext)
}

impl Encryptable for bool {
    const DOMAIN_BITS: u32 = 1;

    fn to_plaintext(&self) -> Zeroizing<String> {
        Zeroizing::new(self.to_string())
    }

    fn from_plaintext(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

macro_rules! integers {
    ($($type:ty),+) => {
        $(
            impl Encryptable for $type {
                const DOMAIN_BITS: u32 = <$type>::BITS;

                fn to_plaintext(&self) -> Zeroizing<String> {
                    Zeroizing::new(self.to_string())
                }

                fn from_plaintext(text: &str) -> Option<Self> {
                    text.parse().ok()
                }
            }
        )+
    };
}

integers!(i32, i64);
