//! Foreign keys in forms: a key is validated by the policy of its row.

use super::access::Key;
use super::{Actor, Scoped, Verb};
use crate::forms::{Field, NOT_A_CHOICE, Shape};
use crate::views::{ErrorKind, Result};
use sea_orm::{ConnectionTrait, EntityTrait};
use std::str::FromStr;

/// A form field with the key of a row. The key itself is not accessible: [`Actor::resolve`] reads
/// the row through its policy.
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::permissions::{Key, NOT_A_CHOICE, Ref};
/// # use std::str::FromStr;
/// # async fn example<E: Scoped>(actor: Actor, db: Db, organisation: Ref<E>,
/// #     invalid: palisade::forms::InvalidForm) -> Result<()> where Key<E>: FromStr + Send {
/// let Some(organisation) = actor.resolve(organisation, &db).await? else {
///     let invalid = invalid.error("organisation", NOT_A_CHOICE);
///     return Err(invalid.show("tickets/new.html").await);
/// };
/// # Ok(())
/// # }
/// ```
pub struct Ref<E: EntityTrait>(pub(super) Key<E>);

/// A key in a form: a [`Ref`] or a [`Pick`](super::pick::Pick).
pub trait RowReference: Into<Ref<Self::Entity>> {
    /// The entity.
    type Entity: Scoped;
}

impl<E: Scoped> RowReference for Ref<E> {
    type Entity = E;
}

impl<E: EntityTrait> Field for Ref<E>
where
    Key<E>: FromStr,
{
    /// Longest key in characters: a UUID has 36.
    const SHAPE: Shape = Shape::new("text", 100);

    fn parse(raw: Option<&str>) -> std::result::Result<Self, String> {
        let key = raw.unwrap_or_default().trim().parse();
        key.map(Self).map_err(|_| NOT_A_CHOICE.to_owned())
    }
}

impl Actor {
    /// The row of a foreign key, if the actor may view it. A key of another user's row and a key
    /// that does not exist give the same result.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn resolve<R: RowReference>(
        &self,
        reference: R,
        db: &impl ConnectionTrait,
    ) -> Result<Option<<R::Entity as EntityTrait>::Model>> {
        let Ref(key) = reference.into();
        match self.row::<R::Entity>(key).read(Verb::View, db).await {
            Ok(row) => Ok(Some(row)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
