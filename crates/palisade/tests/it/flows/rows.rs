use super::site::{Status, on_both, order, order_of, payments, token};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::flows::StateReport;
use palisade::testing::{Client, TestSite};
use sea_orm::EntityTrait;

async fn row(site: &TestSite, id: i32) -> order::Model {
    let db = site.site().database().handle();
    order::Entity::find_by_id(id)
        .one(&db)
        .await
        .unwrap()
        .unwrap()
}

// F080: all transitions of a declaration are examined
#[test]
fn a_declaration_of_states_is_examined() {
    StateReport::of(Status::Cart).assert_ends_in(&[Status::Sent, Status::Cancelled]);
    let late = StateReport::of(Status::Paid);
    assert_eq!(late.unreachable, [Status::Cart]);
    let wrong =
        std::panic::catch_unwind(|| StateReport::of(Status::Cart).assert_ends_in(&[Status::Sent]));
    assert!(wrong.is_err());
}

// F080 V2.3.1: steps in order, each by its side
#[tokio::test]
async fn a_row_moves_along_declared_transitions_only() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut shop = site.sign_in("shop", Rank::Staff).await;
        let id = order_of(site, site.id_of("ann").await).await;
        let path = format!("/orders/{id}/advance");
        let move_by = async |client: &mut Client, from: &str, to: &str| {
            client
                .submit("/pay", &path, &[("from", from), ("to", to)])
                .await
                .status
                .as_u16()
        };
        assert_eq!(
            move_by(&mut ann, "cart", "sent").await,
            409,
            "a step is left out"
        );
        assert_eq!(
            move_by(&mut shop, "cart", "paid").await,
            409,
            "by the other side"
        );
        assert_eq!(
            move_by(&mut shop, "paid", "sent").await,
            409,
            "from a state it is not in"
        );
        assert_eq!(move_by(&mut ann, "cart", "nonsense").await, 400);
        assert_eq!(row(site, id).await.moves, 0, "nothing happened");
        assert_eq!(move_by(&mut ann, "cart", "paid").await, 200);
        assert_eq!(move_by(&mut ann, "cart", "paid").await, 409, "twice");
        assert_eq!(move_by(&mut ann, "paid", "cancelled").await, 409);
        assert_eq!(move_by(&mut shop, "paid", "sent").await, 200);
        let sent = row(site, id).await;
        assert_eq!((sent.status.as_str(), sent.moves), ("sent", 2));
    })
    .await;
}

// F080 V2.3.4: of many transitions at once, one happens
#[tokio::test]
async fn a_transition_runs_once() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let id = order_of(site, site.id_of("ann").await).await;
        let token = token(&mut ann).await;
        let cookies = ann.cookies().clone();
        let path = format!("/orders/{id}/advance");
        let send = async |number: usize| {
            let mut client = site.client();
            *client.cookies() = cookies.clone();
            let to = if number.is_multiple_of(2) {
                "paid"
            } else {
                "cancelled"
            };
            let fields = [
                ("csrfmiddlewaretoken", token.as_str()),
                ("from", "cart"),
                ("to", to),
            ];
            client.post(&path, &fields).await.status
        };
        let answers = futures_util::future::join_all((0..20).map(send)).await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1);
        assert!(
            answers
                .iter()
                .all(|status| [200, 409].contains(&status.as_u16()))
        );
        assert_eq!(row(site, id).await.moves, 1);
    })
    .await;
}

// F080: optimistic locks without a column: what was seen, what is there, what was typed
#[tokio::test]
async fn a_form_that_was_overtaken_shows_all_three() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut bob = site.sign_in("bob", Rank::Plain).await;
        let id = order_of(site, site.id_of("ann").await).await;
        let path = format!("/orders/{id}/edit");
        let page = ann.get(&path).await;
        let seen = page.hidden_field("seen").unwrap();
        let token = page.token().unwrap();
        let theirs = bob.get(&path).await.hidden_field("seen").unwrap();
        let fields = [
            ("title", "Coffee"),
            ("note", "black"),
            ("seen", theirs.as_str()),
        ];
        assert_eq!(
            bob.submit(&path, &path, &fields).await.status,
            StatusCode::SEE_OTHER
        );
        let typed = [
            ("csrfmiddlewaretoken", token.as_str()),
            ("title", "Cocoa"),
            ("note", "green"),
            ("seen", seen.as_str()),
        ];
        let conflict = ann.post(&path, &typed).await;
        assert_eq!(conflict.status, StatusCode::CONFLICT);
        for shown in [
            "Another user has changed this",
            "When you opened it: <q>Tea</q>",
            "Now: <q>Coffee</q>",
            "value=\"Cocoa\"",
            "Now: <q>black</q>",
        ] {
            assert!(conflict.body.contains(shown), "{shown}: {}", conflict.body);
        }
        assert_eq!(row(site, id).await.title, "Coffee", "nothing is lost");
        // sent again, knowing what is there
        let seen = conflict.hidden_field("seen").unwrap();
        assert!(seen.contains("Coffee"), "{seen}");
        let again = [
            ("title", "Cocoa"),
            ("note", "green"),
            ("seen", seen.as_str()),
        ];
        let page = ann.submit(&path, &path, &again).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.body);
        assert_eq!(row(site, id).await.title, "Cocoa");
        // an invented or a missing value changes nothing
        for seen in [
            "",
            "{}",
            "nonsense",
            "{\"title\":\"Tea\",\"note\":\"green\"}",
        ] {
            let fields = [("title", "Forged"), ("note", "x"), ("seen", seen)];
            let status = ann.submit(&path, &path, &fields).await.status;
            assert!([409, 422].contains(&status.as_u16()), "{seen}: {status}");
        }
        assert_eq!(row(site, id).await.title, "Cocoa");
    })
    .await;
}

