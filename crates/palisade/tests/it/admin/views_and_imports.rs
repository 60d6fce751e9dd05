//! The site as another user, and imports.

use super::desk::{ON, TICKETS, app, events, on_both, staff, ticket};
use http::{Method, StatusCode};
use palisade::auth::Rank;
use palisade::axum::body::Body;
use palisade::chrono::TimeDelta;
use palisade::entity::*;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestSite};

const WHY: [(&str, &str); 1] = [("why", "the bug of ticket 7")];

fn with_pages() -> App {
    let who = async |user: User, page: Page| {
        page.render("who.html", context! { name => user.username })
            .await
    };
    let write = async |db: Db| -> Result<String> {
        db.write(async |tx| tx.execute_sql(sql!("DELETE FROM desk_ticket")).await)
            .await?;
        Ok("deleted".into())
    };
    let templates = palisade::template::Layer::embedded(&[(
        "who.html",
        "{% extends \"base.html\" %}{% block main %}<p>I am {{ name }}</p><form method=\"post\" action=\"/write\"><button>x</button></form>{% endblock %}",
    )]);
    app().templates(templates).routes(
        Routes::new()
            .route("/who", signed_in().get(who))
            .route("/write", signed_in().get(write).post(write)),
    )
}

// V8.4.2
#[tokio::test]
async fn staff_view_the_site_as_a_user_and_change_nothing() {
    let site = TestSite::start(with_pages(), &ON).await;
    let mut ines = staff(&site, "ines", &["auth.view_user", "palisade.view_as"]).await;
    let mut ann = site.sign_in("ann", Rank::Plain).await;
    let id = site.id_of("ann").await;
    let path = format!("/office/view-as/{id}");
    let asked = ines.get(&path).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    let without = ines.submit(&path, &path, &[("why", "")]).await;
    assert_eq!(
        without.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "a reason is needed"
    );
    let begun = ines.submit(&path, &path, &WHY).await;
    assert_eq!(
        (begun.status, events(&begun)),
        (StatusCode::SEE_OTHER, vec!["viewed_as".to_owned()]),
        "{}",
        begun.body
    );
    let page = ines.get("/who").await;
    assert!(
        page.body.contains("I am ann") && page.body.contains("You view the site as"),
        "{}",
        page.body
    );
    // the pages of the user only: no admin, no account, no change, by GET neither
    assert_eq!(ines.get("/office").await.status, StatusCode::NOT_FOUND);
    for account in [
        "/account",
        "/account/export",
        "/account/password",
        "/account/email",
    ] {
        assert_eq!(
            ines.get(account).await.status,
            StatusCode::FORBIDDEN,
            "{account}"
        );
    }
    let token = page.token().unwrap();
    for (path, field) in [
        ("/write", "x"),
        ("/account/delete", "current_password"),
        ("/account/email", "email"),
    ] {
        let refused = ines
            .post(path, &[("csrfmiddlewaretoken", &token), (field, "x")])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(
        ines.get("/write").await.status,
        StatusCode::INTERNAL_SERVER_ERROR,
        "the database refuses"
    );
    let told = ann.mail_to("ann@example.org").await.unwrap();
    assert!(told.text.contains("fifteen minutes"), "{}", told.text);
    // the end, by button and by time
    let ended = ines
        .post("/account/view/end", &[("csrfmiddlewaretoken", &token)])
        .await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.body);
    assert!(ines.get("/who").await.body.contains("I am ines"));
    ines.submit(&path, &path, &WHY).await;
    site.clock().advance(TimeDelta::minutes(16));
    assert!(ines.get("/who").await.body.contains("I am ines"));
    assert!(ann.get("/who").await.body.contains("I am ann"));
}

#[tokio::test]
async fn users_who_hold_more_are_not_viewed() {
    let site = TestSite::start(with_pages(), &ON).await;
    let mut ines = staff(&site, "ines", &["auth.view_user", "palisade.view_as"]).await;
    site.sign_in("root", Rank::Superuser).await;
    site.sign_in("piet", Rank::Staff).await;
    site.sign_in("ann", Rank::Plain).await;
    site.grant("ann", "desk.view_ticket").await;
    for name in ["root", "piet", "ann"] {
        let path = format!("/office/view-as/{}", site.id_of(name).await);
        let refused = ines.submit(&path, &path, &WHY).await;
        assert_eq!(
            (refused.status, events(&refused)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()]),
            "{name}"
        );
        assert!(ines.get("/who").await.body.contains("I am ines"));
    }
    // rights that the user gets later end the view
    site.sign_in("eve", Rank::Plain).await;
    let path = format!("/office/view-as/{}", site.id_of("eve").await);
    ines.submit(&path, &path, &WHY).await;
    assert!(ines.get("/who").await.body.contains("I am eve"));
    site.set_rank("eve", Rank::Staff).await;
    assert!(ines.get("/who").await.body.contains("I am ines"));
    let mut other = staff(&site, "otto", &["auth.view_user"]).await;
    let refused = other.get(&path).await;
    assert_eq!(
        refused.status,
        StatusCode::NOT_FOUND,
        "without the permission"
    );
}

