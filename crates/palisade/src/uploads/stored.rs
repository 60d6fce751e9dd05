use super::row::{Column, Entity, Model, State};
use crate::permissions::{Key, Scoped};
use crate::views::ContextValue;
use palisade_template::{Value, context};
use sea_orm::sea_query::FromValueTuple;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityName, EntityTrait, ModelTrait, QueryFilter,
    QueryOrder,
};
use std::fmt::Display;

/// A file that belongs to a row.
///
/// In a template it has `name`, `url`, `media_type`, `bytes`, `size` (such as `1.5 MB`),
/// `is_picture`, and `state`: `clean`, `checking`, `quarantined`. Only a clean one is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile(Model);

/// The table and the key of a row, as text.
pub(super) fn owner_of<M>(row: &M) -> (String, String)
where
    M: ModelTrait<Entity: Scoped>,
    Key<M::Entity>: Display,
{
    let key = Key::<M::Entity>::from_value_tuple(row.get_primary_key_value());
    (
        M::Entity::default().table_name().to_owned(),
        key.to_string(),
    )
}

impl StoredFile {
    /// The files of a row, in the order in which they were added.
    ///
    /// ```
    /// # use palisade::prelude::*;
    /// # use palisade::uploads::StoredFile;
    /// # use palisade::permissions::{Key, Scoped};
    /// # use palisade::sea_orm::ModelTrait;
    /// async fn show<M>(page: Page, db: Db, ticket: M) -> Result<Response>
    /// # where M: ModelTrait<Entity: Scoped>, Key<M::Entity>: std::fmt::Display
    /// {
    ///     let files = StoredFile::of(&db, &ticket).await?;
    ///     page.render("tickets/show.html", context! { files }).await
    /// }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn of<M>(db: &impl ConnectionTrait, row: &M) -> Result<Vec<Self>, DbErr>
    where
        M: ModelTrait<Entity: Scoped>,
        Key<M::Entity>: Display,
    {
        let (table, key) = owner_of(row);
        let files = Entity::find()
            .filter(Column::OwnerTable.eq(table))
            .filter(Column::OwnerKey.eq(key))
            .filter(Column::State.is_in(SHOWN.map(State::word)))
            .order_by_asc(Column::Id)
            .all(db)
            .await?;
        Ok(files.into_iter().map(Self).collect())
    }

    /// Its name, as the user gave it, with the ending of its format.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its URL on this site. It serves users with access to the row of the file.
    pub fn url(&self) -> String {
        format!("/uploaded/{}", self.0.key)
    }

    /// Its media type, by its content.
    pub fn media_type(&self) -> &str {
        &self.0.media_type
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        u64::try_from(self.0.bytes).unwrap_or_default()
    }

    /// The field of the form that it came with.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// Whether it is a picture that was encoded again, which pages may show.
    pub fn is_picture(&self) -> bool {
        is_picture(&self.0)
    }

    /// Whether it is served: the virus scanner found nothing in it, or it needs none.
    pub fn is_ready(&self) -> bool {
        State::of(&self.0.state).is_served()
    }

    /// The row of a file, for staff.
    pub(crate) fn owner(file: &Model) -> Option<String> {
        let (table, key) = (file.owner_table.as_ref()?, file.owner_key.as_ref()?);
        Some(format!("{table} {key}"))
    }

    /// Deletes the file, with the transaction. Its bytes follow within ten minutes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete(self, tx: &crate::db::Tx) -> Result<(), DbErr> {
        super::sweep::mark(tx, Column::Id.eq(self.0.id))
            .await
            .map(drop)
    }
}

/// States of files that pages show.
const SHOWN: [State; 4] = [
    State::Checking,
    State::Clean,
    State::Quarantined,
    State::Released,
];

pub(super) fn is_picture(row: &Model) -> bool {
    row.kind == "picture" && matches!(&*row.media_type, "image/png" | "image/jpeg")
}

impl From<Model> for StoredFile {
    fn from(row: Model) -> Self {
        Self(row)
    }
}

impl ContextValue for &StoredFile {
    fn into_value(self) -> Value {
        let state = match State::of(&self.0.state) {
            State::Released => State::Clean,
            state => state,
        };
        context! {
            name => self.name(), url => self.url(), media_type => self.media_type(), bytes => self.bytes(),
            size => super::refusal::size(self.bytes()), is_picture => self.is_picture(), state => state.word(),
            field => self.field(),
        }
    }
}

impl ContextValue for StoredFile {
    fn into_value(self) -> Value {
        (&self).into_value()
    }
}
