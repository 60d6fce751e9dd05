#![deny(warnings)]
use palisade::entity::*;
use palisade::prelude::*;
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "note")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
}
impl ActiveModelBehavior for ActiveModel {}
#[derive(Form)]
#[form(entity = Entity)]
pub struct Bounded {
    title: Line<100>,
}
async fn page() {}
#[debug_handler]
async fn create(db: Db, form: Form<Bounded>) -> Result<Json<i32>> {
    let changes = form.valid_or_show("note.html").await?.changes();
    let note = db.write(async |tx| changes.insert(tx).await).await?;
    let _ = Value::from(note.title);
    Ok(Json(note.id))
}
pub fn routes() -> Routes {
    let _ = sql!("SELECT id FROM note WHERE title = ?", "x");
    let _ = palisade::crypto::Secret::new(String::new());
    Routes::new().route("/", public().get(page).post(create))
}
