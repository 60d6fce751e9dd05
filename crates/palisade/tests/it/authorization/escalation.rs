//! Escalation of privileges by grants on objects.

use super::desk::{May, app, note, organisation};
use super::tenants::{OF_ANN, OF_BOB, Tenants, actor};
use chrono::TimeDelta;
use palisade::auth::Rank;
use palisade::permissions::{Grant, Membership, Recipient, Role};
use palisade::prelude::*;

// escalation: a user gives what the user holds on this object, to others, and nothing else
#[tokio::test]
async fn grants_do_not_escalate() {
    for desk in Tenants::on_each(app).await {
        grants_are_judged(desk).await;
    }
}

async fn grants_are_judged(desk: Tenants) {
    let (ann, bob) = (actor(&desk, "ann").await, actor(&desk, "bob").await);
    let (ann_id, bob_id) = (ann.id().unwrap(), bob.id().unwrap());
    let give = async |grant: Grant, organisation: i32| {
        let change = async |tx: &Tx| {
            ann.give::<organisation::Entity>(tx, organisation, grant)
                .await
        };
        let given = desk.site.site().database().write(change).await;
        given.map_or_else(|error| error.status().as_u16(), |()| 200)
    };
    let to = Recipient::User;
    let view = |recipient| Grant::permission(May::ViewNote, recipient);
    assert_eq!(
        give(Grant::permission(May::ReadAll, to(bob_id)), 1).await,
        403,
        "not held"
    );
    assert_eq!(give(view(to(ann_id)), 1).await, 403, "to oneself");
    assert_eq!(give(view(to(bob_id)), 2).await, 404, "on another's object");
    assert_eq!(
        give(Grant::role("editors", to(bob_id)), 1).await,
        400,
        "an empty role"
    );
    assert_eq!(
        give(Grant::role("pilots", to(bob_id)), 1).await,
        400,
        "no such role"
    );
    assert_eq!(
        give(view(Recipient::Group("pilots".into())), 1).await,
        400,
        "no such group"
    );
    let past = view(to(bob_id)).until(desk.site.site().accounts().now());
    assert_eq!(give(past, 1).await, 400, "an end in the past");
    assert_eq!(desk.bob_notes().await, "2 3");
    assert_eq!(give(Grant::role("agents", to(bob_id)), 1).await, 200);
    assert_eq!(desk.bob_notes().await, "1 2 3");
    let take = async |tx: &Tx| {
        let grant = Grant::role("agents", to(bob_id));
        ann.take::<organisation::Entity>(tx, 1, &grant).await
    };
    assert!(desk.site.site().database().write(take).await.unwrap());
    assert_eq!(desk.bob_notes().await, "2 3");
}

// escalation: a right with an end is not passed on without one, to a group of one's own, or by a
// detour; only users who may change the object change another user's grant
#[tokio::test]
async fn ends_are_not_laundered() {
    for desk in Tenants::on_each(app).await {
        ends_are_judged(desk).await;
    }
}

async fn ends_are_judged(desk: Tenants) {
    desk.site.client().sign_up("cyd").await;
    let (ann, bob) = (desk.site.id_of("ann").await, desk.site.id_of("bob").await);
    let cyd = desk.site.id_of("cyd").await;
    let now = desk.site.site().accounts().now();
    let view = |user| Grant::permission(May::ViewNote, Recipient::User(user));
    let fill = async |tx: &Tx| {
        tx.execute_sql(sql!(
            "INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, 102)",
            ann
        ))
        .await?;
        view(ann)
            .until(now + TimeDelta::hours(1))
            .store::<note::Entity>(tx, OF_BOB)
            .await?;
        view(cyd).store::<note::Entity>(tx, OF_BOB).await?;
        view(cyd).store::<note::Entity>(tx, OF_ANN).await
    };
    desk.site.site().database().write(fill).await.unwrap();
    let give = async |by: &str, grant: Grant, note: i32| {
        let actor = actor(&desk, by).await;
        let change = async |tx: &Tx| actor.give::<note::Entity>(tx, note, grant).await;
        let given = desk.site.site().database().write(change).await;
        given.map_or_else(|error| error.status().as_u16(), |()| 200)
    };
    let take = async |by: &str, grant: Grant, note: i32| {
        let actor = actor(&desk, by).await;
        let change = async |tx: &Tx| actor.take::<note::Entity>(tx, note, &grant).await;
        let taken = desk.site.site().database().write(change).await;
        taken.map_or_else(|error| error.status().as_u16(), |_| 200)
    };
    let editors = || Grant::permission(May::ViewNote, Recipient::Group("editors".into()));
    assert_eq!(
        give("ann", view(bob), OF_BOB).await,
        403,
        "a right with an end"
    );
    let later = view(bob).until(now + TimeDelta::hours(2));
    assert_eq!(give("ann", later, OF_BOB).await, 403, "a later end");
    let earlier = || view(bob).until(now + TimeDelta::minutes(30));
    assert_eq!(give("ann", earlier(), OF_BOB).await, 200, "an earlier end");
    assert_eq!(take("ann", earlier(), OF_BOB).await, 200);
    let unknown = view(999_999);
    assert_eq!(give("cyd", unknown, OF_BOB).await, 400, "no such user");
    assert_eq!(
        give("cyd", editors(), OF_BOB).await,
        200,
        "a right without one"
    );
    assert_eq!(
        take("bob", editors(), OF_BOB).await,
        200,
        "the owner of the note"
    );
    assert_eq!(take("ann", view(cyd), OF_BOB).await, 403, "another's grant");
    assert_eq!(give("cyd", view(bob), OF_ANN).await, 200);
    assert_eq!(take("cyd", view(bob), OF_ANN).await, 200, "an own grant");
    let join = async |tx: &Tx| {
        tx.execute_sql(sql!(
            "INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, 102)",
            cyd
        ))
        .await
    };
    desk.site.site().database().write(join).await.unwrap();
    assert_eq!(
        give("cyd", editors(), OF_BOB).await,
        403,
        "to a group of one's own"
    );
}

