//! The table of an entity without its type, for the admin and the API: reads and writes of rows, each
//! by the entity's policy.

use super::access::{Key, RowAccess};
use super::{Scoped, Verb};
use crate::db::{Db, Tx, Values};
use crate::forms::RowColumn;
use crate::permissions::Actor;
use crate::views::{Error, Result};
use futures_util::future::BoxFuture;
use sea_orm::sea_query::{Alias, Expr, SelectStatement, Value, ValueTuple};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, DbErr, EntityTrait, IdenStatic, IntoActiveModel,
    Iterable, ModelTrait, QueryResult, QuerySelect, QueryTrait, TryGetableMany,
};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// A row as it was read for a change: all its columns.
pub(crate) struct FullRow {
    pub(crate) values: Values,
}

/// Completes a row before it is written, such as its owner and the time of its last change. The row
/// before the change is `None` for a new one.
pub type Fill<E> =
    fn(&Actor, Option<&<E as EntityTrait>::Model>, &mut <E as EntityTrait>::ActiveModel);

/// Refuses a write by the rules of the business: a row before it is changed, `None` for a new one,
/// and the columns that are set. The error is the response, such as
/// [`Error::conflict`](crate::views::Error::conflict).
pub type Judge<E> =
    fn(&Actor, Option<&<E as EntityTrait>::Model>, &<E as EntityTrait>::ActiveModel) -> Result<()>;

/// Refuses a change of the row with this key, in its transaction.
pub type Guard = for<'a> fn(&'a Actor, &'a Tx, &'a str) -> BoxFuture<'a, Result<()>>;

/// Computes a change of a row.
pub(crate) type PureChange<E> = Arc<
    dyn Fn(&<E as EntityTrait>::Model, &Actor) -> <E as EntityTrait>::ActiveModel + Send + Sync,
>;

/// Reads and writes of a resource's rows.
pub(crate) trait Table: Send + Sync {
    fn name(&self) -> &'static str;

    /// The column of the primary key.
    fn key_column(&self) -> Expr;

    /// The key as a value, if the text is one.
    fn key_value(&self, text: &str) -> Option<Value>;

    /// The rows that the actor may use, with these columns and the key.
    fn select(&self, actor: &Actor, verb: Verb, columns: &[&RowColumn]) -> SelectStatement;

    /// The key of a row of [`Table::select`].
    fn key(&self, row: &QueryResult) -> Result<String, DbErr>;

    /// Why a row cannot be read: 404, recorded if it exists.
    fn refuse<'a>(&'a self, actor: &'a Actor, key: &'a str, db: &'a Db) -> BoxFuture<'a, Error>;

    /// Reads a row and locks it until the end of the transaction.
    fn lock<'a>(
        &'a self,
        actor: &'a Actor,
        row: (Verb, &'a str),
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<FullRow>>;

    /// Changes columns.
    fn change<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        change: Change<'a>,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<Changed>>;

    /// Inserts a row, and returns its key.
    fn insert<'a>(
        &'a self,
        actor: &'a Actor,
        values: &'a Values,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<String>>;

    /// Deletes a row.
    fn delete<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<()>>;

    /// Inserts a deleted row again, with all its columns, if the actor may delete it.
    fn restore<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        values: &'a Values,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<()>>;
}

/// A change of a row.
pub(crate) enum Change<'a> {
    Set(&'a Values),
    /// By the action with this number.
    Act(usize),
}

/// Names of columns of a change.
#[derive(Default)]
pub(crate) struct Changed {
    /// That an action names, with the values that were there already.
    pub(crate) named: Vec<&'static str>,
    /// That were set.
    pub(crate) set: Vec<&'static str>,
}

/// Name of the key in queries.
pub(crate) const KEY: &str = "palisade_key";

/// The table of an entity.
pub(crate) struct TableOf<E: EntityTrait> {
    pub(crate) key: E::Column,
    pub(crate) fill: Option<Fill<E>>,
    pub(crate) judge: Option<Judge<E>>,
    pub(crate) guard: Option<Guard>,
    pub(crate) actions: Vec<Option<PureChange<E>>>,
}

impl<E: Scoped> TableOf<E>
where
    Key<E>: FromStr,
    E::ActiveModel: sea_orm::ActiveModelBehavior + Send + Sync + 'static,
{
    /// The table of a resource with this name.
    ///
    /// # Panics
    /// If the primary key is not one column.
    pub(crate) fn new(name: &str) -> Self {
        let key = super::single_key::<E>();
        Self {
            key: key.unwrap_or_else(|| panic!("{name}: its primary key is not one column")),
            fill: None,
            judge: None,
            guard: None,
            actions: Vec::new(),
        }
    }

    fn access<'a>(&self, actor: &'a Actor, key: &str) -> Result<RowAccess<'a, E>> {
        let key: Key<E> = key.parse().map_err(|_| Error::not_found())?;
        Ok(actor.row::<E>(key))
    }

    async fn judge(&self, actor: &Actor, key: &str, tx: &Tx) -> Result<()> {
        match self.guard {
            Some(guard) => guard(actor, tx, key).await,
            None => Ok(()),
        }
    }

    async fn change_row(
        &self,
        actor: &Actor,
        key: &str,
        change: Change<'_>,
        tx: &Tx,
    ) -> Result<Changed> {
        let before = self
            .access(actor, key)?
            .read_locked(Verb::Change, tx)
            .await?;
        self.judge(actor, key, tx).await?;
        let mut active = match change {
            Change::Set(values) => active::<E>(values)?,
            Change::Act(number) => {
                let action = self.actions.get(number).and_then(Option::as_ref);
                let action = action.ok_or_else(|| Error::bug("the action changes no row"))?;
                action(&before, actor)
            }
        };
        let is_set =
            |active: &E::ActiveModel, column| matches!(active.get(column), ActiveValue::Set(_));
        let names = |active: &E::ActiveModel| -> Vec<&'static str> {
            let set = E::Column::iter().filter(|column| is_set(active, *column));
            set.map(|column| column.as_str()).collect()
        };
        let named = names(&active);
        // an action may set the value that is there
        for column in E::Column::iter() {
            if matches!(active.get(column), ActiveValue::Set(value) if value == before.get(column))
            {
                active.not_set(column);
            }
        }
        if names(&active).is_empty() {
            let set = Vec::new();
            return Ok(Changed { named, set });
        }
        if let Some(judge) = self.judge {
            judge(actor, Some(&before), &active)?;
        }
        if let Some(fill) = self.fill {
            fill(actor, Some(&before), &mut active);
        }
        let set = names(&active);
        self.access(actor, key)?.change(tx, active).await?;
        Ok(Changed { named, set })
    }

    async fn insert_row(&self, actor: &Actor, values: &Values, tx: &Tx) -> Result<String>
    where
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        let mut active = active::<E>(values)?;
        if let Some(judge) = self.judge {
            judge(actor, None, &active)?;
        }
        if let Some(fill) = self.fill {
            fill(actor, None, &mut active);
        }
        let row = actor.insert(tx, active).await?;
        Ok(key_text(&row.get(self.key)))
    }
}

