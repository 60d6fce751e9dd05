//! Rows with encrypted columns are encrypted when they are written.

use super::open::key_text;
use super::user_keys;
use crate::db::{EncryptedTable, IndexColumn, PlainField, TableKey, Tx};
use crate::sql;
use palisade_crypto::DataRing;
use palisade_crypto::field::{self, Place, UserKey};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Query};
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ActiveValue, ColumnTrait, ColumnType, ConnectionTrait,
    DbBackend, DbErr, EntityName, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, PrimaryKeyTrait, Value,
};
use std::any::TypeId;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// A row with encrypted columns: derive `EncryptedFields` for the model.
#[diagnostic::on_unimplemented(
    message = "the rows of this entity have no encrypted columns",
    note = "derive `EncryptedFields` for its model"
)]
pub trait EncryptedRow: ActiveModelTrait {
    /// Its table.
    fn table() -> EncryptedTable;
}

type ColumnOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;

/// A table without its columns, for the derive.
///
/// # Panics
/// When the primary key is not one column of whole numbers or text.
#[doc(hidden)]
pub fn describe_table<A: ActiveModelTrait + 'static>(
    plain: fn(&dyn std::any::Any, &str) -> Option<PlainField>,
) -> EncryptedTable {
    let table = A::Entity::default().table_name();
    let key = key_column::<A>();
    let name = key.as_str();
    let key = match key.def().get_column_type() {
        ColumnType::String(_) | ColumnType::Text | ColumnType::Char(_) => TableKey::Text(name),
        ColumnType::Integer | ColumnType::BigInteger | ColumnType::SmallInteger => {
            TableKey::Number(name)
        }
        _ => panic!("{table}: encrypted columns need a primary key of one number or text"),
    };
    EncryptedTable {
        table,
        key,
        columns: Vec::new(),
        indexes: Vec::new(),
        row: TypeId::of::<A>(),
        plain,
    }
}

fn key_column<A: ActiveModelTrait>() -> ColumnOf<A> {
    let mut keys = <A::Entity as EntityTrait>::PrimaryKey::iter();
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.into_column(),
        _ => panic!(
            "{}: encrypted columns need a primary key of one column",
            A::Entity::default().table_name()
        ),
    }
}

/// Encrypts a row that is to be inserted. Its primary key is allotted now, because its values are
/// bound to it.
async fn encrypt_insert<A>(tx: &Tx, row: &mut A) -> Result<(), DbErr>
where
    A: ActiveModelTrait + 'static,
{
    let Some(table) = tx.keys().table_of(TypeId::of::<A>()) else {
        return Ok(());
    };
    if !Changes::of(table, row).is_any() {
        return Ok(());
    }
    let key = key_column::<A>();
    if matches!(row.get(key), ActiveValue::NotSet) {
        let next = next_key::<A>(tx, table).await?;
        row.try_set(key, next)?;
    }
    let (ActiveValue::Set(value) | ActiveValue::Unchanged(value)) = row.get(key) else {
        return Ok(());
    };
    encrypt(tx, table, row, Write::Insert(&key_text(&value))).await
}

