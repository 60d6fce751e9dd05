//! Attacks on authorization, over HTTP. Each denied request changes nothing, and is one event.

use super::desk::{May, app, note, organisation};
use super::tenants::{OF_ANN, OF_BOB, OF_NOBODY, Tenants, actor, denials, post};
use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, StatusCode};
use palisade::auth::Rank;
use palisade::permissions::{Grant, Recipient};
use palisade::prelude::*;
use palisade::sea_orm::{ActiveModelTrait, EntityTrait, Set};
use palisade::testing::{Answer, Client, Crawl, TestSite, events_of_this_thread};

// F047, D42, ASVS 8.2.2, 8.4.1: another tenant's row does not exist, by any route and method
#[tokio::test]
async fn tenants_do_not_reach_each_other() {
    let mut desk = Tenants::start().await;
    let before = desk.notes().await;
    assert_eq!(desk.ann.get("/notes").await.body, "1");
    for id in [OF_BOB, OF_NOBODY] {
        let body = [("body", "taken over")];
        for (path, fields) in [
            (format!("/notes/{id}"), &body[..]),
            (format!("/notes/{id}/delete"), &[][..]),
        ] {
            let answer = post(&mut desk.ann, &path, fields).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "POST {path}");
            assert_eq!(denials(&answer), 1, "POST {path}");
        }
        let path = format!("/notes/{id}");
        for method in [Method::GET, Method::HEAD] {
            let request = desk.ann.request(method.clone(), &path);
            let answer = desk.ann.send(request, Body::empty()).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(denials(&answer), 1, "{method} {path}");
            assert!(!answer.body.contains("secret"));
        }
    }
    assert_eq!(desk.notes().await, before);
    assert_eq!(desk.bob.get("/notes/2").await.body, "secret of 2");
    assert_eq!(desk.bob.get("/notes").await.body, "2 3");
}

// ASVS 8.4.1: two tenants, crawled against each other
#[tokio::test]
async fn tenants_are_crawled_against_each_other() {
    let desk = Tenants::start().await;
    for (owner, stranger) in [(&desk.ann, &desk.bob), (&desk.bob, &desk.ann)] {
        let crawl = Crawl::new(&desk.site, owner.clone(), stranger.clone());
        let report = crawl
            .unreached("/notes/{id}/careless", "a handler with a fault")
            .run()
            .await;
        let is_careless = |fault: &String| fault.contains("careless");
        let (careless, faults): (Vec<_>, Vec<_>) =
            report.faults.iter().cloned().partition(is_careless);
        assert!(faults.is_empty(), "{faults:#?}");
        assert!(!careless.is_empty(), "a handler without an error is found");
        assert!(
            report.requests >= 4 && report.unreached.is_empty(),
            "{report:?}"
        );
    }
}

