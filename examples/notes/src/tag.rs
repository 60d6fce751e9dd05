//! Tags of a user, and the notes that have them.

use palisade::db::Links;
use palisade::entity::*;
use palisade::prelude::*;

/// The many-to-many table.
pub const OF_NOTES: Links = Links::between("note", "tag");

/// A row of `tag`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tag")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub owner_id: i32,
    pub name: String,
}

impl ActiveModelBehavior for ActiveModel {}

impl Scoped for Entity {
    fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
        Rows::none().or("own", actor.owns(Column::OwnerId))
    }
}

impl Labelled for Entity {
    fn label() -> Column {
        Column::Name
    }
}

#[derive(Columns)]
#[columns(entity = Entity)]
pub struct TagRow {
    pub id: i32,
    pub name: String,
}

/// The tags of a note that the user may view.
pub async fn of_note(db: &Db, note: i32) -> Result<Vec<TagRow>> {
    let tags = Entity::find().filter(Column::Id.in_subquery(OF_NOTES.targets(note)));
    let tags = tags.order_by_asc(Column::Name).into_partial_model();
    Ok(tags.all(db).await?)
}

#[derive(Form)]
#[form(entity = Entity)]
pub struct NewTag {
    name: Line<50>,
}

/// `POST /tags/new`
pub async fn create(actor: Actor, db: Db, form: Form<NewTag>) -> Result<Response> {
    let new = form.valid_or_show("tags/new.html").await?;
    let mut row = new.changes();
    row.owner_id = Set(actor.user_id()?);
    db.write(async |tx| actor.insert(tx, row).await).await?;
    Ok(redirect_to("/notes/new"))
}
