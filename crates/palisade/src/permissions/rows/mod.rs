//! Authorization of rows: which rows of an entity an actor may view, change, delete and create.

pub(in crate::permissions) mod access;
pub(in crate::permissions) mod allowed;
pub(in crate::permissions) mod allowed_rows;
pub(in crate::permissions) mod explain;
pub(in crate::permissions) mod export;
pub(in crate::permissions) mod pick;
pub(super) mod reference;
pub(in crate::permissions) mod table;

use crate::permissions::Actor;
use sea_orm::sea_query::{Condition, Expr, ExprTrait, Value, ValueTuple};
use sea_orm::{ColumnTrait, EntityTrait, Iterable, PrimaryKeyToColumn, QueryFilter, Select};
use std::marker::PhantomData;

/// An action on a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Read it.
    View,
    /// Change its columns.
    Change,
    /// Delete it.
    Delete,
    /// Insert it.
    Create,
}

impl Verb {
    /// Its name in logs and commands.
    pub fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Create => "create",
        }
    }
}

/// The authorization policy of an entity: the one place that decides which rows an actor may use.
///
/// The same conditions select lists, read single rows, and are part of every `UPDATE` and `DELETE`,
/// so that there is no time between check and use (ASVS 8.2.2, 15.4.2).
///
/// ```
/// use palisade::prelude::*;
/// # mod note {
/// #     use palisade::sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "desk_note")]
/// #     pub struct Model {
/// #         #[sea_orm(primary_key)]
/// #         pub id: i32,
/// #         pub author_id: Option<i32>,
/// #     }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// impl Scoped for note::Entity {
///     fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
///         let own = actor.owns(note::Column::AuthorId);
///         match verb {
///             Verb::View => Rows::none().or("own", own).or("staff", actor.is_staff()),
///             Verb::Change | Verb::Create => Rows::none().or("own", own),
///             _ => Rows::none(),
///         }
///     }
/// }
///
/// async fn list(actor: Actor, db: Db) -> Result<String> {
///     use palisade::sea_orm::{EntityTrait, QuerySelect};
///     let notes = actor.find::<note::Entity>(Verb::View).limit(20).all(&db).await?;
///     Ok(notes.len().to_string())
/// }
/// async fn show(note: Allowed<note::Entity>) -> String {
///     note.id.to_string() // another user's is 404
/// }
/// let routes: Routes = Routes::new()
///     .route("/notes", signed_in().get(list))
///     .route("/notes/{id}", signed_in().get(show));
/// ```
pub trait Scoped: EntityTrait {
    /// The rows on which the actor is authorized for a verb. To change or delete a row, the actor must be
    /// allowed to view it, too.
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self>;
}

/// A set of rows: the union of named conditions. It starts empty, and only a condition adds rows.
///
/// A condition that is NULL in SQL, such as a comparison with an unset owner, adds no row.
#[derive(Debug, Clone)]
pub struct Rows<E> {
    allowed: Vec<Named>,
    required: Vec<Named>,
    entity: PhantomData<fn() -> E>,
}

#[derive(Debug, Clone)]
pub(in crate::permissions) struct Named {
    pub(in crate::permissions) name: &'static str,
    pub(in crate::permissions) condition: RowCondition,
}

/// A condition on rows: the answer to a question about the actor, or SQL about the row.
#[derive(Debug, Clone)]
pub struct RowCondition(Inner);

#[derive(Debug, Clone)]
enum Inner {
    Every,
    None,
    Sql(Box<Expr>),
    /// SQL about a grant of a permission on the row.
    Granted(Box<Expr>, Box<str>),
}

impl From<bool> for RowCondition {
    fn from(is_met: bool) -> Self {
        Self(if is_met { Inner::Every } else { Inner::None })
    }
}

impl From<Expr> for RowCondition {
    fn from(sql: Expr) -> Self {
        Self(Inner::Sql(Box::new(sql)))
    }
}

impl RowCondition {
    /// The rows on which a permission is granted.
    pub(in crate::permissions) fn granted(permission: &str, sql: Expr) -> Self {
        Self(Inner::Granted(Box::new(sql), permission.into()))
    }

    /// The permission that is granted on the rows of this condition.
    pub(in crate::permissions) fn permission(&self) -> Option<&str> {
        match &self.0 {
            Inner::Granted(_, permission) => Some(permission),
            _ => None,
        }
    }

    /// As SQL.
    pub(in crate::permissions) fn sql(&self) -> Expr {
        match &self.0 {
            Inner::Every => Expr::Constant(true.into()),
            Inner::None => Expr::Constant(false.into()),
            Inner::Sql(sql) | Inner::Granted(sql, _) => (**sql).clone(),
        }
    }
}

impl<E: EntityTrait> Rows<E> {
    /// No rows.
    pub fn none() -> Self {
        Self {
            allowed: Vec::new(),
            required: Vec::new(),
            entity: PhantomData,
        }
    }

    /// Also the rows that meet a condition. `name` is for `permissions explain` and the log.
    #[must_use]
    pub fn or(mut self, name: &'static str, condition: impl Into<RowCondition>) -> Self {
        let condition = condition.into();
        self.allowed.push(Named { name, condition });
        self
    }

    /// Of all these rows, only those that meet a condition.
    #[must_use]
    pub fn and(mut self, name: &'static str, condition: impl Into<RowCondition>) -> Self {
        let condition = condition.into();
        self.required.push(Named { name, condition });
        self
    }

