//! Columns of encrypted values, for key rotation: they are re-encrypted with the newest key, so
//! that the old one can leave the ring.

use super::{Database, Db};
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SimpleExpr};
use sea_orm::{ConnectionTrait, DbErr, QueryResult};

/// A column of values that a [`Sealer`] has encrypted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedColumn {
    pub(crate) table: &'static str,
    /// The primary key.
    pub(crate) key: KeyColumn,
    pub(crate) column: &'static str,
    pub(crate) purpose: &'static str,
    /// An integer column that is part of a value's associated data.
    pub(crate) owner: Option<&'static str>,
    /// Associated data of this row's value.
    pub(crate) place: fn(&SealedRow) -> String,
}

/// The type of a primary key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyColumn {
    Number(&'static str),
    Text(&'static str),
}

/// One value.
#[derive(Debug)]
pub(crate) struct SealedRow {
    pub(crate) key: String,
    pub(crate) owner: i32,
    sealed: String,
}

/// Result of a rotation.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resealed {
    /// Values re-encrypted with the newest key.
    pub(crate) done: u64,
    /// Values that no key of the ring decrypts.
    pub(crate) unopened: u64,
}

/// Batch size.
const BATCH: u64 = 500;

impl KeyColumn {
    fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Text(name) => name,
        }
    }

    fn value(self, text: &str) -> SimpleExpr {
        match self {
            Self::Number(_) => Expr::val(text.parse::<i64>().unwrap_or_default()),
            Self::Text(_) => Expr::val(text),
        }
    }
}

impl SealedColumn {
    /// Re-encrypts values of older keys with the newest. A value that changes meanwhile is left as
    /// it is.
    pub(crate) async fn reseal(
        &self,
        database: &Database,
        ring: &KeyRing,
    ) -> Result<Resealed, DbErr> {
        let (sealer, mut resealed) = (Sealer::new(ring, self.purpose), Resealed::default());
        let mut after = None;
        loop {
            let rows = self.rows(&database.handle(), after.as_deref()).await?;
            let Some(last) = rows.last() else {
                return Ok(resealed);
            };
            after = Some(last.key.clone());
            for row in rows
                .iter()
                .filter(|row| sealer.key_of(&row.sealed) != Some(0))
            {
                let place = (self.place)(row);
                match sealer.open(&row.sealed, &place) {
                    Ok(value) => {
                        resealed.done += self
                            .replace(database, row, sealer.seal(value.expose(), &place))
                            .await?
                    }
                    Err(_) => resealed.unopened += 1,
                }
            }
        }
    }

    /// Whether the first value is decrypted; `None` without a value.
    ///
    /// # Errors
    /// When the database does not answer.
    #[cfg(feature = "backup")]
    pub(crate) async fn opens(
        &self,
        database: &Database,
        ring: &KeyRing,
    ) -> Result<Option<bool>, DbErr> {
        let rows = self.rows(&database.handle(), None).await?;
        let sealer = Sealer::new(ring, self.purpose);
        let is_open = |row: &SealedRow| sealer.open(&row.sealed, &(self.place)(row)).is_ok();
        Ok(rows.first().map(is_open))
    }

    /// Number of values per key of the ring, newest first, followed by those of unknown keys.
    pub(crate) async fn count(
        &self,
        database: &Database,
        ring: &KeyRing,
    ) -> Result<Vec<u64>, DbErr> {
        let (sealer, mut counts) = (Sealer::new(ring, self.purpose), vec![0; ring.len() + 1]);
        let mut after = None;
        loop {
            let rows = self.rows(&database.handle(), after.as_deref()).await?;
            let Some(last) = rows.last() else {
                return Ok(counts);
            };
            after = Some(last.key.clone());
            rows.iter()
                .for_each(|row| counts[sealer.key_of(&row.sealed).unwrap_or(ring.len())] += 1);
        }
    }

    async fn rows(&self, db: &Db, after: Option<&str>) -> Result<Vec<SealedRow>, DbErr> {
        let key = Alias::new(self.key.name());
        let column = Alias::new(self.column);
        let mut query = Query::select();
        query
            .expr_as(
                Expr::col(key.clone()).cast_as(Alias::new("text")),
                Alias::new("key_text"),
            )
            .expr_as(Expr::col(column.clone()), Alias::new("sealed_text"))
            .from(Alias::new(self.table))
            .and_where(Expr::col(column).like("s1.%"))
            .order_by(key.clone(), Order::Asc)
            .limit(BATCH);
        if let Some(owner) = self.owner {
            query.expr_as(Expr::col(Alias::new(owner)), Alias::new("owner"));
        }
        if let Some(after) = after {
            query.and_where(Expr::col(key).gt(self.key.value(after)));
        }
        db.query_all(&query)
            .await?
            .iter()
            .map(|row| self.read(row))
            .collect()
    }

    fn read(&self, row: &QueryResult) -> Result<SealedRow, DbErr> {
        let owner = if self.owner.is_some() {
            row.try_get("", "owner")?
        } else {
            0
        };
        Ok(SealedRow {
            key: row.try_get("", "key_text")?,
            owner,
            sealed: row.try_get("", "sealed_text")?,
        })
    }

    async fn replace(
        &self,
        database: &Database,
        row: &SealedRow,
        sealed: String,
    ) -> Result<u64, DbErr> {
        let change = Query::update()
            .table(Alias::new(self.table))
            .value(Alias::new(self.column), sealed)
            .and_where(Expr::col(Alias::new(self.key.name())).eq(self.key.value(&row.key)))
            .and_where(Expr::col(Alias::new(self.column)).eq(row.sealed.as_str()))
            .to_owned();
        Ok(database.single().execute(&change).await?.rows_affected())
    }
}
