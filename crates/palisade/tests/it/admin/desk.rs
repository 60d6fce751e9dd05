//! A site with an admin: tickets with comments, and a column that few users see.

use palisade::admin::{Action, Tile, user};
use palisade::auth::Rank;
use palisade::chrono::{TimeDelta, TimeZone, Utc};
use palisade::db::{Migration, references};
use palisade::entity::*;
use palisade::permissions::Actor;
use palisade::prelude::*;
use palisade::sea_orm_migration::prelude::{Index, Table};
use palisade::sea_orm_migration::schema::*;
use palisade::testing::{Answer, Client, TestDatabase, TestSite};

pub(crate) mod ticket {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_ticket")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        #[sea_orm(unique)]
        pub subject: String,
        pub body: String,
        pub status: String,
        pub salary: i32,
        pub assignee_id: Option<i32>,
        pub due: Option<Date>,
        pub opened_at: DateTimeUtc,
        /// In no declaration.
        pub canary: String,
        pub version: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// Users see their own; staff all but the secret ones; no user deletes those of "kept".
    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            let all = Rows::none()
                .or("own", actor.owns(Column::OwnerId))
                .or("staff", actor.is_staff())
                .and("not secret", Column::Body.ne("secret"));
            match verb {
                Verb::Delete => all.and("not kept", Column::Body.ne("kept")),
                _ => all,
            }
        }
    }

    impl Labelled for Entity {
        fn label() -> Column {
            Column::Subject
        }
    }
}

pub(crate) mod comment {
    use super::ticket;
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_comment")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub ticket_id: i32,
        pub text: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            let verb = if verb == Verb::Create {
                Verb::View
            } else {
                verb
            };
            Rows::none().or(
                "of a ticket",
                actor.through::<ticket::Entity>(Column::TicketId, verb),
            )
        }
    }
}

#[derive(Choice, Clone, Copy, PartialEq, Debug)]
pub(crate) enum Status {
    Open,
    #[choice(label = "Waiting for us")]
    Waiting,
    Closed,
}

#[derive(Permission, Clone, Copy)]
#[permission(app = "desk")]
pub(crate) enum May {
    SeeSalary,
    ChangeStatus,
}

/// Tickets.
#[derive(Admin)]
#[admin(of = ticket::Entity, order = "-opened_at", children(Comments), actions = actions, fill = fill)]
struct Tickets {
    #[admin(list, search)]
    subject: Line<120>,
    body: Text<10_000>,
    #[admin(list, filter, change = May::ChangeStatus)]
    status: Status,
    #[admin(list, filter, search, view = May::SeeSalary)]
    salary: i32,
    #[admin(list, filter)]
    assignee_id: Option<Pick<user::Entity>>,
    #[admin(list, filter)]
    due: Option<Day>,
    #[admin(list, filter, fixed)]
    opened_at: Moment,
}

/// Comments.
#[derive(Admin)]
#[admin(of = comment::Entity, two_person(Change, Delete), actions = shouts)]
struct Comments {
    #[admin(list)]
    text: Text<1_000>,
    #[admin(list, filter)]
    ticket_id: Pick<ticket::Entity>,
}

fn shouts() -> Vec<Action<comment::Entity>> {
    let shout = |row: &comment::Model, _: &Actor| comment::ActiveModel {
        text: Set(row.text.to_uppercase()),
        ..Default::default()
    };
    vec![Action::change("shout", "Shout", shout)]
}

fn actions() -> Vec<Action<ticket::Entity>> {
    let close = |_: &ticket::Model, _: &Actor| ticket::ActiveModel {
        status: Set("closed".into()),
        canary: Set("touched".into()),
        ..Default::default()
    };
    let raise = |row: &ticket::Model, _: &Actor| ticket::ActiveModel {
        salary: Set(row.salary + 1),
        ..Default::default()
    };
    vec![
        Action::change("close", "Close", close).permission(May::ChangeStatus),
        Action::change("raise", "Raise", raise).two_person(),
        Action::purge("purge", "Delete for good").two_person(),
    ]
}

fn fill(actor: &Actor, before: Option<&ticket::Model>, row: &mut ticket::ActiveModel) {
    row.version = Set(before.map_or(1, |row| row.version + 1));
    if before.is_none() {
        row.owner_id = Set(actor.id().unwrap_or_default());
        row.opened_at = Set(Utc.with_ymd_and_hms(2026, 11, 30, 12, 0, 0).unwrap());
        row.canary = Set("new".into());
        // the field of users who see no salaries is not in the form
        if row.salary.is_not_set() {
            row.salary = Set(0);
        }
    }
}