// an unknown row and a hidden one answer alike, and only the hidden one is an event
#[tokio::test]
async fn unknown_rows_are_no_event() {
    let mut desk = Tenants::start().await;
    for path in [
        "/notes/99",
        "/notes/x",
        "/notes/1.5",
        "/notes/99999999999",
        "/notes/-1",
    ] {
        let answer = desk.ann.get(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(denials(&answer), 0, "{path}");
    }
    let (unknown, hidden) = (
        desk.ann.get("/notes/99").await,
        desk.ann.get("/notes/2").await,
    );
    let text = |answer: &Answer| {
        answer
            .body
            .split("<main")
            .nth(1)
            .map(|text| text.replace(answer.header("x-request-id"), ""))
    };
    assert_eq!(text(&unknown), text(&hidden));
}

// the log names the rule that denied, and the client sees none of it
#[tokio::test]
async fn the_log_names_the_rule_of_a_denial() {
    let mut desk = Tenants::start().await;
    let ann = desk.site.id_of("ann").await;
    for (path, status, logged) in [
        (
            "/notes/2",
            StatusCode::NOT_FOUND,
            format!("user {ann}: view desk_note 2: hidden, policy: ("),
        ),
        (
            "/reports",
            StatusCode::FORBIDDEN,
            "/reports, access: can desk.read_all".to_owned(),
        ),
    ] {
        let answer = desk.ann.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        let events = events_of_this_thread(answer.header("x-request-id"));
        let is_named = events.iter().any(|line| line.contains(&logged));
        assert!(is_named, "{logged}: {events:?}");
        for word in ["policy", "read_all", "granted"] {
            assert!(!answer.body.contains(word), "{path}: {word}");
        }
    }
}

// D42, ASVS 8.2.2: a row that may be seen, and not changed: 403
#[tokio::test]
async fn a_viewable_row_is_not_changeable() {
    let mut desk = Tenants::start().await;
    desk.site.grant("ann", May::ReadAll).await;
    let before = desk.notes().await;
    assert_eq!(desk.ann.get("/notes").await.body, "1 2 3");
    for path in ["/notes/2", "/notes/3", "/notes/2/delete"] {
        let answer = post(&mut desk.ann, path, &[("body", "taken over")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert_eq!(denials(&answer), 1, "{path}");
    }
    // the role changes notes of its organisation, and does not delete them
    assert_eq!(
        post(&mut desk.bob, "/notes/3", &[("body", "ours")])
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(
        post(&mut desk.bob, "/notes/3/delete", &[]).await.status,
        StatusCode::FORBIDDEN
    );
    let after = desk.notes().await;
    assert_eq!(after[..2], before[..2]);
    assert_eq!(after[2].body, "ours");
}

// CVE-2026-22589: a row without an owner belongs to no user, and to no anonymous client
#[tokio::test]
async fn a_null_owner_is_no_user() {
    let desk = Tenants::start().await;
    let mut anonymous = desk.site.client();
    assert_eq!(anonymous.get("/notes").await.body, "");
    for id in [OF_ANN, OF_BOB, OF_NOBODY] {
        let answer = anonymous.get(&format!("/notes/{id}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    let actor = Actor::anonymous();
    assert!(!actor.may(May::ReadAll) && !actor.is_staff() && !actor.is_member("agents"));
}

// ASVS 8.2.2: a row cannot be moved into another tenant, nor created there
#[tokio::test]
async fn rows_stay_within_the_policy() {
    let mut desk = Tenants::start().await;
    let before = desk.notes().await;
    let away = [("body", "moved"), ("organisation", "2")];
    let created = post(&mut desk.ann, "/notes/new", &away).await;
    assert_eq!(created.status, StatusCode::FORBIDDEN);
    assert_eq!(denials(&created), 1);
    // the owner keeps a note that moves: the policy of changes allows it by ownership
    let by_role = [("body", "moved"), ("organisation", "1")];
    let moved = post(&mut desk.bob, "/notes/3", &by_role).await;
    assert_eq!(moved.status, StatusCode::FORBIDDEN);
    assert_eq!(denials(&moved), 1);
    assert_eq!(desk.notes().await, before);
    let own = post(
        &mut desk.ann,
        "/notes/new",
        &[("body", "new"), ("organisation", "1")],
    )
    .await;
    assert_eq!(own.status, StatusCode::OK);
}

// ASVS 15.4.2: a handler that drops the error of a write cannot commit it
#[tokio::test]
async fn a_dropped_error_is_not_committed() {
    let mut desk = Tenants::start().await;
    let before = desk.notes().await;
    let answer = post(&mut desk.ann, "/notes/1/careless", &[]).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(desk.notes().await, before);
}

// CVE-2026-22588: a foreign key in a form leads to rows that the user may view, and another's row
// gets the words of an unknown one
#[tokio::test]
async fn foreign_keys_in_forms_are_judged() {
    let mut desk = Tenants::start().await;
    let mut said = Vec::new();
    for key in ["2", "99", "-1", "x", "", "1 OR 1=1", "99999999999999999999"] {
        let answer = post(&mut desk.ann, "/choose", &[("organisation", key)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{key:?}");
        assert!(!answer.body.contains("organisation 2"), "{key:?}");
        assert_eq!(denials(&answer), usize::from(key == "2"), "{key:?}");
        said.push(answer.body.contains("Choose one of the list."));
    }
    assert!(said.into_iter().all(|said| said));
    let own = post(&mut desk.ann, "/choose", &[("organisation", "1")]).await;
    assert_eq!(own.body, "organisation 1");
}

// D16, ASVS 8.3.2: a revoked permission counts in the next request, on each instance
#[tokio::test]
async fn a_revocation_counts_at_once() {
    let mut desk = Tenants::start().await;
    let beside = desk.site.start_beside(app(), &[]).await;
    let mut elsewhere = beside.client();
    // a change of rights rotates the session, so the browser has new cookies
    let mut ask = async |ann: &mut Client, path: &str| {
        let here = ann.get(path).await;
        *elsewhere.cookies() = ann.cookies().clone();
        let there = elsewhere.get(path).await;
        assert_eq!(here.status, there.status, "{path}");
        here
    };
    let reports = ask(&mut desk.ann, "/reports").await;
    assert_eq!(reports.status, StatusCode::FORBIDDEN);
    desk.site.grant("ann", May::ReadAll).await;
    assert_eq!(ask(&mut desk.ann, "/reports").await.body, "reports");
    assert_eq!(ask(&mut desk.ann, "/notes").await.body, "1 2 3");
    desk.site.revoke("ann", May::ReadAll).await;
    let reports = ask(&mut desk.ann, "/reports").await;
    assert_eq!(reports.status, StatusCode::FORBIDDEN);
    assert_eq!(ask(&mut desk.ann, "/notes").await.body, "1");
    let role = Grant::role("agents", Recipient::User(desk.site.id_of("bob").await));
    let database = desk.site.site().database();
    let remove = async |tx: &Tx| role.remove::<organisation::Entity>(tx, 2).await;
    assert!(database.write(remove).await.unwrap());
    assert_eq!(desk.bob.get("/notes").await.body, "2", "the own note only");
}

// D16: an export ends at the chunk after a revocation, a closed account, or the end of a grant
#[tokio::test]
async fn an_export_ends_after_a_revocation() {
    let desk = Tenants::start().await;
    let db = desk.site.site().database().handle();
    desk.site.grant("ann", May::ReadAll).await;
    let actor = actor(&desk, "ann").await;
    let ids = |rows: Vec<note::Model>| rows.into_iter().map(|note| note.id).collect::<Vec<_>>();
    let mut all = actor.export::<note::Entity>(2);
    assert_eq!(ids(all.next(&db).await.unwrap()), [1, 2]);
    assert_eq!(ids(all.next(&db).await.unwrap()), [3]);
    assert!(all.next(&db).await.unwrap().is_empty());
    let mut cut = actor.export::<note::Entity>(1);
    assert_eq!(ids(cut.next(&db).await.unwrap()), [1]);
    desk.site.revoke("ann", May::ReadAll).await;
    assert!(
        cut.next(&db).await.unwrap().is_empty(),
        "the rest is hidden by now"
    );
    let mut own = actor.export::<note::Entity>(1);
    let close = async |tx: &Tx| {
        tx.execute_sql(sql!(
            "UPDATE auth_user SET is_active = FALSE WHERE username = 'ann'"
        ))
        .await
    };
    desk.site.site().database().write(close).await.unwrap();
    assert!(
        own.next(&db).await.unwrap().is_empty(),
        "a closed account views nothing"
    );
}

// F048: the end of a grant and of a membership, to the second
#[tokio::test]
async fn grants_and_memberships_end() {
    let mut desk = Tenants::start().await;
    let (site, ann) = (&desk.site, desk.site.id_of("ann").await);
    let end = site.site().accounts().now() + TimeDelta::hours(1);
    let until = end.timestamp();
    let give = async |tx: &Tx| {
        Grant::permission(May::ViewNote, Recipient::User(ann))
            .until(end)
            .because("the audit")
            .store::<note::Entity>(tx, OF_BOB)
            .await?;
        tx.execute_sql(sql!(
            "INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) VALUES (?, 102, ?, 0, '')",
            ann,
            until
        ))
        .await?;
        Ok::<_, Error>(())
    };
    site.site().database().write(give).await.unwrap();
    assert_eq!(desk.ann.get("/editors").await.body, "editors");
    assert_eq!(desk.ann.get("/notes").await.body, "1 2");
    let left = end - site.site().accounts().now();
    site.clock().advance(left - TimeDelta::milliseconds(1_001));
    assert_eq!(
        desk.ann.get("/editors").await.body,
        "editors",
        "a second before"
    );
    assert_eq!(desk.ann.get("/notes/2").await.status, StatusCode::OK);
    site.clock().advance(TimeDelta::milliseconds(1_002));
    assert_eq!(desk.ann.get("/editors").await.status, StatusCode::FORBIDDEN);
    assert_eq!(desk.ann.get("/notes/2").await.status, StatusCode::NOT_FOUND);
    assert_eq!(desk.ann.get("/notes").await.body, "1");
}

// F048, django-guardian#15: the grant ends with its object, and does not come back with the key
#[tokio::test]
async fn a_reused_key_has_no_old_grants() {
    let mut desk = Tenants::start().await;
    let ann = desk.site.id_of("ann").await;
    let database = desk.site.site().database();
    let give = async |tx: &Tx| {
        let grant = Grant::permission(May::ViewNote, Recipient::User(ann));
        grant.store::<note::Entity>(tx, OF_NOBODY).await
    };
    database.write(give).await.unwrap();
    assert_eq!(desk.ann.get("/notes").await.body, "1 3");
    let again = async |tx: &Tx| {
        note::Entity::delete_by_id(OF_NOBODY).exec(tx).await?;
        let note = note::ActiveModel {
            id: Set(OF_NOBODY),
            owner_id: Set(None),
            organisation_id: Set(2),
            body: Set("another".into()),
            is_archived: Set(false),
        };
        note.insert(tx).await.map(drop)
    };
    database.write(again).await.unwrap();
    assert_eq!(desk.ann.get("/notes").await.body, "1");
}

// ASVS 6.3.3: permissions need the second factor that the configuration requires, on every page
#[tokio::test]
async fn a_missing_factor_takes_permissions_away() {
    let mut desk = Tenants::start().await;
    desk.site.grant("ann", May::ReadAll).await;
    desk.site.set_rank("ann", Rank::Staff).await;
    assert_eq!(desk.ann.get("/notes").await.body, "1", "own notes only");
    assert_eq!(desk.ann.get("/notes/2").await.status, StatusCode::NOT_FOUND);
    desk.ann.add_factor().await;
    assert_eq!(desk.ann.get("/notes").await.body, "1 2 3");
}

// a change without a column is no conflict
#[tokio::test]
async fn a_change_without_a_column_is_none() {
    let desk = Tenants::start().await;
    let (ann, bob) = (actor(&desk, "ann").await, actor(&desk, "bob").await);
    let nothing = async |actor: &Actor, id: i32| {
        let change = async |tx: &Tx| {
            let row = actor.row::<note::Entity>(id);
            row.change(tx, Default::default()).await
        };
        let changed = desk.site.site().database().write(change).await;
        changed.map_or_else(|error| error.status().as_u16(), |()| 200)
    };
    assert_eq!(nothing(&ann, OF_ANN).await, 200);
    assert_eq!(nothing(&bob, OF_ANN).await, 404);
}

// a superuser has every permission; rows are the entity's business
#[tokio::test]
async fn a_superuser_has_every_permission() {
    let mut desk = Tenants::start().await;
    desk.site.set_rank("ann", Rank::Superuser).await;
    desk.ann.add_factor().await;
    assert_eq!(desk.ann.get("/notes").await.body, "1 2 3", "may read all");
    let answer = post(&mut desk.ann, "/notes/2/delete", &[]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "owners delete");
    assert_eq!(
        desk.ann.get("/editors").await.status,
        StatusCode::FORBIDDEN,
        "no member"
    );
}

const MENU: &str = "{% extends \"base.html\" %}{% block main %}\
    {% if may(\"desk.read_all\") %}<a href=\"/reports\">Reports</a>{% endif %}{% endblock %}";
const MISSPELT: &str = "{% extends \"base.html\" %}{% block main %}\
    {{ may(\"desk.raed_all\") }}{% endblock %}";
const BASE: &str = "{% extends \"palisade/skeleton.html\" %}{% block nav %}\
    {% if may(\"desk.read_all\") %}<a href=\"/reports\">Reports</a>{% endif %}{% endblock %}";

fn with_menu(base: Option<&'static str>) -> App {
    let render = async |page: Page| page.render("menu.html", context! {}).await;
    let misspelt = async |page: Page| page.render("misspelt.html", context! {}).await;
    let routes = Routes::new()
        .route("/menu", public().get(render))
        .route("/misspelt", public().get(misspelt));
    let mut files = vec![("menu.html", MENU), ("misspelt.html", MISSPELT)];
    files.extend(base.map(|base| ("base.html", base)));
    let layer = palisade::template::Layer::embedded(Vec::leak(files));
    app().templates(layer).routes(routes)
}

// F044: a menu asks the question of the route, on error pages too; a misspelt name is an error
#[tokio::test]
async fn templates_ask_for_permissions() {
    let site = TestSite::start(with_menu(Some(BASE)), &[]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    for path in ["/menu", "/nowhere"] {
        assert!(!site.client().get(path).await.body.contains("Reports"));
        assert!(!ann.get(path).await.body.contains("Reports"), "{path}");
    }
    site.grant("ann", May::ReadAll).await;
    for path in ["/menu", "/nowhere"] {
        assert!(ann.get(path).await.body.contains("Reports"), "{path}");
    }
    assert_eq!(ann.get("/reports").await.status, StatusCode::OK);
    let misspelt = ann.get("/misspelt").await;
    assert_eq!(misspelt.status, StatusCode::INTERNAL_SERVER_ERROR);
    let logged = events_of_this_thread(misspelt.header("x-request-id"));
    assert!(
        logged
            .iter()
            .any(|line| line.contains("desk.raed_all is not declared")),
        "{logged:?}"
    );
}

// ASVS 7.2.4: a change of permissions or groups rotates the session, and the old key is revoked
#[tokio::test]
async fn a_change_of_rights_rotates_the_session() {
    let mut desk = Tenants::start().await;
    desk.ann.get("/reports").await;
    let before = desk.ann.cookies()["session"].clone();
    desk.ann.get("/reports").await;
    assert_eq!(desk.ann.cookies()["session"], before, "nothing has changed");
    let mut stolen = desk.ann.clone();
    desk.site.grant("ann", May::ReadAll).await;
    assert_eq!(desk.ann.get("/reports").await.status, StatusCode::OK);
    assert_ne!(desk.ann.cookies()["session"], before);
    assert_eq!(stolen.get("/reports").await.status, StatusCode::SEE_OTHER);
}

// F052: uses are recorded once for each user, permission and day
#[tokio::test]
async fn uses_of_permissions_are_recorded() {
    let mut desk = Tenants::start().await;
    desk.site.grant("ann", May::ReadAll).await;
    for _ in 0..3 {
        desk.ann.get("/reports").await;
        desk.ann.get("/notes").await;
        desk.bob.get("/reports").await;
    }
    assert_eq!(desk.site.site().permission_uses_written().await, 1);
    assert_eq!(
        desk.site.site().permission_uses_written().await,
        0,
        "written once"
    );
    desk.site.clock().advance(TimeDelta::days(1));
    let mut ann = desk.site.client();
    ann.log_in("ann", "correct horse battery staple").await;
    ann.get("/reports").await;
    assert_eq!(desk.site.site().permission_uses_written().await, 1);
    let uses = sql!("SELECT permission, COUNT(*) FROM palisade_permission_use GROUP BY permission");
    let uses: Vec<(String, i64)> = desk
        .site
        .site()
        .database()
        .handle()
        .fetch_all(uses)
        .await
        .unwrap();
    assert_eq!(uses, [("desk.read_all".to_owned(), 2)]);
}

// F052: a grant on an object is used when it leads to a row, and not when another condition does
#[tokio::test]
async fn uses_of_grants_are_recorded() {
    for desk in Tenants::on_each(app).await {
        grants_are_recorded(desk).await;
    }
}

async fn grants_are_recorded(desk: Tenants) {
    let mut cyd = desk.site.client();
    cyd.sign_up("cyd").await;
    let id = desk.site.id_of("cyd").await;
    let database = desk.site.site().database();
    let own = sql!("UPDATE desk_note SET owner_id = ? WHERE id = ?", id, OF_ANN);
    let write = async |tx: &Tx| {
        tx.execute_sql(own).await?;
        let grant = Grant::permission(May::ViewNote, Recipient::User(id));
        grant.store::<note::Entity>(tx, OF_NOBODY).await
    };
    database.write(write).await.unwrap();
    let site = desk.site.site();
    assert_eq!(cyd.get("/notes/2").await.status, StatusCode::NOT_FOUND);
    assert_eq!(cyd.get("/notes/1").await.body, "secret of 1", "an own note");
    assert_eq!(site.permission_uses_written().await, 0);
    for _ in 0..2 {
        assert_eq!(cyd.get("/notes/3").await.body, "secret of 2");
    }
    assert_eq!(site.permission_uses_written().await, 1);
    let uses = sql!("SELECT user_id, permission FROM palisade_permission_use");
    let uses: Vec<(i32, String)> = database.handle().fetch_all(uses).await.unwrap();
    assert_eq!(uses, [(id, "desk.view_note".to_owned())]);
}
