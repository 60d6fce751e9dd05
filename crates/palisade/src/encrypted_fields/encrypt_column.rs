//! Encrypts a column whose values are not encrypted yet, or are in the format of a Django package.

use super::reencrypt::{Changes, Pace, Rewritten, reencrypt};
use super::rows::BATCH;
use super::user_keys;
use super::write::require_unique;
use crate::db::{Database, EncryptedColumn, EncryptedTable, Tx};
use palisade_crypto::field::{self, Place, Plain as PlainValue};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Order, Query};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Values to encrypt.
pub(crate) struct Plaintexts<'a> {
    pub(crate) table: &'a EncryptedTable,
    pub(crate) column: &'a EncryptedColumn,
    /// The column that holds them: the same, or an older one.
    pub(crate) source: &'a str,
    pub(crate) format: &'a dyn Format,
}

/// The format of values that are to be encrypted.
pub trait Format: Send + Sync {
    /// The plaintext of a stored value.
    ///
    /// # Errors
    /// A sentence for the operator, without the value.
    fn read(&self, stored: &[u8]) -> Result<ReadValue, String>;

    /// Whether values of any type are read as text.
    fn is_plain(&self) -> bool;
}

/// A plaintext with its expiry.
pub struct ReadValue {
    pub(super) text: Zeroizing<String>,
    pub(super) until: Option<u64>,
}

/// Values that are not encrypted.
pub(crate) struct Plain;

impl Format for Plain {
    fn read(&self, stored: &[u8]) -> Result<ReadValue, String> {
        let text = std::str::from_utf8(stored).map_err(|_| "no text")?;
        Ok(ReadValue {
            text: Zeroizing::new(text.to_owned()),
            until: None,
        })
    }

    fn is_plain(&self) -> bool {
        true
    }
}

/// A value as its column has it.
enum Raw {
    Text(Zeroizing<String>),
    Bytes(Zeroizing<Vec<u8>>),
}

impl Raw {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// One value.
struct Stored {
    key: String,
    raw: Raw,
    owner: Option<i32>,
}

impl Plaintexts<'_> {
    /// Number of rows with a value in the source.
    ///
    /// # Errors
    /// Errors of the database, such as for an unknown column.
    pub(crate) async fn count(&self, database: &Database) -> Result<u64, DbErr> {
        let count = Query::select()
            .expr(Func::count(Expr::col(Alias::new(self.source))))
            .from(Alias::new(self.table.table))
            .take();
        let row = database.handle().query_one(&count).await?;
        let count = row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?;
        Ok(count.unwrap_or_default().unsigned_abs())
    }

    fn is_in_place(&self) -> bool {
        self.source == self.column.name
    }

    /// Encrypts them in batches. Encrypted values are left as they are, so that this can be
    /// stopped and started again.
    ///
    /// # Errors
    /// Errors of the database, and for a value that looks encrypted and cannot be decrypted;
    /// batches that are done stay done.
    pub(crate) async fn encrypt(
        &self,
        database: &Database,
        pace: &mut Pace<'_>,
    ) -> Result<Rewritten, DbErr> {
        let done = self.encrypt_rows(database, pace).await?;
        // indexes of several columns, as soon as all of them are encrypted
        reencrypt(database, self.table, pace).await?;
        Ok(done)
    }

    async fn encrypt_rows(
        &self,
        database: &Database,
        pace: &mut Pace<'_>,
    ) -> Result<Rewritten, DbErr> {
        let (mut done, mut after) = (Rewritten::default(), None::<String>);
        loop {
            let begun = Instant::now();
            let rows = self.rows(database, after.as_deref()).await?;
            let Some(last) = rows.last() else {
                return Ok(done);
            };
            after = Some(last.key.clone());
            let batch = async |tx: &Tx| {
                let mut changed = Rewritten::default();
                for row in &rows {
                    self.encrypt_row(tx, row, &mut changed).await?;
                }
                Ok::<_, DbErr>(changed)
            };
            let changed = database.write_always(batch).await?;
            done.rows += changed.rows;
            done.failed_count += changed.failed_count;
            let room = 20_usize.saturating_sub(done.failed.len());
            done.failed.extend(changed.failed.into_iter().take(room));
            pace.after(rows.len() as u64, begun).await;
        }
    }

    async fn rows(&self, database: &Database, after: Option<&str>) -> Result<Vec<Stored>, DbErr> {
        let key = Alias::new(self.table.key.name());
        let text = || Alias::new("text");
        let source = Expr::col(Alias::new(self.source));
        let value = match self.format.is_plain() {
            true => source.clone().cast_as(text()),
            false => source.clone(),
        };
        let mut query = Query::select();
        query
            .expr_as(
                Expr::col(key.clone()).cast_as(text()),
                Alias::new("palisade_key"),
            )
            .expr_as(value, Alias::new("palisade_value"))
            .from(Alias::new(self.table.table))
            .and_where(source.is_not_null())
            .order_by(key.clone(), Order::Asc)
            .limit(BATCH);
        if !self.is_in_place() {
            query.and_where(Expr::col(Alias::new(self.column.name)).is_null());
        }
        if let Some(owner) = self.column.owner {
            query.expr_as(Expr::col(Alias::new(owner)), Alias::new("palisade_owner"));
        }
        if let Some(after) = after {
            query.and_where(Expr::col(key).gt(self.table.key.value(after)));
        }
        let found = database.handle().query_all(&query).await?;
        found.iter().map(|row| self.read(row)).collect()
    }

