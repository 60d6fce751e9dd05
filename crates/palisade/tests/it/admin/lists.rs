//! Lists: pages by key, filters, search and order, and the questions that they do not answer.

use super::desk::{May, TICKETS, events, on_both, staff, ticket, tickets};
use crate::peers;
use http::StatusCode;
use palisade::entity::*;
use palisade::sql;
use palisade::testing::{Client, TestSite};

/// Subjects of a page, in order.
fn subjects(body: &str) -> Vec<String> {
    let rows = body.split("class=\"row-link\"").skip(1);
    let text = rows.filter_map(|row| row.split_once('>')?.1.split_once("</a>"));
    text.map(|(text, _)| text.to_owned()).collect()
}

/// The link of a neighbouring page.
fn link(body: &str, name: &str) -> Option<String> {
    let (before, _) = body.split_once(&format!("\">{name}</a>"))?;
    let (_, href) = before.rsplit_once("href=\"")?;
    Some(href.replace("&amp;", "&"))
}

async fn with_tickets(site: &TestSite, count: i32) -> Client {
    let ines = staff(site, "ines", &TICKETS).await;
    tickets(site, site.id_of("ines").await, count).await;
    ines
}

// F053
#[tokio::test]
async fn pages_by_key_show_each_row_once_in_both_directions() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 120).await;
        for order in [
            "",
            "?order=due",
            "?order=-due",
            "?order=subject",
            "?order=assignee_id",
        ] {
            let (mut url, mut seen, mut pages) =
                (format!("/office/tickets{order}"), Vec::new(), Vec::new());
            loop {
                let page = ines.get(&url).await;
                assert_eq!(page.status, StatusCode::OK, "{url}: {}", page.body);
                pages.push(subjects(&page.body));
                seen.extend(subjects(&page.body));
                match link(&page.body, "Next page") {
                    Some(next) => url = next,
                    None => break,
                }
            }
            assert_eq!(pages.len(), 3, "{order}");
            let mut once = seen.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), 120, "{order}");
            // back from the last page
            let last = ines
                .get(&format!(
                    "/office/tickets{order}{}last=1",
                    if order.is_empty() { "?" } else { "&" }
                ))
                .await;
            assert_eq!(subjects(&last.body), seen[70..], "{order}");
            let previous = ines.get(&link(&last.body, "Previous page").unwrap()).await;
            assert_eq!(subjects(&previous.body), seen[20..70], "{order}");
        }
    })
    .await;
}

#[tokio::test]
async fn filters_search_and_counts_narrow_the_list() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 30).await;
        let mut count = async |query: &str| {
            let page = ines.get(&format!("/office/tickets?{query}")).await;
            assert_eq!(page.status, StatusCode::OK, "{query}: {}", page.body);
            subjects(&page.body).len()
        };
        assert_eq!(count("status=open").await, 10);
        assert_eq!(count("q=TICKET+00").await, 10);
        assert_eq!(count("q=TICKET+00&status=open").await, 4);
        assert_eq!(count("q=%25%25").await, 0, "no wildcard");
        assert_eq!(count("assignee_id=-").await, 15);
        assert_eq!(count("due=2026-11-01").await, 8);
        assert_eq!(count("opened_at=2026").await, 30);
        // 08:00 in UTC is 09:00 in the zone of the site
        assert_eq!(count("opened_at=2026-11-01").await, 30);
        assert_eq!(count("opened_at=2026-10").await, 0);
        assert_eq!(count("q=&status=").await, 30, "an empty form");
        let page = ines.get("/office/tickets?opened_at=2026").await;
        assert!(
            page.body.contains("value=\"2026-11\""),
            "the months of the year"
        );
        let page = ines.get("/office/tickets").await;
        assert!(page.body.contains("Open (10)"), "{}", page.body);
        assert!(page.body.contains("Waiting for us (20)"));
        assert!(page.body.contains("30 rows"));
    })
    .await;
}

