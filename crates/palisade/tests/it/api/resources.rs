//! Attacks on resources (F114, F115, F117, V8.2.3, V15.3.1, V15.3.3): every field has its rules.

use super::desk::{Caller, Desk, read};
use http::Method;
use palisade::testing::{Answer, TestDatabase};
use serde_json::{Value, json};

fn subjects(answer: &Answer) -> Vec<String> {
    let items = read(answer)["items"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let subject = |item: &Value| item["subject"].as_str().unwrap().to_owned();
    items.iter().map(subject).collect()
}

fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(
        answer.header("content-type"),
        "application/problem+json",
        "{}",
        answer.body
    );
    let problem = read(answer);
    assert_eq!(problem["status"], status);
    problem
}

async fn patch(caller: &Caller, id: i64, body: Value) -> Answer {
    caller
        .send(Method::PATCH, &format!("/api/tickets/{id}"), &body)
        .await
}

#[tokio::test]
async fn rows_and_fields_are_those_of_the_actor() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(desk) = Desk::on(database).await else {
            continue;
        };
        let id = desk.ann.open("printer", 3).await;
        let note = patch(&desk.sam, id, json!({"internal_note": "again"})).await;
        assert_eq!(note.status, 200, "{}", note.body);
        let of_ann = read(&desk.ann.get(&format!("/api/tickets/{id}")).await);
        let expected = json!({
            "id": id, "subject": "printer", "status": "open", "priority": 3, "due": null, "is_urgent": false, "price": "12.50",
        });
        assert_eq!(of_ann, expected, "nothing more");
        let list = desk.ann.get("/api/tickets").await;
        assert_eq!(read(&list), json!({"items": [expected], "next": null}));
        let of_sam = read(&desk.sam.get(&format!("/api/tickets/{id}")).await);
        assert_eq!(of_sam["internal_note"], "again");
        assert!(of_sam["owner_id"].is_number());
        // another customer
        assert_eq!(
            read(&desk.ben.get("/api/tickets").await)["items"],
            json!([])
        );
        let hidden = problem(&desk.ben.get(&format!("/api/tickets/{id}")).await, 404);
        let unknown = problem(&desk.ben.get("/api/tickets/999999").await, 404);
        assert_eq!(hidden["detail"], unknown["detail"]);
        for (method, body) in [
            (Method::PATCH, json!({"subject": "mine"})),
            (Method::PUT, json!({"subject": "mine", "priority": 1})),
        ] {
            let path = format!("/api/tickets/{id}");
            problem(&desk.ben.send(method, &path, &body).await, 404);
        }
        assert_eq!(
            read(&desk.ann.get(&format!("/api/tickets/{id}")).await)["subject"],
            "printer"
        );
        palisade::testing::ran("api resources");
    }
}

