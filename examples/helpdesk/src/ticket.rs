//! A ticket, and its queries and changes.

use crate::May;
use crate::status::{Side, Status};
use palisade::entity::*;
use palisade::permissions::RowAccess;
use palisade::prelude::*;

/// A row of `helpdesk_ticket`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "helpdesk_ticket")]
pub struct Model {
    /// Number of the ticket.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// Subject, one line.
    pub subject: String,
    /// Description.
    pub body: String,
    /// Code of a [`Status`].
    pub status: String,
    /// The user who opened it.
    pub customer_id: i32,
    /// Login name of that user when the ticket was opened.
    pub customer_name: String,
    /// Id of the assignee.
    pub assignee_id: Option<i32>,
    /// Login name of the assignee.
    pub assignee_name: Option<String>,
    /// Version, for optimistic locking: incremented by each change.
    pub version: i32,
    /// When it was opened.
    pub opened_at: DateTimeUtc,
    /// When it was last changed.
    pub changed_at: DateTimeUtc,
}

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Its status.
    pub fn status(&self) -> Status {
        Status::from_code(&self.status).unwrap_or(Status::Closed)
    }

    /// The role of a user who may view the ticket.
    pub fn side(actor: &Actor) -> Side {
        match is_agent(actor) {
            true => Side::Staff,
            false => Side::Customer,
        }
    }
}

fn is_agent(actor: &Actor) -> bool {
    actor.is_staff() || actor.may(May::WorkQueue)
}

impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let own = actor.owns(Column::CustomerId);
        let readable = Rows::none()
            .or("own", own.clone())
            .or("queue", is_agent(actor));
        match verb {
            Verb::View => readable.or("shared", actor.granted::<Self>(May::ReadTicket)),
            Verb::Change => readable,
            Verb::Create => Rows::none().or("own", own),
            _ => Rows::none(),
        }
    }
}

/// Opens a ticket of the actor.
pub async fn open(db: &Db, actor: &Actor, subject: String, body: String) -> Result<Model> {
    let user = actor.user().ok_or_else(Error::forbidden)?;
    let now = chrono_now();
    let ticket = ActiveModel {
        subject: Set(subject),
        body: Set(body),
        status: Set(Status::Open.code().into()),
        customer_id: Set(user.id),
        customer_name: Set(user.username.clone()),
        version: Set(1),
        opened_at: Set(now),
        changed_at: Set(now),
        ..Default::default()
    };
    db.write(async |tx| actor.insert(tx, ticket).await).await
}

/// Changes a ticket, unless it was changed since version `seen` was displayed: then 409, and nothing
/// is written.
pub async fn change(
    ticket: RowAccess<'_, Entity>,
    tx: &Tx,
    seen: i32,
    change: ActiveModel,
) -> Result<()> {
    let change = ActiveModel {
        version: Set(seen + 1),
        changed_at: Set(chrono_now()),
        ..change
    };
    let unchanged = Column::Version.eq(seen);
    ticket.only_if(unchanged).change(tx, change).await
}

/// The current time.
pub fn chrono_now() -> DateTimeUtc {
    std::time::SystemTime::now().into()
}

/// Order of a list of tickets.
#[derive(Choice, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Most recently changed first.
    Newest,
    /// Longest waiting first.
    Oldest,
}

/// Filter of a list of tickets.
#[derive(Form)]
pub struct Filter {
    /// Words in the subject.
    #[form(label = "Search")]
    pub q: Option<Line<100>>,
    /// Status.
    #[form(empty = "Any")]
    pub status: Option<Status>,
    /// Order.
    #[form(empty = "Any")]
    pub order: Option<Order>,
    /// Page number.
    pub page: Option<Number<1, 100_000>>,
}

/// Tickets of a page of the list.
pub const PAGE_SIZE: u64 = 20;

/// The matching tickets of one page, and whether there are more.
pub async fn page(
    db: &Db,
    tickets: sea_orm::Select<Entity>,
    filter: &Filter,
) -> Result<(Vec<Model>, bool)> {
    let mut tickets = tickets;
    if let Some(words) = &filter.q {
        tickets = tickets.filter(contains(Column::Subject, words));
    }
    if let Some(status) = filter.status {
        tickets = tickets.filter(Column::Status.eq(status.code()));
    }
    let tickets = match filter.order.unwrap_or(Order::Newest) {
        Order::Newest => tickets
            .order_by_desc(Column::ChangedAt)
            .order_by_desc(Column::Id),
        Order::Oldest => tickets
            .order_by_asc(Column::ChangedAt)
            .order_by_asc(Column::Id),
    };
    let number = filter.page.map_or(1, Number::get).unsigned_abs();
    let mut found = tickets
        .offset((number - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE + 1)
        .all(db)
        .await?;
    let has_more = found.len() as u64 > PAGE_SIZE;
    found.truncate(usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX));
    Ok((found, has_more))
}

/// Number of tickets by status, without empty ones.
pub async fn count(db: &Db, states: &[Status]) -> Result<Vec<(String, i64)>> {
    let states = states.iter().map(|status| status.code());
    let counted = Entity::find()
        .select_only()
        .column(Column::Status)
        .column_as(Column::Id.count(), "count");
    Ok(counted
        .filter(Column::Status.is_in(states))
        .group_by(Column::Status)
        .into_tuple()
        .all(db)
        .await?)
}
