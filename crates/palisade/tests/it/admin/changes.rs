//! Changes: forged forms, the three-way page, history and undo, the bin, actions.

use super::desk::{COMMENTS, May, TICKETS, events, on_both, staff, stored, ticket, tickets};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::entity::*;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, PASSWORD, TestSite};
use sha2::{Digest, Sha256};

/// The fields of the form of ticket 000.
const FORM: [(&str, &str); 5] = [
    ("subject", "Ticket 000"),
    ("body", "text"),
    ("status", "open"),
    ("assignee_id", ""),
    ("due", ""),
];

async fn with_tickets(site: &TestSite) -> (Client, i32) {
    let ines = staff(site, "ines", &TICKETS).await;
    site.grant("ines", May::ChangeStatus).await;
    let first = tickets(site, site.id_of("ines").await, 3).await;
    (ines, first)
}

/// Sends the form of a page with some fields changed.
async fn save(client: &mut Client, path: &str, changed: &[(&str, &str)]) -> Answer {
    let page = client.get(path).await;
    let seen = page.hidden_field("seen").unwrap_or_default();
    let mut fields: Vec<(&str, &str)> = FORM.to_vec();
    for (name, value) in changed {
        fields.retain(|(known, _)| known != name);
        fields.push((name, value));
    }
    if !fields.iter().any(|(name, _)| *name == "seen") {
        fields.push(("seen", &seen));
    }
    client.submit(path, path, &fields).await
}

// V16.3.3
#[tokio::test]
async fn a_change_is_in_the_history_with_its_values_and_can_be_undone() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let path = format!("/office/tickets/row/{id}");
        let owner = site.id_of("ines").await.to_string();
        let saved = save(
            &mut ines,
            &path,
            &[
                ("subject", "New <b>"),
                ("why", "a typo"),
                ("assignee_id", &owner),
                ("due", "2026-11-01"),
            ],
        )
        .await;
        assert_eq!(saved.header("location"), path, "{}", saved.body);
        assert_eq!(events(&saved), ["admin_changed"]);
        let row = stored(site, id).await.unwrap();
        assert_eq!(
            (&*row.subject, row.version, &*row.canary),
            ("New <b>", 2, "canary-4711")
        );
        let history = ines.get(&format!("{path}/history")).await;
        for part in [
            "<del>Ticket 000</del>",
            "<ins>New &lt;b&gt;</ins>",
            "a typo",
            "ines",
        ] {
            assert!(history.body.contains(part), "{part}: {}", history.body);
        }
        let change = history.hidden_field("change").unwrap();
        let undone = ines
            .submit(
                &format!("{path}/history"),
                &format!("{path}/undo"),
                &[("change", &change)],
            )
            .await;
        assert_eq!(
            undone.header("location"),
            format!("{path}/history"),
            "{}",
            undone.body
        );
        assert_eq!(stored(site, id).await.unwrap().subject, "Ticket 000");
        // not twice: the row has other values now
        let again = ines
            .submit(&path, &format!("{path}/undo"), &[("change", &change)])
            .await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        // nor on another row, nor by a user without the permission
        let other = format!("/office/tickets/row/{}", id + 1);
        let foreign = ines
            .submit(&other, &format!("{other}/undo"), &[("change", &change)])
            .await;
        assert_eq!(foreign.status, StatusCode::NOT_FOUND);
        let mut piet = staff(site, "piet", &["desk.view_ticket"]).await;
        let refused = piet
            .submit(
                "/office/tickets",
                &format!("{path}/undo"),
                &[("change", &change)],
            )
            .await;
        assert_eq!(
            (refused.status, events(&refused)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()])
        );
    })
    .await;
}

