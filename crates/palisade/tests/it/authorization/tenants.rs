//! Two tenants of one site, for attacks on each other.

use super::desk::{app, note, organisation};
use palisade::permissions::{Grant, Recipient};
use palisade::prelude::*;
use palisade::sea_orm::{ActiveModelTrait, EntityTrait, Set};
use palisade::testing::{Answer, Client, TestDatabase, TestSite, events_of_this_thread};

/// Two organisations, each with an agent, and a note of each agent.
pub struct Tenants {
    pub site: TestSite,
    pub ann: Client,
    pub bob: Client,
}

pub const OF_ANN: i32 = 1;
pub const OF_BOB: i32 = 2;
pub const OF_NOBODY: i32 = 3;

impl Tenants {
    pub async fn start() -> Self {
        Self::fill(TestSite::start(app(), &[]).await).await
    }

    /// The same tenants on each database.
    pub async fn on_each(app: fn() -> App) -> Vec<Self> {
        let mut all = Vec::new();
        for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
            if let Some(site) = TestSite::start_on(database, app(), &[]).await {
                all.push(Self::fill(site).await);
            }
        }
        all
    }

    pub async fn fill(site: TestSite) -> Self {
        let (mut ann, mut bob) = (site.client(), site.client());
        ann.sign_up("ann").await;
        bob.sign_up("bob").await;
        let [ann_id, bob_id] = [site.id_of("ann").await, site.id_of("bob").await];
        let fill = async |tx: &Tx| {
            tx.execute_sql(sql!(
                "INSERT INTO auth_group (id, name) VALUES (101, 'agents'), (102, 'editors')"
            ))
            .await?;
            tx.execute_sql(sql!(
                "INSERT INTO auth_group_permissions (group_id, permission_id) \
                 SELECT 101, id FROM auth_permission WHERE codename IN ('view_note', 'change_note')"
            ))
            .await?;
            for (id, user) in [(1, ann_id), (2, bob_id)] {
                let row = organisation::ActiveModel {
                    id: Set(id),
                    name: Set(format!("organisation {id}")),
                };
                row.insert(tx).await?;
                Grant::role("agents", Recipient::User(user))
                    .store::<organisation::Entity>(tx, id)
                    .await?;
            }
            for (id, owner, organisation) in [
                (OF_ANN, Some(ann_id), 1),
                (OF_BOB, Some(bob_id), 2),
                (OF_NOBODY, None, 2),
            ] {
                let note = note::ActiveModel {
                    id: Set(id),
                    owner_id: Set(owner),
                    organisation_id: Set(organisation),
                    body: Set(format!("secret of {organisation}")),
                    is_archived: Set(false),
                };
                note.insert(tx).await?;
            }
            Ok::<_, Error>(())
        };
        site.site().database().write(fill).await.unwrap();
        Self { site, ann, bob }
    }

    /// The notes that bob may view, by his rights at this moment.
    pub async fn bob_notes(&self) -> String {
        self.bob.clone().get("/notes").await.body
    }

    pub async fn notes(&self) -> Vec<note::Model> {
        let db = self.site.site().database().handle();
        note::Entity::find().all(&db).await.unwrap()
    }
}

pub async fn post(client: &mut Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    client.submit("/account", path, fields).await
}

pub fn denials(answer: &Answer) -> usize {
    let events = events_of_this_thread(answer.header("x-request-id"));
    events
        .iter()
        .filter(|line| line.contains("access_denied"))
        .count()
}

/// The rights of a user at this moment.
pub async fn actor(desk: &Tenants, username: &str) -> Actor {
    let site = desk.site.site();
    let user = User {
        id: desk.site.id_of(username).await,
        username: username.into(),
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
        is_staff: false,
        is_superuser: false,
    };
    site.actor(&user).await.unwrap()
}
