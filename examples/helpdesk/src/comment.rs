//! A comment on a ticket.

use palisade::prelude::*;
use sea_orm::entity::prelude::*;
use sea_orm::{QueryOrder, Set};

/// A row of `helpdesk_comment`.
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

/// No relations.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// The comments of a ticket, oldest first.
pub async fn of_ticket(db: &Db, ticket_id: i32) -> Result<Vec<Model>> {
    Ok(Entity::find()
        .filter(Column::TicketId.eq(ticket_id))
        .order_by_asc(Column::Id)
        .all(db)
        .await?)
}

/// Writes a comment.
pub async fn write(
    tx: &Tx,
    ticket_id: i32,
    author: &User,
    is_staff: bool,
    body: String,
) -> Result<()> {
    let comment = ActiveModel {
        ticket_id: Set(ticket_id),
        author_id: Set(author.id),
        author_name: Set(author.username.clone()),
        is_staff: Set(is_staff),
        body: Set(body),
        written_at: Set(crate::ticket::chrono_now()),
        ..Default::default()
    };
    comment.insert(tx).await?;
    Ok(())
}
