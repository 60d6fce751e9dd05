//! Encrypted columns as rows of text, for the commands that count and rewrite all of them.

use super::user_keys;
use crate::db::{Database, EncryptedTable, IndexColumn, TableKey};
use palisade_crypto::field::prefix_of;
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Value};
use std::any::TypeId;
use std::collections::BTreeMap;

/// Rows of one query.
pub(super) const BATCH: u64 = 200;

/// One row: the primary key, and texts by column.
pub(super) struct TextRow {
    pub(super) key: String,
    pub(super) texts: BTreeMap<&'static str, Option<String>>,
}

impl TextRow {
    pub(super) fn text(&self, column: &str) -> Option<&str> {
        self.texts.get(column).and_then(Option::as_deref)
    }
}

/// All tables with encrypted columns: those of the site, and the keys of users.
pub(crate) fn all_tables(database: &Database) -> Vec<EncryptedTable> {
    let mut tables = database.fields().tables().to_vec();
    tables.push(EncryptedTable {
        table: user_keys::TABLE,
        key: TableKey::Number("user_id"),
        columns: vec![super::describe_column::<UserKeyText>(
            user_keys::SEALED,
            None,
        )],
        indexes: Vec::new(),
        row: TypeId::of::<()>(),
        plain: |_, _| None,
    });
    tables
}

/// The text of a user's key: any text.
struct UserKeyText(String);

impl zeroize::Zeroize for UserKeyText {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl super::Encryptable for UserKeyText {
    const DOMAIN_BITS: u32 = 256;

    fn to_plaintext(&self) -> zeroize::Zeroizing<String> {
        zeroize::Zeroizing::new(self.0.clone())
    }

    fn from_plaintext(text: &str) -> Option<Self> {
        Some(Self(text.into()))
    }
}

impl TableKey {
    /// A primary key that was read as text.
    pub(super) fn value(self, text: &str) -> Value {
        match self {
            Self::Number(_) => Value::BigInt(text.parse().ok()),
            Self::Text(_) => text.into(),
        }
    }
}

impl EncryptedTable {
    /// A query of rows in the order of their keys, from after a key.
    pub(super) fn rows(&self, columns: &[&'static str], after: Option<&str>) -> SelectStatement {
        let key = Alias::new(self.key.name());
        let mut query = Query::select();
        query
            .expr_as(
                Expr::col(key.clone()).cast_as(Alias::new("text")),
                Alias::new("palisade_key"),
            )
            .from(Alias::new(self.table))
            .order_by(key.clone(), Order::Asc)
            .limit(BATCH);
        for column in columns {
            query.column(Alias::new(*column));
        }
        if let Some(after) = after {
            query.and_where(Expr::col(key).gt(self.key.value(after)));
        }
        query
    }

    /// Runs such a query.
    pub(super) async fn read(
        &self,
        database: &Database,
        columns: &[&'static str],
        query: &SelectStatement,
    ) -> Result<Vec<TextRow>, DbErr> {
        let found = database.handle().query_all(query).await?;
        let row = |row: &QueryResult| {
            let text =
                |column: &&'static str| Ok((*column, row.try_get::<Option<String>>("", column)?));
            Ok(TextRow {
                key: row.try_get("", "palisade_key")?,
                texts: columns.iter().map(text).collect::<Result<_, DbErr>>()?,
            })
        };
        found.iter().map(row).collect()
    }

    /// Encrypted and index columns whose values do not begin so.
    pub(super) fn other_than(&self, id: &str) -> Condition {
        let column = |name: &'static str, start: &str, prefix: String| {
            let column = Expr::col(Alias::new(name));
            let is_ours = column.clone().like(format!("{start}.%"));
            is_ours.and(column.not_like(format!("{prefix}%")))
        };
        let columns = self
            .columns
            .iter()
            .map(|one| column(one.name, "e1", prefix_of(id)));
        let indexes = self.indexes.iter();
        let indexes = indexes.map(|one| column(one.name, "b1", format!("b1.{id}.")));
        // an index that was added, or that a column lacked when it was encrypted
        let is_empty = |index: &IndexColumn| {
            let parts = index.parts.iter();
            let there = parts.map(|part| Expr::col(Alias::new(part.column)).like("e1.%"));
            let empty = Expr::col(Alias::new(index.name)).is_null();
            there.fold(empty, ExprTrait::and)
        };
        let empty = self.indexes.iter().map(is_empty);
        let all = columns.chain(indexes).chain(empty);
        all.fold(Condition::any(), Condition::add)
    }

    /// Names of the encrypted and index columns.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let columns = self.columns.iter().map(|column| column.name);
        columns
            .chain(self.indexes.iter().map(|index| index.name))
            .collect()
    }

    /// Whether the row has this key.
    pub(super) fn is_row(&self, key: &str) -> Expr {
        Expr::col(Alias::new(self.key.name())).eq(self.key.value(key))
    }
}