// D41 D42 CVE-2026-4277 CVE-2025-2304: each forged form leaves the row as it was, and is an event
#[tokio::test]
async fn forged_forms_change_nothing() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        site.revoke("ines", May::ChangeStatus).await;
        let path = format!("/office/tickets/row/{id}");
        let other = ines
            .get(&format!("/office/tickets/row/{}", id + 1))
            .await
            .hidden_field("seen")
            .unwrap();
        let mut piet = staff(site, "piet", &TICKETS).await;
        let foreign = piet.get(&path).await.hidden_field("seen").unwrap();
        let before = stored(site, id).await.unwrap();
        let seen = ines.get(&path).await.hidden_field("seen").unwrap();
        let plain = [
            ("subject", "x"),
            ("body", "x"),
            ("assignee_id", ""),
            ("due", ""),
        ];
        for forged in [
            ("status", "closed"),
            ("salary", "1"),
            ("canary", "x"),
            ("version", "9"),
            ("owner_id", "2"),
            ("id", "2"),
            ("opened_at", "2020-01-01T00:00"),
            ("text", "the field of another resource"),
            ("ticket_id", "1"),
        ] {
            let mut fields = plain.to_vec();
            fields.push(forged);
            fields.push(("seen", &seen));
            let answer = ines.submit(&path, &path, &fields).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{forged:?}");
            assert_eq!(events(&answer), ["access_denied"], "{forged:?}");
        }
        for wrong in [&*other, &*foreign, "", "x"] {
            let mut fields = plain.to_vec();
            fields.push(("seen", wrong));
            let answer = ines.submit(&path, &path, &fields).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
            assert_eq!(events(&answer), ["access_denied"], "{wrong}");
        }
        let twice = [
            ("subject", "x"),
            ("subject", "y"),
            ("body", "x"),
            ("seen", &seen),
        ];
        assert_eq!(
            ines.submit(&path, &path, &twice).await.status,
            StatusCode::BAD_REQUEST
        );
        // a user that the user may not see is no choice
        let hidden = [
            ("subject", "x"),
            ("body", "x"),
            ("assignee_id", "99999"),
            ("due", ""),
            ("seen", &seen),
        ];
        let answer = ines.submit(&path, &path, &hidden).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains("Choose one of the list."));
        let mut eve = staff(site, "eve", &["desk.view_ticket"]).await;
        let refused = eve.submit("/office/tickets", &path, &plain).await;
        assert_eq!(
            (refused.status, events(&refused)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()])
        );
        assert_eq!(stored(site, id).await.unwrap(), before);
    })
    .await;
}

// #2596 of others: the last save does not win
#[tokio::test]
async fn two_changes_at_once_show_both_and_lose_nothing_that_was_typed() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let path = format!("/office/tickets/row/{id}");
        let mut piet = staff(site, "piet", &TICKETS).await;
        site.grant("piet", May::ChangeStatus).await;
        let old = ines.get(&path).await.hidden_field("seen").unwrap();
        let owner = site.id_of("ines").await.to_string();
        let keep: [(&str, &str); 2] = [("assignee_id", ""), ("due", "")];
        let mut first = vec![("body", "by Piet"), ("status", "waiting")];
        first.extend(keep);
        save(&mut piet, &path, &first).await;
        let row = stored(site, id).await.unwrap();
        assert_eq!((&*row.body, &*row.status), ("by Piet", "waiting"));
        // Ines changes the subject, with what she saw before
        let late = save(
            &mut ines,
            &path,
            &[
                ("subject", "by Ines"),
                ("seen", &old),
                ("assignee_id", &owner),
            ],
        )
        .await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        for part in [
            "by Ines",
            "by Piet",
            "When you opened it: <q>text</q>",
            "changed in the meantime",
        ] {
            assert!(late.body.contains(part), "{part}: {}", late.body);
        }
        assert_eq!(stored(site, id).await.unwrap().subject, "Ticket 000");
        // sent again as the page offers it
        let seen = late.hidden_field("seen").unwrap();
        let again = save(
            &mut ines,
            &path,
            &[
                ("subject", "by Ines"),
                ("body", "by Piet"),
                ("status", "waiting"),
                ("seen", &seen),
            ],
        )
        .await;
        assert_eq!(again.header("location"), path, "{}", again.body);
        let row = stored(site, id).await.unwrap();
        assert_eq!(
            (&*row.subject, &*row.body, &*row.status),
            ("by Ines", "by Piet", "waiting")
        );
    })
    .await;
}

