//! Choices from the database in forms: the rows that the user may view.

use super::access::Key;
use super::reference::{Ref, RowReference};
use super::{Actor, Scoped, Verb};
use crate::db::{Attached, Db, contains};
use crate::forms::{Field, IntoColumn, Options, RowChoices, Shape, ShowColumn};
use crate::permissions::CurrentActor;
use crate::views::{Error, Result};
use futures_util::future::BoxFuture;
use http::{Extensions, Method};
use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, EntityTrait, Iterable, ModelTrait, PrimaryKeyToColumn, QueryFilter, QueryOrder,
    QueryResult, QuerySelect, QueryTrait, Select, Value,
};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// An entity whose rows can be chosen in forms.
pub trait Labelled: Scoped {
    /// The column that names a row, such as its title. Its values are distinct, or users cannot tell
    /// rows apart.
    fn label() -> Self::Column;
}

/// A form field with one of the rows that the user may view, as a list to choose from. With
/// [`Many`](crate::forms::Many), several of them.
///
/// The policy is asked when the form is read: a key of a row that the user may not view is an error
/// of the field, the same as of a key that does not exist. [`Actor::resolve`] and
/// [`Actor::resolve_all`] read the rows.
///
/// At most 1000 rows are listed, in the order of their labels; a form for more rows takes a [`Ref`]
/// and a search.
///
/// ```
/// # use palisade::prelude::*;
/// # mod tag {
/// #     use palisade::entity::*;
/// #     use palisade::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "tag")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub name: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// #     impl Scoped for Entity {
/// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("own", actor.owns(Column::OwnerId)) }
/// #     }
/// #     impl Labelled for Entity { fn label() -> Column { Column::Name } }
/// # }
/// #[derive(Form)]
/// struct Tagged {
///     title: Line<120>,
///     tag: Option<Pick<tag::Entity>>,
/// }
/// async fn create(form: Form<Tagged>) -> Result<String> {
///     let new = form.valid_or_show("notes/new.html").await?;
///     Ok(new.tag.map_or_else(String::new, |tag| tag.key().to_string()))
/// }
/// ```
pub struct Pick<E: EntityTrait>(Ref<E>);

impl<E: EntityTrait> Pick<E> {
    /// The key of the row.
    pub fn key(&self) -> &Key<E> {
        &self.0.0
    }
}

impl<E: EntityTrait> From<&Pick<E>> for Value
where
    Key<E>: Clone + Into<Value>,
{
    fn from(pick: &Pick<E>) -> Self {
        pick.key().clone().into()
    }
}

impl<E: EntityTrait> Clone for Pick<E>
where
    Key<E>: Clone,
{
    fn clone(&self) -> Self {
        Self(Ref(self.key().clone()))
    }
}

impl<E: EntityTrait> From<Pick<E>> for Ref<E> {
    fn from(pick: Pick<E>) -> Self {
        pick.0
    }
}

impl<E: Scoped> RowReference for Pick<E> {
    type Entity = E;
}

/// A foreign key of a row.
impl<E: EntityTrait> ShowColumn<Key<E>> for Pick<E>
where
    Key<E>: fmt::Display,
{
    fn show(column: &Key<E>) -> Vec<String> {
        vec![column.to_string()]
    }
}

impl<E: EntityTrait> IntoColumn<Key<E>> for Pick<E> {
    fn into_column(self) -> Key<E> {
        self.0.0
    }
}

/// Most rows of a list.
const MOST: u64 = 1000;

impl<E: Labelled> Field for Pick<E>
where
    Key<E>: FromStr + Into<Value>,
{
    const SHAPE: Shape = Shape {
        choices: Some(RowChoices {
            load: load::<E>,
            check: check::<E>,
            table: || E::default().table_name(),
            search: search::<E>,
            labels: labels::<E>,
        }),
        kind: "select",
        ..Ref::<E>::SHAPE
    };

    fn parse(raw: Option<&str>) -> std::result::Result<Self, String> {
        Ref::parse(raw).map(Self)
    }
}

fn load<E: Labelled>(request: Extensions) -> BoxFuture<'static, Result<Options>> {
    Box::pin(async move {
        let (current, db) = of_request(&request)?;
        let rows = current.load().await?.find::<E>(Verb::View);
        options::<E>(rows.limit(MOST), &db).await
    })
}

