#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::roles::escalation::{Escalation, Holdings, judge};
use super::*;
use crate::app::{App, Routes};
use crate::auth::{NewUser, Rank, RightChange, User};
use crate::db::Tx;
use crate::testing::TestSite;

/// A rule and its properties, as the boot and the pipeline ask for them.
struct Row {
    rule: Access,
    shown: &'static str,
    takes_tokens: bool,
    needs_token: bool,
    hides: bool,
    is_impossible: bool,
}

fn row(rule: Access, shown: &'static str) -> Row {
    Row {
        rule,
        shown,
        takes_tokens: false,
        needs_token: false,
        hides: false,
        is_impossible: false,
    }
}

// F047: a rule that cannot be satisfied is found at the start, and a hidden page stays hidden
// in every combination
#[test]
fn combined_rules_keep_the_properties_of_their_parts() {
    let odd = || {
        when("odd ids", |user, _| {
            user.is_some_and(|user| user.id % 2 == 1)
        })
    };
    let rows = [
        row(public(), "public"),
        row(signed_in(), "signed in"),
        row(owner(), "signed in"),
        row(can("desk.work"), "can desk.work"),
        row(odd(), "when odd ids"),
        row(
            can("desk.work").with_factor().fresh(5),
            "can desk.work and second factor and login of the last 5 min",
        ),
        Row {
            hides: true,
            ..row(staff(), "staff")
        },
        Row {
            hides: true,
            ..row(can("desk.work").or(staff()), "(can desk.work or staff)")
        },
        Row {
            hides: true,
            ..row(staff().and(odd()), "staff and when odd ids")
        },
        Row {
            takes_tokens: true,
            needs_token: true,
            ..row(token("tickets"), "token for tickets")
        },
        Row {
            takes_tokens: true,
            ..row(
                token("tickets").or(signed_in()),
                "(token for tickets or signed in)",
            )
        },
        Row {
            takes_tokens: true,
            needs_token: true,
            ..row(
                token("tickets").and(odd()),
                "token for tickets and when odd ids",
            )
        },
        Row {
            takes_tokens: true,
            needs_token: true,
            is_impossible: true,
            ..row(
                token("tickets").and(signed_in()),
                "token for tickets and signed in",
            )
        },
        Row {
            takes_tokens: true,
            hides: true,
            is_impossible: true,
            ..row(
                staff().or(token("tickets").with_factor()),
                "(staff or token for tickets and second factor)",
            )
        },
    ];
    for Row {
        rule,
        shown,
        takes_tokens,
        needs_token,
        hides,
        is_impossible,
    } in rows
    {
        assert_eq!(rule.to_string(), shown);
        assert_eq!(rule.takes_tokens(), takes_tokens, "{shown}: takes tokens");
        assert_eq!(rule.needs_token(), needs_token, "{shown}: needs a token");
        assert_eq!(rule.hides(), hides, "{shown}: hides");
        assert_eq!(rule.is_impossible(), is_impossible, "{shown}: impossible");
        assert_eq!(rule.is_public(), shown == "public", "{shown}: public");
    }
}

// F044: the boot looks for every permission that a rule names, in each of its branches
#[test]
fn every_permission_of_a_rule_is_found() {
    let rule = can("a.one")
        .or(staff().and(can("a.two")).with_factor())
        .and(token("x").or(can("b.three")));
    assert_eq!(rule.permissions(), ["a.one", "a.two", "b.three"]);
    assert!(public().permissions().is_empty());
}

// RFC 6749 section 3.3: a scope has no space, quote or backslash
#[test]
fn scopes_are_tokens_of_the_grammar() {
    for scope in ["tickets", "tickets:read", "https://api.example.org/read"] {
        assert_eq!(token(scope).to_string(), format!("token for {scope}"));
    }
    for scope in ["", "two words", "quo\"te", "back\\slash", "tab\t", "ümlaut"] {
        let refused = std::panic::catch_unwind(|| token(scope));
        assert!(refused.is_err(), "{scope:?}");
    }
}

// ASVS 10.3.3: subjects are scoped to their issuer
#[test]
fn callers_are_equal_by_issuer_and_subject() {
    let caller = |issuer: &str, subject: &str, scope: &str| Caller {
        issuer: issuer.into(),
        subject: subject.into(),
        client_id: None,
        scopes: vec![scope.into()],
        token_id: None,
        bound_to: None,
    };
    let one = caller("https://a.example", "7", "tickets");
    assert_eq!(one, caller("https://a.example", "7", "other"));
    assert_ne!(one, caller("https://b.example", "7", "tickets"));
    assert_ne!(one, caller("https://a.example", "8", "tickets"));
    assert!(one.may("tickets") && !one.may("ticket") && !one.may(""));
}

