//! F047, D54: membership in the list, the single read, and the effect of a write agree with each
//! other and with a model of the policy, for random populations.

use super::desk::{May, app, note, organisation};
use palisade::auth::{NewUser, Rank};
use palisade::db::Database;
use palisade::permissions::Permission;
use palisade::prelude::*;
use palisade::sea_orm::sea_query::{Alias, Expr, Query};
use palisade::sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, Set};
use palisade::testing::{TestDatabase, TestSite, ran};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::BTreeSet;
// the prelude of proptest has a Result of its own
use palisade::prelude::Result;

const USERS: i32 = 5;
const GROUPS: i32 = 3;
const ORGANISATIONS: i32 = 3;
const NOTES: i32 = 10;

/// A grant: object, recipient, content, and whether it has ended.
#[derive(Debug, Clone)]
struct Granted {
    object: i32,
    /// A user, or a group.
    recipient: std::result::Result<i32, i32>,
    /// A permission, or a role.
    content: std::result::Result<usize, i32>,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    None,
    Later,
    Now,
}

#[derive(Debug, Clone)]
struct Population {
    superusers: Vec<i32>,
    memberships: Vec<(i32, i32, End)>,
    of_users: Vec<(i32, usize)>,
    of_groups: Vec<(i32, usize)>,
    /// Owner, organisation, and whether it is archived.
    notes: Vec<(Option<i32>, i32, bool)>,
    note_grants: Vec<Granted>,
    organisation_grants: Vec<Granted>,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::None), 1 => Just(End::Later), 1 => Just(End::Now)]
}

fn grants(objects: i32) -> impl Strategy<Value = Vec<Granted>> {
    let recipient = prop_oneof![(1..=USERS).prop_map(Ok), (1..=GROUPS).prop_map(Err)];
    let content = prop_oneof![(0..May::ALL.len()).prop_map(Ok), (1..=GROUPS).prop_map(Err)];
    let grant = (1..=objects, recipient, content, end());
    let grant = grant.prop_map(|(object, recipient, content, end)| Granted {
        object,
        recipient,
        content,
        end,
    });
    prop::collection::vec(grant, 0..6)
}

fn population() -> impl Strategy<Value = Population> {
    let permission = || 0..May::ALL.len();
    let notes = (
        prop::option::weighted(0.8, 1..=USERS),
        1..=ORGANISATIONS,
        prop::bool::weighted(0.15),
    );
    (
        prop::collection::vec(1..=USERS, 0..2),
        prop::collection::vec((1..=USERS, 1..=GROUPS, end()), 0..6),
        prop::collection::vec((1..=USERS, permission()), 0..3),
        prop::collection::vec((1..=GROUPS, permission()), 0..4),
        prop::collection::vec(notes, NOTES as usize),
        grants(NOTES),
        grants(ORGANISATIONS),
    )
        .prop_map(
            |(
                superusers,
                memberships,
                of_users,
                of_groups,
                notes,
                note_grants,
                organisation_grants,
            )| {
                Population {
                    superusers,
                    memberships,
                    of_users,
                    of_groups,
                    notes,
                    note_grants,
                    organisation_grants,
                }
            },
        )
}

/// The policy of notes, written again without SQL.
impl Population {
    fn groups(&self, user: i32) -> Vec<i32> {
        let of_user = self
            .memberships
            .iter()
            .filter(|(member, _, end)| *member == user && *end != End::Now);
        of_user.map(|(_, group, _)| *group).collect()
    }

    fn group_has(&self, group: i32, permission: May) -> bool {
        let index = May::ALL
            .iter()
            .position(|known| *known == permission)
            .unwrap();
        self.of_groups.contains(&(group, index))
    }

    fn may(&self, user: i32, permission: May) -> bool {
        let index = May::ALL
            .iter()
            .position(|known| *known == permission)
            .unwrap();
        self.superusers.contains(&user)
            || self.of_users.contains(&(user, index))
            || self
                .groups(user)
                .into_iter()
                .any(|group| self.group_has(group, permission))
    }

