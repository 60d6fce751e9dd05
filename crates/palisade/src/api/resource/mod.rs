//! Resources: rows of an entity for clients of the API, with rules for each field.

mod cursor;
mod entry;
mod field;
mod filters;
mod list;
mod object;
mod problem;
mod query;
mod request;
mod write;

pub(crate) use entry::{Entry, Handles};
pub use field::Field;
pub(crate) use field::{Way, Write};
pub(crate) use object::Object;
pub(crate) use problem::Problem;
pub(crate) use query::{ListQuery, MOST_ROWS};
pub(crate) use request::{OnceObject, ResourceRequest, ResourceServices};
pub(crate) use write::Body;

use crate::permissions::{Fill, Judge, Scoped};
use sea_orm::EntityTrait;

/// A resource of the API: `#[derive(Resource)]` on a struct, which lists its fields.
///
/// ```
/// # mod note {
/// #     use palisade::entity::*;
/// #     use palisade::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "note")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub title: String, pub remark: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// #     impl Scoped for Entity {
/// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("own", actor.owns(Column::OwnerId)) }
/// #     }
/// # }
/// use palisade::prelude::*;
///
/// #[derive(Resource)]
/// #[resource(of = note::Entity, order = "-id")]
/// struct Note {
///     id: i32,
///     #[field(write, filter = "eq has", sort)]
///     title: Line<120>,
///     #[field(read = staff(), write = staff())]
///     remark: Text<2000>,
/// }
///
/// let read = || signed_in().or(token("notes.read").on_behalf(signed_in()));
/// let app = App::new()
///     .scopes(&[("notes.read", "Read your notes")])
///     .routes(resource::<Note>("/api/notes").read(read()).routes());
/// ```
pub trait Resource: Send + Sync + 'static {
    /// The entity, whose policy selects the rows.
    type Entity: Scoped;
    /// Its name in documents: that of the struct.
    const NAME: &'static str;

    /// Its fields and options.
    fn describe() -> Description<Self::Entity>;
}

/// Fields and options of a resource, made by `#[derive(Resource)]`.
pub struct Description<E: EntityTrait> {
    fields: Vec<Field>,
    order: Option<&'static str>,
    fill: Option<Fill<E>>,
    judge: Option<Judge<E>>,
}

impl<E: EntityTrait> Description<E> {
    /// A resource of these fields.
    pub fn new(fields: Vec<Field>) -> Self {
        Self {
            fields,
            order: None,
            fill: None,
            judge: None,
        }
    }

    /// Order of the list: the name of a field, with `-` in front for descending.
    #[must_use]
    pub fn order(mut self, field: &'static str) -> Self {
        self.order = Some(field);
        self
    }

    /// Completes rows before they are written.
    #[must_use]
    pub fn fill(mut self, fill: Fill<E>) -> Self {
        self.fill = Some(fill);
        self
    }

    /// Judges writes by the rules of the business, before rows are completed.
    #[must_use]
    pub fn judge(mut self, judge: Judge<E>) -> Self {
        self.judge = Some(judge);
        self
    }
}