// D48 D49 CVE-2026-27886: other columns are no filters, orders or searches; the answer is the same for
// a column that is hidden, not declared, or not there
#[tokio::test]
async fn a_list_answers_no_question_about_columns_that_its_reader_does_not_see() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 10).await;
        let mut refused = Vec::new();
        for query in [
            "salary=1001",
            "canary=canary-4711",
            "nonsense=1",
            "order=salary",
            "order=canary",
            "order=nonsense",
            "order=body",
            "body=text",
            "owner_id=1",
            "salary__gt=1",
            "assignee_id__password=x",
            "status=open&status=closed",
            "status=nonsense",
            "assignee_id=99999",
            "after=nonsense",
            "due=2026-13",
            "q=a",
        ] {
            let answer = ines.get(&format!("/office/tickets?{query}")).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
            refused.push(answer.body.len());
        }
        assert_eq!(refused[0], refused[1]);
        assert_eq!(refused[0], refused[2]);
        // the search is over visible columns
        let found = ines.get("/office/tickets?q=1001").await;
        assert!(subjects(&found.body).is_empty());
        let page = ines.get("/office/tickets").await;
        for hidden in ["1001", "canary-4711", "Salary"] {
            assert!(!page.body.contains(hidden), "{hidden}");
        }
        // with the permission it is a column like others
        site.grant("ines", May::SeeSalary).await;
        let page = ines.get("/office/tickets?salary=1001").await;
        assert_eq!(subjects(&page.body), ["Ticket 001"]);
        let page = ines.get("/office/tickets?q=1001").await;
        assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn a_search_at_the_beginning_ignores_the_case() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &["auth.view_user"]).await;
        for name in ["Anna", "an-ton", "Berta"] {
            site.sign_in(name, palisade::auth::Rank::Plain).await;
        }
        let found = ines.get("/office/users?q=AN").await;
        let mut names = subjects(&found.body);
        names.sort();
        assert_eq!(names, ["Anna", "an-ton"], "{}", found.body);
        assert!(subjects(&ines.get("/office/users?q=nna").await.body).is_empty());
    })
    .await;
}

// D49
#[tokio::test]
async fn links_of_pages_belong_to_their_user_resource_and_filter() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 120).await;
        let mut piet = staff(site, "piet", &TICKETS).await;
        let page = ines.get("/office/tickets").await;
        let next = link(&page.body, "Next page").unwrap();
        assert_eq!(ines.get(&next).await.status, StatusCode::OK);
        assert_eq!(
            piet.get(&next).await.status,
            StatusCode::BAD_REQUEST,
            "another user"
        );
        assert_eq!(
            ines.get(&format!("{next}&status=open")).await.status,
            StatusCode::BAD_REQUEST
        );
        assert_eq!(
            ines.get(&format!("{next}&order=subject")).await.status,
            StatusCode::BAD_REQUEST
        );
    })
    .await;
}

// rows outside of the policy are in no list, count, choice or export
#[tokio::test]
async fn rows_outside_of_the_policy_are_nowhere() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 12).await;
        let db = site.site().database().handle();
        let secret = ticket::ActiveModel {
            body: Set("secret".into()),
            ..Default::default()
        };
        let hide = ticket::Entity::update_many()
            .set(secret)
            .filter(ticket::Column::Subject.eq("Ticket 000"));
        db.write(async |tx| hide.exec(tx).await).await.unwrap();
        let id = ticket::Entity::find()
            .filter(ticket::Column::Subject.eq("Ticket 000"))
            .one(&db)
            .await
            .unwrap()
            .unwrap()
            .id;
        let page = ines.get("/office/tickets").await;
        assert_eq!(subjects(&page.body).len(), 11);
        assert!(
            page.body.contains("11 rows") && page.body.contains("Open (3)"),
            "{}",
            page.body
        );
        for path in ["", "/history", "/delete"] {
            let hidden = ines.get(&format!("/office/tickets/row/{id}{path}")).await;
            let unknown = ines.get(&format!("/office/tickets/row/999999{path}")).await;
            assert_eq!(
                (hidden.status, unknown.status),
                (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND)
            );
            assert_eq!(events(&hidden), ["access_denied"], "{path}");
            assert!(events(&unknown).is_empty(), "{path}");
        }
        let found = ines.get("/office/search?q=Ticket+000").await;
        assert!(!found.body.contains("Ticket 000"), "{}", found.body);
        let exported = ines
            .submit(
                "/office/tickets/export",
                "/office/tickets/export",
                &[("format", "csv"), ("query", "")],
            )
            .await;
        assert_eq!(exported.status, StatusCode::OK, "{}", exported.body);
        assert_eq!(exported.body.lines().count(), 12);
        assert!(
            !exported.body.contains("canary") && !exported.body.contains("salary"),
            "{}",
            exported.body
        );
    })
    .await;
}