    fn is_granted(&self, grants: &[Granted], (user, object): (i32, i32), permission: May) -> bool {
        let index = May::ALL
            .iter()
            .position(|known| *known == permission)
            .unwrap();
        grants.iter().any(|grant| {
            let is_recipient = match grant.recipient {
                Ok(recipient) => recipient == user,
                Err(group) => self.groups(user).contains(&group),
            };
            let gives = match grant.content {
                Ok(content) => content == index,
                Err(role) => self.group_has(role, permission),
            };
            grant.object == object && is_recipient && gives && grant.end != End::Now
        })
    }

    fn allows(&self, user: Option<i32>, verb: Verb, id: i32) -> bool {
        let (owner, organisation, is_archived) = self.notes[id as usize - 1];
        let Some(user) = user.filter(|_| !is_archived) else {
            return false;
        };
        let own = owner == Some(user);
        let granted = |permission| {
            self.is_granted(&self.note_grants, (user, id), permission)
                || self.is_granted(&self.organisation_grants, (user, organisation), permission)
        };
        let view = own || self.may(user, May::ReadAll) || granted(May::ViewNote);
        match verb {
            Verb::View => view,
            Verb::Change => view && (own || granted(May::ChangeNote)),
            _ => own,
        }
    }
}

struct Desk {
    site: TestSite,
    users: Vec<User>,
    permissions: Vec<i32>,
}

impl Desk {
    async fn start(database: TestDatabase) -> Option<Self> {
        let site = TestSite::start_on(database, app(), &[]).await?;
        let (mut permissions, mut users) = (Vec::new(), Vec::new());
        for permission in May::ALL {
            let codename = permission.name().split_once('.').unwrap().1;
            let query = sql!(
                "SELECT id FROM auth_permission WHERE codename = ?",
                codename
            );
            let db = site.site().database().handle();
            let (id,): (i32,) = db.fetch_one(query).await.unwrap().unwrap();
            permissions.push(id);
        }
        for number in 1..=USERS {
            users.push(sign_up(&site, number).await);
        }
        let desk = Self {
            site,
            users,
            permissions,
        };
        desk.database()
            .write(async |tx| desk.make_groups(tx).await)
            .await
            .unwrap();
        Some(desk)
    }

