//! A site with two tenants: notes of organisations, with owners, grants and roles.

use palisade::permissions::{Change, Delete, NOT_A_CHOICE, Ref, create_grants};
use palisade::prelude::*;
use palisade::sea_orm::{ColumnTrait, DbErr, QueryOrder, Set};
use sea_orm_migration::prelude::{ColumnDef, ForeignKey, SchemaManager, Table};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait};

pub mod organisation {
    use palisade::sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_organisation")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod note {
    use palisade::sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_note")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: Option<i32>,
        pub organisation_id: i32,
        pub body: String,
        pub is_archived: bool,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[derive(Permission, Clone, Copy, Debug, PartialEq, Eq)]
#[permission(app = "desk")]
pub enum May {
    ReadAll,
    #[permission(of = note::Entity)]
    ViewNote,
    #[permission(of = note::Entity)]
    ChangeNote,
}

impl Scoped for organisation::Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        match verb {
            Verb::View => Rows::none()
                .or("everything", actor.may(May::ReadAll))
                .or("member", actor.granted::<Self>(May::ViewNote)),
            _ => Rows::none(),
        }
    }
}

impl Scoped for note::Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let organisation = note::Column::OrganisationId;
        let own = actor.owns(note::Column::OwnerId);
        let granted = |permission: May| actor.granted::<Self>(permission);
        let role =
            |permission: May| actor.granted_on::<organisation::Entity>(organisation, permission);
        let rows = match verb {
            Verb::View => Rows::none()
                .or("own", own)
                .or("everything", actor.may(May::ReadAll))
                .or("granted", granted(May::ViewNote))
                .or("role", role(May::ViewNote)),
            Verb::Change => Rows::none()
                .or("own", own)
                .or("granted", granted(May::ChangeNote))
                .or("role", role(May::ChangeNote)),
            Verb::Delete => Rows::none().or("own", own),
            Verb::Create => Rows::none().or("own", own).and(
                "organisation",
                actor.through::<organisation::Entity>(organisation, Verb::View),
            ),
            _ => Rows::none(),
        };
        rows.and("in use", note::Column::IsArchived.eq(false))
    }
}

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateDesk)]
    }
}

struct CreateDesk;