#[tokio::test]
async fn invalid_and_taken_values_come_back_with_what_was_typed() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let path = format!("/office/tickets/row/{id}");
        let long = "x".repeat(121);
        let invalid = save(&mut ines, &path, &[("subject", &long), ("body", "kept")]).await;
        assert_eq!(invalid.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(invalid.body.contains("kept"));
        let taken = save(
            &mut ines,
            &path,
            &[("subject", "Ticket 001"), ("body", "kept")],
        )
        .await;
        assert_eq!(taken.status, StatusCode::CONFLICT);
        assert!(
            taken.body.contains("kept") && taken.body.contains("has this value already"),
            "{}",
            taken.body
        );
        let taken = ines
            .submit(
                "/office/tickets/add",
                "/office/tickets/add",
                &[
                    ("subject", "Ticket 001"),
                    ("body", "kept"),
                    ("status", "open"),
                ],
            )
            .await;
        assert_eq!(taken.status, StatusCode::CONFLICT);
        let made = ines
            .submit(
                "/office/tickets/add",
                "/office/tickets/add",
                &[("subject", "New"), ("body", "b"), ("status", "open")],
            )
            .await;
        assert_eq!(
            (made.status, events(&made)),
            (StatusCode::SEE_OTHER, vec!["admin_changed".to_owned()]),
            "{}",
            made.body
        );
        let page = ines.get(made.header("location")).await;
        assert!(page.body.contains("<h1>New</h1>"), "{}", page.body);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_row_is_in_the_bin_and_returns_with_all_its_columns() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let before = stored(site, id).await.unwrap();
        let path = format!("/office/tickets/row/{id}");
        let ask = ines.get(&format!("{path}/delete")).await;
        assert!(
            ask.body.contains("Ticket 000") && ask.body.contains("30 days"),
            "{}",
            ask.body
        );
        let deleted = ines
            .submit(
                &format!("{path}/delete"),
                &format!("{path}/delete"),
                &[("why", "")],
            )
            .await;
        assert_eq!(
            deleted.header("location"),
            "/office/tickets",
            "{}",
            deleted.body
        );
        assert_eq!(stored(site, id).await, None);
        assert_eq!(ines.get(&path).await.status, StatusCode::NOT_FOUND);
        let bin = ines.get("/office/bin").await;
        let row = bin.hidden_field("id").unwrap();
        // the policy of a deleted row cannot be asked: others see its number
        let mut otto = staff(site, "otto", &TICKETS).await;
        let bin = otto.get("/office/bin").await;
        assert!(
            bin.body.contains(&format!("ticket {id}")) && !bin.body.contains("Ticket 000"),
            "{}",
            bin.body
        );
        // not for users who may not delete
        let mut piet = staff(site, "piet", &TICKETS[..3]).await;
        assert!(!piet.get("/office/bin").await.body.contains("Ticket 000"));
        let stolen = piet
            .submit("/office/bin", "/office/bin", &[("id", &row)])
            .await;
        assert_eq!(stolen.status, StatusCode::FORBIDDEN);
        let back = ines
            .submit("/office/bin", "/office/bin", &[("id", &row)])
            .await;
        assert_eq!(back.header("location"), path, "{}", back.body);
        assert_eq!(
            stored(site, id).await.unwrap(),
            before,
            "with columns that are not declared"
        );
        let again = ines
            .submit("/office/bin", "/office/bin", &[("id", &row)])
            .await;
        assert_eq!(again.status, StatusCode::NOT_FOUND);
        // for thirty days
        ines.submit(
            &format!("{path}/delete"),
            &format!("{path}/delete"),
            &[("why", "")],
        )
        .await;
        let row = ines.get("/office/bin").await.hidden_field("id").unwrap();
        site.clock().advance(palisade::chrono::TimeDelta::days(31));
        site.site().retention_run().await.unwrap();
        let db = site.site().database().handle();
        let left: Option<(i64,)> = db
            .fetch_one(sql!("SELECT COUNT(*) FROM palisade_bin"))
            .await
            .unwrap();
        assert_eq!(left, Some((0,)), "{row}");
    })
    .await;
}

#[tokio::test]
async fn a_row_with_others_is_not_deleted_before_them() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        for permission in COMMENTS {
            site.grant("ines", permission).await;
        }
        let id = id.to_string();
        let made = ines
            .submit(
                "/office/comments/add",
                "/office/comments/add",
                &[("text", "first"), ("ticket_id", &id)],
            )
            .await;
        assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.body);
        let path = format!("/office/tickets/row/{id}");
        assert!(
            ines.get(&path).await.body.contains("first"),
            "children are on the page"
        );
        let ask = ines.get(&format!("{path}/delete")).await;
        assert!(ask.body.contains("1 comments"), "{}", ask.body);
        let refused = ines
            .submit(&path, &format!("{path}/delete"), &[("why", "")])
            .await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        let bulk = [("action", "delete"), ("key", &*id)];
        let refused = ines
            .submit("/office/tickets", "/office/tickets/action/run", &bulk)
            .await;
        assert_eq!(refused.status, StatusCode::CONFLICT);
        assert!(stored(site, id.parse().unwrap()).await.is_some());
    })
    .await;
}

