//! Rights, sessions, links and locks of other users.

use super::desk::{events, on_both, staff};
use http::StatusCode;
use palisade::auth::Rank;
use palisade::prelude::*;
use palisade::testing::{Client, TestSite};

const RIGHTS: [&str; 3] = [
    "auth.view_user",
    "auth.view_group",
    "palisade.manage_rights",
];

async fn page_of(site: &TestSite, name: &str) -> String {
    format!("/office/access/{}", site.id_of(name).await)
}

/// The key of a group, by its option on the page that asks for one.
fn option(body: &str, group: &str) -> String {
    let before = body.split_once(&format!(">{group}</option>")).unwrap().0;
    let value = before.rsplit_once("value=\"").unwrap().1;
    value.split('"').next().unwrap().to_owned()
}

async fn sees_tickets(client: &mut Client) -> bool {
    client.get("/office/tickets").await.status == StatusCode::OK
}

/// A group of users who may see tickets.
async fn readers(site: &TestSite) {
    let create = async |tx: &palisade::db::Tx| -> Result<()> {
        tx.execute_sql(sql!("INSERT INTO auth_group (name) VALUES ('readers')"))
            .await?;
        tx.execute_sql(sql!(
            "INSERT INTO auth_group_permissions (group_id, permission_id) \
             SELECT g.id, p.id FROM auth_group g, auth_permission p WHERE p.codename = 'view_ticket'"
        ))
        .await?;
        Ok(())
    };
    site.site().database().handle().write(create).await.unwrap();
}

// ASVS 8.2.2: rights are given within the rights of their giver, and end at a time
#[tokio::test]
async fn staff_give_what_they_hold_to_users_who_hold_no_more() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &RIGHTS).await;
        site.grant("ines", "desk.view_ticket").await;
        let mut piet = staff(site, "piet", &[]).await;
        assert!(!sees_tickets(&mut piet).await);
        piet.mail_to("piet@example.org").await;
        let access = page_of(site, "piet").await;
        let grant = format!("{access}/grant");
        let given = ines
            .submit(&grant, &grant, &[("permission", "desk.view_ticket")])
            .await;
        assert_eq!(
            (given.status, events(&given)),
            (
                StatusCode::SEE_OTHER,
                vec!["right_granted".to_owned(), "admin_changed".to_owned()]
            ),
            "{}",
            given.body
        );
        assert!(sees_tickets(&mut piet).await);
        let told = piet.mail_to("piet@example.org").await.unwrap();
        assert!(
            told.text.contains("was given: desk.view_ticket"),
            "{}",
            told.text
        );
        let page = ines.get(&access).await;
        assert!(page.body.contains("desk.view_ticket"), "{}", page.body);
        let of_user = access.replace("/access/", "/users/row/");
        let row = ines.get(&of_user).await;
        assert!(
            row.body.contains(&access),
            "the page of the user leads there"
        );
        let history = ines.get(&format!("{of_user}/history")).await;
        assert!(
            history.body.contains("grant")
                && history.body.contains("<ins>desk.view_ticket</ins>")
                && !history.body.contains("/undo"),
            "{}",
            history.body
        );
        // a right that the giver lacks, an unknown one, and those of the giver and of a superuser
        site.sign_in("root", Rank::Superuser).await;
        let rows = [
            ("piet", "desk.delete_ticket", StatusCode::FORBIDDEN),
            ("piet", "desk.nothing", StatusCode::FORBIDDEN),
            ("ines", "desk.delete_ticket", StatusCode::FORBIDDEN),
            ("root", "desk.view_ticket", StatusCode::FORBIDDEN),
        ];
        for (name, permission, expected) in rows {
            let grant = format!("{}/grant", page_of(site, name).await);
            let refused = ines
                .submit(&grant, &grant, &[("permission", permission)])
                .await;
            assert_eq!(
                refused.status, expected,
                "{name} {permission}: {}",
                refused.body
            );
            assert!(
                !ines
                    .get(&page_of(site, name).await)
                    .await
                    .body
                    .contains(permission),
                "{name} {permission}"
            );
        }
        let revoked = ines
            .submit(
                &access,
                &access,
                &[("change", "revoke"), ("name", "desk.view_ticket")],
            )
            .await;
        assert_eq!(revoked.status, StatusCode::SEE_OTHER, "{}", revoked.body);
        assert!(!sees_tickets(&mut piet).await);
        let again = ines
            .submit(
                &access,
                &access,
                &[("change", "revoke"), ("name", "desk.view_ticket")],
            )
            .await;
        assert_eq!(
            (again.status, events(&again).len()),
            (StatusCode::CONFLICT, 0),
            "it is gone"
        );
        // the history names rights to their managers only
        let mut eve = staff(site, "eve", &["auth.view_user"]).await;
        let history = eve.get(&format!("{of_user}/history")).await;
        assert!(
            history.body.contains("grant") && !history.body.contains("desk.view_ticket"),
            "{}",
            history.body
        );
        // without the permission, the page does not exist
        let asked = piet.get(&access).await;
        assert_eq!(
            (asked.status, events(&asked)),
            (StatusCode::NOT_FOUND, vec!["access_denied".to_owned()])
        );
        let forged = piet
            .submit("/office", &grant, &[("permission", "desk.view_ticket")])
            .await;
        assert_eq!(forged.status, StatusCode::NOT_FOUND, "{}", forged.body);
    })
    .await;
}