    /// The conditions by name: those of which one is enough, and those that are all required.
    pub(in crate::permissions) fn named(&self) -> (&[Named], &[Named]) {
        (&self.allowed, &self.required)
    }

    /// The names of the conditions, for the log.
    pub(in crate::permissions) fn names(&self) -> String {
        let names = |parts: &[Named], word| {
            let names: Vec<_> = parts.iter().map(|part| part.name).collect();
            names.join(word)
        };
        match (names(&self.allowed, " or "), names(&self.required, " and ")) {
            (allowed, _) if allowed.is_empty() => "no rows".to_owned(),
            (allowed, required) if required.is_empty() => allowed,
            (allowed, required) => format!("({allowed}) and {required}"),
        }
    }

    /// The whole policy as a condition of a statement. Constant parts are left out, so that the
    /// database plans only conditions that depend on the row.
    pub(in crate::permissions) fn condition(&self) -> Condition {
        let mut all = Condition::all();
        if !self
            .allowed
            .iter()
            .any(|part| part.is_constant(Inner::is_every))
        {
            let sql = self
                .allowed
                .iter()
                .filter(|part| !part.is_constant(Inner::is_none));
            let any: Vec<Expr> = sql.map(|part| part.condition.sql()).collect();
            all = match any.is_empty() {
                true => all.add(RowCondition::from(false).sql()),
                false => all.add(any.into_iter().fold(Condition::any(), Condition::add)),
            };
        }
        let required = self
            .required
            .iter()
            .filter(|part| !part.is_constant(Inner::is_every));
        required.fold(all, |all, part| all.add(part.condition.sql()))
    }
}

impl Named {
    fn is_constant(&self, is: fn(&Inner) -> bool) -> bool {
        is(&self.condition.0)
    }
}

impl Inner {
    fn is_every(&self) -> bool {
        matches!(self, Self::Every)
    }

    fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// The column of a primary key of one column; composite keys cannot be referred to by one.
pub(in crate::permissions) fn single_key<E: EntityTrait>() -> Option<E::Column> {
    let mut keys = E::PrimaryKey::iter();
    let key = keys.next().map(PrimaryKeyToColumn::into_column);
    key.filter(|_| keys.next().is_none())
}

/// A row in logs: table and key. A text key may be a secret, such as the code of a link, and is cut
/// off.
pub(in crate::permissions) fn name_of_row<E: EntityTrait>(key: &ValueTuple) -> String {
    let name_of = |value: Value| match value {
        Value::String(Some(text)) if text.chars().count() > SHOWN_CHARS => {
            let shown: String = text.chars().take(SHOWN_CHARS).collect();
            format!("{shown}…")
        }
        Value::Bytes(_) => "(bytes)".to_owned(),
        value => value.to_string(),
    };
    let key: Vec<_> = key.clone().into_iter().map(name_of).collect();
    format!("{} {}", E::default().table_name(), key.join(", "))
}

/// Characters of a text key in logs.
const SHOWN_CHARS: usize = 8;

/// The policy of a verb, with that of viewing.
pub(in crate::permissions) fn condition_of<E: Scoped>(actor: &Actor, verb: Verb) -> Condition {
    let rows = E::rows(actor, verb).condition();
    match verb {
        Verb::View | Verb::Create => rows,
        Verb::Change | Verb::Delete => rows.add(E::rows(actor, Verb::View).condition()),
    }
}

impl Actor {
    /// The rows of an entity on which the actor is authorized for a verb, as a query: filter, order
    /// and page it as any other.
    pub fn find<E: Scoped>(&self, verb: Verb) -> Select<E> {
        E::find().filter(condition_of::<E>(self, verb))
    }

    /// The rows with the user's key in a column. None for an anonymous client, and none with a
    /// NULL: such rows belong to no user.
    pub fn owns(&self, column: impl ColumnTrait) -> RowCondition {
        match self.id() {
            Some(id) => column.eq(id).into(),
            None => false.into(),
        }
    }

    /// The rows with another user's key in a column, for a second pair of eyes: a payment is
    /// not approved by the user who has requested it. None for an anonymous client, and none with a NULL.
    ///
    /// ```
    /// # use palisade::prelude::*;
    /// # use palisade::permissions::Scoped;
    /// # fn rows<E: Scoped>(actor: &Actor, requested_by: E::Column) -> Rows<E> {
    /// Rows::none().or("staff", actor.is_staff()).and("another person", actor.is_not(requested_by))
    /// # }
    /// ```
    pub fn is_not(&self, column: impl ColumnTrait) -> RowCondition {
        match self.id() {
            Some(id) => column.ne(id).into(),
            None => false.into(),
        }
    }

    /// The rows with the key of one of the user's groups in a column.
    pub fn in_groups(&self, column: impl ColumnTrait) -> RowCondition {
        let groups: Vec<i32> = self.rights().group_ids().collect();
        match groups.is_empty() || self.lacks_factor() {
            true => false.into(),
            false => column.is_in(groups).into(),
        }
    }

    /// The rows with a foreign key to a row of another entity on which the actor may use a
    /// verb: comments of a ticket, projects of an organisation.
    pub fn through<E: Scoped>(&self, column: impl ColumnTrait, verb: Verb) -> RowCondition {
        let Some(key) = single_key::<E>() else {
            return false.into();
        };
        let mut target = sea_orm::QuerySelect::select_only(self.find::<E>(verb));
        target = sea_orm::QuerySelect::column(target, key);
        let query = sea_orm::QueryTrait::into_query(target);
        Expr::col((column.entity_name(), column))
            .in_subquery(query)
            .into()
    }
}
