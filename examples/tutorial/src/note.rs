//! Notes: list, show, new, edit, delete. Users see their own only.

use palisade::entity::*;
use palisade::prelude::*;

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
}

impl ActiveModelBehavior for ActiveModel {}

/// Which rows a user may view, change, delete and create.
impl Scoped for Entity {
    fn rows(actor: &Actor, _: Verb) -> Rows<Self> {
        Rows::none().or("own", actor.owns(Column::OwnerId))
    }
}

/// The columns that a page shows.
#[derive(Columns)]
#[columns(entity = Entity)]
pub struct NoteRow {
    id: i32,
    title: String,
    body: String,
}

/// The fields that a user types.
#[derive(Form)]
#[form(entity = Entity)]
pub struct Note {
    title: Line<120>,
    body: Text<10_000>,
}

pub fn routes() -> Routes {
    Routes::new().scope(signed_in(), |site| {
        site.get("/notes", list)
            .get("/notes/new", show_form::<Note>("notes/form.html"))
            .post("/notes/new", create)
            .get("/notes/{id}", show)
            .get("/notes/{id}/edit", edit)
            .post("/notes/{id}/edit", update)
            .post("/notes/{id}/delete", delete)
    })
}

async fn list(page: Page, own: AllowedRows<Entity>) -> Result<Response> {
    let (notes, pages) = own.newest::<NoteRow>(20).await?;
    page.render("notes/list.html", context! { notes, pages })
        .await
}

async fn show(page: Page, note: Allowed<Entity>) -> Result<Response> {
    let note = NoteRow::from(&*note);
    page.render("notes/show.html", context! { note }).await
}

async fn create(actor: Actor, db: Db, form: Form<Note>) -> Result<Response> {
    let mut row = form.valid_or_show("notes/form.html").await?.changes();
    row.owner_id = Set(actor.user_id()?);
    db.write(async |tx| actor.insert(tx, row).await).await?;
    Ok(redirect_to("/notes"))
}

async fn edit(page: Page, note: Allowed<Entity, Change>, form: FormView<Note>) -> Result<Response> {
    let form = form.filled(&*note);
    page.render("notes/form.html", context! { form }).await
}

async fn update(db: Db, note: Allowed<Entity, Change>, form: Form<Note>) -> Result<Response> {
    let row = form.valid_or_show("notes/form.html").await?.changes();
    db.write(async |tx| note.change(tx, row).await).await?;
    Ok(redirect_to(format!("/notes/{}", note.id)))
}

async fn delete(db: Db, note: Allowed<Entity, Delete>) -> Result<Response> {
    db.write(async |tx| note.delete(tx).await).await?;
    Ok(redirect_to("/notes"))
}
