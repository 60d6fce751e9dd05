//! Exports: behind a rule, limited, recorded, and harmless to spreadsheets.

use super::site::order;
use http::StatusCode;
use palisade::auth::Rank;
use palisade::entity::*;
use palisade::exports::{Export, export};
use palisade::prelude::*;
use palisade::testing::{Client, PASSWORD, TestDatabase, TestSite};

#[derive(Permission, Clone, Copy)]
#[permission(app = "shop")]
enum May {
    ExportOrders,
}

#[derive(Columns)]
#[columns(entity = order::Entity)]
struct OrderRow {
    id: i32,
    title: String,
    status: String,
}

#[derive(Form)]
struct Filter {
    status: Option<Line<20>>,
}

async fn orders(
    export: Export,
    rows: AllowedRows<order::Entity>,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let mut found = rows.find().order_by_asc(order::Column::Id);
    if let Some(status) = &filter.status {
        found = found.filter(order::Column::Status.eq(&**status));
    }
    export.csv::<_, OrderRow>("orders", found).await
}

async fn as_json(export: Export, rows: AllowedRows<order::Entity>) -> Result<Response> {
    export
        .json::<_, OrderRow>("orders", rows.find().order_by_asc(order::Column::Id))
        .await
}

fn app() -> App {
    super::site::app().permissions::<May>().routes(
        Routes::new()
            .route("/orders.csv", export(May::ExportOrders).get(orders))
            .route("/orders.json", export(May::ExportOrders).get(as_json))
            // a mistake: no rule of an export
            .route("/careless.csv", signed_in().get(orders)),
    )
}

async fn add(site: &TestSite, title: &str, status: &str) {
    let row = order::ActiveModel {
        owner_id: Set(1),
        requested_by: Set(1),
        title: Set(title.into()),
        note: Set("canary".into()),
        status: Set(status.into()),
        moves: Set(0),
        ..Default::default()
    };
    let database = site.site().database();
    database
        .write(async |tx| tx.insert_row(row).await)
        .await
        .unwrap();
}

async fn on_both(test: impl AsyncFn(&TestSite)) {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        if let Some(site) = TestSite::start_on(database, app(), &[]).await {
            test(&site).await;
        }
    }
}

// F081 V1.2.10 D47
#[tokio::test]
async fn an_export_is_recorded_and_no_formula() {
    on_both(async |site| {
        add(site, "=1+1", "cart").await;
        add(site, "Tea; \"green\"", "paid").await;
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        site.grant("ann", May::ExportOrders).await;
        let answer = ann.get("/orders.csv").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let lines: Vec<&str> = answer.body.lines().collect();
        assert_eq!(lines[0], "\"id\",\"title\",\"status\"");
        assert!(lines[1].ends_with("\"'=1+1\",\"cart\""), "{}", lines[1]);
        assert!(
            lines[2].ends_with("\"Tea; \"\"green\"\"\",\"paid\""),
            "{}",
            lines[2]
        );
        assert!(
            !answer.body.contains("canary"),
            "columns that are not named"
        );
        assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("content-disposition")
                .starts_with("attachment; filename=\"orders-20")
        );
        assert!(answer.header("cache-control").contains("no-store"));
        let filtered = ann.get("/orders.csv?status=paid").await;
        assert_eq!(filtered.body.lines().count(), 2);
        let event = filtered
            .events()
            .into_iter()
            .find(|event| event.contains("event.action=exported"));
        let event = event.unwrap();
        let hash: String = {
            use sha2::{Digest, Sha256};
            Sha256::digest(filtered.body.as_bytes())
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        for part in ["user.id=user:", "1 rows", &hash, "/orders.csv?status=paid"] {
            assert!(event.contains(part), "{part}: {event}");
        }
        let json = ann.get("/orders.json").await;
        let rows: serde_json::Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!(rows[0]["title"], "=1+1", "JSON is as it is");
    })
    .await;
}

// F081: permission, recent login, limit; and nothing without the rule
#[tokio::test]
async fn an_export_needs_its_rule() {
    on_both(async |site| {
        add(site, "Tea", "cart").await;
        assert_eq!(
            site.client().get("/orders.csv").await.status,
            StatusCode::SEE_OTHER
        );
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        assert_eq!(ann.get("/orders.csv").await.status, StatusCode::FORBIDDEN);
        let careless = ann.get("/careless.csv").await;
        assert_eq!(careless.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(
            careless
                .events()
                .iter()
                .any(|event| event.contains("behind a rule of its own"))
        );
        assert!(
            !careless
                .events()
                .iter()
                .any(|event| event.contains("exported"))
        );
        site.grant("ann", May::ExportOrders).await;
        site.clock().advance(chrono::TimeDelta::minutes(61));
        let old = ann.get("/orders.csv").await;
        assert_eq!(old.status, StatusCode::SEE_OTHER, "the login is too old");
        assert!(
            old.header("location")
                .starts_with("/account/reauthenticate")
        );
        let mut ann = site.client();
        ann.log_in("ann", PASSWORD).await;
        let mut answers = Vec::new();
        for _ in 0..25 {
            answers.push(ann.get("/orders.csv").await.status.as_u16());
        }
        assert_eq!(
            answers.iter().filter(|status| **status == 200).count(),
            20,
            "{answers:?}"
        );
        assert_eq!(answers.last(), Some(&429));
    })
    .await;
}

// 50 at once do not mix
#[tokio::test]
async fn exports_at_once_do_not_mix() {
    let site = TestSite::start(app(), &[]).await;
    for number in 0..50 {
        add(&site, &format!("title {number}"), &format!("s{number}")).await;
    }
    let mut clients: Vec<Client> = Vec::new();
    for number in 0..5 {
        let name = format!("user{number}");
        clients.push(site.sign_in(&name, Rank::Plain).await);
        site.grant(&name, May::ExportOrders).await;
    }
    let cookies: Vec<_> = clients
        .iter_mut()
        .map(|client| client.cookies().clone())
        .collect();
    let fetch = async |number: usize| {
        let mut client = site.client();
        *client.cookies() = cookies[number % 5].clone();
        client.get(&format!("/orders.csv?status=s{number}")).await
    };
    let answers = futures_util::future::join_all((0..50).map(fetch)).await;
    for (number, answer) in answers.iter().enumerate() {
        let expected = format!("\"title {number}\",\"s{number}\"");
        assert_eq!(answer.body.lines().count(), 2, "{}", answer.body);
        assert!(
            answer.body.contains(&expected),
            "{expected}: {}",
            answer.body
        );
    }
}
