use super::Encryptable;
use crate::db::{DataHandle, IndexColumn, IndexedPart};
use palisade_crypto::field::BlindIndexKey;
use sea_orm::sea_query::{ArrayType, Expr, Nullable, ValueType, ValueTypeErr};
use sea_orm::{
    ColIdx, ColumnTrait, ColumnType, DbErr, EntityName, EntityTrait, QueryResult, TryGetError,
    TryGetable, Value,
};
use std::fmt;
use std::marker::PhantomData;
use zeroize::Zeroizing;

/// A column that finds an encrypted value of type `T`, or a tuple of several: an HMAC-SHA-256 of
/// it, with a key of this column. It is filled when the encrypted columns are written.
///
/// ```
/// # mod person {
/// use palisade::entity::*;
/// use palisade::prelude::*;
/// # #[sea_orm::model]
/// # #[derive(Clone, Debug, PartialEq, DeriveEntityModel, EncryptedFields)]
/// # #[sea_orm(table_name = "person")]
/// # pub struct Model {
/// #     #[sea_orm(primary_key)]
/// #     pub id: i32,
/// pub email: Encrypted<Email>,
/// // finds equal addresses, and lets no two rows have one
/// #[blind_index(email, unique)]
/// pub email_index: BlindIndex<Email>,
/// pub name: Encrypted<Line<80>>,
/// pub born: Encrypted<Day>,
/// // of both together; days alone could be counted
/// #[blind_index(name, born)]
/// pub name_and_day_index: BlindIndex<(Line<80>, Day)>,
/// // one of 2^16 texts: rows that are found are compared once more after they are decrypted
/// #[blind_index(name, bits = 16)]
/// pub name_index: BlindIndex<Line<80>>,
/// # }
/// # impl ActiveModelBehavior for ActiveModel {}
/// # }
/// ```
///
/// `Entity::email_is(db, &email)?` is the condition of equality, `Entity::email_is_in` that of a
/// list. It finds rows under every key that is in use, so that a rotation hides none.
///
/// # Security
/// Rows with equal values have equal texts: read access to the database shows which are equal, and
/// how many.
pub struct BlindIndex<T> {
    text: String,
    of: PhantomData<fn() -> T>,
}

impl<T> BlindIndex<T> {
    fn new(text: String) -> Self {
        Self {
            text,
            of: PhantomData,
        }
    }
}

impl<T> Clone for BlindIndex<T> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl<T> fmt::Debug for BlindIndex<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("BlindIndex(…)")
    }
}

impl<T> PartialEq for BlindIndex<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for BlindIndex<T> {}

impl<T> From<BlindIndex<T>> for Value {
    fn from(index: BlindIndex<T>) -> Self {
        Self::String(Some(index.text))
    }
}

impl<T> TryGetable for BlindIndex<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        String::try_get_by(row, index).map(Self::new)
    }
}

impl<T> ValueType for BlindIndex<T> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        <String as ValueType>::try_from(value).map(Self::new)
    }

    fn type_name() -> String {
        "BlindIndex".into()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::Text
    }
}

impl<T> Nullable for BlindIndex<T> {
    fn null() -> Value {
        Value::String(None)
    }
}

/// One encrypted column of an index.
#[doc(hidden)]
pub fn describe_index<T: Encryptable>(column: &'static str) -> IndexedPart {
    IndexedPart {
        column,
        normal: |text| T::from_plaintext(text).map(|value| value.normal()),
    }
}

impl IndexColumn {
    pub(crate) fn key<'a>(&'a self, table: &'a str) -> BlindIndexKey<'a> {
        BlindIndexKey {
            table,
            column: self.name,
            bits: self.bits,
        }
    }
}

/// A search by an index.
#[doc(hidden)]
pub struct IndexQuery<C> {
    pub column: C,
    pub bits: u8,
}

impl<C: ColumnTrait> IndexQuery<C>
where
    C::EntityName: EntityTrait + Default,
{
    /// Rows with one of these tuples of values.
    ///
    /// # Errors
    /// Without keys.
    pub fn any_of(
        &self,
        db: &impl DataHandle,
        tuples: impl IntoIterator<Item = Vec<Zeroizing<String>>>,
    ) -> Result<Expr, DbErr> {
        let ring = db.field_keys().0.ring()?;
        let entity = C::EntityName::default();
        let key = BlindIndexKey {
            table: entity.table_name(),
            column: self.column.as_str(),
            bits: self.bits,
        };
        let texts = tuples.into_iter().flat_map(|parts| {
            let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
            key.candidates(&ring, &parts)
        });
        Ok(self.column.is_in(texts))
    }
}
