//! A ticket, and its queries and changes.

use crate::May;
use crate::status::{Side, Status};
use palisade::admin::Action;
use palisade::chrono::Utc;
use palisade::entity::*;
use palisade::permissions::RowAccess;
use palisade::prelude::*;
use sea_orm::Select;

/// A row of `helpdesk_ticket`.
#[sea_orm::model]
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

impl ActiveModelBehavior for ActiveModel {}

/// The columns of pages and of the export of personal data.
#[derive(Columns)]
#[columns(entity = Entity)]
pub struct TicketRow {
    id: i32,
    subject: String,
    body: String,
    status: String,
    customer_name: String,
    assignee_name: Option<String>,
    version: i32,
    opened_at: DateTimeUtc,
    changed_at: DateTimeUtc,
}

impl Model {
    /// Its status.
    pub fn status(&self) -> Status {
        Status::from_code(&self.status).unwrap_or(Status::Closed)
    }
}

/// The role of a user who may view a ticket.
pub fn side(actor: &Actor) -> Side {
    match actor.is_staff() || actor.may(May::WorkQueue) {
        true => Side::Staff,
        false => Side::Customer,
    }
}

impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let own = Rows::none().or("own", actor.owns(Column::CustomerId));
        if verb == Verb::Create {
            return own;
        }
        let readable = own.or("queue", side(actor) == Side::Staff);
        match verb {
            Verb::View => readable.or("shared", actor.granted::<Self>(May::ReadTicket)),
            Verb::Change | Verb::Delete if side(actor) == Side::Staff => readable,
            Verb::Change => readable,
            _ => Rows::none(),
        }
    }
}

impl Labelled for Entity {
    fn label() -> Column {
        Column::Subject
    }
}

/// Actions of the admin.
pub fn actions() -> Vec<Action<Entity>> {
    let close = |_: &Model, _: &Actor| ActiveModel {
        status: Set(Status::Closed.code().into()),
        ..Default::default()
    };
    vec![Action::change("close", "Close", close)]
}

/// The columns that each change of the admin sets.
pub fn touch(_: &Actor, before: Option<&Model>, row: &mut ActiveModel) {
    row.version = Set(before.map_or(1, |row| row.version + 1));
    row.changed_at = Set(Utc::now());
}

/// Refuses a status that a ticket cannot go to from where it stands.
pub fn judge(actor: &Actor, before: Option<&Model>, row: &ActiveModel) -> Result<()> {
    let (Some(before), Some(status)) = (before, row.status.try_as_ref()) else {
        return Ok(());
    };
    let next = before.status().next(side(actor));
    match next.iter().any(|next| next.code() == status) {
        true => Ok(()),
        false => Err(Error::conflict(
            "This ticket cannot go there from where it stands.",
        )),
    }
}

/// The columns that each write of the API sets: a new ticket is its author's.
pub fn complete(actor: &Actor, before: Option<&Model>, row: &mut ActiveModel) {
    if let (None, Some(user)) = (before, actor.user()) {
        row.customer_id = Set(user.id);
        row.customer_name = Set(user.username.clone());
        row.opened_at = Set(Utc::now());
        if row.status.is_not_set() {
            row.status = Set(Status::Open.code().into());
        }
    }
    touch(actor, before, row);
}

/// The fields of a new ticket.
#[derive(Form)]
#[form(entity = Entity)]
pub struct NewTicket {
    pub subject: Line<120>,
    #[form(
        label = "What happened?",
        help = "What you did, what you expected, what you saw instead."
    )]
    pub body: Text<10_000>,
    #[form(help = "A picture of at most 5 MB: PNG, JPEG, GIF or WebP.")]
    pub screenshot: Option<Upload<Picture, { 5 * MIB }>>,
}

/// Opens a ticket of the actor.
pub async fn open(
    db: &Db,
    actor: &Actor,
    (new, screenshot): (ActiveModel, Option<Upload<Picture, { 5 * MIB }>>),
) -> Result<Model> {
    let user = actor.user().ok_or_else(Error::forbidden)?;
    let ticket = ActiveModel {
        status: Set(Status::Open.code().into()),
        customer_id: Set(user.id),
        customer_name: Set(user.username.clone()),
        version: Set(1),
        opened_at: Set(Utc::now()),
        changed_at: Set(Utc::now()),
        ..new
    };
    db.write(async |tx| {
        let ticket = actor.insert(tx, ticket).await?;
        if let Some(screenshot) = screenshot {
            screenshot.keep(tx, &ticket).await?;
        }
        Ok(ticket)
    })
    .await
}

/// Changes a ticket, unless it was changed since version `seen` was displayed: then 409, and nothing
/// is written.
pub async fn change(
    ticket: RowAccess<'_, Entity>,
    tx: &Tx,
    seen: i32,
    mut change: ActiveModel,
) -> Result<()> {
    change.version = Set(seen + 1);
    change.changed_at = Set(Utc::now());
    let unchanged = Column::Version.eq(seen);
    ticket.only_if(unchanged).change(tx, change).await
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
    #[form(label = "Search")]
    q: Option<Line<100>>,
    #[form(empty = "Any")]
    status: Option<Status>,
    #[form(empty = "Any")]
    order: Option<Order>,
}

impl Filter {
    /// The matching tickets, in order.
    pub fn apply(&self, mut tickets: Select<Entity>) -> Select<Entity> {
        if let Some(words) = &self.q {
            tickets = tickets.filter(contains(Column::Subject, words));
        }
        if let Some(status) = self.status {
            tickets = tickets.filter(Column::Status.eq(status.code()));
        }
        let order = match self.order.unwrap_or(Order::Newest) {
            Order::Newest => sea_orm::Order::Desc,
            Order::Oldest => sea_orm::Order::Asc,
        };
        tickets
            .order_by(Column::ChangedAt, order.clone())
            .order_by(Column::Id, order)
    }
}
