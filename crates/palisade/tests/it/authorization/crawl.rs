//! Holes that the crawl must find, and routes that it must not accept unseen.

use super::desk::{app, note, organisation};
use super::tenants::Tenants;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use palisade::testing::{Crawl, CrawlReport};

/// The rows of a user, as links of all routes below.
async fn overview(actor: Actor, db: Db) -> Result<Response> {
    let notes = actor.find::<note::Entity>(Verb::View).all(&db).await?;
    let links = notes.iter().map(|note| {
        let (id, organisation) = (note.id, note.organisation_id);
        format!(
            "<a href=\"/of/{organisation}/notes/{id}\"></a><a href=\"/careless/{organisation}/notes/{id}\"></a>\
             <a href=\"/titled/{id}/title-{id}\"></a><a href=\"/files/{organisation}/{id}.txt\"></a>\
             <a href=\"/desk/{id}\"></a>"
        )
    });
    let links: String = links.collect();
    Ok(([("content-type", "text/html")], links).into_response())
}

/// Both keys are judged.
async fn nested(actor: Actor, db: Db, Path((of, id)): Path<(i32, i32)>) -> Result<String> {
    let row = actor.find::<note::Entity>(Verb::View);
    let row = row
        .filter(note::Column::Id.eq(id))
        .filter(note::Column::OrganisationId.eq(of));
    match row.one(&db).await? {
        Some(note) => Ok(note.body),
        None => Err(actor
            .row::<note::Entity>(id)
            .view(&db)
            .await
            .map_or_else(|error| error, |_| Error::not_found())),
    }
}

/// The organisation is judged, and the note in it is not.
async fn careless(actor: Actor, db: Db, Path((of, id)): Path<(i32, i32)>) -> Result<String> {
    let own = note::Column::OrganisationId.eq(of);
    let notes = actor.find::<note::Entity>(Verb::View).filter(own);
    if notes.one(&db).await?.is_none() {
        actor.row::<organisation::Entity>(of).view(&db).await?;
    }
    let note = note::Entity::find_by_id(id).one(&db).await?;
    note.map(|note| note.body).ok_or_else(Error::not_found)
}

/// The title is decoration.
async fn titled(actor: Actor, db: Db, Path((id, _)): Path<(i32, String)>) -> Result<String> {
    Ok(actor.row::<note::Entity>(id).view(&db).await?.body)
}

/// A path with slashes, which is not judged.
async fn file(Path(path): Path<String>) -> String {
    format!("the content of {path}")
}

fn run_app() -> App {
    app().routes(
        Routes::new()
            .route("/overview", signed_in().get(overview))
            .route("/of/{of}/notes/{id}", signed_in().get(nested))
            .route("/careless/{of}/notes/{id}", signed_in().get(careless))
            .route("/titled/{id}/{title}", signed_in().get(titled))
            .route("/files/{*path}", signed_in().get(file))
            .route("/desk/{id}", staff().get(async || "a row of the desk")),
    )
}

async fn crawl(desk: &Tenants) -> CrawlReport {
    let crawl = Crawl::new(&desk.site, desk.ann.clone(), desk.bob.clone());
    crawl
        .unreached("/notes/{id}/careless", "a handler with a fault")
        .run()
        .await
}

// V8.2.2, V8.4.1: a crawl finds a foreign key among own ones, and paths with slashes; it accepts a
// key that is not used, and names the routes whose rows it could not try
#[tokio::test]
async fn a_crawl_finds_holes_of_nested_paths() {
    let site = palisade::testing::TestSite::start(run_app(), &[]).await;
    let mut desk = Tenants::fill(site).await;
    desk.site.set_rank("ann", Rank::Staff).await;
    desk.ann.add_factor().await;
    let report = crawl(&desk).await;
    let found = |text: &str| report.faults.iter().any(|fault| fault.starts_with(text));
    assert!(found("GET /careless/2/notes/1: 200"), "{report:#?}");
    assert!(found("GET /files/1/1.txt: 200"), "{report:#?}");
    let is_planted = |fault: &String| {
        ["/careless", "/files"]
            .iter()
            .any(|hole| fault.contains(hole))
    };
    let others: Vec<_> = report
        .faults
        .iter()
        .filter(|fault| !is_planted(fault))
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(report.refused_by_rule.contains("/desk/{id}"), "{report:#?}");
    assert!(!report.refused_by_rule.contains("/of/{of}/notes/{id}"));
}
