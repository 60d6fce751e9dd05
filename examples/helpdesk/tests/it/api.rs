//! The desk's API, with tokens that its users make.

use helpdesk::app;
use http::Method;
use palisade::auth::Rank;
use palisade::testing::{Answer, Client, TestSite};
use serde_json::{Value, json};

async fn send(client: &Client, token: &str, (method, path): (Method, &str), body: Value) -> Answer {
    let text = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    client.call((method, path), token, &text).await
}

fn read(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
}

struct Caller(Client, String);

impl Caller {
    async fn of(mut client: Client) -> Self {
        let token = client.make_token(&["tickets.read", "tickets.write"]).await;
        Self(client, token)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Answer {
        send(&self.0, &self.1, (method, path), body).await
    }

    async fn get(&self, path: &str) -> Value {
        read(&self.send(Method::GET, path, Value::Null).await)
    }
}

#[tokio::test]
async fn a_ticket_lives_by_the_api_and_by_the_rules_of_the_desk() {
    let site = TestSite::start(app(), &[]).await;
    let ann = Caller::of(site.sign_in("ann", Rank::Plain).await).await;
    let eve = Caller::of(site.sign_in("eve", Rank::Plain).await).await;
    let sam = Caller::of(site.sign_in("sam", Rank::Superuser).await).await;
    let body = json!({"subject": "The printer is on fire", "body": "Smoke."});
    let made = ann.send(Method::POST, "/api/tickets", body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let ticket = made.header("location").to_owned();
    let shown = read(&made);
    assert_eq!(
        (&shown["status"], &shown["customer_name"]),
        (&json!("open"), &json!("ann"))
    );
    assert!(shown.get("assignee_name").is_none(), "of agents alone");
    assert!(sam.get(&ticket).await.get("assignee_name").is_some());
    assert_eq!(
        eve.send(Method::GET, &ticket, Value::Null).await.status,
        404
    );
    // the status is the agents'
    let closed = ann
        .send(Method::PATCH, &ticket, json!({"status": "closed"}))
        .await;
    assert_eq!(closed.status, 403);
    let comments = format!("{ticket}/comments");
    let said = sam
        .send(Method::POST, &comments, json!({"body": "Which one?"}))
        .await;
    assert_eq!(
        (said.status.as_u16(), read(&said)["status"].clone()),
        (200, json!("waiting"))
    );
    let said = ann
        .send(Method::POST, &comments, json!({"body": "The old one."}))
        .await;
    assert_eq!(read(&said)["status"], "open");
    assert_eq!(
        eve.send(Method::POST, &comments, json!({"body": "x"}))
            .await
            .status,
        404
    );
    let id = shown["id"].as_i64().unwrap();
    let list = ann
        .get(&format!("/api/comments?ticket_id={id}&expand=ticket_id"))
        .await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        list["included"]["Ticket"][id.to_string()]["subject"],
        "The printer is on fire"
    );
    assert_eq!(eve.get("/api/comments").await["items"], json!([]));
    let closed = sam
        .send(Method::PATCH, &ticket, json!({"status": "closed"}))
        .await;
    assert_eq!(closed.status, 200, "{}", closed.body);
    // for good
    for refused in [
        sam.send(Method::PATCH, &ticket, json!({"status": "open"}))
            .await,
        ann.send(Method::POST, &comments, json!({"body": "Again."}))
            .await,
    ] {
        assert_eq!(refused.status, 409, "{}", refused.body);
    }
    assert_eq!(sam.get(&ticket).await["status"], "closed");
}

#[tokio::test]
async fn the_document_names_what_its_reader_may_do() {
    let site = TestSite::start(app(), &[]).await;
    let ann = Caller::of(site.sign_in("ann", Rank::Plain).await).await;
    let document = ann.get("/openapi.json").await;
    let paths: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let expected = [
        "/api/comments",
        "/api/comments/{id}",
        "/api/tickets",
        "/api/tickets/{id}",
        "/api/tickets/{id}/comments",
    ];
    assert_eq!(paths, expected);
    assert!(!document.to_string().contains("assignee_name"));
    let mut stranger = site.client();
    assert_eq!(stranger.get("/openapi.json").await.status, 404);
}