    fn read(&self, row: &QueryResult) -> Result<Stored, DbErr> {
        let raw = match row.try_get::<String>("", "palisade_value") {
            Ok(text) => Raw::Text(Zeroizing::new(text)),
            Err(_) => Raw::Bytes(Zeroizing::new(row.try_get("", "palisade_value")?)),
        };
        let owner = match self.column.owner {
            Some(_) => Some(row.try_get::<i32>("", "palisade_owner")?),
            None => None,
        };
        Ok(Stored {
            key: row.try_get("", "palisade_key")?,
            raw,
            owner,
        })
    }

    async fn encrypt_row(&self, tx: &Tx, row: &Stored, done: &mut Rewritten) -> Result<(), DbErr> {
        let place = Place {
            table: self.table.table,
            column: self.column.name,
            key: &row.key,
        };
        if self.is_in_place() && is_encrypted(tx, (place, row), done).await? {
            return Ok(());
        }
        let read = self.format.read(row.raw.bytes());
        let read = read.and_then(|read| {
            let spelled = spellings(&read.text).find_map(|text| (self.column.spelling)(&text));
            let text = spelled.ok_or("no value of the column's type")?;
            Ok(ReadValue { text, ..read })
        });
        let ReadValue { text, until } = match read {
            Ok(read) => read,
            Err(why) => {
                done.fail(place, &why);
                return Ok(());
            }
        };
        let (keys, ring) = (tx.keys(), tx.keys().ring()?);
        let plain = PlainValue {
            value: text.as_bytes(),
            until,
        };
        let sealed = match row.owner {
            Some(user) => {
                let key = user_keys::load_or_create(tx, user).await?;
                key.seal(place, plain)
            }
            None => field::seal(&ring, place, plain, keys.now()),
        };
        let mut changes = Changes::from([(self.column.name, sealed)]);
        for index in &self.table.indexes {
            if let [part] = index.parts.as_slice()
                && part.column == self.column.name
                && let Some(normal) = (part.normal)(&text)
            {
                let key = index.key(self.table.table);
                if index.is_unique {
                    let candidates = key.candidates(&ring, &[&normal]);
                    let place_in = (self.table, index);
                    if require_unique(tx, place_in, (&candidates, &row.key))
                        .await
                        .is_err()
                    {
                        done.fail(place, "another row has this value");
                        return Ok(());
                    }
                }
                changes.insert(index.name, key.of(ring.active(keys.now()), &[&normal]));
            }
        }
        done.rows += self.write(tx, row, &changes).await?;
        Ok(())
    }

    /// Writes a row, unless its source was changed meanwhile.
    async fn write(&self, tx: &Tx, row: &Stored, changes: &Changes) -> Result<u64, DbErr> {
        let source = Expr::col(Alias::new(self.source));
        let stored = match &row.raw {
            Raw::Text(text) if self.format.is_plain() => {
                source.cast_as(Alias::new("text")).eq(text.as_str())
            }
            Raw::Text(text) => source.eq(text.as_str()),
            Raw::Bytes(bytes) => source.eq(bytes.to_vec()),
        };
        let mut update = Query::update();
        update
            .table(Alias::new(self.table.table))
            .and_where(self.table.is_row(&row.key))
            .and_where(stored);
        if !self.is_in_place() {
            update.and_where(Expr::col(Alias::new(self.column.name)).is_null());
        }
        for (column, text) in changes {
            update.value(Alias::new(*column), text.as_str());
        }
        Ok(tx.execute(&update).await?.rows_affected())
    }
}

/// Whether a value is encrypted already. One that looks so and cannot be decrypted ends the command:
/// encrypting it once more would lose it.
async fn is_encrypted(
    tx: &Tx,
    (place, row): (Place<'_>, &Stored),
    done: &mut Rewritten,
) -> Result<bool, DbErr> {
    let Some(text) = std::str::from_utf8(row.raw.bytes())
        .ok()
        .filter(|text| field::is_sealed(text))
    else {
        return Ok(false);
    };
    let opened = match row.owner {
        Some(user) => match user_keys::load(tx, user).await {
            Ok(key) => key.open(place, text, 0).is_ok(),
            Err(kind) => {
                done.fail(place, &format!("the key of its user: {kind:?}"));
                return Ok(true);
            }
        },
        None => field::open(&*tx.keys().ring()?, place, text, 0).is_ok(),
    };
    match opened {
        true => Ok(true),
        false => Err(DbErr::Custom(format!(
            "{}.{} of row {} looks encrypted, and cannot be decrypted: restore its key, or correct \
             the row",
            place.table, place.column, place.key
        ))),
    }
}

/// A stored text as the types of columns spell it.
fn spellings(text: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let boolean = match text {
        "True" | "t" | "1" => Some("true".to_owned()),
        "False" | "f" | "0" => Some("false".to_owned()),
        _ => None,
    };
    // `2024-02-29 12:30:01.123456+00`, as databases write it
    let time = ["%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| match format.ends_with('z') {
            true => chrono::DateTime::parse_from_str(text, format)
                .ok()
                .map(|time| time.to_utc()),
            false => chrono::NaiveDateTime::parse_from_str(text, format)
                .ok()
                .map(|time| time.and_utc()),
        });
    let time = time.map(|time| time.to_rfc3339());
    let all = [Some(text.to_owned()), boolean, time];
    all.into_iter().flatten().map(Zeroizing::new)
}
