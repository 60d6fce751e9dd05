//! Pages for staff.

use crate::status::Status;
use crate::ticket::{self, ActiveModel, Entity, Filter};
use crate::tickets::listed;
use palisade::entity::*;
use palisade::prelude::*;

#[derive(Form)]
pub struct Assign {
    version: i32,
}

/// `GET /queue`: all customers' tickets.
pub async fn list(
    page: Page,
    rows: AllowedRows<Entity>,
    Query(filter): Query<Filter>,
    form: FormView<Filter>,
) -> Result<Response> {
    let listed = listed(&rows, filter.apply(rows.find()), form).await?;
    let values = context! { title => "Queue", is_queue => true, ..listed };
    page.render("tickets/list.html", values).await
}

/// `POST /queue/{id}/assign`: assigns the ticket to the current user.
pub async fn assign(
    user: User,
    db: Db,
    flash: Flash,
    ticket: Allowed<Entity, Change>,
    form: Form<Assign>,
) -> Result<Response> {
    let seen = form.valid()?.version;
    if ticket.status() == Status::Closed {
        return Err(Error::conflict("This ticket is closed."));
    }
    let mut taken = ActiveModel::new();
    taken.assignee_id = Set(Some(user.id));
    taken.assignee_name = Set(Some(user.username.clone()));
    let write = async |tx: &Tx| ticket::change(ticket.access(), tx, seen, taken).await;
    db.write(write).await?;
    flash
        .success(format!("Ticket {} is yours.", ticket.id))
        .await?;
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}
