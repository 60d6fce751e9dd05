//! A small company's support desk: customers open tickets and see their own, staff work a queue.

mod comment;
mod migration;
mod pages;
mod personal;
mod queue;
mod seed;
mod status;
mod ticket;
mod tickets;

use palisade::permissions::{Access, Role};
use palisade::prelude::*;

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
        .migrations::<migration::Migrator>()
        .permissions::<May>()
        .role(Role::new("agents").may([May::WorkQueue]))
        .entity::<ticket::Entity>()
        .entity::<comment::Entity>()
        .setting("site.home", "/tickets")
        .setting("database.url", "sqlite:helpdesk.sqlite3")
        .personal_data(personal::Desk)
        .routes(routes())
        .command(
            "seed",
            "Fill an empty desk with a demonstration: customers, staff and tickets",
            seed::seed,
        )
}

fn routes() -> Routes {
    Routes::new()
        .route("/", public().get(pages::front))
        .route("/status", public().get(pages::status))
        .route(
            "/tickets",
            signed_in().get(tickets::list).post(tickets::open),
        )
        .route("/tickets/new", signed_in().get(tickets::new))
        .route("/tickets/{id}", signed_in().get(tickets::show))
        .route("/tickets/{id}/comments", signed_in().post(tickets::comment))
        .route(
            "/tickets/{id}/status",
            signed_in().post(tickets::set_status),
        )
        .route("/queue", agents().get(queue::list))
        .route("/queue/{id}/assign", agents().post(queue::assign))
}

/// Staff, and users who may work the queue.
fn agents() -> Access {
    staff().or(can(May::WorkQueue))
}
