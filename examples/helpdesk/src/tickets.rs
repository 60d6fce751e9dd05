//! Pages for customers' tickets.

use crate::comment;
use crate::status::{Side, Status};
use crate::ticket::{self, Filter, Model, Order};
use palisade::permissions::Change;
use palisade::prelude::*;
use sea_orm::{ColumnTrait, QueryFilter, Set};

#[derive(Form)]
pub struct NewTicket {
    subject: Line<120>,
    #[form(
        label = "What happened?",
        help = "What you did, what you expected, what you saw instead."
    )]
    body: Text<10_000>,
}

#[derive(Form)]
pub struct NewComment {
    #[form(hidden)]
    version: Number<1, 2_000_000_000>,
    #[form(label = "Your comment")]
    body: Text<10_000>,
}

#[derive(Form)]
pub struct Move {
    version: Number<1, 2_000_000_000>,
    status: Status,
}

/// `GET /tickets`: the user's own.
pub async fn list(
    page: Page,
    user: User,
    actor: Actor,
    db: Db,
    Query(filter): Query<Filter>,
) -> Result<Response> {
    let own = actor
        .find::<ticket::Entity>(Verb::View)
        .filter(ticket::Column::CustomerId.eq(user.id));
    let (found, has_more) = ticket::page(&db, own, &filter).await?;
    page.render(
        "tickets/list.html",
        context! { title => "Your tickets", ..listed(&found, has_more, &filter) },
    )
    .await
}

/// Columns of a list of tickets.
pub fn listed(found: &[Model], has_more: bool, filter: &Filter) -> Value {
    let typed = [
        ("q", filter.q.as_deref().unwrap_or_default().to_owned()),
        (
            "status",
            filter.status.map_or("", |status| status.code()).to_owned(),
        ),
        (
            "order",
            filter.order.unwrap_or(Order::Newest).code().to_owned(),
        ),
    ];
    let number = filter.page.map_or(1, Number::get);
    let tickets: Vec<Value> = found.iter().map(shown).collect();
    let link = |(name, value): &(&str, String)| context! { name => *name, value => value.as_str() };
    let links: Vec<Value> = typed.iter().map(link).collect();
    context! { tickets, has_more, number, links, filter => Form::<Filter>::with_values(typed) }
}

fn shown(ticket: &Model) -> Value {
    context! {
        id => ticket.id, subject => ticket.subject.as_str(), body => ticket.body.as_str(), version => ticket.version,
        status => ticket.status.as_str(), status_label => ticket.status().label(),
        customer => ticket.customer_name.as_str(), assignee => ticket.assignee_name.as_deref(),
        opened => day(ticket.opened_at), changed => day(ticket.changed_at),
    }
}

fn day(time: sea_orm::prelude::DateTimeUtc) -> String {
    time.format("%-d %B %Y, %H:%M").to_string()
}

/// `GET /tickets/new`
pub async fn new(page: Page) -> Result<Response> {
    page.render(
        "tickets/new.html",
        context! { form => Form::<NewTicket>::blank() },
    )
    .await
}

/// `POST /tickets`
pub async fn open(
    actor: Actor,
    db: Db,
    session: Session,
    form: Form<NewTicket>,
) -> Result<Response> {
    let new = form.valid_or_show("tickets/new.html").await?;
    let ticket = ticket::open(&db, &actor, new.subject.into(), new.body.into()).await?;
    session
        .message(
            MessageLevel::Success,
            format!("Ticket {} is open. We will answer soon.", ticket.id),
        )
        .await?;
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}

/// `GET /tickets/{id}`
pub async fn show(page: Page, db: Db, ticket: Allowed<ticket::Entity>) -> Result<Response> {
    let version = ticket.version.to_string();
    let form = Form::<NewComment>::with_values([("version", version)]);
    page.render(
        "tickets/show.html",
        context! { form, ..details(&ticket, ticket.actor(), &db).await? },
    )
    .await
}

