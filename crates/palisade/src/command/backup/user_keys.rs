//! The file with the keys of users.

use crate::backups::{BackupError, decrypt, encrypt};
use crate::db::Database;
use crate::encrypted_fields::{StoredUserKey, UserKeys};
use age::x25519::{Identity, Recipient};
use bytes::Bytes;
use std::io::{Read, Write};

/// The keys of all users, encrypted with the keys of the site and then to the recipients.
pub(super) async fn sealed(
    database: &Database,
    recipients: &[Recipient],
) -> Result<Bytes, BackupError> {
    let keys = UserKeys::stored(database).await?;
    let mut sealed = encrypt(recipients, Vec::new())?;
    for key in &keys {
        writeln!(sealed, "{}", serde_json::json!(key))?;
    }
    Ok(sealed.finish()?.into())
}

/// Reads such a file.
pub(super) fn opened(
    source: impl Read,
    identities: &[Identity],
) -> Result<Vec<StoredUserKey>, BackupError> {
    let mut text = String::new();
    decrypt(source, identities)?.read_to_string(&mut text)?;
    let parse = |line| serde_json::from_str(line);
    let keys: Result<_, _> = text.lines().map(parse).collect();
    keys.map_err(|error| BackupError::new(format!("the keys of users cannot be read: {error}")))
}