fn app_with_exclusive_roles() -> App {
    app().role(Role::new("keepers").may([May::ViewNote])).role(
        Role::new("auditors")
            .may([May::ViewNote])
            .never_with("keepers"),
    )
}

// F046, separation of duties: no user has two roles that exclude each other on one object, neither
// by an own grant, nor by a group, nor by a role that holds everywhere
#[tokio::test]
async fn exclusive_roles_do_not_meet_on_an_object() {
    for desk in Tenants::on_each(app_with_exclusive_roles).await {
        roles_stay_apart(desk).await;
    }
}

async fn roles_stay_apart(desk: Tenants) {
    let (bob, database) = (desk.site.id_of("bob").await, desk.site.site().database());
    let ann = actor(&desk, "ann").await;
    let give = async |role: &str, recipient: Recipient, organisation: i32| {
        let grant = Grant::role(role, recipient);
        let change = async |tx: &Tx| {
            ann.give::<organisation::Entity>(tx, organisation, grant)
                .await
        };
        let given = database.write(change).await;
        given.map_or_else(|error| error.status().as_u16(), |()| 200)
    };
    let take = async |role: &str, recipient: Recipient| {
        let grant = Grant::role(role, recipient);
        let change = async |tx: &Tx| ann.take::<organisation::Entity>(tx, 1, &grant).await;
        assert!(database.write(change).await.unwrap());
    };
    let run = async |statement| {
        let run = async |tx: &Tx| tx.execute_sql(statement).await;
        database.write(run).await.unwrap();
    };
    let to_bob = || Recipient::User(bob);
    let to = |group: &str| Recipient::Group(group.into());
    assert_eq!(give("keepers", to_bob(), 1).await, 200);
    assert_eq!(give("keepers", to_bob(), 1).await, 200, "the same again");
    assert_eq!(give("auditors", to_bob(), 1).await, 403, "on the object");
    take("keepers", to_bob()).await;
    assert_eq!(give("auditors", to_bob(), 1).await, 200);
    assert_eq!(
        give("keepers", to_bob(), 1).await,
        403,
        "the other way round"
    );
    take("auditors", to_bob()).await;
    // by a group of the user
    run(sql!(
        "INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, 102)",
        bob
    ))
    .await;
    assert_eq!(give("keepers", to("editors"), 1).await, 200);
    assert_eq!(give("auditors", to_bob(), 1).await, 403, "by a group");
    take("keepers", to("editors")).await;
    assert_eq!(give("auditors", to_bob(), 1).await, 200);
    assert_eq!(
        give("keepers", to("editors"), 1).await,
        403,
        "to a group of the user"
    );
    take("auditors", to_bob()).await;
    // by a role that holds everywhere, with an end
    run(sql!(
        "INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) \
         SELECT ?, id, 9000000000, 0, '' FROM auth_group WHERE name = 'keepers'",
        bob
    ))
    .await;
    assert_eq!(give("auditors", to_bob(), 1).await, 403, "everywhere");
    assert_eq!(give("auditors", to("editors"), 1).await, 403, "of a member");
    assert_eq!(
        give("auditors", to("keepers"), 1).await,
        403,
        "to the role itself"
    );
}

fn app_with_roles() -> App {
    app()
        .role(Role::new("readers").may([May::ViewNote]))
        .role(Role::new("helpers").may([May::ViewNote]).gives("readers"))
        .role(Role::new("auditors").never_with("readers"))
}