#[tokio::test]
async fn what_may_not_be_written_is_not() {
    let desk = Desk::start().await;
    let id = desk.ann.open("printer", 3).await;
    let path = format!("/api/tickets/{id}");
    let before = read(&desk.sam.get(&path).await);
    let refused = [
        // readable, not writable: also with its present value
        (json!({"id": id}), 403, "/id"),
        (json!({"status": "closed"}), 403, "/status"),
        (json!({"status": "open"}), 403, "/status"),
        (json!({"price": "1.00"}), 403, "/price"),
        (json!({"subject": "x", "status": "closed"}), 403, "/status"),
        // not readable: the same as unknown
        (json!({"owner_id": 1}), 400, "/owner_id"),
        (json!({"internal_note": "x"}), 400, "/internal_note"),
        (json!({"version": 7}), 400, "/version"),
        (json!({"nothing": 7}), 400, "/nothing"),
        (json!({"Subject": "x"}), 400, "/Subject"),
        (json!({"__proto__": {"a": 1}}), 400, "/__proto__"),
        (json!({"subject": "x", "nothing": 7}), 400, "/nothing"),
        // invalid values
        (json!({"subject": ""}), 422, "/subject"),
        (json!({"subject": null}), 422, "/subject"),
        (json!({"subject": "x".repeat(41)}), 422, "/subject"),
        (json!({"subject": ["x"]}), 422, "/subject"),
        (json!({"subject": {"x": 1}}), 422, "/subject"),
        (json!({"priority": 10}), 422, "/priority"),
        (json!({"priority": "many"}), 422, "/priority"),
        (json!({"due": "tomorrow"}), 422, "/due"),
    ];
    for (body, status, pointer) in refused {
        let answer = desk.ann.send(Method::PATCH, &path, &body).await;
        let problem = problem(&answer, status);
        assert_eq!(
            problem["errors"][0]["pointer"], pointer,
            "{body}: {problem}"
        );
        assert!(
            !answer.body.contains("internal_note") || pointer == "/internal_note",
            "{}",
            answer.body
        );
    }
    for (kind, body) in [
        (
            "application/json",
            "{\"subject\": \"a\", \"subject\": \"b\"}",
        ),
        ("application/json", "[]"),
        ("application/json", "{\"subject\": "),
        ("application/json", "\"x\""),
        ("text/plain", "{\"subject\": \"a\"}"),
        ("application/x-www-form-urlencoded", "subject=a"),
    ] {
        let mut client = desk.ann.client.clone();
        client.cookies().clear();
        let request = client.request(Method::PATCH, &path);
        let request = request.header("authorization", format!("Bearer {}", desk.ann.token));
        let answer = client
            .send(request.header("content-type", kind), body.into())
            .await;
        let status = if kind == "application/json" { 400 } else { 415 };
        problem(&answer, status);
    }
    let deep = format!("{{\"subject\": {}1{}}}", "[".repeat(200), "]".repeat(200));
    let deep = desk
        .ann
        .client
        .call((Method::PATCH, &path), &desk.ann.token, &deep)
        .await;
    problem(&deep, 413);
    assert_eq!(
        read(&desk.sam.get(&path).await),
        before,
        "nothing was written"
    );
}

