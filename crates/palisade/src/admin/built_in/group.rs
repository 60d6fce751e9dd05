//! Groups of users.

use crate::forms::Line;
use crate::permissions::{Actor, Labelled, Rows, Scoped, Verb};
use palisade_macros::Admin;
use sea_orm::entity::prelude::*;

/// A row of `auth_group`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "auth_group")]
pub struct Model {
    /// The primary key.
    #[sea_orm(primary_key, select_as = "integer")]
    pub id: i32,
    /// Its name.
    pub name: String,
}

/// Relations of the entity: none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Users with Django's permission `auth.view_group` see all groups.
impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        match verb {
            Verb::View => Rows::none().or("view", actor.may("auth.view_group")),
            _ => Rows::none(),
        }
    }
}

impl Labelled for Entity {
    fn label() -> Column {
        Column::Name
    }
}

/// Groups. Their permissions are roles of the code, or those of `group grant`.
#[derive(Admin)]
#[admin(of = Entity, order = "name", without(Add, Change, Delete, Import))]
pub(crate) struct Groups {
    #[admin(list, search)]
    name: Line<150>,
}