async fn root_again(site: &TestSite) -> Client {
    site.sign_in("root-again", Rank::Superuser).await
}

#[tokio::test]
async fn members_of_groups_have_an_end_and_a_reason() {
    on_both(async |site| {
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let mut piet = staff(site, "piet", &[]).await;
        readers(site).await;
        piet.mail_to("piet@example.org").await;
        let access = page_of(site, "piet").await;
        let join = format!("{access}/join");
        let group = option(&root.get(&join).await.body, "readers");
        let past = root
            .submit(
                &join,
                &join,
                &[
                    ("group", &group),
                    ("until", "2020-01-01T00:00"),
                    ("why", "holiday"),
                ],
            )
            .await;
        assert_eq!(past.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            past.body.contains("in the past") && past.body.contains("holiday"),
            "{}",
            past.body
        );
        assert!(!sees_tickets(&mut piet).await);
        let day = (site.site().accounts().now() + palisade::chrono::TimeDelta::days(2))
            .format("%Y-%m-%dT%H:%M")
            .to_string();
        let joined = root
            .submit(
                &join,
                &join,
                &[("group", &group), ("until", &day), ("why", "holiday")],
            )
            .await;
        assert_eq!(joined.status, StatusCode::SEE_OTHER, "{}", joined.body);
        assert!(sees_tickets(&mut piet).await);
        let page = root.get(&access).await;
        assert!(
            page.body.contains("readers") && page.body.contains("holiday"),
            "{}",
            page.body
        );
        // the reason is for the managers of rights, not for the owner
        let told = piet.mail_to("piet@example.org").await.unwrap();
        assert!(
            told.text.contains("was given: readers") && !told.text.contains("holiday"),
            "{}",
            told.text
        );
        let mut eve = staff(site, "eve", &["auth.view_user"]).await;
        let history = format!("/office/users/row/{}/history", site.id_of("piet").await);
        let hidden = eve.get(&history).await;
        assert!(
            hidden.body.contains("join") && !hidden.body.contains("holiday"),
            "{}",
            hidden.body
        );
        let shown = root.get(&history).await;
        assert!(
            shown.body.contains("holiday") && shown.body.contains("<ins>readers</ins>"),
            "{}",
            shown.body
        );
        let of_group = format!("/office/members/{group}");
        let members = root.get(&of_group).await;
        for text in ["piet", "holiday", "desk.view_ticket", &access] {
            assert!(members.body.contains(text), "{text}: {}", members.body);
        }
        let row = root.get(&format!("/office/groups/row/{group}")).await;
        assert!(row.body.contains(&of_group), "{}", row.body);
        assert_eq!(piet.get(&of_group).await.status, StatusCode::NOT_FOUND);
        // members are for readers of users
        let manager = ["auth.view_group", "palisade.manage_rights"];
        let members = staff(site, "max", &manager).await.get(&of_group).await;
        assert_eq!(members.status, StatusCode::OK);
        assert!(
            members.body.contains("desk.view_ticket")
                && !members.body.contains("piet")
                && !members.body.contains("holiday"),
            "{}",
            members.body
        );
        site.clock().advance(palisade::chrono::TimeDelta::days(3));
        assert!(
            !root_again(site)
                .await
                .get(&of_group)
                .await
                .body
                .contains("holiday")
        );
        let mut piet = site.client();
        piet.log_in("piet", palisade::testing::PASSWORD).await;
        assert!(!sees_tickets(&mut piet).await, "the membership has ended");
    })
    .await;
}

