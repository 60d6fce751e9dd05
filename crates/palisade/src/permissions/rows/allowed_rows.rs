use super::allowed::{OnRow, View};
use super::{Actor, Scoped};
use crate::db::Db;
use crate::views::{Error, Paging, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;
use palisade_template::Value;
use sea_orm::{Iterable, PartialModelTrait, PrimaryKeyToColumn, QueryOrder, Select};
use std::marker::PhantomData;

/// The extractor of a list: the rows that the user may view, or change with
/// `AllowedRows<E, Change>`. [`Allowed`](super::allowed::Allowed) is the same for one row.
///
/// ```
/// # mod note {
/// #     use palisade::entity::*;
/// #     use palisade::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "note")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub owner_id: i32, pub title: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// #     impl Scoped for Entity {
/// #         fn rows(actor: &Actor, _: Verb) -> Rows<Self> { Rows::none().or("own", actor.owns(Column::OwnerId)) }
/// #     }
/// # }
/// use palisade::entity::*;
/// use palisade::prelude::*;
///
/// #[derive(Columns)]
/// #[columns(entity = note::Entity)]
/// struct NoteRow {
///     id: i32,
///     title: String,
/// }
///
/// async fn list(page: Page, notes: AllowedRows<note::Entity>) -> Result<Response> {
///     let by_title = notes.find().order_by_asc(note::Column::Title).order_by_asc(note::Column::Id);
///     let (notes, pages) = notes.page::<NoteRow>(by_title, 20).await?;
///     page.render("notes/list.html", context! { notes, pages }).await
/// }
/// ```
pub struct AllowedRows<E, V = View> {
    actor: Actor,
    db: Db,
    paging: Paging,
    rows: PhantomData<fn() -> (E, V)>,
}

impl<E: Scoped, V: OnRow> AllowedRows<E, V> {
    /// The rows as a query, to filter and order it.
    pub fn find(&self) -> Select<E> {
        self.actor.find::<E>(V::VERB)
    }

    /// The columns `C` of the requested page (`?page=2`) of a query that begins with
    /// [`AllowedRows::find`], and the value of its links: see [`Paging::load`]. A query of another
    /// origin is not filtered by the policy.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page<C: PartialModelTrait>(
        &self,
        rows: Select<E>,
        page_size: u64,
    ) -> Result<(Vec<C>, Value)> {
        self.paging.load_as(&self.db, rows, page_size).await
    }

    /// The same for all rows, the newest first: in the order of their primary keys.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn newest<C: PartialModelTrait>(&self, page_size: u64) -> Result<(Vec<C>, Value)> {
        let mut rows = self.find();
        for key in E::PrimaryKey::iter() {
            rows = rows.order_by_desc(key.into_column());
        }
        self.page(rows, page_size).await
    }

    /// The user of the request.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }
}

impl<S: Send + Sync, E: Scoped, V: OnRow> FromRequestParts<S> for AllowedRows<E, V> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let db = Db::from_request_parts(parts, state).await;
        Ok(Self {
            db: db.map_err(|(_, why)| Error::bug(why))?,
            actor: Actor::from_request_parts(parts, state).await?,
            paging: Paging::from_request_parts(parts, state).await?,
            rows: PhantomData,
        })
    }
}
