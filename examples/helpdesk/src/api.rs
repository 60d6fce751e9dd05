//! The desk's API: tickets and comments, for sessions and for tokens that users make.

use crate::status::Status;
use crate::{May, agents, comment, ticket, tickets};
use palisade::permissions::Access;
use palisade::prelude::*;
use palisade::serde::Serialize;

/// The scopes of tokens.
pub const SCOPES: &[(&str, &str)] = &[
    ("tickets.read", "Read the tickets that you may read"),
    (
        "tickets.write",
        "Open tickets, comment on them and work on them",
    ),
];

/// A ticket. Agents see the assignee and set the status.
#[derive(Resource)]
#[resource(of = ticket::Entity, order = "-changed_at", fill = ticket::complete, judge = ticket::judge)]
struct Ticket {
    id: i32,
    #[field(create, filter = "has", sort)]
    subject: Line<120>,
    #[field(create)]
    body: Text<10_000>,
    #[field(write = can(May::WorkQueue), filter = "eq in")]
    status: Status,
    customer_name: Username,
    #[field(read = agents())]
    assignee_name: Option<Username>,
    #[field(filter = "from to", sort)]
    opened_at: Moment,
    #[field(filter = "from to", sort)]
    changed_at: Moment,
}

/// A comment on a ticket.
#[derive(Resource)]
#[resource(of = comment::Entity, order = "written_at")]
struct Comment {
    id: i32,
    #[field(filter, expand = Ticket)]
    ticket_id: i32,
    author_name: Username,
    is_staff: bool,
    body: Text<10_000>,
    #[field(sort)]
    written_at: Moment,
}

/// The routes.
pub fn routes() -> Routes {
    let tickets = resource::<Ticket>("/api/tickets")
        .read(users("tickets.read"))
        .create(users("tickets.write"))
        .change(users("tickets.write"));
    let comments = resource::<Comment>("/api/comments").read(users("tickets.read"));
    let comment = users("tickets.write").api().post(comment);
    tickets
        .routes()
        .merge(comments.routes())
        .route("/api/tickets/{id}/comments", comment)
}

/// The body of a new comment.
#[derive(Form)]
struct NewComment {
    body: Text<10_000>,
}

/// The ticket after a comment.
#[derive(Schema, Serialize)]
#[serde(crate = "palisade::serde")]
struct Commented {
    ticket: i32,
    status: &'static str,
}

/// `POST /api/tickets/{id}/comments`: writes a comment, which may reopen the ticket.
async fn comment(
    db: Db,
    ticket: Allowed<ticket::Entity, Change>,
    Json(new): Json<NewComment>,
) -> Result<Json<Commented>> {
    let status = tickets::write_comment(&db, &ticket, (new.body.into(), ticket.version)).await?;
    Ok(Json(Commented {
        ticket: ticket.id,
        status: status.code(),
    }))
}

/// Users with their session, or with a token of this scope.
fn users(scope: &'static str) -> Access {
    signed_in().or(token(scope).on_behalf(signed_in()))
}