#[derive(palisade_macros::Permission, Clone, Copy)]
#[permission(app = "desk")]
enum May {
    #[permission(label = "Can work on the queue")]
    Work,
    Export,
}

async fn desk() -> (TestSite, User) {
    let app = App::new().permissions::<May>().routes(Routes::new());
    let site = TestSite::start(app, &[]).await;
    let new = NewUser {
        username: "ann",
        email: "ann@example.org",
        password: "correct horse battery staple",
        rank: Rank::Plain,
    };
    let ann = site.site().accounts().sign_up(new).await.unwrap();
    (site, ann)
}

async fn held(site: &TestSite, user: &User) -> Vec<String> {
    let held = of_user(site.site().database(), user, site.site().accounts().now())
        .await
        .unwrap();
    let mut held: Vec<String> = held.into_iter().collect();
    held.sort();
    held
}

// F044: granted and revoked in a transaction; a rollback grants nothing
#[tokio::test]
async fn permissions_are_granted_and_revoked() {
    let (site, ann) = desk().await;
    let database = site.site().database();
    assert!(held(&site, &ann).await.is_empty());
    let tx = database.begin().await.unwrap();
    assert!(grant(&tx, ann.id, "desk.work").await.unwrap());
    drop(tx);
    assert!(held(&site, &ann).await.is_empty(), "rolled back");
    let tx = database.begin().await.unwrap();
    assert!(grant(&tx, ann.id, "desk.work").await.unwrap());
    assert!(grant(&tx, ann.id, "desk.work").await.unwrap());
    assert!(!grant(&tx, ann.id, "desk.fly").await.unwrap());
    assert!(!grant(&tx, ann.id, "work").await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(held(&site, &ann).await, ["desk.work"]);
    let tx = database.begin().await.unwrap();
    assert!(revoke(&tx, ann.id, "desk.work").await.unwrap());
    assert!(!revoke(&tx, ann.id, "desk.fly").await.unwrap());
    tx.commit().await.unwrap();
    assert!(held(&site, &ann).await.is_empty());
}

// F044: by groups, as in Django; other users of the group keep theirs
#[tokio::test]
async fn permissions_come_by_groups() {
    let (site, ann) = desk().await;
    let database = site.site().database();
    let tx = database.begin().await.unwrap();
    tx.execute_sql(crate::sql!(
        "INSERT INTO auth_group (id, name) VALUES (1, 'agents')"
    ))
    .await
    .unwrap();
    tx.execute_sql(crate::sql!(
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT 1, id FROM auth_permission WHERE codename = 'export'"
    ))
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let tx = database.begin().await.unwrap();
    let join = ("agents", RightChange::Grant);
    assert!(set_member(&tx, ann.id, join).await.unwrap());
    assert!(set_member(&tx, ann.id, join).await.unwrap());
    let unknown = ("pilots", RightChange::Grant);
    assert!(!set_member(&tx, ann.id, unknown).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(held(&site, &ann).await, ["desk.export"]);
    let tx = database.begin().await.unwrap();
    let leave = ("agents", RightChange::Revoke);
    assert!(set_member(&tx, ann.id, leave).await.unwrap());
    tx.commit().await.unwrap();
    assert!(held(&site, &ann).await.is_empty());
}

// the rows are Django's: declared once, however often a site starts, and forgotten with the grants
#[tokio::test]
async fn declared_permissions_are_rows_of_djangos_table() {
    let (site, ann) = desk().await;
    let database = site.site().database();
    let count = async || -> i64 {
        let sql = crate::sql!("SELECT COUNT(*) FROM auth_permission");
        database
            .handle()
            .fetch_one::<(i64,)>(sql)
            .await
            .unwrap()
            .unwrap()
            .0
    };
    let before = count().await;
    let declared: Vec<_> = DeclaredPermission::all::<May>().collect();
    ensure(database, &declared).await.unwrap();
    assert_eq!(count().await, before, "declared again");
    let tx = database.begin().await.unwrap();
    assert!(grant(&tx, ann.id, "desk.work").await.unwrap());
    tx.commit().await.unwrap();
    forget(database, &declared).await.unwrap();
    assert_eq!(count().await, before - 2);
    assert!(held(&site, &ann).await.is_empty(), "no grant is left over");
}

// V16.2.5: a text key may be a secret, such as the code of a shared link
#[test]
fn keys_in_logs_reveal_no_secret() {
    mod link {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = "desk_link")]
        pub struct Model {
            #[sea_orm(primary_key, auto_increment = false)]
            pub code: String,
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}
    }
    use sea_orm::sea_query::IntoValueTuple;
    let shown = |key: sea_orm::sea_query::ValueTuple| rows::name_of_row::<link::Entity>(&key);
    assert_eq!(shown(7.into_value_tuple()), "desk_link 7");
    assert_eq!(shown("short".into_value_tuple()), "desk_link 'short'");
    let code = "3kTMd9s0vQpLw2Zx";
    assert_eq!(shown(code.into_value_tuple()), "desk_link 3kTMd9s0…");
    assert_eq!(
        shown((7, code).into_value_tuple()),
        "desk_link 7, 3kTMd9s0…"
    );
    let bytes = vec![1_u8; 16].into_value_tuple();
    assert_eq!(shown(bytes), "desk_link (bytes)");
}

