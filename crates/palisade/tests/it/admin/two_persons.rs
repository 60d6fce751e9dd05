//! Approval by a second person (V2.3.5).

use super::desk::{COMMENTS, May, TICKETS, events, on_both, staff, stored, tickets};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};

/// The path of the one proposal that waits.
async fn waiting(client: &mut Client) -> String {
    let page = client.get("/office/proposals").await.body;
    let start = page.find("/office/proposals/").expect("a proposal");
    page[start..].split('"').next().unwrap().to_owned()
}

async fn propose(site: &TestSite, client: &mut Client, action: &str, key: &str) -> String {
    let chosen = [("action", action), ("key", key)];
    let made = client
        .submit("/office/tickets", "/office/tickets/action/run", &chosen)
        .await;
    assert_eq!(events(&made), ["admin_proposed"], "{}", made.body);
    let _ = site;
    waiting(client).await
}

const APPROVE: [(&str, &str); 1] = [("decision", "approve")];

#[tokio::test]
async fn another_person_approves_and_no_one_is_exempt() {
    on_both(async |site| {
        // a superuser proposes, and may do everything else
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let id = tickets(site, site.id_of("root").await, 2).await;
        let proposal = propose(site, &mut root, "purge", &id.to_string()).await;
        assert!(stored(site, id).await.is_some(), "nothing yet");
        let own = root.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(
            (own.status, events(&own)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()])
        );
        // staff with the permission on the row, and without that of approval
        let mut piet = staff(site, "piet", &TICKETS).await;
        let refused = piet.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        // staff with that of approval only
        let mut eve = staff(site, "eve", &["desk.view_ticket", "palisade.approve"]).await;
        let refused = eve.submit("/office/tickets", &proposal, &APPROVE).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(stored(site, id).await.is_some());
        site.grant("piet", "palisade.approve").await;
        assert!(piet.get("/office").await.body.contains("1 proposal waits"));
        let done = piet.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(
            done.header("location"),
            "/office/proposals",
            "{}",
            done.body
        );
        assert_eq!(events(&done), ["admin_changed", "admin_decided"]);
        assert!(stored(site, id).await.is_none());
        let again = piet.submit("/office/proposals", &proposal, &APPROVE).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "once");
    })
    .await;
}

#[tokio::test]
async fn a_proposal_for_rows_that_were_changed_is_not_carried_out() {
    on_both(async |site| {
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let mut second = site.sign_in("second", Rank::Superuser).await;
        let id = tickets(site, site.id_of("root").await, 2).await;
        let proposal = propose(site, &mut root, "raise", &id.to_string()).await;
        let db = site.site().database().handle();
        let sql = sql!("UPDATE desk_ticket SET subject = 'other' WHERE id = ?", id);
        db.write(async |tx| tx.execute_sql(sql).await)
            .await
            .unwrap();
        let late = second.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        assert_eq!(stored(site, id).await.unwrap().salary, 1000);
        // it still waits: withdrawn by its author, and by no one else
        let refused = second
            .submit(&proposal, &proposal, &[("decision", "withdraw")])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        let gone = root
            .submit(&proposal, &proposal, &[("decision", "withdraw")])
            .await;
        assert_eq!(events(&gone), ["admin_decided"]);

        // and for a day only
        let other = propose(site, &mut root, "raise", &(id + 1).to_string()).await;
        site.clock().advance(palisade::chrono::TimeDelta::hours(25));
        let mut third = site.sign_in("third", Rank::Superuser).await;
        let late = third.submit("/office/proposals", &other, &APPROVE).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        assert_eq!(stored(site, id + 1).await.unwrap().salary, 1001);
    })
    .await;
}

#[tokio::test]
async fn operations_of_a_resource_can_need_two_persons() {
    on_both(async |site| {
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let id = tickets(site, site.id_of("root").await, 1).await.to_string();
        root.submit(
            "/office/comments/add",
            "/office/comments/add",
            &[("text", "x"), ("ticket_id", &id)],
        )
        .await;
        let path = "/office/comments/row/1";
        let asked = root
            .submit(path, &format!("{path}/delete"), &[("why", "spam")])
            .await;
        assert_eq!(events(&asked), ["admin_proposed"], "{}", asked.body);
        assert_eq!(root.get(path).await.status, StatusCode::OK, "it is there");
        // an action that changes a row is a change
        let shout = [("action", "shout"), ("key", "1")];
        let asked = root
            .submit("/office/comments", "/office/comments/action/run", &shout)
            .await;
        assert_eq!(events(&asked), ["admin_proposed"], "{}", asked.body);
        assert!(!root.get(path).await.body.contains("<h1>X</h1>"));
        // the list's own delete is a proposal, too
        let chosen = [("action", "delete"), ("key", "1")];
        let bulk = root
            .submit("/office/comments", "/office/comments/action/run", &chosen)
            .await;
        assert_eq!(events(&bulk), ["admin_proposed"]);
        let mut piet = staff(site, "piet", &COMMENTS).await;
        site.grant("piet", "palisade.approve").await;
        let proposal = waiting(&mut piet).await;
        let done = piet.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
        assert_eq!(root.get(path).await.status, StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test]
async fn one_person_does_not_undo_what_needed_two() {
    on_both(async |site| {
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let id = tickets(site, site.id_of("root").await, 1).await.to_string();
        let add = "/office/comments/add";
        root.submit(add, add, &[("text", "hello"), ("ticket_id", &id)])
            .await;
        let path = "/office/comments/row/1";
        let shout = [("action", "shout"), ("key", "1")];
        root.submit("/office/comments", "/office/comments/action/run", &shout)
            .await;
        let mut piet = staff(site, "piet", &COMMENTS).await;
        site.grant("piet", "palisade.approve").await;
        let proposal = waiting(&mut piet).await;
        piet.submit(&proposal, &proposal, &APPROVE).await;
        assert!(root.get(path).await.body.contains("HELLO"));
        let history = root.get(&format!("{path}/history")).await;
        let change = history.hidden_field("change").expect(&history.body);
        for client in [&mut root, &mut piet] {
            let undo = client
                .submit(path, &format!("{path}/undo"), &[("change", &change)])
                .await;
            assert_eq!(undo.status, StatusCode::CONFLICT, "{}", undo.body);
            assert!(client.get(path).await.body.contains("HELLO"));
        }
    })
    .await;
}

// V8.2.3: columns are judged for the approver
#[tokio::test]
async fn an_approval_needs_the_permissions_of_the_columns() {
    on_both(async |site| {
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let id = tickets(site, site.id_of("root").await, 1).await;
        let proposal = propose(site, &mut root, "raise", &id.to_string()).await;
        let mut piet = staff(site, "piet", &TICKETS).await;
        site.grant("piet", "palisade.approve").await;
        let refused = piet.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
        assert_eq!(stored(site, id).await.unwrap().salary, 1000);
        site.grant("piet", May::SeeSalary).await;
        let done = piet.submit(&proposal, &proposal, &APPROVE).await;
        assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
        assert_eq!(stored(site, id).await.unwrap().salary, 1001);
    })
    .await;
}
