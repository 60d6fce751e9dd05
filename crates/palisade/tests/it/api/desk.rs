//! A desk with an API: tickets with fields for staff, and comments that belong to them.

pub(super) mod ticket {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_ticket")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub owner_id: i32,
        pub subject: String,
        pub status: String,
        pub priority: i32,
        pub due: Option<DateTimeUtc>,
        pub is_urgent: bool,
        pub price: i64,
        pub internal_note: Option<String>,
        pub version: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            let own = Rows::none().or("own", actor.owns(Column::OwnerId));
            match verb {
                Verb::Create => own,
                _ => own.or("staff", actor.is_staff()),
            }
        }
    }

    /// The columns that each write sets.
    pub fn touch(actor: &Actor, before: Option<&Model>, row: &mut ActiveModel) {
        row.version = Set(before.map_or(1, |row| row.version + 1));
        if before.is_none() {
            row.owner_id = Set(actor.id().unwrap_or_default());
            row.status = Set(row.status.take().unwrap_or_else(|| "open".into()));
        }
    }
}

pub(super) mod comment {
    use palisade::entity::*;
    use palisade::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk_comment")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub ticket_id: i32,
        pub body: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Scoped for Entity {
        fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
            let own = actor.through::<super::ticket::Entity>(Column::TicketId, Verb::View);
            match verb {
                Verb::View | Verb::Create => Rows::none().or("of a ticket", own),
                _ => Rows::none(),
            }
        }
    }
}

use http::Method;
use palisade::auth::Rank;
use palisade::db::Migration;
use palisade::prelude::*;
use palisade::testing::{Answer, Client, TestDatabase, TestSite};
use sea_orm_migration::prelude::Table;
use sea_orm_migration::schema::{
    big_integer, boolean, integer, pk_auto, string_len, string_len_null,
    timestamp_with_time_zone_null,
};
use serde_json::{Value as Json, json};

#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Open,
    Closed,
}

#[derive(Resource)]
#[resource(of = ticket::Entity, order = "-priority", fill = ticket::touch)]
pub(super) struct Ticket {
    id: i32,
    #[field(read = staff(), filter)]
    owner_id: i32,
    #[field(write, filter = "eq has", sort)]
    subject: Line<40>,
    #[field(write = staff(), filter = "eq in")]
    status: Status,
    #[field(write, filter = "eq from to", sort)]
    priority: Number<0, 9>,
    #[field(write, filter = "from to", sort)]
    due: Option<Moment>,
    #[field(write, filter)]
    is_urgent: bool,
    #[field(create)]
    price: Money<100_000>,
    #[field(read = staff(), write = staff(), filter = "has", sort)]
    internal_note: Option<Text<200>>,
}

#[derive(Resource)]
#[resource(of = comment::Entity)]
pub(super) struct Comment {
    id: i32,
    #[field(create, filter, expand = Ticket)]
    ticket_id: i32,
    #[field(create)]
    body: Text<500>,
}

fn migrations() -> Vec<Migration> {
    let ticket = Table::create()
        .table("desk_ticket")
        .col(pk_auto("id"))
        .col(integer("owner_id"))
        .col(string_len("subject", 40))
        .col(string_len("status", 20))
        .col(integer("priority"))
        .col(timestamp_with_time_zone_null("due"))
        .col(boolean("is_urgent"))
        .col(big_integer("price"))
        .col(string_len_null("internal_note", 200))
        .col(integer("version"))
        .take();
    let comment = Table::create()
        .table("desk_comment")
        .col(pk_auto("id"))
        .col(integer("ticket_id"))
        .col(string_len("body", 500))
        .take();
    vec![
        Migration::new("desk_0001")
            .create_table(ticket)
            .create_table(comment),
    ]
}

pub(super) fn app() -> App {
    let read = || signed_in().or(token("tickets.read").on_behalf(signed_in()));
    let write = || signed_in().or(token("tickets.write").on_behalf(signed_in()));
    App::new()
        .schema(migrations)
        .entity::<ticket::Entity>()
        .entity::<comment::Entity>()
        .scopes(&[
            ("tickets.read", "Read your tickets"),
            ("tickets.write", "Open and change your tickets"),
        ])
        .routes(
            resource::<Ticket>("/api/tickets")
                .read(read())
                .create(write())
                .change(write())
                .delete(token("tickets.write").on_behalf(staff()))
                .routes(),
        )
        .routes(
            resource::<Comment>("/api/comments")
                .read(read())
                .create(write())
                .routes(),
        )
}

/// A user with a token of both scopes.
pub(super) struct Caller {
    pub(super) client: Client,
    pub(super) token: String,
}

impl Caller {
    pub(super) async fn of(mut client: Client) -> Self {
        let token = client.make_token(&["tickets.read", "tickets.write"]).await;
        Self { client, token }
    }

    pub(super) async fn send(&self, method: Method, path: &str, body: &Json) -> Answer {
        let text = match body {
            Json::Null => String::new(),
            body => body.to_string(),
        };
        self.client.call((method, path), &self.token, &text).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &Json::Null).await
    }

    /// Opens a ticket, and returns its id.
    pub(super) async fn open(&self, subject: &str, priority: i32) -> i64 {
        let body = json!({"subject": subject, "priority": priority, "price": "12.50"});
        let made = self.send(Method::POST, "/api/tickets", &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        read(&made)["id"].as_i64().unwrap()
    }
}

pub(super) fn read(answer: &Answer) -> Json {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
}

/// Ann and Ben, customers, and Sam of the staff.
pub(super) struct Desk {
    pub(super) site: TestSite,
    pub(super) ann: Caller,
    pub(super) ben: Caller,
    pub(super) sam: Caller,
}

impl Desk {
    pub(super) async fn on(database: TestDatabase) -> Option<Self> {
        let site = TestSite::start_on(database, app(), &[]).await?;
        Some(Self::of(site).await)
    }

    /// The desk with more routes.
    pub(super) async fn with(app: App) -> Self {
        Self::of(TestSite::start(app, &[]).await).await
    }

    pub(super) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::of(TestSite::start(app(), settings).await).await
    }

    async fn of(site: TestSite) -> Self {
        let [ann, ben] = ["ann", "ben"];
        let ann = Caller::of(site.sign_in(ann, Rank::Plain).await).await;
        let ben = Caller::of(site.sign_in(ben, Rank::Plain).await).await;
        let sam = Caller::of(site.sign_in("sam", Rank::Staff).await).await;
        Self {
            site,
            ann,
            ben,
            sam,
        }
    }

    pub(super) async fn start() -> Self {
        Self::on(TestDatabase::Sqlite).await.unwrap()
    }
}
