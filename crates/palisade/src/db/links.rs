//! Tables of many-to-many relations.

use super::Tx;
use sea_orm::sea_query::{
    Alias, ColumnDef, Expr, ExprTrait, ForeignKey, ForeignKeyAction, Index, Query, SelectStatement,
    SimpleExpr, Table, TableCreateStatement,
};
use sea_orm::{ConnectionTrait, DbErr, Value};

/// A table of two columns that links the rows of two others.
///
/// ```
/// use palisade::db::Links;
/// use palisade::prelude::*;
///
/// /// The rows of `note_tag` link those of `note` and `tag` by `note_id` and `tag_id`.
/// const TAGS: Links = Links::between("note", "tag");
///
/// async fn tag(tx: &Tx, note: i32, tags: &[i32]) -> Result<()> {
///     TAGS.set(tx, note, tags.iter().copied()).await?;
///     Ok(())
/// }
/// ```
///
/// The keys are of rows that the policy has allowed, such as those of a
/// [`Pick`](crate::permissions::Pick).
#[derive(Debug, Clone, Copy)]
pub struct Links {
    sources: &'static str,
    targets: &'static str,
    table: Option<&'static str>,
}

impl Links {
    /// Links between the rows of two tables.
    ///
    /// # Panics
    /// When compiled for a constant, for a table and itself: both columns would have one name.
    pub const fn between(sources: &'static str, targets: &'static str) -> Self {
        assert!(!is_same(sources, targets), "links of a table to itself");
        Self {
            sources,
            targets,
            table: None,
        }
    }

    /// The same in a table of another name, such as one of Django's.
    #[must_use]
    pub const fn in_table(self, table: &'static str) -> Self {
        Self {
            table: Some(table),
            ..self
        }
    }

    fn table(&self) -> Alias {
        let default = || format!("{}_{}", self.sources, self.targets);
        Alias::new(self.table.map_or_else(default, str::to_owned))
    }

    /// The statement that creates the table.
    pub(super) fn create(&self) -> TableCreateStatement {
        let key = |to: &'static str| {
            let mut key = ForeignKey::create();
            key.from(self.table(), column(to))
                .to(Alias::new(to), Alias::new("id"))
                .on_delete(ForeignKeyAction::Cascade)
                .take()
        };
        let link = |to| ColumnDef::new(column(to)).integer().not_null().take();
        let [source, target] = [self.sources, self.targets];
        let mut primary = Index::create();
        Table::create()
            .table(self.table())
            .col(link(source))
            .col(link(target))
            .primary_key(primary.col(column(source)).col(column(target)))
            .foreign_key(&mut key(source))
            .foreign_key(&mut key(target))
            .take()
    }

    /// Replaces the links of a source, those to rows that the user may not view included. Change or
    /// lock the source first where two requests can do so at once.
    ///
    /// # Errors
    /// Errors of the database.
    pub async fn set(
        &self,
        tx: &Tx,
        source: impl Into<Value>,
        targets: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Result<(), DbErr> {
        let source = source.into();
        let mut old = Query::delete();
        old.from_table(self.table())
            .and_where(Expr::col(column(self.sources)).eq(source.clone()));
        tx.execute(&old).await?;
        let mut new = Query::insert();
        new.into_table(self.table())
            .columns([column(self.sources), column(self.targets)]);
        let mut linked = Vec::new();
        for target in targets {
            let target = target.into();
            if linked.contains(&target) {
                continue;
            }
            linked.push(target.clone());
            let link = [source.clone(), target].map(SimpleExpr::from);
            new.values_panic(link);
        }
        if !linked.is_empty() {
            tx.execute(&new).await?;
        }
        Ok(())
    }

    /// Keys of the targets of a source, for `Column::Id.in_subquery(…)`.
    pub fn targets(&self, source: impl Into<Value>) -> SelectStatement {
        self.keys(self.targets, self.sources, source.into())
    }

    /// Keys of the sources of a target.
    pub fn sources(&self, target: impl Into<Value>) -> SelectStatement {
        self.keys(self.sources, self.targets, target.into())
    }

    fn keys(&self, selected: &'static str, by: &'static str, key: Value) -> SelectStatement {
        let mut keys = Query::select();
        keys.column(column(selected))
            .from(self.table())
            .and_where(Expr::col(column(by)).eq(key))
            .take()
    }
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    one.len() == other.len()
}

/// The column with the key of a row of this table.
fn column(table: &str) -> Alias {
    Alias::new(format!("{table}_id"))
}
