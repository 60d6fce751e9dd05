//! The helpdesk's personal data: a user's tickets and comments.

use crate::{comment, ticket};
use palisade::async_trait::async_trait;
use palisade::auth::PersonalData;
use palisade::entity::*;
use palisade::prelude::*;
use palisade::serde_json::{self, json};
use sea_orm::sea_query::Expr;

/// Tickets and comments.
pub struct Desk;

#[async_trait]
impl PersonalData for Desk {
    fn name(&self) -> &'static str {
        "helpdesk"
    }

    fn tables(&self) -> Vec<&'static str> {
        vec!["helpdesk_ticket", "helpdesk_comment"]
    }

    async fn export(&self, db: &Db, user: &User) -> Result<serde_json::Value> {
        let tickets = ticket::Entity::find()
            .filter(ticket::Column::CustomerId.eq(user.id))
            .all(db)
            .await?;
        let comments = comment::Entity::find()
            .filter(comment::Column::AuthorId.eq(user.id))
            .all(db)
            .await?;
        let ticket = |row: &ticket::Model| json!({ "id": row.id, "subject": row.subject, "body": row.body, "opened": row.opened_at });
        let comment = |row: &comment::Model| json!({ "ticket": row.ticket_id, "body": row.body, "written": row.written_at });
        let (tickets, comments): (Vec<_>, Vec<_>) = (
            tickets.iter().map(ticket).collect(),
            comments.iter().map(comment).collect(),
        );
        Ok(json!({ "tickets": tickets, "comments": comments }))
    }

    /// Deletes a customer's tickets with their comments, and the user's other comments. Tickets
    /// assigned to the user become unassigned.
    async fn erase(&self, tx: &Tx, user: &User) -> Result<()> {
        let tickets = ticket::Entity::find()
            .filter(ticket::Column::CustomerId.eq(user.id))
            .all(tx)
            .await?;
        let ids: Vec<i32> = tickets.iter().map(|ticket| ticket.id).collect();
        comment::Entity::delete_many()
            .filter(comment::Column::TicketId.is_in(ids.clone()))
            .exec(tx)
            .await?;
        ticket::Entity::delete_many()
            .filter(ticket::Column::Id.is_in(ids))
            .exec(tx)
            .await?;
        comment::Entity::delete_many()
            .filter(comment::Column::AuthorId.eq(user.id))
            .exec(tx)
            .await?;
        ticket::Entity::update_many()
            .col_expr(ticket::Column::AssigneeId, Expr::value(Option::<i32>::None))
            .col_expr(
                ticket::Column::AssigneeName,
                Expr::value(Option::<String>::None),
            )
            .filter(ticket::Column::AssigneeId.eq(user.id))
            .exec(tx)
            .await?;
        Ok(())
    }
}