    fn database(&self) -> &Database {
        self.site.site().database()
    }

    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.site.site().accounts().now()
    }

    async fn make_groups(&self, tx: &Tx) -> Result<()> {
        for id in 1..=GROUPS {
            let name = format!("group {id}");
            tx.execute_sql(sql!(
                "INSERT INTO auth_group (id, name) VALUES (?, ?)",
                id,
                name
            ))
            .await?;
        }
        for id in 1..=ORGANISATIONS {
            let name = format!("organisation {id}");
            let row = organisation::ActiveModel {
                id: Set(id),
                name: Set(name),
            };
            row.insert(tx).await?;
        }
        Ok(())
    }

    /// Replaces all memberships, permissions, notes and grants.
    async fn fill(&self, tx: &Tx, population: &Population) -> Result<()> {
        for statement in [
            sql!("DELETE FROM desk_note"),
            sql!("DELETE FROM desk_organisation_grant"),
            sql!("DELETE FROM palisade_membership"),
            sql!("DELETE FROM auth_user_groups"),
            sql!("DELETE FROM auth_user_user_permissions"),
            sql!("DELETE FROM auth_group_permissions"),
        ] {
            tx.execute_sql(statement).await?;
        }
        let (left,): (i64,) = tx
            .fetch_one(sql!("SELECT COUNT(*) FROM desk_note_grant"))
            .await?
            .unwrap();
        assert_eq!(left, 0, "grants end with their notes");
        self.fill_rights(tx, population).await?;
        for (id, (owner, organisation, is_archived)) in (1..).zip(&population.notes) {
            let note = note::ActiveModel {
                id: Set(id),
                owner_id: Set(owner.map(|owner| self.user(owner).id)),
                organisation_id: Set(*organisation),
                body: Set("as it was".into()),
                is_archived: Set(*is_archived),
            };
            note.insert(tx).await?;
        }
        for grant in &population.note_grants {
            self.grant(tx, "desk_note_grant", grant).await?;
        }
        for grant in &population.organisation_grants {
            self.grant(tx, "desk_organisation_grant", grant).await?;
        }
        Ok(())
    }

    async fn fill_rights(&self, tx: &Tx, population: &Population) -> Result<()> {
        let now = self.now().timestamp();
        for number in 1..=USERS {
            let is_superuser = population.superusers.contains(&number);
            let id = self.user(number).id;
            tx.execute_sql(sql!(
                "UPDATE auth_user SET is_superuser = ? WHERE id = ?",
                is_superuser,
                id
            ))
            .await?;
        }
        for (user, group, end) in &population.memberships {
            let user = self.user(*user).id;
            match end {
                End::None => tx.execute_sql(sql!("INSERT INTO auth_user_groups (user_id, group_id) VALUES (?, ?) ON CONFLICT DO NOTHING", user, *group)).await?,
                End::Later | End::Now => {
                    let until = now + i64::from(*end == End::Later);
                    tx.execute_sql(sql!("INSERT INTO palisade_membership (user_id, group_id, until, given_at, reason) VALUES (?, ?, ?, 0, '') \
                        ON CONFLICT (user_id, group_id) DO UPDATE SET until = CASE WHEN palisade_membership.until > excluded.until THEN palisade_membership.until ELSE excluded.until END", user, *group, until)).await?
                }
            };
        }
        for (user, permission) in &population.of_users {
            let (user, permission) = (self.user(*user).id, self.permissions[*permission]);
            tx.execute_sql(sql!("INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES (?, ?) ON CONFLICT DO NOTHING", user, permission)).await?;
        }
        for (group, permission) in &population.of_groups {
            let permission = self.permissions[*permission];
            tx.execute_sql(sql!("INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (?, ?) ON CONFLICT DO NOTHING", *group, permission)).await?;
        }
        Ok(())
    }

    /// Inserts a grant; of several that differ in their end only, the one that lasts counts.
    async fn grant(&self, tx: &Tx, table: &'static str, grant: &Granted) -> Result<()> {
        let user = grant.recipient.ok().map(|user| self.user(user).id);
        let permission = grant.content.ok().map(|index| self.permissions[index]);
        let (group, role) = (grant.recipient.err(), grant.content.err());
        let until = match grant.end {
            End::None => None,
            End::Later => Some(self.now().timestamp() + 1),
            End::Now => Some(self.now().timestamp()),
        };
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new(table))
            .columns([
                "object_id",
                "user_id",
                "group_id",
                "permission_id",
                "role_id",
                "until",
                "given_at",
                "reason",
            ])
            .values_panic([
                Expr::val(grant.object),
                Expr::val(user),
                Expr::val(group),
                Expr::val(permission),
                Expr::val(role),
                Expr::val(until),
                Expr::val(0_i64),
                Expr::val(""),
            ]);
        tx.execute(&insert).await?;
        Ok(())
    }

    fn user(&self, number: i32) -> &User {
        &self.users[number as usize - 1]
    }

    async fn actor(&self, user: Option<i32>) -> Actor {
        let Some(number) = user else {
            return Actor::anonymous();
        };
        self.site.site().actor(self.user(number)).await.unwrap()
    }

    /// Compares the model with list, read and write, for each user, verb and note.
    async fn compare(&self, population: &Population) -> usize {
        let mut cases = 0;
        for user in [None].into_iter().chain((1..=USERS).map(Some)) {
            let actor = self.actor(user).await;
            for verb in [Verb::View, Verb::Change, Verb::Delete] {
                let db = self.database().handle();
                let listed = actor.find::<note::Entity>(verb).all(&db).await.unwrap();
                let listed: BTreeSet<i32> = listed.iter().map(|note| note.id).collect();
                let buttons = self.allowed_on_each(&actor, verb).await;
                assert_eq!(buttons, listed, "buttons of {verb:?}: {user:?}");
                for id in 1..=NOTES {
                    let expected = population.allows(user, verb, id);
                    let case = format!("{user:?} {verb:?} note {id}: {population:?}");
                    assert_eq!(listed.contains(&id), expected, "list: {case}");
                    let is_viewable = population.allows(user, Verb::View, id);
                    let status = match (expected, is_viewable) {
                        (true, _) => 200,
                        (false, true) => 403,
                        (false, false) => 404,
                    };
                    let read = actor.row::<note::Entity>(id).read(verb, &db).await;
                    assert_eq!(status_of(&read), status, "read: {case}");
                    assert_eq!(
                        self.effect(&actor, verb, id).await,
                        status,
                        "effect: {case}"
                    );
                    cases += 1;
                }
            }
        }
        cases
    }

    /// The notes of all with a button for a verb.
    async fn allowed_on_each(&self, actor: &Actor, verb: Verb) -> BTreeSet<i32> {
        let db = self.database().handle();
        let all = note::Entity::find().all(&db).await.unwrap();
        let allowed = actor.allows_each::<note::Entity>(verb, &all, &db).await;
        let allowed = all.iter().zip(allowed.unwrap());
        let allowed = allowed.filter(|(_, is_allowed)| *is_allowed);
        allowed.map(|(note, _)| note.id).collect()
    }

    /// The status of a write, which is rolled back, after a look at its effect.
    async fn effect(&self, actor: &Actor, verb: Verb, id: i32) -> u16 {
        let tx = self.database().handle().begin().await.unwrap();
        let row = actor.row::<note::Entity>(id);
        let change = note::ActiveModel {
            body: Set("changed".into()),
            ..Default::default()
        };
        let written = match verb {
            Verb::Change => row.change(&tx, change).await,
            Verb::Delete => row.delete(&tx).await,
            _ => return status_of(&row.view(&tx).await),
        };
        let after: Vec<(String,)> = tx
            .fetch_all(sql!(
                "SELECT body FROM desk_note WHERE id <> ? AND body = 'changed'",
                id
            ))
            .await
            .unwrap();
        assert!(after.is_empty(), "another row was changed");
        let own: Option<(String,)> = tx
            .fetch_one(sql!("SELECT body FROM desk_note WHERE id = ?", id))
            .await
            .unwrap();
        let is_done = own.is_none_or(|(body,)| body == "changed");
        assert_eq!(is_done, written.is_ok(), "the effect is as the answer");
        status_of(&written)
    }
}