// D43 filament#2143: each row is judged, and nothing happens by halves
#[tokio::test]
async fn actions_judge_each_row_and_change_all_or_none() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let (one, two) = (id.to_string(), (id + 1).to_string());
        let list = "/office/tickets";
        let chosen = [("action", "close"), ("key", &*one), ("key", &*two)];
        let confirm = ines.submit(list, "/office/tickets/action", &chosen).await;
        assert!(
            confirm.body.contains("Close: 2 rows") && confirm.body.contains("Ticket 001"),
            "{}",
            confirm.body
        );
        assert_eq!(
            stored(site, id).await.unwrap().status,
            "open",
            "nothing yet"
        );
        let done = ines
            .submit(list, "/office/tickets/action/run", &chosen)
            .await;
        assert_eq!(
            (done.header("location"), events(&done).len()),
            (list, 2),
            "{}",
            done.body
        );
        assert_eq!(stored(site, id).await.unwrap().status, "closed");
        let history = ines.get(&format!("/office/tickets/row/{id}/history")).await;
        assert!(
            history.body.contains("Another column"),
            "an undeclared column is named without values"
        );
        assert!(!history.body.contains("touched") && !history.body.contains("canary-4711"));
        // deletion of two, of which one is kept by the policy
        let db = site.site().database().handle();
        let kept = ticket::ActiveModel {
            body: Set("kept".into()),
            ..Default::default()
        };
        let keep = ticket::Entity::update_many()
            .set(kept)
            .filter(ticket::Column::Id.eq(id));
        db.write(async |tx| keep.exec(tx).await).await.unwrap();
        let chosen = [("action", "delete"), ("key", &*one), ("key", &*two)];
        let refused = ines
            .submit(list, "/office/tickets/action/run", &chosen)
            .await;
        assert_eq!(refused.header("location"), list);
        let page = ines.get(list).await;
        assert!(
            page.body.contains("Nothing was done") && page.body.contains(&format!("ticket {one}")),
            "{}",
            page.body
        );
        assert!(
            stored(site, id + 1).await.is_some(),
            "nothing happens by halves"
        );
        // the names of other resources, and unknown ones
        for (resource, action) in [
            ("comments", "close"),
            ("tickets", "nonsense"),
            ("comments", "purge"),
        ] {
            for permission in COMMENTS {
                site.grant("ines", permission).await;
            }
            let path = format!("/office/{resource}/action/run");
            let refused = ines
                .submit(list, &path, &[("action", action), ("key", &one)])
                .await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{resource} {action}");
            assert_eq!(events(&refused), ["access_denied"]);
        }
        // the undo of a batch takes all of it back; the undeclared column stays
        let history = ines
            .get(&format!("/office/tickets/row/{two}/history"))
            .await;
        let change = history.hidden_field("change").unwrap();
        let undo = ines
            .submit(
                list,
                &format!("/office/tickets/row/{two}/undo"),
                &[("change", &change)],
            )
            .await;
        assert_eq!(undo.status, StatusCode::SEE_OTHER, "{}", undo.body);
        assert_eq!(stored(site, id).await.unwrap().status, "open");
        assert_eq!(stored(site, id + 1).await.unwrap().status, "waiting");
    })
    .await;
}

