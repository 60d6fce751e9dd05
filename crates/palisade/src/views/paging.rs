//! Lists of several pages.

use super::{Error, ErrorKind, Result};
use crate::db::Db;
use axum::extract::FromRequestParts;
use http::request::Parts;
use palisade_template::{Value, context};
use sea_orm::{EntityTrait, PartialModelTrait, QuerySelect, Select};
use url::form_urlencoded::{Serializer, parse};

/// The page of a list that a request asks for (`?page=2`). Links to other pages keep the rest of the
/// query.
///
/// ```
/// # mod note {
/// #     use palisade::sea_orm;
/// #     use palisade::sea_orm::entity::prelude::*;
/// #     #[sea_orm::model]
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "note")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub title: String }
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
/// use palisade::prelude::*;
/// use sea_orm::{EntityTrait, QueryOrder};
/// async fn list(page: Page, db: Db, paging: Paging) -> Result<Response> {
///     let all = note::Entity::find().order_by_asc(note::Column::Id);
///     let (notes, pages) = paging.load(&db, all, 20).await?;
///     let titles: Vec<String> = notes.into_iter().map(|note| note.title).collect();
///     // {% from "palisade/form.html" import page_links %} … {{ page_links(pages) }}
///     page.render("notes/list.html", context! { titles, pages }).await
/// }
/// let routes: Routes = Routes::new().route("/notes", signed_in().get(list));
/// ```
#[derive(Debug, Clone)]
pub struct Paging {
    number: u64,
    /// The other parameters.
    query: Vec<(String, String)>,
}

/// Highest page: each one before it costs the database as much.
const LAST: u64 = 100_000;

impl Paging {
    /// Number of the page, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The rows of the page, and the value of its links for the macro `page_links`. The query needs
    /// an order that no two rows share, or rows could be on two pages.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load<E: EntityTrait>(
        &self,
        db: &Db,
        rows: Select<E>,
        page_size: u64,
    ) -> Result<(Vec<E::Model>, Value)> {
        let found = self.window(rows, page_size).all(db).await?;
        Ok(self.with_links(found, page_size))
    }

    /// The same with the columns of `C` alone (`#[derive(Columns)]`).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn load_as<C: PartialModelTrait>(
        &self,
        db: &Db,
        rows: Select<impl EntityTrait>,
        page_size: u64,
    ) -> Result<(Vec<C>, Value)> {
        let rows = self.window(rows, page_size).into_partial_model::<C>();
        Ok(self.with_links(rows.all(db).await?, page_size))
    }

    /// One row more than the page: whether there is a next page.
    fn window<E: EntityTrait>(&self, rows: Select<E>, page_size: u64) -> Select<E> {
        rows.offset((self.number - 1) * page_size)
            .limit(page_size + 1)
    }

    fn with_links<T>(&self, mut found: Vec<T>, page_size: u64) -> (Vec<T>, Value) {
        let has_next = found.len() as u64 > page_size;
        found.truncate(usize::try_from(page_size).unwrap_or(usize::MAX));
        let previous = (self.number > 1).then(|| self.link(self.number - 1));
        let next = has_next.then(|| self.link(self.number + 1));
        let links = context! { number => self.number, previous, next };
        (found, links)
    }

    fn link(&self, number: u64) -> String {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(&self.query);
        query.append_pair("page", &number.to_string());
        format!("?{}", query.finish())
    }
}

impl<S: Sync> FromRequestParts<S> for Paging {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = parse(query.as_bytes()).into_owned();
        let (pages, rest): (Vec<_>, Vec<_>) = parameters.partition(|(name, _)| name == "page");
        let number = match pages.as_slice() {
            [] => 1,
            [(_, text)] => page_number(text)?,
            // parsers disagree on the value of a repeated parameter
            _ => return Err(no_such_page()),
        };
        Ok(Self {
            number,
            query: rest,
        })
    }
}

fn page_number(text: &str) -> Result<u64> {
    let number = match text {
        "" => Some(1),
        text => text
            .parse()
            .ok()
            .filter(|number| (1..=LAST).contains(number)),
    };
    number.ok_or_else(no_such_page)
}

fn no_such_page() -> Error {
    Error::new(ErrorKind::BadRequest, "There is no such page.")
}