/// The values as changes of a row.
fn active<E: EntityTrait>(values: &Values) -> Result<E::ActiveModel> {
    let mut active = <E::ActiveModel as ActiveModelTrait>::default();
    for column in E::Column::iter() {
        if let Some(value) = values.get(column.as_str()) {
            active.try_set(column, value.clone())?;
        }
    }
    Ok(active)
}

/// A key as text.
pub(crate) fn key_text(key: &Value) -> String {
    match key {
        Value::String(Some(text)) => text.clone(),
        Value::Int(Some(number)) => number.to_string(),
        Value::BigInt(Some(number)) => number.to_string(),
        Value::SmallInt(Some(number)) => number.to_string(),
        other => other.to_string(),
    }
}

impl<E: Scoped> Table for TableOf<E>
where
    Key<E>: FromStr + Into<Value>,
    E::Model: IntoActiveModel<E::ActiveModel> + Send,
    E::ActiveModel: sea_orm::ActiveModelBehavior + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        E::default().table_name()
    }

    fn key_column(&self) -> Expr {
        Expr::col((E::default(), self.key))
    }

    fn key_value(&self, text: &str) -> Option<Value> {
        text.parse::<Key<E>>().ok().map(Into::into)
    }

    fn select(&self, actor: &Actor, verb: Verb, columns: &[&RowColumn]) -> SelectStatement {
        let mut rows = actor.find::<E>(verb).select_only();
        rows = rows.expr_as(self.key.select_as(self.key_column()), KEY);
        let mut query = rows.into_query();
        for column in columns {
            query.expr_as(column.selected(), Alias::new(column.name));
        }
        query
    }

    fn key(&self, row: &QueryResult) -> Result<String, DbErr> {
        use sea_orm::sea_query::IntoValueTuple;
        let key = Key::<E>::try_get_many(row, "", &[KEY.to_owned()])?;
        match key.into_value_tuple() {
            ValueTuple::One(key) => Ok(key_text(&key)),
            _ => Err(DbErr::Custom("the key is not one column".into())),
        }
    }

    fn refuse<'a>(&'a self, actor: &'a Actor, key: &'a str, db: &'a Db) -> BoxFuture<'a, Error> {
        Box::pin(async move {
            let access = match self.access(actor, key) {
                Ok(access) => access,
                Err(error) => return error,
            };
            // it may have become visible meanwhile
            access.view(db).await.err().unwrap_or_else(Error::not_found)
        })
    }

    fn lock<'a>(
        &'a self,
        actor: &'a Actor,
        (verb, key): (Verb, &'a str),
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<FullRow>> {
        Box::pin(async move {
            let row = self.access(actor, key)?.read_locked(verb, tx).await?;
            let columns = E::Column::iter();
            let values = columns.map(|column| (column.as_str().to_owned(), row.get(column)));
            let values: BTreeMap<_, _> = values.collect();
            Ok(FullRow { values })
        })
    }

    fn change<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        change: Change<'a>,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<Changed>> {
        Box::pin(self.change_row(actor, key, change, tx))
    }

    fn insert<'a>(
        &'a self,
        actor: &'a Actor,
        values: &'a Values,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<String>> {
        Box::pin(self.insert_row(actor, values, tx))
    }

    fn delete<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.judge(actor, key, tx).await?;
            self.access(actor, key)?.delete(tx).await
        })
    }

    fn restore<'a>(
        &'a self,
        actor: &'a Actor,
        key: &'a str,
        values: &'a Values,
        tx: &'a Tx,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            // ciphertexts are bound to their place, and come back as they were
            E::insert(active::<E>(values)?)
                .exec_without_returning(tx)
                .await?;
            if self.access(actor, key)?.allows(Verb::Delete, tx).await? {
                return Ok(());
            }
            tx.refuse_commit();
            Err(Error::forbidden())
        })
    }
}