pub(crate) fn migrations() -> Vec<Migration> {
    let ticket = Table::create()
        .table("desk_ticket")
        .col(pk_auto("id"))
        .col(integer("owner_id"))
        .col(string_len("subject", 120).unique_key())
        .col(text("body"))
        .col(string_len("status", 20))
        .col(integer("salary"))
        .col(integer_null("assignee_id"))
        .col(date_null("due"))
        .col(timestamp_with_time_zone("opened_at"))
        .col(text("canary"))
        .col(integer("version"))
        .foreign_key(&mut references("desk_ticket", "owner_id", "auth_user"))
        .foreign_key(&mut references("desk_ticket", "assignee_id", "auth_user"))
        .take();
    let comment = Table::create()
        .table("desk_comment")
        .col(pk_auto("id"))
        .col(integer("ticket_id"))
        .col(text("text"))
        .foreign_key(&mut references("desk_comment", "ticket_id", "desk_ticket"))
        .take();
    let index = Index::create()
        .name("desk_ticket_opened")
        .table("desk_ticket")
        .col("opened_at")
        .col("id")
        .take();
    vec![
        Migration::new("desk_0001_ticket")
            .create_table(ticket)
            .create_table(comment)
            .create_index(index),
    ]
}

#[derive(Columns)]
#[columns(entity = ticket::Entity)]
struct Exported {
    subject: String,
}

pub(crate) fn app() -> App {
    let admin = Admin::new()
        .resource::<Tickets>()
        .resource::<Comments>()
        .tile(Tile::count::<ticket::Entity>("Open tickets", || {
            ticket::Column::Status.eq("open")
        }))
        .tile(Tile::per_day::<ticket::Entity>(
            "Opened",
            ticket::Column::OpenedAt,
        ));
    App::new()
        .schema(migrations)
        .permissions::<May>()
        .entity::<ticket::Entity>()
        .entity::<comment::Entity>()
        .personal_data(PersonalRows::<ticket::Entity, Exported>::of(
            "tickets",
            ticket::Column::OwnerId,
        ))
        .admin(admin)
        .routes(Routes::new().route("/", public().get(async || "front")))
}

/// Settings of the tests.
pub(crate) const ON: [(&str, &str); 4] = [
    ("admin.path", "/office"),
    ("throttle.requests", "1000000/m"),
    ("throttle.changes", "1000000/m"),
    ("site.time_zone", "Europe/Zurich"),
];

/// All permissions on a resource.
pub(crate) const TICKETS: [&str; 6] = [
    "desk.view_ticket",
    "desk.add_ticket",
    "desk.change_ticket",
    "desk.delete_ticket",
    "desk.export_ticket",
    "desk.import_ticket",
];
pub(crate) const COMMENTS: [&str; 4] = [
    "desk.view_comment",
    "desk.add_comment",
    "desk.change_comment",
    "desk.delete_comment",
];

/// The site on both databases.
pub(crate) async fn on_both(test: impl AsyncFn(&TestSite)) {
    for database in [TestDatabase::Sqlite, TestDatabase::Postgres] {
        let Some(site) = TestSite::start_on(database, app(), &ON).await else {
            continue;
        };
        test(&site).await;
    }
}

/// A member of staff with these permissions.
pub(crate) async fn staff(site: &TestSite, name: &str, permissions: &[&'static str]) -> Client {
    let client = site.sign_in(name, Rank::Staff).await;
    for permission in permissions {
        site.grant(name, *permission).await;
    }
    client
}

/// Inserts tickets by the framework's own write, and returns the key of the first.
pub(crate) async fn tickets(site: &TestSite, owner: i32, count: i32) -> i32 {
    let db = site.site().database().handle();
    let first = Utc.with_ymd_and_hms(2026, 11, 1, 8, 0, 0).unwrap();
    let rows = (0..count).map(|number| ticket::ActiveModel {
        owner_id: Set(owner),
        subject: Set(format!("Ticket {number:03}")),
        body: Set("text".into()),
        status: Set(if number % 3 == 0 { "open" } else { "waiting" }.into()),
        salary: Set(1000 + number),
        assignee_id: Set((number % 2 == 0).then_some(owner)),
        due: Set((number % 4 == 0).then(|| first.date_naive())),
        opened_at: Set(first + TimeDelta::hours(i64::from(number / 2))),
        canary: Set("canary-4711".into()),
        version: Set(1),
        ..Default::default()
    });
    db.write(async |tx| {
        ticket::Entity::insert_many(rows)
            .exec_without_returning(tx)
            .await
            .map(drop)
    })
    .await
    .unwrap();
    let first = ticket::Entity::find()
        .order_by_asc(ticket::Column::Id)
        .one(&db)
        .await;
    first.unwrap().unwrap().id
}

/// The ticket as it is stored.
pub(crate) async fn stored(site: &TestSite, id: i32) -> Option<ticket::Model> {
    let db = site.site().database().handle();
    ticket::Entity::find_by_id(id).one(&db).await.unwrap()
}

/// Names of the security events of a response.
pub(crate) fn events(answer: &Answer) -> Vec<String> {
    let all = answer
        .events()
        .into_iter()
        .filter(|line| line.starts_with("palisade::audit"));
    let name = |line: String| {
        let rest = line.split_once("event.action=")?.1.to_owned();
        rest.split(' ').next().map(str::to_owned)
    };
    all.filter_map(name).collect()
}