#[tokio::test]
async fn sessions_links_and_locks_of_others_are_ended() {
    on_both(async |site| {
        let mut ines = staff(
            site,
            "ines",
            &["auth.view_user", "palisade.manage_sessions"],
        )
        .await;
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        let mut root = site.sign_in("root", Rank::Superuser).await;
        let access = page_of(site, "ann").await;
        let page = ines.get(&access).await;
        let (before, _) = page
            .body
            .split_once("value=\"end_session\"")
            .expect(&page.body);
        let id = before.rsplit_once("name=\"name\" value=\"").unwrap().1;
        let id = id.split('"').next().unwrap();
        let one = [("change", "end_session"), ("name", id)];
        let ended = ines.submit(&access, &access, &one).await;
        assert_eq!(
            (ended.status, events(&ended)),
            (
                StatusCode::SEE_OTHER,
                vec!["sessions_ended".to_owned(), "admin_changed".to_owned()]
            ),
            "{}",
            ended.body
        );
        assert_eq!(
            ann.get("/account").await.status,
            StatusCode::SEE_OTHER,
            "she is logged out"
        );
        let again = ines.submit(&access, &access, &one).await;
        assert_eq!(
            (again.status, events(&again).len()),
            (StatusCode::CONFLICT, 0),
            "once"
        );
        ann.log_in("ann", palisade::testing::PASSWORD).await;
        assert!(
            !page.body.contains("Own permissions"),
            "rights need another permission"
        );
        let ended = ines
            .submit(&access, &access, &[("change", "end_sessions")])
            .await;
        assert_eq!(
            (ended.status, events(&ended)),
            (
                StatusCode::SEE_OTHER,
                vec!["sessions_ended".to_owned(), "admin_changed".to_owned()]
            ),
            "{}",
            ended.body
        );
        assert_eq!(
            ann.get("/account").await.status,
            StatusCode::SEE_OTHER,
            "she is logged out"
        );
        assert_eq!(
            ines.get("/office").await.status,
            StatusCode::OK,
            "the others are not"
        );
        // a superuser's are not hers to end
        let of_root = page_of(site, "root").await;
        for change in ["end_sessions", "end_session", "end_links"] {
            let refused = ines
                .submit(&of_root, &of_root, &[("change", change), ("name", "x")])
                .await;
            assert_eq!(
                refused.status,
                StatusCode::FORBIDDEN,
                "{change}: {}",
                refused.body
            );
        }
        let refused = ines
            .submit(
                &access,
                &access,
                &[("change", "revoke"), ("name", "desk.view_ticket")],
            )
            .await;
        assert_eq!(
            refused.status,
            StatusCode::NOT_FOUND,
            "rights need another permission"
        );
        assert_eq!(root.get("/office").await.status, StatusCode::OK);
        // a link in the mailbox
        site.client()
            .submit(
                "/account/reset",
                "/account/reset",
                &[("email", "ann@example.org")],
            )
            .await;
        let page = ines.get(&access).await;
        assert!(page.body.contains("password reset"), "{}", page.body);
        ines.submit(&access, &access, &[("change", "end_links")])
            .await;
        let page = ines.get(&access).await;
        assert!(!page.body.contains("password reset"), "{}", page.body);
        // the queue has its mail, without text and recipient
        let mut otto = staff(site, "otto", &["palisade.view_mail"]).await;
        let queue = otto.get("/office/mail").await;
        assert_eq!(queue.status, StatusCode::OK);
        assert!(
            queue.body.contains("wait") && !queue.body.contains("example.org"),
            "{}",
            queue.body
        );
        assert_eq!(ines.get("/office/mail").await.status, StatusCode::NOT_FOUND);
        assert_eq!(
            otto.get("/office/locks").await.status,
            StatusCode::NOT_FOUND
        );
        // a lock
        let mut eve = site.client();
        for number in 0..12 {
            eve.log_in("ann", &format!("wrong {number}")).await;
        }
        let locks = ines.get("/office/locks").await;
        let id = locks.hidden_field("id").expect(&locks.body);
        assert!(locks.body.contains("ann"), "{}", locks.body);
        let lifted = ines
            .submit("/office/locks", "/office/locks", &[("id", &id)])
            .await;
        assert_eq!(
            (lifted.status, events(&lifted)),
            (StatusCode::SEE_OTHER, vec!["lock_lifted".to_owned()])
        );
        assert!(!ines.get("/office/locks").await.body.contains(&id));
    })
    .await;
}