#[tokio::test]
async fn of_many_changes_of_one_page_one_is_stored() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let id = order_of(site, site.id_of("ann").await).await;
        let path = format!("/orders/{id}/edit");
        let page = ann.get(&path).await;
        let (seen, token) = (page.hidden_field("seen").unwrap(), page.token().unwrap());
        let cookies = ann.cookies().clone();
        let send = async |number: usize| {
            let mut client = site.client();
            *client.cookies() = cookies.clone();
            let title = format!("title {number}");
            let fields = [
                ("csrfmiddlewaretoken", token.as_str()),
                ("title", &title),
                ("note", "x"),
                ("seen", &seen),
            ];
            client.post(&path, &fields).await.status
        };
        let answers = futures_util::future::join_all((0..10).map(send)).await;
        assert_eq!(
            answers.iter().filter(|status| **status == 303).count(),
            1,
            "{answers:?}"
        );
        assert!(
            answers
                .iter()
                .all(|status| [303, 409].contains(&status.as_u16()))
        );
    })
    .await;
}

// V2.3.2: concurrent requests stay within the quota, and what is refused is recorded
#[tokio::test]
async fn a_quota_holds_for_requests_at_once() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let token = token(&mut ann).await;
        let cookies = ann.cookies().clone();
        let send = async |_| {
            let mut client = site.client();
            *client.cookies() = cookies.clone();
            let answer = client
                .post("/refund", &[("csrfmiddlewaretoken", &token)])
                .await;
            (answer.status.as_u16(), answer.events())
        };
        let answers = futures_util::future::join_all((0..10).map(send)).await;
        assert_eq!(
            answers.iter().filter(|(status, _)| *status == 200).count(),
            3
        );
        let refused: Vec<_> = answers
            .iter()
            .filter(|(status, _)| *status == 429)
            .collect();
        assert_eq!(refused.len(), 7);
        let (_, events) = refused[0];
        assert!(
            events.iter().any(|event| event.contains("quota_exceeded")),
            "{events:?}"
        );
        assert_eq!(payments(site).await, 3);
        let answer = ann.submit("/pay", "/refund", &[]).await;
        assert!(
            answer.body.contains("This can be done 3 times in a day"),
            "{}",
            answer.body
        );
        // another user has a quota of their own, and the next day a new one begins
        let mut bob = site.sign_in("bob", Rank::Plain).await;
        assert_eq!(
            bob.submit("/pay", "/refund", &[]).await.status,
            StatusCode::OK
        );
        site.clock().advance(chrono::TimeDelta::days(1));
        let mut ann = site.client();
        ann.log_in("ann", palisade::testing::PASSWORD).await;
        assert_eq!(
            ann.submit("/pay", "/refund", &[]).await.status,
            StatusCode::OK
        );
        assert_eq!(payments(site).await, 5);
    })
    .await;
}

// F080: a second person, by the rule of the row
#[tokio::test]
async fn a_request_is_approved_by_another_person() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut bob = site.sign_in("bob", Rank::Plain).await;
        let id = order_of(site, site.id_of("ann").await).await;
        let path = format!("/orders/{id}/delete");
        assert_eq!(
            ann.submit("/pay", &path, &[]).await.status,
            StatusCode::FORBIDDEN
        );
        assert_eq!(row(site, id).await.id, id);
        assert_eq!(bob.submit("/pay", &path, &[]).await.status, StatusCode::OK);
    })
    .await;
}

// a client that disconnects at any point: the state and its count are both changed, or neither
#[tokio::test]
async fn a_disconnected_client_leaves_no_half_transition() {
    on_both(async |site| {
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let owner = site.id_of("ann").await;
        for polls in 1..25 {
            let id = order_of(site, owner).await;
            let path = format!("/orders/{id}/advance");
            let token = token(&mut ann).await;
            let fields = [
                ("csrfmiddlewaretoken", token.as_str()),
                ("from", "cart"),
                ("to", "paid"),
            ];
            ann.post_and_hang_up(&path, &fields, polls).await;
            site.site().changes_ended().await;
            let order = row(site, id).await;
            let is_whole =
                [("cart", 0), ("paid", 1)].contains(&(order.status.as_str(), order.moves));
            assert!(
                is_whole,
                "after {polls} polls: {} {}",
                order.status, order.moves
            );
        }
    })
    .await;
}
