//! Pages for customers' tickets.

use crate::status::Status;
use crate::ticket::{self, ActiveModel, Column, Entity, Filter, NewTicket, TicketRow};
use crate::{comment, status::Side};
use palisade::entity::*;
use palisade::prelude::*;
use sea_orm::Select;

#[derive(Form)]
pub struct NewComment {
    #[form(hidden)]
    version: i32,
    #[form(label = "Your comment")]
    body: Text<10_000>,
}

#[derive(Form)]
pub struct Move {
    version: i32,
    status: Status,
}

/// A page of a list.
pub async fn listed(
    rows: &AllowedRows<Entity>,
    found: Select<Entity>,
    form: FormView<Filter>,
) -> Result<Value> {
    let (tickets, pages) = rows.page::<TicketRow>(found, 20).await?;
    Ok(context! { tickets, pages, filter => form.of_query() })
}

/// `GET /tickets`: the user's own.
pub async fn list(
    page: Page,
    user: User,
    rows: AllowedRows<Entity>,
    Query(filter): Query<Filter>,
    form: FormView<Filter>,
) -> Result<Response> {
    let own = rows.find().filter(Column::CustomerId.eq(user.id));
    let listed = listed(&rows, filter.apply(own), form).await?;
    let values = context! { title => "Your tickets", ..listed };
    page.render("tickets/list.html", values).await
}

/// `POST /tickets`
pub async fn open(actor: Actor, db: Db, flash: Flash, form: Form<NewTicket>) -> Result<Response> {
    let new = form.valid_or_show("tickets/new.html").await?;
    let opened = ticket::open(&db, &actor, (new.changes(), new.screenshot));
    let id = opened.await?.id;
    let said = format!("Ticket {id} is open. We will answer soon.");
    flash.success(said).await?;
    Ok(redirect_to(format!("/tickets/{id}")))
}

/// `GET /tickets/{id}`
pub async fn show(page: Page, db: Db, ticket: Allowed<Entity>) -> Result<Response> {
    let version = ticket.version.to_string();
    let form = Form::<NewComment>::with_values([("version", version)]);
    let details = details(&ticket, ticket.actor(), &db).await?;
    let values = context! { form, ..details };
    page.render("tickets/show.html", values).await
}

async fn details(ticket: &ticket::Model, actor: &Actor, db: &Db) -> Result<Value> {
    let side = ticket::side(actor);
    let comments = comment::of_ticket(db, actor, ticket.id).await?;
    let access = actor.row::<Entity>(ticket.id);
    let can_change = access.allows(Verb::Change, db).await?;
    let next = ticket.status().next(side);
    let next = next.iter().filter(|_| can_change);
    let moves: Vec<&str> = next.map(Choice::code).collect();
    let can_comment = can_change && ticket.status().after_comment(side).is_some();
    let files = StoredFile::of(db, ticket).await?;
    let ticket = TicketRow::from(ticket);
    let is_staff = side == Side::Staff;
    Ok(context! { ticket, files, comments, can_change, can_comment, moves, is_staff })
}

/// `POST /tickets/{id}/comments`
pub async fn comment(
    db: Db,
    ticket: Allowed<Entity, Change>,
    form: Form<NewComment>,
) -> Result<Response> {
    let actor = ticket.actor();
    status_after_comment(&ticket)?;
    let (new, invalid) = form.into_parts();
    let shown = details(&ticket, actor, &db).await?;
    let Some(new) = new else {
        return Err(invalid.show_with("tickets/show.html", shown).await);
    };
    if let Err(error) = write_comment(&db, &ticket, (new.body.into(), new.version)).await {
        // nothing was written: the page shows the new state above the typed comment, which can be
        // sent again
        let said = error.public_message().to_owned() + " Read it again, then send.";
        let invalid = invalid.set("version", ticket.version.to_string());
        let invalid = invalid.general_error(said);
        let page = invalid.show_as(error.status(), "tickets/show.html", shown);
        return Err(page.await);
    }
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}

fn status_after_comment(ticket: &Allowed<Entity, Change>) -> Result<Status> {
    let status = ticket.status().after_comment(ticket::side(ticket.actor()));
    status.ok_or_else(|| Error::conflict("This ticket is closed. Please open a new one."))
}

/// Writes a comment on a ticket of a version, and returns the status of the ticket after it.
pub async fn write_comment(
    db: &Db,
    ticket: &Allowed<Entity, Change>,
    (body, version): (String, i32),
) -> Result<Status> {
    let status = status_after_comment(ticket)?;
    let mut moved = ActiveModel::new();
    moved.status = Set(status.code().into());
    db.write(async |tx: &Tx| {
        comment::write(tx, ticket.actor(), ticket.id, body).await?;
        ticket::change(ticket.access(), tx, version, moved).await
    })
    .await?;
    Ok(status)
}

/// `POST /tickets/{id}/status`
pub async fn set_status(
    db: Db,
    flash: Flash,
    ticket: Allowed<Entity, Change>,
    form: Form<Move>,
) -> Result<Response> {
    let Move { version, status } = form.valid()?;
    let next = ticket.status().next(ticket::side(ticket.actor()));
    if !next.contains(&status) {
        let said = "This ticket cannot go there from where it stands.";
        return Err(Error::conflict(said));
    }
    let mut moved = ActiveModel::new();
    moved.status = Set(status.code().into());
    let write = async |tx: &Tx| ticket::change(ticket.access(), tx, version, moved).await;
    db.write(write).await?;
    let said = format!("Ticket {} is {}.", ticket.id, status.code());
    flash.success(said).await?;
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}
