//! A small company's support desk: customers open tickets and see their own, staff work a queue.

mod admin;
mod api;
mod comment;
mod migration;
mod pages;
mod queue;
mod seed;
mod status;
mod ticket;
mod tickets;

use comment::CommentRow;
use palisade::auth::PersonalData;
use palisade::permissions::Access;
use palisade::prelude::*;
use ticket::{NewTicket, TicketRow};

/// Permissions of the desk.
#[derive(Permission, Clone, Copy)]
#[permission(app = "helpdesk")]
enum May {
    #[permission(label = "Can work the queue")]
    WorkQueue,
    /// Granted on single tickets, such as to an auditor.
    #[permission(label = "Can read a ticket of another user", of = ticket::Entity)]
    ReadTicket,
}

/// The site.
pub fn app() -> App {
    App::new()
        .templates(include_templates!("templates"))
        .static_files(include_static!("static"))
        .schema(migration::migrations)
        .permissions::<May>()
        .role(Role::new("agents").may([May::WorkQueue]))
        .entity::<ticket::Entity>()
        .entity::<comment::Entity>()
        .setting("site.home", "/tickets")
        .setting("database.url", "sqlite:helpdesk.sqlite3")
        .personal_data(comments())
        .personal_data(tickets())
        .admin(admin::admin())
        .scopes(api::SCOPES)
        .routes(routes())
        .routes(api::routes())
        .command(
            "seed",
            "Fill an empty desk with a demonstration: customers, staff and tickets",
            seed::seed,
        )
}

fn routes() -> Routes {
    Routes::new()
        .route("/", public().get(show_template("front.html")))
        .route("/status", public().get(pages::status))
        .scope(signed_in(), |site| {
            site.get("/tickets", tickets::list)
                .post("/tickets", tickets::open)
                .get("/tickets/new", show_form::<NewTicket>("tickets/new.html"))
                .get("/tickets/{id}", tickets::show)
                .post("/tickets/{id}/comments", tickets::comment)
                .post("/tickets/{id}/status", tickets::set_status)
        })
        .scope(agents(), |site| {
            site.get("/queue", queue::list)
                .post("/queue/{id}/assign", queue::assign)
        })
}

/// Staff, and users who may work the queue.
fn agents() -> Access {
    staff().or(can(May::WorkQueue))
}

fn comments() -> impl PersonalData {
    PersonalRows::<comment::Entity, CommentRow>::of("comments", comment::Column::AuthorId)
}

/// Before a user's tickets go the comments of others on them; tickets assigned to the user become
/// unassigned.
fn tickets() -> impl PersonalData {
    PersonalRows::<ticket::Entity, TicketRow>::of("tickets", ticket::Column::CustomerId)
        .first(|id| sql!("DELETE FROM helpdesk_comment WHERE ticket_id IN (SELECT id FROM helpdesk_ticket WHERE customer_id = ?)", id))
        .first(|id| sql!("UPDATE helpdesk_ticket SET assignee_id = NULL, assignee_name = NULL WHERE assignee_id = ?", id))
}