fn status_of<T>(result: &Result<T>) -> u16 {
    result
        .as_ref()
        .map_or_else(|error| error.status().as_u16(), |_| 200)
}

async fn sign_up(site: &TestSite, number: i32) -> User {
    let username = format!("user{number}");
    let email = format!("{username}@example.org");
    let new = NewUser {
        username: &username,
        email: &email,
        password: "correct horse battery staple",
        rank: Rank::Plain,
    };
    site.site().accounts().sign_up(new).await.unwrap()
}

/// Distinct grants: the database holds one for each object, recipient and content.
fn without_repeats(population: &mut Population) {
    for grants in [
        &mut population.note_grants,
        &mut population.organisation_grants,
    ] {
        let mut seen = BTreeSet::new();
        grants.retain(|grant| seen.insert((grant.object, grant.recipient, grant.content)));
    }
}

fn agree(database: TestDatabase, populations: u32) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(desk) = runtime.block_on(Desk::start(database)) else {
        return;
    };
    let cases = Cell::new(0);
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: populations,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    runner
        .run(&population(), |mut population| {
            without_repeats(&mut population);
            runtime.block_on(async {
                let fill = async |tx: &Tx| desk.fill(tx, &population).await;
                desk.database().write(fill).await.unwrap();
                cases.set(cases.get() + desk.compare(&population).await);
            });
            Ok(())
        })
        .unwrap();
    ran(&format!(
        "{} cases of authorization on {database:?}",
        cases.get()
    ));
}

#[test]
fn list_read_and_write_agree_on_sqlite() {
    agree(TestDatabase::Sqlite, 30);
}

#[test]
fn list_read_and_write_agree_on_postgres() {
    agree(TestDatabase::Postgres, 12);
}