async fn upload(client: &mut Client, file: &str) -> Answer {
    let token = client.get("/office").await.token().unwrap();
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrfmiddlewaretoken\"\r\n\r\n{token}\r\n--b\r\n\
         Content-Disposition: form-data; name=\"file\"; filename=\"t.csv\"\r\nContent-Type: text/csv\r\n\r\n{file}\r\n--b--\r\n"
    );
    let request = client.request(Method::POST, "/office/tickets/import");
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    client.send(request, Body::from(body)).await
}

async fn count(site: &TestSite) -> u64 {
    ticket::Entity::find()
        .count(&site.site().database().handle())
        .await
        .unwrap()
}

// a dry run by line, then all rows or none
#[tokio::test]
async fn imports_read_each_line_as_a_form_and_add_all_rows_or_none() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &TICKETS).await;
        site.grant("ines", super::desk::May::ChangeStatus).await;
        let file = "subject,body,status,assignee_id,due\r\n\"A, b\",\"two\nlines\",open,ines,2026-12-01\r\nC,text,closed,,\r\n";
        let checked = upload(&mut ines, file).await;
        assert!(checked.body.contains("Import 2 rows") && checked.body.contains("A, b"), "{}", checked.body);
        assert_eq!(count(site).await, 0, "nothing yet");
        let seal = checked.hidden_field("seal").unwrap();
        let text = "subject,body,status,assignee_id,due\n\"A, b\",\"two\nlines\",open,ines,2026-12-01\nC,text,closed,,";
        let changed = text.replace("C,text", "C,other");
        let mut run = async |text: &str, seal: &str| {
            ines.submit("/office/tickets", "/office/tickets/import/run", &[("text", text), ("seal", seal)]).await
        };
        assert_eq!(run(&changed, &seal).await.status, StatusCode::BAD_REQUEST, "another file");
        let added = run(text, &seal).await;
        assert_eq!((added.status, events(&added).len()), (StatusCode::SEE_OTHER, 2), "{}", added.body);
        let db = site.site().database().handle();
        let rows = ticket::Entity::find().order_by_asc(ticket::Column::Id).all(&db).await.unwrap();
        assert_eq!((&*rows[0].subject, rows[0].assignee_id), ("A, b", Some(site.id_of("ines").await)));
        // the same again: the subjects are taken
        assert_eq!(run(text, &seal).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(count(site).await, 2);
        for (file, why) in [
            ("subject,body,status,salary\nx,y,open,1\n", "is no column of this file"),
            ("id,subject,body,status\n1,x,y,open\n", "is no column of this file"),
            ("subject,body,status\nx,y,nonsense\n", "Line 2, status: Choose one of the list."),
            ("subject,body,status,assignee_id\nx,y,open,99999\n", "assignee_id: Choose one of the list."),
            ("subject,body\nx,y\n", "The column status is missing."),
            ("", "Enter"),
        ] {
            let refused = upload(&mut ines, file).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{file}");
            assert!(refused.body.contains(why) || file.is_empty(), "{why}: {}", refused.body);
        }
        let many = format!("subject,body,status\n{}", "x,y,open\n".repeat(10_001));
        assert_eq!(upload(&mut ines, &many).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let mut piet = staff(site, "piet", &TICKETS[..4]).await;
        assert_eq!(piet.get("/office/tickets/import").await.status, StatusCode::FORBIDDEN);
        let refused = upload(&mut piet, file).await;
        assert_eq!((refused.status, events(&refused)), (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()]));
        // an import adds rows
        site.grant("piet", "desk.import_ticket").await;
        site.revoke("piet", "desk.add_ticket").await;
        let refused = upload(&mut piet, file).await;
        assert_eq!((refused.status, events(&refused)), (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()]));
        assert_eq!(count(site).await, 2);
    })
    .await;
}
