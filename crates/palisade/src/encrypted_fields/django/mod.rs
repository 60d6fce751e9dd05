//! Values that packages of Django have encrypted: django-cryptography, django-secured-fields,
//! django-fernet-encrypted-fields, django-encrypted-model-fields and django-fernet-fields.
//! `data encrypt --format` reads them and encrypts them in our format. A value that no key opens is an error
//! and never handed on as text, which some of these packages do.

mod classes;
mod pickle;
mod python;

use super::encrypt_column::{Format, ReadValue};
use palisade_crypto::Secret;
use palisade_crypto::fernet::{FernetKey, FernetValue};
pub use python::PythonValue;
use serde_json::Value;
use zeroize::Zeroizing;

/// A package of Django.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    Cryptography,
    SecuredFields,
    EncryptedFields,
    EncryptedModelFields,
    FernetFields,
}

impl Package {
    /// Their names as formats.
    pub const ALL: [(&'static str, Self); 5] = [
        ("django-cryptography", Self::Cryptography),
        ("django-secured-fields", Self::SecuredFields),
        ("django-fernet-encrypted-fields", Self::EncryptedFields),
        ("django-encrypted-model-fields", Self::EncryptedModelFields),
        ("django-fernet-fields", Self::FernetFields),
    ];
}

/// The settings of the Django project.
#[doc(hidden)]
#[derive(Default, Clone)]
pub struct PackageKeys {
    /// SECRET_KEY and SECRET_KEY_FALLBACKS.
    pub secret_keys: Vec<Secret<String>>,
    /// SECURED_FIELDS_KEY, FIELD_ENCRYPTION_KEY, FERNET_KEYS, or CRYPTOGRAPHY_KEY.
    pub field_keys: Vec<Secret<String>>,
    /// SALT_KEY, or CRYPTOGRAPHY_SALT.
    pub salts: Vec<Secret<String>>,
    /// The key argument of a field of django-cryptography.
    pub own_key: Option<Secret<Vec<u8>>>,
    /// FERNET_USE_HKDF is false.
    pub are_fernet_keys: bool,
}

/// The format of a package, with its keys.
#[doc(hidden)]
pub struct PackageFormat {
    package: Package,
    keys: Vec<FernetKey>,
    /// The ttl of the field, in seconds.
    ttl: Option<u64>,
}

impl PackageFormat {
    /// The format of a package.
    ///
    /// # Errors
    /// A sentence for the operator: a key that is none, or no key.
    pub fn new(package: Package, keys: &PackageKeys, ttl: Option<u64>) -> Result<Self, String> {
        let keys = fernet_keys(package, keys)
            .ok_or("a key of the package is no Fernet key: url-safe base64 of 32 bytes")?;
        match keys.is_empty() {
            true => Err("the keys of the package are missing".into()),
            false => Ok(Self { package, keys, ttl }),
        }
    }

    fn open(
        &self,
        open: impl Fn(&FernetKey) -> Option<FernetValue>,
    ) -> Result<FernetValue, String> {
        let opened = self.keys.iter().find_map(open);
        opened.ok_or_else(|| "no key opens it".into())
    }

    /// The value of a column.
    ///
    /// # Errors
    /// A sentence for the operator, without the value.
    pub fn value(&self, stored: &[u8]) -> Result<(PythonValue, u64), String> {
        if self.package == Package::Cryptography {
            let opened = self.open(|key| key.open(stored))?;
            let value = pickle::read(opened.plaintext.expose());
            let value = value.ok_or("its pickle holds more than a value")?;
            return Ok((value, opened.written));
        }
        let text = std::str::from_utf8(stored).map_err(|_| "no text")?;
        if self.package == Package::EncryptedFields && text.starts_with(['{', '[', '"']) {
            return Ok((PythonValue::Text(self.leaves(text)?), 0));
        }
        let token = match self.package {
            Package::SecuredFields => without_index(text),
            _ => text,
        };
        let opened = self.open(|key| key.open_token(token))?;
        let plaintext = opened.plaintext.expose().clone();
        let value = match String::from_utf8(plaintext) {
            Ok(text) => PythonValue::Text(text),
            Err(bytes) => PythonValue::Bytes(bytes.into_bytes()),
        };
        Ok((value, opened.written))
    }

