//! Saved views of a list: a name for its filters, search and order.

use crate::admin::desk::{Desk, On, View};
use crate::admin::entry::Entry;
use crate::admin::list::query::ListQuery;
use crate::admin::store::views::{ActiveModel, Column, Entity};
use crate::forms::{Form, Line, Text};
use crate::views::{Error, Result};
use axum::response::Response;
use palisade_macros::Form;
use palisade_template::{Value, context};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, NotSet, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Set,
};

#[derive(Form)]
pub(crate) struct NewView {
    name: Line<60>,
    query: Option<Text<4_000>>,
    #[form(label = "For all users of the admin")]
    is_shared: bool,
}

#[derive(Form)]
pub(crate) struct OldView {
    id: i64,
}

/// Most views of a user on a list.
const MOST: u64 = 50;

impl Desk {
    /// The user's views of a list, and shared ones.
    pub(crate) async fn saved_views(&self, entry: &Entry) -> Result<Vec<Value>> {
        let either = Condition::any()
            .add(Column::UserId.eq(self.user_id()))
            .add(Column::IsShared.eq(true));
        let rows = Entity::find()
            .filter(Column::Resource.eq(entry.name))
            .filter(either)
            .order_by_asc(Column::Name)
            .limit(2 * MOST);
        let rows = rows.all(&self.db).await?;
        let visible = entry.visible(&self.actor);
        // a filter that this user may not use is no link
        let usable = rows
            .into_iter()
            .filter(|row| ListQuery::parse(entry, &visible, &row.query, self.zone()).is_ok());
        let shown = usable.map(|row| {
            context! { id => row.id, name => row.name, url => format!("{}/{}?{}", self.site.path, entry.name, row.query), is_own => row.user_id == self.user_id() }
        });
        Ok(shown.collect())
    }
}

/// `POST /{resource}/views`
pub(crate) async fn save(on: On<View>, form: Form<NewView>) -> Result<Response> {
    let new = form.valid()?;
    let (desk, entry) = (&on.desk, &on.entry);
    let query = new
        .query
        .map_or_else(String::new, |query| query.to_string());
    let list = ListQuery::parse(entry, &entry.visible(&desk.actor), &query, desk.zone())?;
    let own = Entity::find()
        .filter(Column::UserId.eq(desk.user_id()))
        .filter(Column::Resource.eq(entry.name));
    if own.count(&desk.db).await? >= MOST {
        return Err(Error::conflict(
            "There are 50 views of this list: delete one first.",
        ));
    }
    let row = ActiveModel {
        id: NotSet,
        user_id: Set(desk.user_id()),
        resource: Set(entry.name.to_owned()),
        name: Set(new.name.to_string()),
        query: Set(list.text(entry)),
        is_shared: Set(new.is_shared),
    };
    desk.db
        .write(async |tx| Entity::insert(row).exec_without_returning(tx).await)
        .await?;
    desk.say("The view is saved.".to_owned(), &on.list_url())
        .await
}

/// `POST /{resource}/views/delete`
pub(crate) async fn delete(on: On<View>, form: Form<OldView>) -> Result<Response> {
    let id = form.valid()?.id;
    let own = Entity::delete_many()
        .filter(Column::Id.eq(id))
        .filter(Column::UserId.eq(on.desk.user_id()))
        .filter(Column::Resource.eq(on.entry.name));
    let deleted = on.desk.db.write(async |tx| own.exec(tx).await).await?;
    match deleted.rows_affected {
        0 => Err(Error::not_found()),
        _ => {
            on.desk
                .say("The view is deleted.".to_owned(), &on.list_url())
                .await
        }
    }
}
