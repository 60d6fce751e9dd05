//! A note.

use crate::May;
use palisade::entity::*;
use palisade::prelude::*;
use std::sync::Arc;

/// A row of `note`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub owner_id: i32,
    pub title: String,
    pub body: String,
    pub due: Option<Date>,
}

impl ActiveModelBehavior for ActiveModel {}

/// Its owner has all rights, and an editor reads it.
impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let own = Rows::none().or("own", actor.owns(Column::OwnerId));
        match verb {
            Verb::View => own.or("editor", actor.may(May::SeeAll)),
            _ => own,
        }
    }
}

/// The columns for pages, for JSON, and for the export of personal data.
#[derive(Columns)]
#[columns(entity = Entity)]
pub struct NoteRow {
    pub id: i32,
    pub title: String,
    pub body: String,
    pub due: Option<Date>,
}

/// Number of the user's notes that are due, for the menu.
pub async fn due(request: PageRequest) -> Result<Value> {
    let own = request.actor().await?.find::<Entity>(Verb::Change);
    let due = own.filter(Column::Due.lte(request.today()));
    Ok(due.count(request.db()).await?.into())
}

/// The nightly task: deletes notes that were due a year ago.
pub async fn delete_old(site: Arc<Site>) -> Result<()> {
    let year_ago = site.today() - palisade::chrono::Days::new(365);
    let old = Entity::delete_many().filter(Column::Due.lt(year_ago));
    let db = site.database();
    db.write(async |tx| old.exec(tx).await).await?;
    Ok(())
}