#[tokio::test]
async fn all_that_match_is_a_signed_filter_which_is_counted_again() {
    on_both(async |site| {
        let (mut ines, id) = with_tickets(site).await;
        let page = ines.get("/office/tickets?status=waiting").await;
        let all = page
            .body
            .split("name=\"all\" value=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned();
        let chosen = [("action", "close"), ("all", &*all)];
        let confirm = ines
            .submit("/office/tickets", "/office/tickets/action", &chosen)
            .await;
        assert!(confirm.body.contains("Close: 2 rows"), "{}", confirm.body);
        let counted = [("action", "close"), ("all", &*all), ("count", "1")];
        let other = ines
            .submit("/office/tickets", "/office/tickets/action/run", &counted)
            .await;
        assert_eq!(other.status, StatusCode::CONFLICT, "there are two now");
        let mut piet = staff(site, "piet", &TICKETS).await;
        site.grant("piet", May::ChangeStatus).await;
        let foreign = piet
            .submit("/office/tickets", "/office/tickets/action/run", &chosen)
            .await;
        assert_eq!(
            foreign.status,
            StatusCode::BAD_REQUEST,
            "another user's filter"
        );
        let counted = [("action", "close"), ("all", &*all), ("count", "2")];
        ines.submit("/office/tickets", "/office/tickets/action/run", &counted)
            .await;
        assert_eq!(
            stored(site, id).await.unwrap().status,
            "open",
            "not in the filter"
        );
        assert_eq!(stored(site, id + 1).await.unwrap().status, "closed");
    })
    .await;
}

// V8.2.3: escalation of privileges by the accounts' page
#[tokio::test]
async fn accounts_that_hold_more_are_not_changed() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &["auth.view_user", "auth.change_user"]).await;
        site.sign_in("root", Rank::Superuser).await;
        site.sign_in("ann", Rank::Plain).await;
        let rows = [
            ("root", StatusCode::FORBIDDEN),
            ("ines", StatusCode::FORBIDDEN),
            ("ann", StatusCode::SEE_OTHER),
        ];
        for (name, expected) in rows {
            let path = format!("/office/users/row/{}", site.id_of(name).await);
            let seen = ines.get(&path).await.hidden_field("seen").unwrap();
            let fields = [("first_name", "Eve"), ("last_name", ""), ("seen", &seen)];
            let saved = ines.submit(&path, &path, &fields).await;
            assert_eq!(saved.status, expected, "{name}: {}", saved.body);
        }
        let page = ines
            .get(&format!("/office/users/row/{}", site.id_of("ann").await))
            .await;
        assert!(
            !page.body.contains("argon2") && !page.body.contains("password"),
            "{}",
            page.body
        );
    })
    .await;
}

// V14.2.7: erasure reaches the history and the bin
#[tokio::test]
async fn the_values_of_a_deleted_user_leave_the_history_and_the_bin() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &TICKETS).await;
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let id = tickets(site, site.id_of("ann").await, 2).await;
        let path = format!("/office/tickets/row/{id}");
        let page = ines.get(&path).await;
        let seen = page.hidden_field("seen").unwrap();
        let saved = ines.submit(&path, &path, &[("subject", "Ann's secret"), ("body", "b"), ("assignee_id", ""), ("due", ""), ("seen", &seen)]).await;
        assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
        let second = format!("/office/tickets/row/{}", id + 1);
        ines.submit(&second, &format!("{second}/delete"), &[("why", "")]).await;
        let db = site.site().database().handle();
        let count = async |sql| db.fetch_one::<(i64,)>(sql).await.unwrap().unwrap().0;
        assert_eq!(count(sql!("SELECT COUNT(*) FROM palisade_change WHERE diff LIKE '%secret%'")).await, 1);
        assert_eq!(count(sql!("SELECT COUNT(*) FROM palisade_bin")).await, 1);
        // with the salt, the hash of the log proves the values
        let hash = sql!("SELECT salt, resource, object_id, verb, diff FROM palisade_change WHERE diff LIKE '%secret%'");
        let (salt, resource, key, verb, diff): (String, String, String, String, String) = db.fetch_one(hash).await.unwrap().unwrap();
        let hash = Sha256::digest(format!("{salt}\n{resource}\n{key}\n{verb}\n{diff}"));
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let proof = events_of(&saved.events(), &hash);
        assert_eq!((salt.len(), proof), (22, 1), "{hash} {:?}", saved.events());
        let proof = [("current_password", PASSWORD)];
        let gone = ann.submit("/account/delete", "/account/delete", &proof).await;
        assert_eq!(gone.status, StatusCode::SEE_OTHER, "{}", gone.body);
        assert_eq!(count(sql!("SELECT COUNT(*) FROM palisade_change WHERE diff LIKE '%secret%' OR label LIKE '%secret%'")).await, 0);
        assert_eq!(count(sql!("SELECT COUNT(*) FROM palisade_bin")).await, 0);
        // without it, the values cannot be guessed from the hash
        assert_eq!(count(sql!("SELECT COUNT(*) FROM palisade_change WHERE salt <> ''")).await, 0);
    })
    .await;
}

/// The events with a text.
fn events_of(events: &[String], text: &str) -> usize {
    events.iter().filter(|event| event.contains(text)).count()
}