/// The measure of the command `incident freeze`.
async fn freeze(site: &TestSite, name: &str) {
    let id = site.id_of(name).await.to_string();
    let row = sql!(
        "INSERT INTO palisade_posture (id, kind, value, reason, since, until, hits) VALUES ('m', 'freeze', ?, 'x', 1, 0, 0)",
        id
    );
    let db = site.site().database().handle();
    db.write(async |tx| tx.execute_sql(row).await)
        .await
        .unwrap();
}

async fn thaw(site: &TestSite) {
    let db = site.site().database().handle();
    let row = sql!("DELETE FROM palisade_posture");
    db.write(async |tx| tx.execute_sql(row).await)
        .await
        .unwrap();
}

// F052: an account that staff close has no session, and no way back by its old cookie
#[tokio::test]
async fn staff_close_and_reopen_accounts_that_hold_no_more() {
    on_both(async |site| {
        let mut ines = staff(site, "ines", &["auth.view_user", "auth.change_user"]).await;
        let mut ann = site.sign_in("ann", Rank::Plain).await;
        site.sign_in("root", Rank::Superuser).await;
        let access = page_of(site, "ann").await;
        let closed = ines.submit(&access, &access, &[("change", "close")]).await;
        assert_eq!(
            (closed.status, events(&closed)),
            (
                StatusCode::SEE_OTHER,
                vec!["account_closed".to_owned(), "admin_changed".to_owned()]
            ),
            "{}",
            closed.body
        );
        assert_eq!(ann.get("/account").await.status, StatusCode::SEE_OTHER);
        assert!(
            ines.get(&access)
                .await
                .body
                .contains("The account is closed.")
        );
        // an account that operators have frozen stays closed
        freeze(site, "ann").await;
        let frozen = ines.submit(&access, &access, &[("change", "open")]).await;
        assert_eq!(
            (frozen.status, events(&frozen).len()),
            (StatusCode::CONFLICT, 0),
            "{}",
            frozen.body
        );
        assert!(
            ines.get(&access)
                .await
                .body
                .contains("The account is closed.")
        );
        thaw(site).await;
        let opened = ines.submit(&access, &access, &[("change", "open")]).await;
        assert_eq!(events(&opened), ["account_opened", "admin_changed"]);
        assert_eq!(
            ann.get("/account").await.status,
            StatusCode::SEE_OTHER,
            "her old session has ended"
        );
        let again = ines.submit(&access, &access, &[("change", "open")]).await;
        assert_eq!(again.status, StatusCode::CONFLICT, "it is open");
        let of_root = page_of(site, "root").await;
        let refused = ines
            .submit(&of_root, &of_root, &[("change", "close")])
            .await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.body);
        let mut piet = staff(
            site,
            "piet",
            &["auth.view_user", "palisade.manage_sessions"],
        )
        .await;
        let refused = piet.submit(&access, &access, &[("change", "close")]).await;
        assert_eq!(
            (refused.status, events(&refused)),
            (StatusCode::FORBIDDEN, vec!["access_denied".to_owned()])
        );
        assert!(
            ines.get(&access)
                .await
                .body
                .contains("The account is open.")
        );
    })
    .await;
}
