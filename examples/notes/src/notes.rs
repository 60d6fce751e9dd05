//! Pages of notes.

use crate::note::{Column, Entity, NoteRow};
use crate::tag;
use palisade::entity::*;
use palisade::prelude::*;

#[derive(Form)]
#[form(entity = Entity)]
pub struct Draft {
    title: Line<120>,
    body: Text<10_000>,
    due: Option<Day>,
    tags: Many<Pick<tag::Entity>, 20>,
}

#[derive(Form)]
pub struct Search {
    search: Option<Line<100>>,
}

/// `GET /notes`: the user's own.
pub async fn list(
    page: Page,
    own: AllowedRows<Entity, Change>,
    Query(query): Query<Search>,
    filter: FormView<Search>,
) -> Result<Response> {
    let mut rows = own.find().order_by_desc(Column::Id);
    if let Some(words) = &query.search {
        rows = rows.filter(contains(Column::Title, words));
    }
    let (notes, pages) = own.page::<NoteRow>(rows, 20).await?;
    let values = context! { title => "Your notes", notes, pages, filter => filter.of_query() };
    page.render("notes/list.html", values).await
}

/// `GET /all`: the notes of all users, for editors.
pub async fn all(page: Page, all: AllowedRows<Entity>) -> Result<Response> {
    let (notes, pages) = all.newest::<NoteRow>(20).await?;
    let values = context! { title => "All notes", notes, pages };
    page.render("notes/list.html", values).await
}

/// `GET /notes.json`
pub async fn json(own: AllowedRows<Entity, Change>) -> Result<Json<Vec<NoteRow>>> {
    let rows = own.find().order_by_asc(Column::Id);
    Ok(Json(own.page(rows, 100).await?.0))
}

/// `GET /notes/{id}`
pub async fn show(page: Page, db: Db, note: Allowed<Entity>) -> Result<Response> {
    let tags = tag::of_note(&db, note.id).await?;
    let may_change = note.access().allows(Verb::Change, &db).await?;
    let values = context! { note => NoteRow::from(&*note), tags, may_change };
    page.render("notes/show.html", values).await
}

/// `POST /notes/new`
pub async fn create(actor: Actor, db: Db, form: Form<Draft>) -> Result<Response> {
    let new = form.valid_or_show("notes/form.html").await?;
    let mut row = new.changes();
    row.owner_id = Set(actor.user_id()?);
    let write = async |tx: &Tx| {
        let note = actor.insert(tx, row).await?;
        tag::OF_NOTES.set(tx, note.id, &new.tags).await?;
        Ok::<_, Error>(note.id)
    };
    let id = db.write(write).await?;
    Ok(redirect_to(format!("/notes/{id}")))
}

/// `GET /notes/{id}/edit`
pub async fn edit(
    page: Page,
    db: Db,
    note: Allowed<Entity, Change>,
    form: FormView<Draft>,
) -> Result<Response> {
    let tags = tag::of_note(&db, note.id).await?;
    let tags = tags.iter().map(|tag| tag.id.to_string()).collect();
    let form = form.filled_with(&*note, [("tags", tags)]);
    page.render("notes/form.html", context! { form }).await
}

/// `POST /notes/{id}/edit`
pub async fn update(db: Db, note: Allowed<Entity, Change>, form: Form<Draft>) -> Result<Response> {
    let new = form.valid_or_show("notes/form.html").await?;
    let write = async |tx: &Tx| {
        note.change(tx, new.changes()).await?;
        tag::OF_NOTES.set(tx, note.id, &new.tags).await?;
        Ok::<_, Error>(())
    };
    db.write(write).await?;
    Ok(redirect_to(format!("/notes/{}", note.id)))
}

/// `POST /notes/{id}/delete`
pub async fn delete(db: Db, flash: Flash, note: Allowed<Entity, Delete>) -> Result<Response> {
    db.write(async |tx| note.delete(tx).await).await?;
    flash.success("The note is deleted.").await?;
    Ok(redirect_to("/notes"))
}

/// `POST /import`: shows the form with the text of a file, whose first line is the title.
pub async fn import(page: Page, form: FormView<Draft>, mut body: Multipart) -> Result<Response> {
    let file = body.next().await?.or_404()?;
    let text = file.text(64 * 1024).await?;
    let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let form = form.with_values([("title", title.into()), ("body", rest.into())]);
    let values = context! { form, is_import => true };
    page.render("notes/form.html", values).await
}