#[tokio::test]
async fn rows_are_made_replaced_patched_and_deleted() {
    let desk = Desk::start().await;
    let body = json!({"subject": "printer", "priority": "3", "due": "2027-01-31T12:00:00+01:00", "is_urgent": true, "price": "12.50"});
    let made = desk.ann.send(Method::POST, "/api/tickets", &body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let id = read(&made)["id"].as_i64().unwrap();
    assert_eq!(made.header("location"), format!("/api/tickets/{id}"));
    assert_eq!(read(&made)["due"], "2027-01-31T11:00:00+00:00");
    let missing = problem(
        &desk
            .ann
            .send(Method::POST, "/api/tickets", &json!({"subject": "x"}))
            .await,
        422,
    );
    let pointers: Vec<_> = missing["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].clone())
        .collect();
    assert_eq!(pointers, ["/price", "/priority"]);
    // what is read can be written again
    let path = format!("/api/tickets/{id}");
    let mut same = read(&desk.ann.get(&path).await);
    for fixed in ["id", "status", "price"] {
        same.as_object_mut().unwrap().remove(fixed);
    }
    let replaced = desk.ann.send(Method::PUT, &path, &same).await;
    assert_eq!(replaced.status, 200, "{}", replaced.body);
    assert_eq!(read(&replaced)["due"], same["due"]);
    // an absent field of a replacement is emptied, of a patch kept
    let patched = patch(&desk.ann, id, json!({"subject": "screen"})).await;
    assert_eq!(read(&patched)["due"], same["due"]);
    let cleared = patch(&desk.ann, id, json!({"due": null})).await;
    assert_eq!(
        (&read(&cleared)["due"], &read(&cleared)["subject"]),
        (&Value::Null, &json!("screen"))
    );
    let shorter = json!({"subject": "mouse", "priority": 1});
    let shorter = read(&desk.ann.send(Method::PUT, &path, &shorter).await);
    assert_eq!(shorter["is_urgent"], false);
    let not_staff = desk.ann.send(Method::DELETE, &path, &Value::Null).await;
    problem(&not_staff, 404);
    let deleted = desk.sam.send(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    problem(&desk.ann.get(&path).await, 404);
    problem(
        &desk.sam.send(Method::DELETE, &path, &Value::Null).await,
        404,
    );
}

#[tokio::test]
async fn an_idempotent_request_makes_one_row() {
    let desk = Desk::start().await;
    let post = async |key: &str, subject: &str| {
        let client = desk.ann.client.clone().with_header("idempotency-key", key);
        let body = json!({"subject": subject, "priority": 1, "price": "1.00"}).to_string();
        client
            .call((Method::POST, "/api/tickets"), &desk.ann.token, &body)
            .await
    };
    let first = post("k-1", "printer").await;
    let again = post("k-1", "printer").await;
    assert_eq!(
        (first.status.as_u16(), again.status.as_u16()),
        (201, 201),
        "{}",
        again.body
    );
    assert_eq!(
        (&first.body, first.header("location")),
        (&again.body, again.header("location"))
    );
    assert_eq!(again.header("idempotency-replayed"), "true");
    problem(&post("k-1", "another").await, 422);
    assert_eq!(post("k-2", "printer").await.status, 201);
    assert_eq!(subjects(&desk.ann.get("/api/tickets").await).len(), 2);
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(desk) = Desk::on(database).await else {
            continue;
        };
        for (subject, priority) in [
            ("printer", 1),
            ("Printer two", 5),
            ("screen", 5),
            ("mouse", 9),
            ("50%_x", 5),
        ] {
            desk.ann.open(subject, priority).await;
        }
        desk.ben.open("printer of ben", 5).await;
        let list = async |query: &str| {
            let answer = desk.ann.get(&format!("/api/tickets?{query}")).await;
            assert_eq!(answer.status, 200, "{query}: {}", answer.body);
            subjects(&answer)
        };
        assert_eq!(
            list("").await,
            ["mouse", "50%_x", "screen", "Printer two", "printer"]
        );
        assert_eq!(list("subject=screen").await, ["screen"]);
        assert_eq!(list("subject.has=PRINT").await, ["Printer two", "printer"]);
        assert_eq!(list("subject.has=%25_").await, ["50%_x"]);
        assert_eq!(
            list("status.in=open,closed&priority.from=5&priority.to=9&sort=subject")
                .await
                .len(),
            3
        );
        assert_eq!(list("sort=-subject&take=1").await, ["screen"]);
        assert_eq!(
            list("priority=5&subject.has=printer").await,
            ["Printer two"]
        );
        // pages: each row once, in every order, also by a column with nulls
        for sort in [
            "priority",
            "-priority",
            "subject",
            "-subject",
            "due",
            "-due",
        ] {
            let (mut path, mut seen) = (format!("/api/tickets?take=2&sort={sort}"), Vec::new());
            for _ in 0..10 {
                let page = desk.ann.get(&path).await;
                assert_eq!(page.status, 200, "{}", page.body);
                seen.extend(subjects(&page));
                let next = read(&page)["next"].as_str().map(str::to_owned);
                let Some(next) = next else { break };
                assert!(
                    page.header("link").contains("rel=\"next\""),
                    "{:?}",
                    page.headers
                );
                path = page
                    .header("link")
                    .split(['<', '>'])
                    .nth(1)
                    .unwrap()
                    .to_owned();
                assert!(path.contains(&next) || path.contains('%'), "{path}");
            }
            let mut sorted = seen.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!((seen.len(), sorted.len()), (5, 5), "{sort}: {seen:?}");
        }
        palisade::testing::ran("api lists");
    }
}

// an unknown filter is no filter that returns everything
#[tokio::test]
async fn unknown_parameters_are_refused() {
    let desk = Desk::start().await;
    desk.ann.open("printer", 1).await;
    let refused = [
        ("subjekt=x", "subject"),
        ("subject.hass=x", "subject.has"),
        ("owner_id=1", ""),
        ("internal_note.has=a", ""),
        ("version=1", ""),
        ("sort=internal_note", ""),
        ("sort=version", ""),
        ("sort=id", ""),
        ("sort=is_urgent", ""),
        ("sort=subjekt", "subject"),
        ("sort=", ""),
        ("sort=subject,priority", ""),
        ("take=0", ""),
        ("take=-1", ""),
        ("take=101", ""),
        ("take=1e9", ""),
        ("subject=a&subject=b", ""),
        ("status=lost", ""),
        ("status.in=", ""),
        ("priority=many", ""),
        ("due.from=tomorrow", ""),
        ("expand=owner_id", ""),
        ("after=x", ""),
        ("page=2", ""),
        ("subject=", ""),
        ("subject.has=%00", ""),
    ];
    for (query, near) in refused {
        let answer = desk.ann.get(&format!("/api/tickets?{query}")).await;
        let problem = problem(&answer, 400);
        let said = problem["detail"].as_str().unwrap();
        match near {
            "" => assert!(
                !said.contains("internal") || query.contains("internal"),
                "{query}: {said}"
            ),
            near => assert!(
                said.contains(&format!("Did you mean \"{near}\"?")),
                "{query}: {said}"
            ),
        }
    }
    let many: Vec<String> = (0..51).map(|_| "open".to_owned()).collect();
    problem(
        &desk
            .ann
            .get(&format!("/api/tickets?status.in={}", many.join(",")))
            .await,
        400,
    );
    // the staff may do what the customer may not
    for query in ["owner_id=1", "internal_note.has=a", "sort=internal_note"] {
        assert_eq!(
            desk.sam.get(&format!("/api/tickets?{query}")).await.status,
            200,
            "{query}"
        );
    }
    problem(&desk.ann.get("/api/tickets/1?x=1").await, 400);
}

// a hidden field is no oracle: not by order, by count or by a suggestion
#[tokio::test]
async fn a_hidden_field_is_the_same_as_none() {
    let desk = Desk::start().await;
    let id = desk.ann.open("printer", 1).await;
    patch(&desk.sam, id, json!({"internal_note": "secret"})).await;
    for make in [
        |name: &str| format!("{name}.has=secret"),
        |name: &str| format!("sort={name}"),
    ] {
        let hidden = desk
            .ann
            .get(&format!("/api/tickets?{}", make("internal_note")))
            .await;
        let unknown = desk
            .ann
            .get(&format!("/api/tickets?{}", make("internal_nota")))
            .await;
        let text = |answer: &Answer, name: &str| {
            let mut body = read(answer);
            body.as_object_mut().unwrap().remove("request_id");
            body.to_string().replace(name, "NAME")
        };
        assert_eq!(
            text(&hidden, "internal_note"),
            text(&unknown, "internal_nota")
        );
        assert_eq!(hidden.status, unknown.status);
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_actor_and_list() {
    let desk = Desk::start().await;
    for number in 0..3 {
        desk.ann.open(&format!("a{number}"), number).await;
        desk.ben.open(&format!("b{number}"), number).await;
    }
    let page = desk.ann.get("/api/tickets?take=1").await;
    let next = read(&page)["next"].as_str().unwrap().to_owned();
    assert!(!next.contains("a2"), "{next}");
    let same = desk
        .ann
        .get(&format!("/api/tickets?take=1&after={next}"))
        .await;
    assert_eq!(subjects(&same), ["a1"]);
    problem(
        &desk.ben.get(&format!("/api/tickets?after={next}")).await,
        400,
    );
    problem(
        &desk.sam.get(&format!("/api/tickets?after={next}")).await,
        400,
    );
    problem(
        &desk
            .ann
            .get(&format!("/api/tickets?sort=subject&after={next}"))
            .await,
        400,
    );
    problem(
        &desk
            .ann
            .get(&format!("/api/tickets?subject.has=a&after={next}"))
            .await,
        400,
    );
    problem(
        &desk.ann.get(&format!("/api/comments?after={next}")).await,
        400,
    );
    problem(
        &desk
            .ann
            .get(&format!("/api/tickets?after={}", &next[..next.len() - 2]))
            .await,
        400,
    );
    let mut flipped = next.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).unwrap();
    problem(
        &desk.ann.get(&format!("/api/tickets?after={flipped}")).await,
        400,
    );
    // of a role that was lost
    let page = desk.sam.get("/api/tickets?take=1&sort=internal_note").await;
    let next = read(&page)["next"].as_str().unwrap().to_owned();
    desk.site.set_rank("sam", palisade::auth::Rank::Plain).await;
    problem(
        &desk
            .sam
            .get(&format!("/api/tickets?sort=internal_note&after={next}"))
            .await,
        400,
    );
}

#[tokio::test]
async fn rows_that_are_referred_to_are_included_once_and_by_their_policy() {
    let desk = Desk::start().await;
    let id = desk.ann.open("printer", 1).await;
    for body in ["one", "two"] {
        let made = desk
            .ann
            .send(
                Method::POST,
                "/api/comments",
                &json!({"ticket_id": id, "body": body}),
            )
            .await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    // a comment on another user's ticket
    let foreign = desk
        .ben
        .send(
            Method::POST,
            "/api/comments",
            &json!({"ticket_id": id, "body": "x"}),
        )
        .await;
    problem(&foreign, 403);
    let list = read(&desk.ann.get("/api/comments?expand=ticket_id").await);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let included = list["included"]["Ticket"].as_object().unwrap();
    assert_eq!(included.len(), 1);
    assert_eq!(included[&id.to_string()]["subject"], "printer");
    assert!(included[&id.to_string()].get("internal_note").is_none());
    assert!(
        read(&desk.ann.get("/api/comments").await)
            .get("included")
            .is_none()
    );
}

// V3.2.1: no response of the API is shown as a page
#[tokio::test]
async fn browsers_show_no_response_as_a_page() {
    let desk = Desk::start().await;
    for destination in ["document", "iframe", "frame", "embed", "object"] {
        for path in ["/api/tickets", "/api/unknown", "/api"] {
            let mut client = desk
                .ann
                .client
                .clone()
                .with_header("sec-fetch-dest", destination);
            let answer = client.get(path).await;
            problem(&answer, 403);
        }
        let mut client = desk
            .ann
            .client
            .clone()
            .with_header("sec-fetch-dest", destination);
        assert_eq!(client.get("/account").await.status, 200);
    }
    let mut script = desk
        .ann
        .client
        .clone()
        .with_header("sec-fetch-dest", "empty");
    let answer = script.get("/api/tickets").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(answer.header("cache-control").contains("no-store"));
}

#[tokio::test]
async fn every_error_below_the_api_is_a_problem() {
    let desk = Desk::start().await;
    problem(&desk.ann.get("/api/unknown").await, 404);
    problem(&desk.ann.get("/api").await, 404);
    let stranger = desk.site.client();
    problem(
        &stranger.call((Method::GET, "/api/tickets"), "", "").await,
        401,
    );
    problem(
        &stranger
            .call((Method::GET, "/api/tickets"), "pal_x", "")
            .await,
        401,
    );
    problem(
        &desk.ann.send(Method::PUT, "/api/tickets", &json!({})).await,
        405,
    );
    // outside of it are pages
    assert!(
        desk.ann
            .get("/apiary")
            .await
            .header("content-type")
            .starts_with("text/html")
    );
}

// a cookie without a CSRF token changes nothing
#[tokio::test]
async fn a_session_needs_a_csrf_token() {
    let desk = Desk::start().await;
    let mut client = desk.ann.client.clone();
    let request = client.request(Method::POST, "/api/tickets");
    let request = request.header("content-type", "application/json");
    let body = json!({"subject": "x", "priority": 1, "price": "1"}).to_string();
    problem(&client.send(request, body.into()).await, 403);
    assert_eq!(
        read(&desk.ann.get("/api/tickets").await)["items"],
        json!([])
    );
}

// F091, F117: limits by user, told with each response
#[tokio::test]
async fn each_response_tells_the_rest_of_the_limit() {
    let desk = Desk::with_settings(&[("throttle.api", "30/m")]).await;
    let rest = |answer: &Answer| {
        assert_eq!(
            answer.header("ratelimit-policy"),
            "\"api\";q=30;w=60",
            "{:?}",
            answer.headers
        );
        let rest = answer.header("ratelimit").split([';', '=']).nth(2);
        rest.and_then(|rest| rest.parse::<u32>().ok()).unwrap()
    };
    let first = rest(&desk.ann.get("/api/tickets").await);
    let second = rest(&desk.ann.get("/api/tickets/1").await);
    assert_eq!((first, second), (29, 28));
    // a session and another token of the user count together, another user alone
    let mut session = desk.ann.client.clone();
    assert_eq!(rest(&session.get("/api/tickets").await), 27);
    assert_eq!(rest(&desk.ben.get("/api/tickets").await), 29);
    for _ in 0..27 {
        desk.ann.get("/api/tickets").await;
    }
    let refused = desk.ann.get("/api/tickets").await;
    assert_eq!(rest(&refused), 0);
    problem(&refused, 429);
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
}