/// The write of a row, with its primary key.
#[derive(Clone, Copy)]
enum Write<'a> {
    Insert(&'a str),
    Change(&'a str),
}

/// Whether a change of a row has values to encrypt.
pub(crate) fn is_encrypted_change<A>(tx: &Tx, row: &A) -> bool
where
    A: ActiveModelTrait + 'static,
{
    let table = tx.keys().table_of(TypeId::of::<A>());
    table.is_some_and(|table| Changes::of(table, row).is_any())
}

/// Encrypts the columns that are to be changed of the row with this key.
pub(crate) async fn encrypt_change<A>(tx: &Tx, row: &mut A, key: &Value) -> Result<(), DbErr>
where
    A: ActiveModelTrait + 'static,
{
    match tx.keys().table_of(TypeId::of::<A>()) {
        Some(table) => encrypt(tx, table, row, Write::Change(&key_text(key))).await,
        None => Ok(()),
    }
}

async fn encrypt<A>(
    tx: &Tx,
    table: &EncryptedTable,
    row: &mut A,
    write: Write<'_>,
) -> Result<(), DbErr>
where
    A: ActiveModelTrait + 'static,
{
    let changes = Changes::of(table, row);
    let (Write::Insert(key) | Write::Change(key)) = write;
    if let Write::Change(_) = write {
        refuse_owner_alone(table, row, &changes)?;
    }
    let owners = owner_keys(tx, table, row, &changes).await?;
    if !changes.is_any() {
        return Ok(());
    }
    let ring = tx.keys().ring()?;
    for (name, change) in &changes.0 {
        let place = Place {
            table: table.table,
            column: name,
            key,
        };
        match change {
            Change::Plain(plain) => {
                let user = table.column(name).and_then(|column| column.owner);
                let value = plain.value();
                let sealed = match user.and_then(|user| owners.get(user)) {
                    Some(user) => user.seal(place, value),
                    None => field::seal(&ring, place, value, tx.keys().now()),
                };
                row.try_set(column::<A>(name)?, sealed.into())?;
            }
            Change::Sealed => return Err(copied(place)),
            Change::Null => {}
        }
    }
    for index in &table.indexes {
        if let Some(parts) = changes.parts_of(table.table, index)? {
            write_index(tx, &ring, (table, index), (row, key, &parts)).await?;
        }
    }
    Ok(())
}

fn copied(place: Place<'_>) -> DbErr {
    DbErr::Custom(format!(
        "{}.{} is set to the encrypted value of a row: decrypt it, and set the value itself",
        place.table, place.column
    ))
}

/// Refuses to change the user of a row whose values are encrypted with the key of another one.
fn refuse_owner_alone<A: ActiveModelTrait>(
    table: &EncryptedTable,
    row: &A,
    changes: &Changes,
) -> Result<(), DbErr> {
    let unchanged = table.columns.iter();
    let unchanged = unchanged.filter(|column| !changes.0.contains_key(column.name));
    for column in unchanged {
        let Some(owner) = column.owner else { continue };
        if matches!(row.get(self::column::<A>(owner)?), ActiveValue::Set(_)) {
            return Err(DbErr::Custom(format!(
                "{}.{} must be set with {owner}: it is encrypted with the key of this user",
                table.table, column.name
            )));
        }
    }
    Ok(())
}

/// The keys of the row's users, by the columns with the users: for those of which a changed column
/// is encrypted.
async fn owner_keys<A: ActiveModelTrait>(
    tx: &Tx,
    table: &EncryptedTable,
    row: &A,
    changes: &Changes,
) -> Result<BTreeMap<&'static str, UserKey>, DbErr> {
    let mut keys = BTreeMap::new();
    let is_plain = |name: &str| matches!(changes.0.get(name), Some(Change::Plain(_)));
    for column in table.columns.iter().filter(|column| is_plain(column.name)) {
        let Some(owner) = column.owner else { continue };
        let (ActiveValue::Set(Value::Int(Some(user)))
        | ActiveValue::Unchanged(Value::Int(Some(user)))) = row.get(self::column::<A>(owner)?)
        else {
            return Err(DbErr::Custom(format!(
                "{}.{owner} must be set with {}, which is encrypted with the key of this user",
                table.table, column.name
            )));
        };
        if !keys.contains_key(owner) {
            keys.insert(owner, user_keys::load_or_create(tx, user).await?);
        }
    }
    Ok(keys)
}

/// The effect of a write on an encrypted column.
enum Change {
    Plain(PlainField),
    /// An encrypted value of another row, or of this one.
    Sealed,
    Null,
}