impl MigrationName for CreateDesk {
    fn name(&self) -> &str {
        "desk_0001_note"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for CreateDesk {
    async fn up(&self, manager: &SchemaManager) -> std::result::Result<(), DbErr> {
        let key = || {
            ColumnDef::new("id")
                .integer()
                .not_null()
                .auto_increment()
                .primary_key()
                .to_owned()
        };
        let organisations = Table::create()
            .table("desk_organisation")
            .col(key())
            .col(ColumnDef::new("name").string().not_null())
            .to_owned();
        manager.create_table(organisations).await?;
        let link = ForeignKey::create()
            .from("desk_note", "organisation_id")
            .to("desk_organisation", "id")
            .to_owned();
        let notes = Table::create()
            .table("desk_note")
            .col(key())
            .col(ColumnDef::new("owner_id").integer())
            .col(ColumnDef::new("organisation_id").integer().not_null())
            .col(ColumnDef::new("body").text().not_null())
            .col(ColumnDef::new("is_archived").boolean().not_null())
            .foreign_key(&mut { link })
            .to_owned();
        manager.create_table(notes).await?;
        create_grants::<organisation::Entity>(manager).await?;
        create_grants::<note::Entity>(manager).await
    }
}

#[derive(Form)]
struct Edit {
    body: Line<100>,
    organisation: Option<Number<1, 2_000_000_000>>,
}

impl Edit {
    fn organisation(&self) -> Option<i32> {
        let number = self.organisation?;
        i32::try_from(number.get()).ok()
    }
}

async fn list(actor: Actor, db: Db) -> Result<String> {
    let notes = actor.find::<note::Entity>(Verb::View);
    let notes = notes.order_by_asc(note::Column::Id).all(&db).await?;
    let ids: Vec<String> = notes.iter().map(|note| note.id.to_string()).collect();
    Ok(ids.join(" "))
}

/// Links and forms of all rows.
async fn links(actor: Actor, db: Db) -> Result<Response> {
    let notes = actor.find::<note::Entity>(Verb::View).all(&db).await?;
    let forms = notes.iter().map(|note| {
        let id = note.id;
        format!(
            "<a href=\"/notes/{id}\">{id}</a><form method=\"post\" action=\"/notes/{id}\">\
             <input name=\"body\" value=\"changed\"></form><form method=\"post\" \
             action=\"/notes/{id}/delete\"></form><form method=\"post\" action=\"/notes/{id}/careless\"></form>"
        )
    });
    let body: String = forms.collect();
    Ok(([("content-type", "text/html")], body).into_response())
}

#[derive(Form)]
struct Choose {
    organisation: Ref<organisation::Entity>,
}

async fn choose(actor: Actor, db: Db, form: Form<Choose>) -> Result<String> {
    let (chosen, invalid) = form.into_parts();
    let chosen = chosen.map(|chosen| chosen.organisation);
    let row = match chosen {
        Some(reference) => actor.resolve(reference, &db).await?,
        None => None,
    };
    match row {
        Some(row) => Ok(row.name),
        None => Err(invalid
            .error("organisation", NOT_A_CHOICE)
            .show("choose.html")
            .await),
    }
}

const CHOOSE: &str = "{% extends \"base.html\" %}{% from \"palisade/form.html\" import fields %}\
    {% block main %}{{ fields(form) }}{% endblock %}";

async fn show(note: Allowed<note::Entity>) -> String {
    note.body.clone()
}

async fn change(
    db: Db,
    note: Allowed<note::Entity, Change>,
    form: Form<Edit>,
) -> Result<&'static str> {
    let (edit, _) = form.into_parts();
    let edit = edit.ok_or_else(|| Error::new(ErrorKind::BadRequest, "no body"))?;
    let organisation = edit.organisation();
    let change = note::ActiveModel {
        body: Set(edit.body.into()),
        organisation_id: organisation.map_or(Default::default(), Set),
        ..Default::default()
    };
    db.write(async |tx| note.access().change(tx, change).await)
        .await?;
    Ok("changed")
}

async fn delete(db: Db, note: Allowed<note::Entity, Delete>) -> Result<&'static str> {
    db.write(async |tx| note.access().delete(tx).await).await?;
    Ok("deleted")
}

async fn create(actor: Actor, db: Db, form: Form<Edit>) -> Result<String> {
    let (edit, _) = form.into_parts();
    let edit = edit.ok_or_else(|| Error::new(ErrorKind::BadRequest, "no body"))?;
    let note = note::ActiveModel {
        owner_id: Set(actor.id()),
        organisation_id: Set(edit.organisation().unwrap_or(1)),
        body: Set(edit.body.into()),
        is_archived: Set(false),
        ..Default::default()
    };
    let note = db.write(async |tx| actor.insert(tx, note).await);
    Ok(note.await?.id.to_string())
}

/// The change is written before the error, and the handler drops the error.
async fn careless(actor: Actor, db: Db, Path(id): Path<i32>) -> Result<&'static str> {
    let tx = db.begin().await?;
    let away = note::ActiveModel {
        owner_id: Set(None),
        organisation_id: Set(2),
        ..Default::default()
    };
    let _ = actor.row::<note::Entity>(id).change(&tx, away).await;
    tx.commit().await?;
    Ok("committed")
}

pub fn app() -> App {
    let routes = Routes::new()
        .route("/notes", public().get(list))
        .route("/links", signed_in().get(links))
        .route("/choose", signed_in().post(choose))
        .route("/notes/new", signed_in().post(create))
        .route("/notes/{note}", public().get(show).post(change))
        .route("/notes/{note_id}/delete", signed_in().post(delete))
        .route("/notes/{id}/careless", signed_in().post(careless))
        .route("/reports", can(May::ReadAll).get(async || "reports"))
        .route("/editors", member_of("editors").get(async || "editors"));
    App::new()
        .migrations::<Migrator>()
        .permissions::<May>()
        .templates(palisade::template::Layer::embedded(&[(
            "choose.html",
            CHOOSE,
        )]))
        .routes(routes)
}