fn holdings(id: i32, rank: Rank, permissions: &[&str], groups: &[&str]) -> Holdings {
    Holdings {
        id,
        is_staff: rank != Rank::Plain,
        is_superuser: rank == Rank::Superuser,
        permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        groups: groups.iter().map(|name| (*name).to_owned()).collect(),
        ..Holdings::default()
    }
}

fn roles() -> Roles {
    let mut roles = Roles::default();
    roles.add(Role::new("readers").may(["desk.view"]));
    roles.add(
        Role::new("agents")
            .may(["desk.work"])
            .includes("readers")
            .gives("readers"),
    );
    roles.add(Role::new("leads").includes("agents").gives("agents"));
    roles.add(
        Role::new("auditors")
            .may(["desk.audit"])
            .never_with("agents"),
    );
    roles
}

// D42, django/django#11385: no user gives a right that the user does not hold, touches an account
// that holds more, or changes own rights
#[test]
fn no_change_of_accounts_escalates() {
    use AccountChange::{Account, Join, Leave, Permission, Staff, Superuser};
    use Escalation::{Excluded, HoldsMore, NotGiven, NotHeld, OwnRights};
    let agent = || holdings(1, Rank::Staff, &["desk.work", "desk.view"], &["agents"]);
    let lead = || holdings(2, Rank::Staff, &["desk.work", "desk.view"], &["leads"]);
    let root = || holdings(3, Rank::Superuser, &[], &[]);
    let plain = || holdings(4, Rank::Plain, &[], &[]);
    let auditor = || holdings(5, Rank::Plain, &["desk.audit"], &["auditors"]);
    let plain_of = |id| holdings(id, Rank::Plain, &[], &[]);
    let reader = || holdings(6, Rank::Plain, &["desk.view"], &["readers"]);
    let on_object = |id, rank, permission: &str| Holdings {
        granted: [("desk_note 1".to_owned(), permission.to_owned())].into(),
        ..holdings(id, rank, &[], &[])
    };
    let local_auditor = || Holdings {
        object_roles: ["auditors".to_owned()].into(),
        ..plain_of(9)
    };
    let rows = [
        (agent(), plain(), Permission("desk.view"), Ok(())),
        (agent(), plain(), Permission("desk.audit"), Err(NotHeld)),
        (agent(), agent(), Permission("desk.view"), Err(OwnRights)),
        (root(), root(), Superuser, Err(OwnRights)),
        (agent(), plain(), Staff, Ok(())),
        (agent(), plain(), Superuser, Err(NotHeld)),
        (plain(), reader(), Staff, Err(HoldsMore)),
        (reader(), plain(), Staff, Err(NotHeld)),
        (root(), agent(), Superuser, Ok(())),
        (agent(), root(), Account, Err(HoldsMore)),
        (agent(), auditor(), Account, Err(HoldsMore)),
        (plain(), plain_of(7), Account, Err(NotHeld)),
        (agent(), lead(), Account, Err(HoldsMore)),
        (lead(), agent(), Account, Ok(())),
        (
            auditor(),
            holdings(8, Rank::Plain, &[], &["hr"]),
            Account,
            Err(HoldsMore),
        ),
        (
            root(),
            auditor(),
            Join("leads"),
            Err(Excluded("auditors".into())),
        ),
        (agent(), plain(), Account, Ok(())),
        (plain(), agent(), Account, Err(HoldsMore)),
        (root(), agent(), Account, Ok(())),
        (agent(), plain(), Join("readers"), Ok(())),
        (agent(), plain(), Join("agents"), Err(NotGiven)),
        (lead(), plain(), Join("agents"), Ok(())),
        (lead(), plain(), Join("leads"), Err(NotGiven)),
        (lead(), reader(), Leave("readers"), Err(NotGiven)),
        (agent(), reader(), Leave("readers"), Ok(())),
        (plain(), plain(), Join("readers"), Err(OwnRights)),
        (
            root(),
            auditor(),
            Join("agents"),
            Err(Excluded("auditors".into())),
        ),
        (
            root(),
            agent(),
            Join("auditors"),
            Err(Excluded("agents".into())),
        ),
        (root(), plain(), Join("unknown"), Ok(())),
        (
            agent(),
            on_object(9, Rank::Plain, "desk.audit"),
            Account,
            Err(HoldsMore),
        ),
        (
            agent(),
            on_object(9, Rank::Plain, "desk.view"),
            Account,
            Ok(()),
        ),
        (
            on_object(8, Rank::Staff, "desk.audit"),
            on_object(9, Rank::Plain, "desk.audit"),
            Account,
            Ok(()),
        ),
        (
            root(),
            local_auditor(),
            Join("agents"),
            Err(Excluded("auditors".into())),
        ),
    ];
    for (actor, target, change, expected) in rows {
        let judged = judge((&actor, &target), change, &roles());
        assert_eq!(judged, expected, "{actor:?} on {target:?}: {change:?}");
    }
}

