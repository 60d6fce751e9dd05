//! A resource without its type.

use super::{Field, Resource, Write};
use crate::db::Direction;
use crate::permissions::{Actor, Key, Table, TableOf};
use sea_orm::sea_query::Value;
use sea_orm::{ActiveModelBehavior, EntityTrait, IntoActiveModel};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// A resource, as the handlers use it.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) fields: Vec<Field>,
    pub(super) order: Option<(usize, Direction)>,
    pub(super) table: Box<dyn Table>,
}

/// The resources of a site by name, for references between them.
pub(crate) type Handles = BTreeMap<&'static str, Arc<Entry>>;

impl Entry {
    /// # Panics
    /// If the primary key is not one column, or the order is nullable or no field.
    pub(crate) fn of<R: Resource>() -> Self
    where
        Key<R::Entity>: FromStr + Into<Value>,
        <R::Entity as EntityTrait>::Model:
            IntoActiveModel<<R::Entity as EntityTrait>::ActiveModel> + Send,
        <R::Entity as EntityTrait>::ActiveModel: ActiveModelBehavior + Send + Sync + 'static,
    {
        let described = R::describe();
        let table = TableOf::<R::Entity> {
            fill: described.fill,
            judge: described.judge,
            ..TableOf::new(R::NAME)
        };
        let order = described.order.map(|order| {
            let order = order_of(&described.fields, order);
            order.unwrap_or_else(|| panic!("{}: its order is no field", R::NAME))
        });
        Self {
            name: R::NAME,
            fields: described.fields,
            order,
            table: Box::new(table),
        }
    }

    /// The fields that an actor may read.
    pub(crate) fn readable<'a>(&'a self, actor: &Actor) -> Vec<&'a Field> {
        let all = self.fields.iter();
        all.filter(|field| field.is_readable(actor)).collect()
    }

    /// Those that the actor may write.
    pub(crate) fn writable<'a>(&'a self, actor: &Actor, write: Write) -> Vec<&'a Field> {
        let all = self.fields.iter();
        all.filter(|field| field.is_writable(actor, write))
            .collect()
    }
}

pub(super) fn order_of(fields: &[Field], order: &str) -> Option<(usize, Direction)> {
    let (name, direction) = match order.strip_prefix('-') {
        Some(name) => (name, Direction::Descending),
        None => (order, Direction::Ascending),
    };
    let field = fields.iter().position(|field| field.name == name)?;
    Some((field, direction))
}
