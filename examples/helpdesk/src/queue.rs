//! Pages for staff.

use crate::status::Status;
use crate::ticket::{self, Filter};
use crate::tickets::{listed, seen};
use palisade::prelude::*;
use sea_orm::{EntityTrait, Set};

#[derive(Form)]
pub struct Assign {
    version: Number<1, 2_000_000_000>,
}

/// `GET /queue`: all customers' tickets.
pub async fn list(page: Page, db: Db, Query(filter): Query<Filter>) -> Result<Response> {
    let (found, has_more) = ticket::page(&db, ticket::Entity::find(), &filter).await?;
    page.render(
        "tickets/list.html",
        context! { title => "Queue", is_queue => true, ..listed(&found, has_more, &filter) },
    )
    .await
}

/// `POST /queue/{id}/assign`: assigns the ticket to the current user.
pub async fn assign(
    user: User,
    db: Db,
    session: Session,
    Path(id): Path<i32>,
    form: Form<Assign>,
) -> Result<Response> {
    let (ticket, _) = ticket::visible_to(&user, id, &db).await?;
    let (wanted, _) = form.into_parts();
    let wanted = wanted.ok_or_else(|| {
        Error::new(
            ErrorKind::BadRequest,
            "The version of the ticket is missing.",
        )
    })?;
    if ticket.status() == Status::Closed {
        return Err(Error::new(ErrorKind::Conflict, "This ticket is closed."));
    }
    let tx = db.begin().await?;
    let taken = ticket::ActiveModel {
        assignee_id: Set(Some(user.id)),
        assignee_name: Set(Some(user.username.clone())),
        ..Default::default()
    };
    ticket::change(&tx, &ticket, seen(wanted.version), taken).await?;
    tx.commit().await?;
    session
        .message(MessageLevel::Success, format!("Ticket {id} is yours."))
        .await?;
    Ok(redirect_to(format!("/tickets/{id}")))
}
