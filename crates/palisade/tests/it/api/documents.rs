//! The document of the API: made from the routes that are served, for the client that asks
//! (V13.4.5).

use super::desk::{Desk, app, read};
use crate::peers;
use http::Method;
use palisade::prelude::*;
use palisade::serde::Serialize;
use palisade::testing::{Answer, TestSite, server};
use palisade::throttle::{By, Limit};
use serde_json::{Value, json};

#[derive(Form)]
struct Search {
    q: Option<Line<80>>,
    most: Number<1, 50>,
}

#[derive(Form)]
struct Rename {
    title: Line<120>,
}

#[derive(Schema, Serialize)]
#[serde(crate = "palisade::serde")]
struct Summary {
    open: i64,
    oldest: Option<String>,
}

async fn summary(_: Actor, Query(search): Query<Search>) -> Result<Json<Summary>> {
    Ok(Json(Summary {
        open: search.most.get(),
        oldest: search.q.map(|q| q.to_string()),
    }))
}

async fn rename(_: Actor, Path(_): Path<i32>, Json(new): Json<Rename>) -> Json<Summary> {
    Json(Summary {
        open: 0,
        oldest: Some(new.title.to_string()),
    })
}

fn described() -> App {
    let routes = Routes::new()
        .route("/api/summary", signed_in().api().get(summary))
        .route(
            "/api/names/{id}",
            token("tickets.write")
                .on_behalf(signed_in())
                .api()
                .post(rename)
                .limit(Limit::new("names", By::User, "5/m")),
        )
        .route("/api/staff", staff().api().get(async || "for the staff"))
        .route("/api/open", public().api().get(async || "for all"));
    app().routes(routes)
}

fn paths(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().unwrap();
    let methods = |(path, methods): (&String, &Value)| {
        let mut methods: Vec<_> = methods.as_object().unwrap().keys().cloned().collect();
        methods.sort();
        format!("{path} {}", methods.join(" "))
    };
    paths.iter().map(methods).collect()
}

#[tokio::test]
async fn strangers_see_no_document_and_clients_their_own() {
    let desk = Desk::with(described()).await;
    let mut stranger = desk.site.client();
    let hidden = stranger.get("/openapi.json").await;
    let unknown = stranger.get("/openapi.jsom").await;
    assert_eq!(
        (hidden.status.as_u16(), unknown.status.as_u16()),
        (404, 404)
    );
    let wrong = stranger
        .call((Method::GET, "/openapi.json"), "pal_x", "")
        .await;
    assert_eq!(wrong.status, 404, "a wrong token reveals nothing");
    let of_token = read(&desk.ann.get("/openapi.json").await);
    let expected = [
        "/api/comments get post",
        "/api/comments/{id} get",
        "/api/names/{id} post",
        "/api/open get",
        "/api/tickets get post",
        "/api/tickets/{id} get patch put",
    ];
    assert_eq!(
        paths(&of_token),
        expected,
        "no deletion, and no route of sessions alone"
    );
    let mut ann = desk.ann.client.clone();
    let of_session = read(&ann.get("/openapi.json").await);
    assert!(paths(&of_session).contains(&"/api/summary get".to_owned()));
    assert!(!of_session.to_string().contains("/api/names"));
    let mut few = desk.ann.client.clone();
    let few = few.make_token(&["tickets.read"]).await;
    let of_few = read(
        &desk
            .ann
            .client
            .call((Method::GET, "/openapi.json"), &few, "")
            .await,
    );
    assert_eq!(paths(&of_few)[2], "/api/open get", "{:?}", paths(&of_few));
    // of the staff: fields and deletions
    let of_sam = read(&desk.sam.get("/openapi.json").await);
    assert!(paths(&of_sam).contains(&"/api/tickets/{id} delete get patch put".to_owned()));
    for (document, is_staff) in [(&of_token, false), (&of_session, false), (&of_sam, true)] {
        let text = document.to_string();
        for hidden in ["internal_note", "owner_id", "/api/staff"] {
            let is_shown = text.contains(hidden);
            assert!(
                is_shown == (is_staff && hidden != "/api/staff"),
                "{hidden}: {is_shown}"
            );
        }
    }
}

#[tokio::test]
async fn the_document_has_input_answers_credentials_and_limits() {
    let desk = Desk::with(described()).await;
    let document = read(&desk.ann.get("/openapi.json").await);
    let names = &document["paths"]["/api/names/{id}"]["post"];
    assert_eq!(names["security"], json!([{"token": ["tickets.write"]}]));
    assert_eq!(names["x-rate-limits"], json!(["names 5/m"]));
    assert_eq!(names["parameters"][0]["name"], "id");
    let body = &names["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(
        body["properties"]["title"],
        json!({"type": "string", "maxLength": 120, "minLength": 1})
    );
    assert_eq!(
        (&body["required"], &body["additionalProperties"]),
        (&json!(["title"]), &json!(false))
    );
    let statuses: Vec<_> = names["responses"].as_object().unwrap().keys().collect();
    assert_eq!(
        statuses,
        [
            "200", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503"
        ]
    );
    let list = &document["paths"]["/api/tickets"]["get"];
    assert_eq!(
        list["security"],
        json!([{"session": []}, {"token": ["tickets.read"]}])
    );
    let parameters = list["parameters"].as_array().unwrap();
    let named: Vec<_> = parameters
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    let expected = [
        "after",
        "take",
        "sort",
        "subject",
        "subject.has",
        "status",
        "status.in",
        "priority",
        "priority.from",
        "priority.to",
        "due.from",
        "due.to",
        "is_urgent",
    ];
    assert_eq!(named, expected);
    let ticket = &document["components"]["schemas"]["Ticket"];
    assert_eq!(
        ticket["properties"]["status"],
        json!({"type": "string", "enum": ["open", "closed"]})
    );
    assert_eq!(
        ticket["properties"]["due"],
        json!({"type": ["string", "null"], "format": "date-time"})
    );
    assert_eq!(
        ticket["properties"]["priority"],
        json!({"type": "integer", "minimum": 0, "maximum": 9})
    );
    let new = &document["paths"]["/api/tickets"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    assert_eq!(new["required"], json!(["subject", "priority", "price"]));
    // what the document says is served
    let answer = desk.ann.client.clone().get("/api/summary?most=3").await;
    assert_eq!(read(&answer), json!({"open": 3, "oldest": null}));
}

#[tokio::test]
async fn a_validator_of_documents_finds_nothing() {
    let Some(python) = server("PALISADE_TEST_SCHEMAS") else {
        return;
    };
    let desk = Desk::with(described()).await;
    for caller in [&desk.ann, &desk.sam] {
        let document = caller.get("/openapi.json").await;
        let found = peers::run(&python, "openapi.py", document.body.as_bytes());
        assert_eq!(found, json!([]), "{}", document.body);
    }
    let broken = peers::run(
        &python,
        "openapi.py",
        b"{\"openapi\": \"3.1.0\", \"paths\": {}}",
    );
    assert_ne!(broken, json!([]));
    palisade::testing::ran("openapi documents");
}

fn problem_paths(answer: &Answer) -> bool {
    answer.header("content-type") == "application/problem+json"
}

#[tokio::test]
async fn a_described_route_is_one_of_the_api() {
    let site = TestSite::start(described(), &[]).await;
    let mut client = site.client();
    assert_eq!(client.get("/api/open").await.body, "for all");
    assert!(problem_paths(&client.get("/api/summary").await));
    let mut shown = site.client().with_header("sec-fetch-dest", "document");
    assert_eq!(shown.get("/api/open").await.status, 403);
}
