use super::user_keys;
use super::value::parse;
use super::{Encryptable, Encrypted, FieldError, FieldErrorKind};
use crate::db::DataHandle;
use palisade_crypto::Secret;
use palisade_crypto::field::{self, Place};
use sea_orm::sea_query::ValueTuple;
use sea_orm::{ModelTrait, Value};

/// Decrypts a value of a row.
///
/// # Errors
/// See [`FieldErrorKind`].
#[doc(hidden)]
pub fn open<T: Encryptable>(
    db: &impl DataHandle,
    place: Place<'_>,
    value: &Encrypted<T>,
) -> Result<Secret<T>, FieldError> {
    let failed = |kind| FieldError::new(name_of(place), kind);
    let keys = db.field_keys().0;
    let ring = keys
        .ring()
        .map_err(|_| failed(FieldErrorKind::UnknownKey))?;
    let sealed = value.sealed().unwrap_or_default();
    let opened = field::open(&ring, place, sealed, keys.now());
    let opened = opened.map_err(|error| failed(error.into()))?;
    let value = parse(opened.expose()).ok_or_else(|| failed(FieldErrorKind::Damaged))?;
    Ok(Secret::new(value))
}

/// Decrypts a value with the key of a user.
///
/// # Errors
/// See [`FieldErrorKind`].
#[doc(hidden)]
pub async fn open_of_user<T: Encryptable>(
    db: &impl DataHandle,
    (place, user): (Place<'_>, i32),
    value: &Encrypted<T>,
) -> Result<Secret<T>, FieldError> {
    let failed = |kind| FieldError::new(name_of(place), kind);
    let key = user_keys::load(db, user).await.map_err(failed)?;
    let now = db.field_keys().0.now();
    let opened = key.open(place, value.sealed().unwrap_or_default(), now);
    let opened = opened.map_err(|error| failed(error.into()))?;
    let value = parse(opened.expose()).ok_or_else(|| failed(FieldErrorKind::Damaged))?;
    Ok(Secret::new(value))
}

fn name_of(place: Place<'_>) -> String {
    format!("{}.{} of row {}", place.table, place.column, place.key)
}

/// The primary key of a row as text.
#[doc(hidden)]
pub fn key_of(row: &impl ModelTrait) -> String {
    match row.get_primary_key_value() {
        ValueTuple::One(value) => key_text(&value),
        _ => String::new(),
    }
}

/// A primary key as text.
pub(super) fn key_text(value: &Value) -> String {
    match value {
        Value::String(Some(text)) => text.clone(),
        Value::Int(Some(number)) => number.to_string(),
        Value::BigInt(Some(number)) => number.to_string(),
        other => other.to_string(),
    }
}
