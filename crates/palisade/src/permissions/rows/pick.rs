//! Choices from the database in forms: the rows that the user may view.

use super::access::Key;
use super::reference::{Ref, RowReference};
use super::{Actor, Scoped, Verb};
use crate::db::{Attached, Db};
use crate::forms::{Field, Options, Shape, ShowColumn};
use crate::permissions::CurrentActor;
use crate::views::{Error, Result};
use futures_util::future::BoxFuture;
use http::{Extensions, Method};
use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{EntityTrait, Iterable, PrimaryKeyToColumn, QueryOrder, QuerySelect};
use std::fmt;
use std::str::FromStr;

/// An entity whose rows can be chosen in forms.
pub trait Labelled: Scoped {
    /// The column that names a row, such as its title. Its values are distinct, or users cannot tell
    /// rows apart.
    fn label() -> Self::Column;
}

/// A form field with one of the rows that the user may view, as a list to choose from. With
/// [`Many`](crate::forms::Many), several of them. [`Actor::resolve`] and [`Actor::resolve_all`] read
/// the rows.
///
/// At most 1000 rows are listed, in the order of their labels; a form for more rows takes a [`Ref`]
/// and a search.
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::permissions::{Labelled, NOT_A_CHOICE, Pick};
/// # async fn example<E: Labelled>(actor: Actor, db: Db, tags: Many<Pick<E>>,
/// #     invalid: palisade::forms::InvalidForm) -> Result<()>
/// # where palisade::permissions::Key<E>: std::str::FromStr + Send + Sync {
/// let Some(tags) = actor.resolve_all(tags, &db).await? else {
///     return Err(invalid.error("tags", NOT_A_CHOICE).show("notes/new.html").await);
/// };
/// # Ok(())
/// # }
/// ```
pub struct Pick<E: EntityTrait>(Ref<E>);

impl<E: EntityTrait> From<Pick<E>> for Ref<E> {
    fn from(pick: Pick<E>) -> Self {
        pick.0
    }
}

impl<E: Scoped> RowReference for Pick<E> {
    type Entity = E;
}

/// A foreign key of a row, as it is listed. It is not assigned to a column without
/// [`Actor::resolve`].
impl<E: EntityTrait> ShowColumn<Key<E>> for Pick<E>
where
    Key<E>: fmt::Display,
{
    fn show(column: &Key<E>) -> Vec<String> {
        vec![column.to_string()]
    }
}

/// Most rows of a list.
const MOST: u64 = 1000;

impl<E: Labelled> Field for Pick<E>
where
    Key<E>: FromStr,
{
    const SHAPE: Shape = Shape {
        load_options: Some(load::<E>),
        kind: "select",
        ..Ref::<E>::SHAPE
    };

    fn parse(raw: Option<&str>) -> std::result::Result<Self, String> {
        Ref::parse(raw).map(Self)
    }
}

fn load<E: Labelled>(request: Extensions) -> BoxFuture<'static, Result<Options>> {
    Box::pin(async move {
        let current = request.get::<CurrentActor>().cloned();
        let database = request.get::<Attached>().cloned();
        let (Some(current), Some(Attached(database))) = (current, database) else {
            return Err(Error::bug(
                "there is no actor: routes must be served by App",
            ));
        };
        let db = Db::new(database, Method::GET);
        options::<E>(current.load().await?, &db).await
    })
}

async fn options<E: Labelled>(actor: &Actor, db: &Db) -> Result<Options> {
    let key =
        key_column::<E>().ok_or_else(|| Error::bug("the entity of a Pick has one key column"))?;
    let text = |column: E::Column| Expr::col((E::default(), column)).cast_as(Alias::new("text"));
    let rows = actor
        .find::<E>(Verb::View)
        .select_only()
        .expr_as(text(key), "key")
        .expr_as(text(E::label()), "label")
        .order_by_asc(E::label())
        .order_by_asc(key)
        .limit(MOST);
    Ok(rows.into_tuple().all(db).await?)
}

fn key_column<E: EntityTrait>() -> Option<E::Column> {
    let mut keys = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    keys.next().filter(|_| keys.next().is_none())
}

impl Actor {
    /// The rows of several keys, each once, in the order of the keys; `None` unless the actor may
    /// view all of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn resolve_all<E: Scoped>(
        &self,
        picks: impl IntoIterator<Item = Pick<E>>,
        db: &impl sea_orm::ConnectionTrait,
    ) -> Result<Option<Vec<E::Model>>> {
        let mut rows = Vec::new();
        for pick in picks {
            match self.resolve(pick, db).await? {
                Some(row) => rows.push(row),
                None => return Ok(None),
            }
        }
        Ok(Some(rows))
    }
}