// V1.2.10 V2.3.5 D46 D47
#[tokio::test]
async fn an_export_has_a_permission_a_recent_login_and_an_event() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 3).await;
        let form = [("format", "json"), ("query", "status=open")];
        let exported = ines
            .submit(
                "/office/tickets/export?status=open",
                "/office/tickets/export",
                &form,
            )
            .await;
        assert_eq!(exported.status, StatusCode::OK);
        assert!(
            exported
                .header("content-disposition")
                .starts_with("attachment; filename=\"tickets-")
        );
        assert!(exported.header("cache-control").contains("no-store"));
        assert_eq!(events(&exported), ["exported"]);
        let rows: Vec<serde_json::Value> = serde_json::from_str(&exported.body).unwrap();
        assert_eq!(rows.len(), 1);
        xlsx(&mut ines, site).await;
        let refused = ines
            .submit(
                "/office/tickets",
                "/office/tickets/export",
                &[("format", "csv"), ("query", "salary=1001")],
            )
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let mut piet = staff(site, "piet", &TICKETS[..4]).await;
        let refused = piet
            .submit("/office/tickets", "/office/tickets/export", &form)
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(events(&refused), ["access_denied"]);
        site.clock()
            .advance(palisade::chrono::TimeDelta::minutes(61));
        let old = ines
            .submit("/office/tickets", "/office/tickets/export", &form)
            .await;
        assert!(old.status.is_redirection(), "{}", old.status);
    })
    .await;
}

#[tokio::test]
async fn saved_views_are_links_of_their_owner_and_shared_ones_of_all() {
    on_both(async |site| {
        let mut ines = with_tickets(site, 3).await;
        let mut piet = staff(site, "piet", &TICKETS).await;
        let view = [("name", "Open <b>"), ("query", "status=open")];
        let saved = ines
            .submit(
                "/office/tickets?status=open",
                "/office/tickets/views",
                &view,
            )
            .await;
        assert_eq!(
            saved.header("location"),
            "/office/tickets",
            "{}",
            saved.body
        );
        assert!(
            ines.get("/office/tickets")
                .await
                .body
                .contains("Open &lt;b&gt;")
        );
        assert!(
            !piet
                .get("/office/tickets")
                .await
                .body
                .contains("Open &lt;b&gt;")
        );
        let stolen = piet
            .submit(
                "/office/tickets?status=open",
                "/office/tickets/views/delete",
                &[("id", "1")],
            )
            .await;
        assert_eq!(stolen.status, StatusCode::NOT_FOUND);
        let shared = [
            ("name", "All open"),
            ("query", "status=open"),
            ("is_shared", "on"),
        ];
        ines.submit(
            "/office/tickets?status=open",
            "/office/tickets/views",
            &shared,
        )
        .await;
        assert!(piet.get("/office/tickets").await.body.contains("All open"));
        let hidden = [("name", "x"), ("query", "salary=1")];
        let refused = ines
            .submit(
                "/office/tickets?status=open",
                "/office/tickets/views",
                &hidden,
            )
            .await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    })
    .await;
}

/// A workbook is read by a library that is not ours: types are kept, and a text that looks like a
/// formula is text.
async fn xlsx(client: &mut Client, site: &TestSite) {
    let db = site.site().database().handle();
    let formula = sql!("UPDATE desk_ticket SET subject = '=1+1', salary = 7 WHERE status = 'open'");
    db.write(async |tx| tx.execute_sql(formula).await)
        .await
        .unwrap();
    let wanted = [("format", "xlsx"), ("query", "status=open")];
    let file = client
        .submit("/office/tickets", "/office/tickets/export", &wanted)
        .await;
    assert_eq!(file.status, StatusCode::OK, "{}", file.body);
    assert!(file.header("content-disposition").ends_with(".xlsx\""));
    assert_eq!(events(&file), ["exported"]);
    let Some(python) = palisade::testing::server("PALISADE_TEST_PEERS") else {
        return;
    };
    let rows = peers::run(&python, "workbook.py", &file.bytes);
    assert_eq!(rows[0][0], serde_json::json!(["subject", "s"]), "{rows}");
    assert_eq!(rows[1][0], serde_json::json!(["=1+1", "s"]), "{rows}");
    assert_eq!(rows.as_array().unwrap().len(), 2, "{rows}");
}

// D46: ten users, five exports each, at once
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_at_once_keep_their_rows_apart() {
    on_both(async |site| {
        let mut users = Vec::new();
        for number in 0..10 {
            users.push(staff(site, &format!("staff{number}"), &TICKETS).await);
        }
        tickets(site, site.id_of("staff0").await, 20).await;
        let export = async |mut client: Client, number: usize| {
            let query = format!("q=Ticket+00{number}");
            let wanted = [("format", "json"), ("query", &*query)];
            let file = client
                .submit("/office/tickets", "/office/tickets/export", &wanted)
                .await;
            let rows: Vec<serde_json::Value> = serde_json::from_str(&file.body).expect(&file.body);
            let subjects: Vec<&str> = rows
                .iter()
                .map(|row| row["subject"].as_str().unwrap())
                .collect();
            assert_eq!(subjects, [format!("Ticket 00{number}")]);
        };
        let all = (0..50).map(|at| export(users[at % 10].clone(), at % 10));
        futures_util::future::join_all(all).await;
    })
    .await;
}