fn search<E: Labelled>(
    request: Extensions,
    (text, most): (String, u64),
    time: Duration,
) -> BoxFuture<'static, Result<Options>> {
    Box::pin(async move {
        let (current, db) = of_request(&request)?;
        let mut rows = current.load().await?.find::<E>(Verb::View).limit(most);
        if !text.is_empty() {
            rows = rows.filter(contains(E::label(), &text));
        }
        let query = labelled::<E>(rows)?.into_query();
        let option = |row: &QueryResult| Ok((row.try_get("", "key")?, row.try_get("", "label")?));
        let found = db.query_within(&query, time).await?;
        found.iter().map(option).collect()
    })
}

fn labels<E: Labelled>(
    request: Extensions,
    keys: Vec<String>,
) -> BoxFuture<'static, Result<Options>>
where
    Key<E>: FromStr + Into<Value>,
{
    Box::pin(async move {
        let (current, db) = of_request(&request)?;
        let parsed = keys
            .iter()
            .filter_map(|key| key.trim().parse::<Key<E>>().ok());
        let rows = current.load().await?.find::<E>(Verb::View);
        options::<E>(rows.filter(key_column::<E>()?.is_in(parsed)), &db).await
    })
}

/// Whether the user may view the rows of all of these keys.
fn check<E: Labelled>(request: Extensions, keys: Vec<String>) -> BoxFuture<'static, Result<bool>>
where
    Key<E>: FromStr + Into<Value>,
{
    Box::pin(async move {
        let (current, db) = of_request(&request)?;
        let parsed = keys.iter().map(|key| key.trim().parse::<Key<E>>().ok());
        let Some(parsed) = parsed.collect::<Option<Vec<_>>>() else {
            return Ok(false);
        };
        let (column, count) = (key_column::<E>()?, parsed.len() as i64);
        let rows = current.load().await?.find::<E>(Verb::View);
        let found = rows.filter(column.is_in(parsed));
        let found = found.select_only().column_as(column.count(), "count");
        let found: Option<i64> = found.into_tuple().one(&db).await?;
        Ok(found == Some(count))
    })
}

fn of_request(request: &Extensions) -> Result<(CurrentActor, Db)> {
    let current = request.get::<CurrentActor>().cloned();
    let database = request.get::<Attached>().cloned();
    let (Some(current), Some(Attached(database))) = (current, database) else {
        return Err(Error::bug(
            "there is no actor: routes must be served by App",
        ));
    };
    Ok((current, Db::new(database, Method::GET)))
}

async fn options<E: Labelled>(rows: Select<E>, db: &Db) -> Result<Options> {
    Ok(labelled(rows)?.into_tuple().all(db).await?)
}

/// The keys and labels of rows, as text.
fn labelled<E: Labelled>(rows: Select<E>) -> Result<Select<E>> {
    let key = key_column::<E>()?;
    let text = |column: E::Column| Expr::col((E::default(), column)).cast_as(Alias::new("text"));
    let rows = rows
        .select_only()
        .expr_as(text(key), "key")
        .expr_as(text(E::label()), "label")
        .order_by_asc(E::label())
        .order_by_asc(key);
    Ok(rows)
}

fn key_column<E: EntityTrait>() -> Result<E::Column> {
    let mut keys = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let key = keys.next().filter(|_| keys.next().is_none());
    key.ok_or_else(|| Error::bug("the entity of a Pick has one key column"))
}

impl Actor {
    /// The rows of several choices, each once, in their order; `None` if one of them is gone, or not
    /// visible any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn resolve_all<E: Scoped>(
        &self,
        picks: &[Pick<E>],
        db: &impl sea_orm::ConnectionTrait,
    ) -> Result<Option<Vec<E::Model>>>
    where
        Key<E>: Clone + Into<Value>,
    {
        let column = key_column::<E>()?;
        let keys: Vec<Value> = picks.iter().map(Value::from).collect();
        let found = self
            .find::<E>(Verb::View)
            .filter(column.is_in(keys.clone()));
        let mut rows = found.all(db).await?;
        rows.sort_by_key(|row| keys.iter().position(|key| *key == row.get(column)));
        Ok((rows.len() == keys.len()).then_some(rows))
    }
}
