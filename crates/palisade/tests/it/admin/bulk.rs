//! Actions on more rows than a request changes.

use super::desk::{May, TICKETS, events, on_both, staff, stored, ticket, tickets};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::entity::*;
use palisade::sql;
use palisade::testing::{Client, TestSite};

/// Chooses all rows of a filter, and runs an action on them; the page of the job.
async fn run(client: &mut Client, (filter, action): (&str, &str)) -> String {
    let list = format!("/office/tickets{filter}");
    let page = client.get(&list).await;
    let all = page.hidden_field("all").expect(&page.body);
    let chosen = [("action", action), ("all", &*all)];
    let done = client
        .submit(&list, "/office/tickets/action/run", &chosen)
        .await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    assert!(events(&done).is_empty(), "nothing is changed yet");
    done.header("location").to_owned()
}

async fn count(site: &TestSite, status: &str) -> u64 {
    let db = site.site().database().handle();
    let of_status = ticket::Entity::find().filter(ticket::Column::Status.eq(status));
    of_status.count(&db).await.unwrap()
}

const ROWS: i32 = 1_205;

#[tokio::test]
async fn an_action_on_many_rows_is_a_job_with_progress() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &TICKETS).await;
        site.grant("ines", May::ChangeStatus).await;
        let first = tickets(site, site.id_of("ines").await, ROWS).await;
        let page = run(&mut ines, ("", "close")).await;
        let running = ines.get(&page).await;
        assert!(
            running.body.contains("0 of 1205 rows are done") && running.body.contains("<progress"),
            "{}",
            running.body
        );
        assert_eq!(count(site, "closed").await, 0);
        // twice, by a double click
        let all = ines.get("/office/tickets").await.hidden_field("all");
        let chosen = [("action", "close"), ("all", &*all.unwrap())];
        let twice = ines
            .submit("/office/tickets", "/office/tickets/action/run", &chosen)
            .await;
        assert_eq!(twice.status, StatusCode::CONFLICT, "{}", twice.body);
        // no one else's business, and nothing to decide
        let mut piet = staff(site, "piet", &[]).await;
        assert_eq!(piet.get(&page).await.status, StatusCode::NOT_FOUND);
        let decided = ines.submit(&page, &page, &[("decision", "withdraw")]).await;
        assert_eq!(decided.status, StatusCode::CONFLICT, "{}", decided.body);
        let job = sql!("SELECT sealed FROM palisade_job");
        let db = site.site().database().handle();
        let (sealed,): (String,) = db.fetch_one(job).await.unwrap().unwrap();
        site.site().run_due().await.unwrap();
        let done = ines.get(&page).await;
        assert!(done.body.contains("It is done."), "{}", done.body);
        assert_eq!(count(site, "closed").await, 1_205);
        let history = ines
            .get(&format!("/office/tickets/row/{first}/history"))
            .await;
        assert!(
            history.body.contains("close") && history.body.contains("127.0.0.1"),
            "{}",
            history.body
        );
        // the undo of one takes all of them back
        let change = history.hidden_field("change").unwrap();
        let row = format!("/office/tickets/row/{first}");
        let undo = ines
            .submit(&row, &format!("{row}/undo"), &[("change", &change)])
            .await;
        assert_eq!(undo.status, StatusCode::SEE_OTHER, "{}", undo.body);
        assert_eq!(count(site, "closed").await, 0);
        // a second run of the job, as after a crash at its end, changes nothing
        let row = stored(site, first).await.unwrap();
        let again = sql!(
            "UPDATE palisade_job SET state = 'pending', due = 0, leased_until = 0, sealed = ?",
            sealed
        );
        db.write(async |tx| tx.execute_sql(again).await)
            .await
            .unwrap();
        let reports = site.site().run_due().await.unwrap();
        assert!(!reports.is_empty(), "it ran");
        assert_eq!(stored(site, first).await.unwrap().version, row.version);
    })
    .await;
}

// V8.3.1: rights of the moment, and each row by the policy
#[tokio::test]
async fn a_queued_action_has_the_rights_of_its_user_when_it_runs() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &TICKETS).await;
        site.grant("ines", May::ChangeStatus).await;
        let first = tickets(site, site.id_of("ines").await, ROWS).await;
        let page = run(&mut ines, ("", "close")).await;
        site.revoke("ines", "desk.change_ticket").await;
        site.site().run_due().await.unwrap();
        let refused = ines.get(&page).await;
        assert!(
            refused.status == StatusCode::NOT_FOUND || refused.body.contains("refused"),
            "{}",
            refused.body
        );
        assert_eq!(count(site, "closed").await, 0);
        site.grant("ines", "desk.change_ticket").await;
        let refused = ines.get(&page).await;
        assert!(
            refused.body.contains("nothing was changed"),
            "{}",
            refused.body
        );
        // the rank of staff, with the permissions left
        let page = run(&mut ines, ("", "close")).await;
        site.set_rank("ines", Rank::Plain).await;
        site.site().run_due().await.unwrap();
        assert_eq!(count(site, "closed").await, 0);
        site.set_rank("ines", Rank::Staff).await;
        assert!(ines.get(&page).await.body.contains("nothing was changed"));
        // the permission of a column that the action changes
        let page = run(&mut ines, ("", "close")).await;
        site.revoke("ines", May::ChangeStatus).await;
        site.site().run_due().await.unwrap();
        assert!(ines.get(&page).await.body.contains("nothing was changed"));
        assert_eq!(count(site, "closed").await, 0);
        // a row that was changed since it was chosen
        site.grant("ines", May::ChangeStatus).await;
        let page = run(&mut ines, ("", "close")).await;
        let db = site.site().database().handle();
        let other = sql!(
            "UPDATE desk_ticket SET subject = 'other' WHERE id = ?",
            first + 7
        );
        db.write(async |tx| tx.execute_sql(other).await)
            .await
            .unwrap();
        site.site().run_due().await.unwrap();
        let changed = ines.get(&page).await;
        assert!(
            changed.body.contains("changed in the meantime"),
            "{}",
            changed.body
        );
        assert_eq!(count(site, "closed").await, 0);
        // one row in the middle
        let kept = ticket::ActiveModel {
            body: Set("kept".into()),
            ..Default::default()
        };
        let keep = ticket::Entity::update_many()
            .set(kept)
            .filter(ticket::Column::Id.eq(first + 600));
        db.write(async |tx| keep.exec(tx).await).await.unwrap();
        let page = run(&mut ines, ("", "delete")).await;
        site.site().run_due().await.unwrap();
        let refused = ines.get(&page).await;
        assert!(
            refused
                .body
                .contains(&format!("nothing was changed: ticket {}", first + 600)),
            "{}",
            refused.body
        );
        assert_eq!(ticket::Entity::find().count(&db).await.unwrap(), 1_205);
    })
    .await;
}
