//! Personal data that is the rows of one table.

use super::personal_data::{Kept, PersonalData};
use crate::auth::User;
use crate::db::{Db, RawSql, Tx};
use crate::views::{Error, Result};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, PartialModelTrait, QueryFilter, Value as Bound,
};
use serde::Serialize;
use serde_json::Value;
use std::marker::PhantomData;

/// The rows of an entity that belong to a user: exported with the columns of `C`
/// (`#[derive(Columns)]`), and deleted with the account.
///
/// ```
/// # mod note {
/// #     use palisade::entity::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "note")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub title: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use palisade::auth::PersonalRows;
/// use palisade::prelude::*;
///
/// #[derive(Columns)]
/// #[columns(entity = note::Entity)]
/// struct Exported {
///     title: String,
/// }
///
/// let notes = PersonalRows::<note::Entity, Exported>::of("notes", note::Column::OwnerId);
/// let app = App::new().personal_data(notes);
/// ```
///
/// Rows of other tables that refer to these are deleted by their foreign keys
/// ([`belongs_to`](crate::db::belongs_to)) or by [`PersonalRows::first`]; otherwise the deletion of
/// the account is refused.
pub struct PersonalRows<E: EntityTrait, C> {
    name: &'static str,
    owner: E::Column,
    first: Vec<fn(i32) -> RawSql>,
    kept: Kept,
    /// The column with the time from which they are kept.
    since: Option<E::Column>,
    columns: PhantomData<fn() -> C>,
}

impl<E: EntityTrait, C> PersonalRows<E, C> {
    /// The rows with the user's id in a column. `name` is their key in the export.
    pub fn of(name: &'static str, owner: E::Column) -> Self {
        Self {
            name,
            owner,
            first: Vec::new(),
            kept: Kept::UntilErased,
            since: None,
            columns: PhantomData,
        }
    }

    /// A statement that is run before the rows are deleted, for rows of other users that refer to
    /// them; it gets the user's id.
    #[must_use]
    pub fn first(mut self, statement: fn(i32) -> RawSql) -> Self {
        self.first.push(statement);
        self
    }

    /// Rows are deleted so many days after the time in a column.
    ///
    /// # Panics
    /// When the column holds no date or time.
    #[must_use]
    pub fn kept_days(mut self, days: u32, since: E::Column) -> Self {
        require_time::<E>(since);
        (self.kept, self.since) = (Kept::Days(days), Some(since));
        self
    }

    /// Rows are kept for so many years after the time in a column, because a law demands it. With
    /// the account only the link to it is removed: the column of the user is set to NULL.
    ///
    /// # Panics
    /// When the column holds no date or time.
    #[must_use]
    pub fn kept_by_law(mut self, years: u32, reason: &'static str, since: E::Column) -> Self {
        require_time::<E>(since);
        (self.kept, self.since) = (Kept::Law { years, reason }, Some(since));
        self
    }

    /// The condition of expired rows.
    fn over(&self, now: DateTime<Utc>) -> Option<sea_orm::sea_query::SimpleExpr> {
        Some(self.since?.lt(self.kept.end(now)?))
    }
}

/// A number compared with a date would be smaller on SQLite: every row would be over.
fn require_time<E: EntityTrait>(since: E::Column) {
    use sea_orm::ColumnType::{Date, DateTime, Timestamp, TimestampWithTimeZone};
    use sea_orm::IdenStatic;
    let definition = since.def();
    let kind = definition.get_column_type();
    let table = E::default();
    assert!(
        matches!(kind, Date | DateTime | Timestamp | TimestampWithTimeZone),
        "{}.{}: the time of a retention is a date or a time, and not {kind:?}",
        table.table_name(),
        since.as_str()
    );
}

#[async_trait]
impl<E, C> PersonalData for PersonalRows<E, C>
where
    E: EntityTrait,
    E::Model: Send + Sync,
    E::Column: Send + Sync,
    C: PartialModelTrait + Serialize + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn tables(&self) -> Vec<&'static str> {
        vec![E::default().table_name()]
    }

    fn kept(&self) -> Kept {
        self.kept
    }

    async fn expired(&self, db: &Db, now: DateTime<Utc>) -> Result<u64> {
        match self.over(now) {
            Some(over) => Ok(E::find().filter(over).count(db).await?),
            None => Ok(0),
        }
    }

    async fn expire(&self, tx: &Tx, now: DateTime<Utc>) -> Result<u64> {
        match self.over(now) {
            Some(over) => Ok(E::delete_many().filter(over).exec(tx).await?.rows_affected),
            None => Ok(0),
        }
    }

    async fn export(&self, db: &Db, user: &User) -> Result<Value> {
        let rows = E::find().filter(self.owner.eq(user.id));
        let rows = rows.into_partial_model::<C>().all(db).await?;
        serde_json::to_value(rows).map_err(|error| Error::bug(error.to_string()))
    }

    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        for statement in &self.first {
            tx.execute_sql(statement(user.id)).await?;
        }
        let theirs = self.owner.eq(user.id);
        if let Kept::Law { .. } = self.kept {
            let none = Expr::value(Bound::Int(None));
            let unlinked = E::update_many().col_expr(self.owner, none);
            unlinked.filter(theirs).exec(tx).await?;
        } else {
            E::delete_many().filter(theirs).exec(tx).await?;
        }
        Ok(())
    }
}
