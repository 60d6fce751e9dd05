//! Pages for staff.

use crate::status::Status;
use crate::ticket::{self, Filter};
use crate::tickets::{listed, seen};
use palisade::permissions::Change;
use palisade::prelude::*;
use sea_orm::Set;

#[derive(Form)]
pub struct Assign {
    version: Number<1, 2_000_000_000>,
}

/// `GET /queue`: all customers' tickets.
pub async fn list(
    page: Page,
    actor: Actor,
    db: Db,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let all = actor.find::<ticket::Entity>(Verb::View);
    let (found, has_more) = ticket::page(&db, all, &filter).await?;
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
    ticket: Allowed<ticket::Entity, Change>,
    form: Form<Assign>,
) -> Result<Response> {
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
    let taken = ticket::ActiveModel {
        assignee_id: Set(Some(user.id)),
        assignee_name: Set(Some(user.username.clone())),
        ..Default::default()
    };
    let seen = seen(wanted.version);
    db.write(async |tx| ticket::change(ticket.access(), tx, seen, taken).await)
        .await?;
    let said = format!("Ticket {} is yours.", ticket.id);
    session.message(MessageLevel::Success, said).await?;
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}