    /// JSON of which each leaf is a token.
    fn leaves(&self, text: &str) -> Result<String, String> {
        let json: Value = serde_json::from_str(text).map_err(|_| "no JSON")?;
        self.leaf(json).map(|json| match json {
            Value::String(text) => text,
            json => json.to_string(),
        })
    }

    fn leaf(&self, json: Value) -> Result<Value, String> {
        Ok(match json {
            Value::String(token) => {
                let opened = self.open(|key| key.open_token(&token))?;
                let text = String::from_utf8(opened.plaintext.expose().clone());
                Value::String(text.map_err(|_| "no text")?)
            }
            Value::Array(values) => values
                .into_iter()
                .map(|value| self.leaf(value))
                .collect::<Result<_, _>>()?,
            Value::Object(pairs) => Value::Object(
                pairs
                    .into_iter()
                    .map(|(key, value)| Ok((key, self.leaf(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            _ => return Err("a leaf of the JSON is not encrypted".into()),
        })
    }
}

/// The token without the index behind it: `$` and 64 hexadecimal digits.
fn without_index(text: &str) -> &str {
    let is_index =
        |index: &str| index.len() == 64 && index.bytes().all(|byte| byte.is_ascii_hexdigit());
    match text.split_once('$') {
        Some((token, index)) if is_index(index) => token,
        _ => text,
    }
}

impl Format for PackageFormat {
    fn read(&self, stored: &[u8]) -> Result<ReadValue, String> {
        let (value, written) = self.value(stored)?;
        let text = value.text().map(Zeroizing::new);
        Ok(ReadValue {
            text: text.ok_or("null, or bytes that are no text")?,
            until: self.ttl.map(|ttl| written.saturating_add(ttl)),
        })
    }

    fn is_plain(&self) -> bool {
        false
    }
}

fn fernet_keys(package: Package, keys: &PackageKeys) -> Option<Vec<FernetKey>> {
    let field_keys = || keys.field_keys.iter().map(|key| key.expose().as_str());
    let secret_keys = || keys.secret_keys.iter().map(|key| key.expose().as_str());
    Some(match package {
        Package::SecuredFields | Package::EncryptedModelFields => {
            field_keys().map(FernetKey::new).collect::<Option<_>>()?
        }
        Package::FernetFields if keys.are_fernet_keys => {
            field_keys().map(FernetKey::new).collect::<Option<_>>()?
        }
        // SECRET_KEY alone, where there are no others
        Package::FernetFields if keys.field_keys.is_empty() => secret_keys()
            .take(1)
            .map(FernetKey::of_fernet_fields)
            .collect(),
        Package::FernetFields => field_keys().map(FernetKey::of_fernet_fields).collect(),
        Package::EncryptedFields => secret_keys()
            .flat_map(|secret| {
                let salts = keys.salts.iter();
                salts.map(move |salt| FernetKey::of_encrypted_fields(secret, salt.expose()))
            })
            .collect(),
        Package::Cryptography => secret_keys()
            .map(|secret| cryptography_key(secret, keys))
            .collect::<Option<_>>()?,
    })
}

fn cryptography_key(secret: &str, keys: &PackageKeys) -> Option<FernetKey> {
    if let Some(key) = &keys.own_key {
        return FernetKey::of_cryptography_field(secret, key.expose());
    }
    let key = keys.field_keys.first().map_or(secret, |key| key.expose());
    let salt = keys.salts.first().map(|salt| salt.expose().as_str());
    let salt = salt.unwrap_or("django-cryptography");
    Some(FernetKey::of_cryptography(secret, (key, salt)))
}