// F045, F046, D42, django/django#11385, V8.2.2: members and permissions are changed within the rights of
// the actor, by functions
#[tokio::test]
async fn memberships_do_not_escalate() {
    for desk in Tenants::on_each(app_with_roles).await {
        memberships_are_judged(desk).await;
    }
}

async fn memberships_are_judged(desk: Tenants) {
    let (site, database) = (&desk.site, desk.site.site().database());
    let (ann, bob) = (site.id_of("ann").await, site.id_of("bob").await);
    let status = |result: Result<()>| result.map_or_else(|error| error.status().as_u16(), |()| 200);
    let add = async |by: &str, membership: Membership| {
        let actor = actor(&desk, by).await;
        let add = async |tx: &Tx| actor.add_member(tx, &membership).await;
        status(database.write(add).await)
    };
    let remove = async |by: &str, membership: Membership| {
        let actor = actor(&desk, by).await;
        let remove = async |tx: &Tx| actor.remove_member(tx, &membership).await;
        status(database.write(remove).await)
    };
    let give = async |by: &str, user: i32, permission: May| {
        let actor = actor(&desk, by).await;
        let give = async |tx: &Tx| actor.give_permission(tx, user, permission).await;
        status(database.write(give).await)
    };
    let is_reader = async || actor(&desk, "bob").await.is_member("readers");
    let readers = || Membership::new("readers", bob);
    assert_eq!(add("ann", readers()).await, 403, "no role gives it");
    let unknown = Membership::new("readers", 999_999);
    let store = async |tx: &Tx| unknown.store(tx).await;
    assert_eq!(status(database.write(store).await), 400);
    site.join("ann", "helpers").await;
    // the agents of two organisations hold different objects
    assert_eq!(add("ann", readers()).await, 403, "bob holds more");
    let alone = sql!("DELETE FROM desk_organisation_grant WHERE user_id = ?", bob);
    let alone = async |tx: &Tx| tx.execute_sql(alone).await;
    database.write(alone).await.unwrap();
    assert_eq!(
        add("ann", Membership::new("readers", ann)).await,
        403,
        "oneself"
    );
    assert_eq!(
        add("ann", Membership::new("helpers", bob)).await,
        403,
        "not given"
    );
    assert_eq!(add("ann", Membership::new("readers", 999_999)).await, 404);
    let past = readers().until(site.site().accounts().now());
    assert_eq!(add("ann", past).await, 400, "an end in the past");
    assert!(!is_reader().await);
    let end = site.site().accounts().now() + TimeDelta::days(1);
    assert_eq!(add("ann", readers().until(end).because("a day")).await, 200);
    assert!(is_reader().await);
    assert_eq!(remove("bob", Membership::new("helpers", ann)).await, 403);
    assert_eq!(remove("ann", readers()).await, 200);
    assert!(!is_reader().await);
    // a giver until tomorrow gives no membership that lasts longer
    let helper = Membership::new("helpers", ann).until(end);
    let store = async |tx: &Tx| helper.store(tx).await;
    database.write(store).await.unwrap();
    assert_eq!(add("ann", readers()).await, 403, "without an end");
    let days = |days| readers().until(end + TimeDelta::days(days));
    assert_eq!(add("ann", days(1)).await, 403, "a later end");
    assert_eq!(
        add("ann", days(0).until(end - TimeDelta::hours(1))).await,
        200
    );
    assert_eq!(remove("ann", readers()).await, 200);
    site.join("ann", "helpers").await;
    site.join("bob", "auditors").await;
    site.join("ann", "auditors").await;
    assert_eq!(add("ann", readers()).await, 403, "excluded");
    assert_eq!(give("ann", bob, May::ReadAll).await, 403, "not held");
    site.grant("ann", May::ReadAll).await;
    assert_eq!(give("ann", ann, May::ReadAll).await, 403, "to oneself");
    assert_eq!(give("bob", ann, May::ReadAll).await, 403, "ann holds more");
    site.set_rank("bob", Rank::Staff).await;
    assert_eq!(give("ann", bob, May::ReadAll).await, 403, "bob is staff");
    site.set_rank("bob", Rank::Plain).await;
    let join = async |tx: &Tx| Membership::new("auditors", bob).remove(tx).await;
    database.write(join).await.unwrap();
    assert_eq!(give("ann", bob, May::ReadAll).await, 200);
    assert!(actor(&desk, "bob").await.may(May::ReadAll));
    let take = async |tx: &Tx| {
        let ann = actor(&desk, "ann").await;
        ann.take_permission(tx, bob, May::ReadAll).await
    };
    database.write(take).await.unwrap();
    assert!(!actor(&desk, "bob").await.may(May::ReadAll));
}