async fn details(ticket: &Model, actor: &Actor, db: &Db) -> Result<Value> {
    let side = Model::side(actor);
    let comments = comment::of_ticket(db, actor, ticket.id).await?;
    let said = |comment: &comment::Model| {
        context! {
            author => comment.author_name.as_str(), body => comment.body.as_str(), is_staff => comment.is_staff, written => day(comment.written_at),
        }
    };
    let access = actor.row::<ticket::Entity>(ticket.id);
    let can_change = access.allows(Verb::Change, db).await?;
    let next = ticket.status().next(side);
    let moves = next
        .iter()
        .filter(|_| can_change)
        .map(|status| context! { code => status.code(), label => verb(*status) });
    let comments: Vec<Value> = comments.iter().map(said).collect();
    let can_comment = can_change && ticket.status().after_comment(side).is_some();
    Ok(
        context! { ticket => shown(ticket), comments, can_change, can_comment, moves => moves.collect::<Vec<_>>(), is_staff => side == Side::Staff },
    )
}

fn verb(status: Status) -> &'static str {
    match status {
        Status::Open => "Reopen",
        Status::Waiting => "Wait for the customer",
        Status::Resolved => "Mark as resolved",
        Status::Closed => "Close for good",
    }
}

/// `POST /tickets/{id}/comments`
pub async fn comment(
    db: Db,
    ticket: Allowed<ticket::Entity, Change>,
    form: Form<NewComment>,
) -> Result<Response> {
    let actor = ticket.actor();
    let Some(status) = ticket.status().after_comment(Model::side(actor)) else {
        return Err(Error::new(
            ErrorKind::Conflict,
            "This ticket is closed. Please open a new one.",
        ));
    };
    let (new, invalid) = form.into_parts();
    let shown = details(&ticket, actor, &db).await?;
    let Some(new) = new else {
        return Err(invalid.show_with("tickets/show.html", shown).await);
    };
    let moved = ticket::ActiveModel {
        status: Set(status.code().into()),
        ..Default::default()
    };
    let write = async |tx: &Tx| {
        comment::write(tx, actor, ticket.id, new.body.into()).await?;
        ticket::change(ticket.access(), tx, seen(new.version), moved).await
    };
    if let Err(error) = db.write(write).await {
        // nothing was written: the page shows the new state above the typed comment, which can be
        // sent again
        let invalid = invalid
            .set("version", ticket.version.to_string())
            .general_error(error.public_message().to_owned() + " Read it again, then send.");
        return Err(invalid
            .show_as(error.status(), "tickets/show.html", shown)
            .await);
    }
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}

/// `POST /tickets/{id}/status`
pub async fn set_status(
    db: Db,
    session: Session,
    ticket: Allowed<ticket::Entity, Change>,
    form: Form<Move>,
) -> Result<Response> {
    let side = Model::side(ticket.actor());
    let (wanted, _) = form.into_parts();
    let wanted = wanted
        .ok_or_else(|| Error::new(ErrorKind::BadRequest, "This is not a state of a ticket."))?;
    if !ticket.status().next(side).contains(&wanted.status) {
        return Err(Error::new(
            ErrorKind::Conflict,
            "This ticket cannot go there from where it stands.",
        ));
    }
    let moved = ticket::ActiveModel {
        status: Set(wanted.status.code().into()),
        ..Default::default()
    };
    let seen = seen(wanted.version);
    db.write(async |tx| ticket::change(ticket.access(), tx, seen, moved).await)
        .await?;
    let said = format!("Ticket {} is {}.", ticket.id, wanted.status.code());
    session.message(MessageLevel::Success, said).await?;
    Ok(redirect_to(format!("/tickets/{}", ticket.id)))
}

/// The version that the user saw.
pub fn seen(version: Number<1, 2_000_000_000>) -> i32 {
    i32::try_from(version.get()).unwrap_or(i32::MAX)
}