/// The encrypted columns that a write sets.
struct Changes(BTreeMap<&'static str, Change>);

impl Changes {
    fn of<A: ActiveModelTrait + 'static>(table: &EncryptedTable, row: &A) -> Self {
        let mut changes = BTreeMap::new();
        for column in &table.columns {
            let Ok(known) = self::column::<A>(column.name) else {
                continue;
            };
            let change = match row.get(known) {
                ActiveValue::Set(Value::String(None)) => Change::Null,
                ActiveValue::Set(_) => match (table.plain)(row, column.name) {
                    Some(plain) => Change::Plain(plain),
                    None => Change::Sealed,
                },
                _ => continue,
            };
            changes.insert(column.name, change);
        }
        Self(changes)
    }

    fn is_any(&self) -> bool {
        !self.0.is_empty()
    }

    /// The normal forms of an index: `None` if the write does not concern it, an empty list if one
    /// of its columns is null.
    fn parts_of(
        &self,
        table: &str,
        index: &IndexColumn,
    ) -> Result<Option<Vec<Zeroizing<String>>>, DbErr> {
        let set = index
            .parts
            .iter()
            .filter_map(|part| self.0.get(part.column));
        let (set, all) = (set.count(), index.parts.len());
        if set == 0 {
            return Ok(None);
        }
        if set < all {
            let columns: Vec<&str> = index.parts.iter().map(|part| part.column).collect();
            return Err(DbErr::Custom(format!(
                "{table}.{} is an index of {}: set all of them",
                index.name,
                columns.join(" and ")
            )));
        }
        let normal = index
            .parts
            .iter()
            .map(|part| match self.0.get(part.column) {
                Some(Change::Plain(plain)) => (part.normal)(&plain.text),
                _ => None,
            });
        Ok(Some(normal.collect::<Option<_>>().unwrap_or_default()))
    }
}

/// Sets a column of an index, unless another row has the same unique value.
async fn write_index<A: ActiveModelTrait>(
    tx: &Tx,
    ring: &DataRing,
    (table, index): (&EncryptedTable, &IndexColumn),
    (row, key, parts): (&mut A, &str, &[Zeroizing<String>]),
) -> Result<(), DbErr> {
    let column = column::<A>(index.name)?;
    if parts.is_empty() {
        return row.try_set(column, Value::String(None));
    }
    let parts: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
    let of_column = index.key(table.table);
    if index.is_unique {
        let candidates = of_column.candidates(ring, &parts);
        require_unique(tx, (table, index), (&candidates, key)).await?;
    }
    let text = of_column.of(ring.active(tx.keys().now()), &parts);
    row.try_set(column, text.into())
}

/// A unique constraint of the column compares texts of one key. While two keys are in use, rows are
/// compared under both of them, one transaction after the other.
pub(super) async fn require_unique(
    tx: &Tx,
    (table, index): (&EncryptedTable, &IndexColumn),
    (candidates, key): (&[String], &str),
) -> Result<(), DbErr> {
    if tx.get_database_backend() == DbBackend::Postgres {
        // the oldest key is the same for all instances, even where they write with different keys
        let oldest = candidates.last().map(String::as_str).unwrap_or_default();
        let lock = sql!(
            "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended(?, 0))) AS locked",
            oldest
        );
        tx.fetch_one::<(i32,)>(lock).await?;
    }
    let is_other = Expr::col(Alias::new(table.key.name())).cast_as(Alias::new("text"));
    let mut same = Query::select();
    same.expr(Expr::Constant(1.into()))
        .from(Alias::new(table.table))
        .and_where(Expr::col(Alias::new(index.name)).is_in(candidates.iter().cloned()))
        .and_where(is_other.ne(key))
        .limit(1);
    match tx.query_one(&same).await? {
        None => Ok(()),
        Some(_) => Err(DbErr::RecordNotInserted),
    }
}