#[test]
fn faults_of_roles_are_found() {
    let declared: Vec<_> = DeclaredPermission::all::<May>().collect();
    let faults = |all: Vec<Role>| {
        let mut roles = Roles::default();
        all.into_iter().for_each(|role| roles.add(role));
        roles.faults(&declared)
    };
    let role = |name| Role::new(name).may([May::Work]);
    assert!(
        faults(vec![
            role("a"),
            role("b").includes("a").never_with("c"),
            role("c")
        ])
        .is_empty()
    );
    assert_eq!(
        faults(vec![role("a"), role("a")]),
        ["the role a is declared twice"]
    );
    assert_eq!(
        faults(vec![role("a").gives("b")]),
        ["the role a names b, which is not declared"]
    );
    assert_eq!(
        faults(vec![Role::new("a").may(["desk.fly"])]),
        ["the role a has desk.fly, which is not declared"]
    );
    assert_eq!(
        faults(vec![role("a").includes("b"), role("b").includes("a")]),
        ["the role a includes itself", "the role b includes itself"]
    );
    assert_eq!(
        faults(vec![
            role("a").includes("b").never_with("c"),
            role("b").includes("c"),
            role("c")
        ]),
        ["the role a includes c, which it excludes"]
    );
}

// F046: the difference is shown first, written once, and nothing is left
#[tokio::test]
async fn roles_are_written_into_groups() {
    let (site, ann) = desk().await;
    let database = site.site().database();
    let mut roles = Roles::default();
    roles.add(Role::new("readers").may([May::Export]));
    roles.add(Role::new("agents").may([May::Work]).includes("readers"));
    let differences = async || roles.differences(&database.handle()).await.unwrap();
    let shown: String = differences()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        "readers (new)\n  + desk.export\nagents (new)\n  + desk.export\n  + desk.work\n"
    );
    let write = async |tx: &Tx| {
        for difference in differences().await {
            difference.apply(tx).await?;
        }
        Ok::<_, sea_orm::DbErr>(())
    };
    database.write(write).await.unwrap();
    assert!(differences().await.is_empty());
    let drift = async |tx: &Tx| {
        set_member(tx, ann.id, ("agents", RightChange::Grant)).await?;
        grant_group(tx, "readers", "desk.work").await?;
        revoke_group(tx, "agents", "desk.work").await
    };
    database.write(drift).await.unwrap();
    assert_eq!(held(&site, &ann).await, ["desk.export"]);
    let shown: String = differences()
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, "readers\n  - desk.work\nagents\n  + desk.work\n");
    database.write(write).await.unwrap();
    assert_eq!(held(&site, &ann).await, ["desk.export", "desk.work"]);
    let leave = async |tx: &Tx| delete_group(tx, "agents").await;
    assert!(database.write(leave).await.unwrap());
    assert!(
        held(&site, &ann).await.is_empty(),
        "the membership is gone with its group"
    );
}

// V15.4.2: a decision about an account holds until its change is committed, because other changes of
// the account wait
#[tokio::test]
async fn changes_of_an_account_wait_for_each_other() {
    let app = App::new().permissions::<May>();
    let kind = crate::testing::TestDatabase::Postgres;
    let Some(site) = TestSite::start_on(kind, app, &[]).await else {
        return;
    };
    site.client().sign_up("ann").await;
    let accounts = site.site().accounts();
    let (tx, id) = accounts.begin_by_name("ann", "one").await.unwrap().unwrap();
    // a Django project beside it waits, too, before it adds a membership
    let database = site.site().database();
    let join = async |tx: &Tx| {
        create_group(tx, "agents").await?;
        set_member(tx, id, ("agents", RightChange::Grant)).await
    };
    let wait = std::time::Duration::from_millis(300);
    let waits = tokio::time::timeout(wait, database.write(join));
    assert!(waits.await.is_err(), "the membership waits");
    assert!(grant(&tx, id, "desk.work").await.unwrap());
    tx.commit().await.unwrap();
    let (tx, id) = accounts.begin_by_name("ann", "two").await.unwrap().unwrap();
    let seen = Holdings::load(&tx, id, accounts.now())
        .await
        .unwrap()
        .unwrap();
    assert!(seen.permissions.contains("desk.work"));
}
