//! A comment on a ticket.

use crate::status::Side;
use crate::ticket;
use palisade::chrono::Utc;
use palisade::entity::*;
use palisade::prelude::*;

/// A row of `helpdesk_comment`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "helpdesk_comment")]
pub struct Model {
    /// Number of the comment.
    #[sea_orm(primary_key)]
    pub id: i32,
    /// The ticket.
    pub ticket_id: i32,
    /// Id of the author.
    pub author_id: i32,
    /// Login name of the author.
    pub author_name: String,
    /// Whether the author is staff.
    pub is_staff: bool,
    /// The text.
    pub body: String,
    /// When it was written.
    pub written_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

/// The columns of pages and of the export of personal data.
#[derive(Columns)]
#[columns(entity = Entity)]
pub struct CommentRow {
    ticket_id: i32,
    author_name: String,
    is_staff: bool,
    body: String,
    written_at: DateTimeUtc,
}

/// The comments of a ticket are its readers'; writing one changes the ticket.
impl Scoped for Entity {
    fn rows(actor: &Actor, verb: Verb) -> Rows<Self> {
        let of_ticket = |verb| actor.through::<ticket::Entity>(Column::TicketId, verb);
        match verb {
            Verb::View => Rows::none().or("of a ticket", of_ticket(Verb::View)),
            Verb::Create => Rows::none()
                .or("of a ticket", of_ticket(Verb::Change))
                .and("author", actor.owns(Column::AuthorId)),
            Verb::Delete => Rows::none().or("of a ticket", of_ticket(Verb::Delete)),
            _ => Rows::none(),
        }
    }
}

/// The comments of a ticket, oldest first.
pub async fn of_ticket(db: &Db, actor: &Actor, ticket: i32) -> Result<Vec<CommentRow>> {
    let comments = actor.find::<Entity>(Verb::View).order_by_asc(Column::Id);
    let comments = comments.filter(Column::TicketId.eq(ticket));
    Ok(comments.into_partial_model().all(db).await?)
}

/// Writes a comment.
pub async fn write(tx: &Tx, actor: &Actor, ticket_id: i32, body: String) -> Result<()> {
    let author = actor.user().ok_or_else(Error::forbidden)?;
    let comment = ActiveModel {
        ticket_id: Set(ticket_id),
        author_id: Set(author.id),
        author_name: Set(author.username.clone()),
        is_staff: Set(ticket::side(actor) == Side::Staff),
        body: Set(body),
        written_at: Set(Utc::now()),
        ..Default::default()
    };
    actor.insert(tx, comment).await.map(drop)
}