/// The next primary key of a table.
async fn next_key<A: ActiveModelTrait>(tx: &Tx, table: &EncryptedTable) -> Result<Value, DbErr> {
    let (name, key) = (table.table, table.key.name());
    if !<A::Entity as EntityTrait>::PrimaryKey::auto_increment()
        || matches!(table.key, TableKey::Text(_))
    {
        return Err(DbErr::Custom(format!(
            "{name}.{key} must be set: encrypted values are bound to it"
        )));
    }
    let next = match tx.get_database_backend() {
        DbBackend::Postgres => {
            let next = sql!(
                "SELECT nextval(pg_get_serial_sequence(quote_ident(?), ?))",
                name,
                key
            );
            tx.fetch_one::<(i64,)>(next).await?.map(|(next,)| next)
        }
        _ => Some(next_rowid(tx, name, key).await?),
    };
    let next = next.ok_or_else(|| DbErr::Custom(format!("{name}.{key} has no sequence")))?;
    Ok(match key_column::<A>().def().get_column_type() {
        ColumnType::Integer => i32::try_from(next).map_err(|_| full(name))?.into(),
        ColumnType::SmallInteger => i16::try_from(next).map_err(|_| full(name))?.into(),
        _ => Value::BigInt(Some(next)),
    })
}

fn full(table: &str) -> DbErr {
    DbErr::Custom(format!("{table} has no more primary keys"))
}

/// SQLite has one writer, and this transaction is it.
async fn next_rowid(tx: &Tx, table: &'static str, key: &'static str) -> Result<i64, DbErr> {
    let last = Query::select()
        .expr(Func::max(Expr::col(Alias::new(key))))
        .from(Alias::new(table))
        .take();
    let row = tx.query_one(&last).await?;
    let last = match row {
        Some(row) => row.try_get_by_index::<Option<i64>>(0)?.unwrap_or(0),
        None => 0,
    };
    // the keys of deleted rows are not used again
    let used = sql!("SELECT seq FROM sqlite_sequence WHERE name = ?", table);
    let used = tx.fetch_one::<(i64,)>(used).await?;
    let used = used.map_or(0, |(used,)| used);
    Ok(std::cmp::max(last, used) + 1)
}

fn column<A: ActiveModelTrait>(name: &str) -> Result<ColumnOf<A>, DbErr> {
    let mut columns = ColumnOf::<A>::iter();
    columns
        .find(|column| column.as_str() == name)
        .ok_or_else(|| DbErr::Custom(format!("there is no column {name}")))
}

impl Tx {
    /// Inserts a row, and encrypts its encrypted columns. With a policy,
    /// [`Actor::insert`](crate::permissions::Actor::insert) does so.
    ///
    /// # Errors
    /// Errors of the database; a unique blind index that another row has
    /// ([`DbFailure::Duplicate`](crate::db::DbFailure::Duplicate)).
    pub async fn insert_row<A>(
        &self,
        mut row: A,
    ) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
    where
        A: ActiveModelTrait + ActiveModelBehavior + Send + 'static,
        <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    {
        encrypt_insert(self, &mut row).await?;
        ActiveModelTrait::insert(row, self).await
    }

    /// Changes the set columns of a row, and encrypts those that are encrypted. Its primary key is
    /// set or unchanged. With a policy,
    /// [`Allowed::change`](crate::permissions::Allowed::change) does so.
    ///
    /// # Errors
    /// As [`Tx::insert_row`]; when the row does not exist.
    pub async fn change_row<A>(
        &self,
        mut row: A,
    ) -> Result<<A::Entity as EntityTrait>::Model, DbErr>
    where
        A: ActiveModelTrait + ActiveModelBehavior + Send + 'static,
        <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    {
        if self.keys().table_of(TypeId::of::<A>()).is_some() {
            let (ActiveValue::Set(key) | ActiveValue::Unchanged(key)) = row.get(key_column::<A>())
            else {
                return Err(DbErr::PrimaryKeyNotSet { ctx: "change_row" });
            };
            encrypt_change(self, &mut row, &key).await?;
        }
        ActiveModelTrait::update(row, self).await
    }
}
