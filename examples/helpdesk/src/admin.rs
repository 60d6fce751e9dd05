//! The desk's admin. Customers are the users, which every admin has.

use crate::{comment, status::Status, ticket};
use palisade::admin::{Tile, user};
use palisade::entity::*;
use palisade::prelude::*;

/// Tickets, as staff see them.
#[derive(Admin)]
#[admin(of = ticket::Entity, order = "-changed_at", children(Comments), without(Add, Import))]
#[admin(actions = ticket::actions, fill = ticket::touch)]
struct Tickets {
    #[admin(list, search)]
    subject: Line<120>,
    body: Text<10_000>,
    #[admin(list, filter)]
    status: Status,
    #[admin(list, filter, fixed)]
    customer_id: Pick<user::Entity>,
    #[admin(list, filter, fixed)]
    assignee_id: Option<Pick<user::Entity>>,
    #[admin(list, filter, fixed)]
    changed_at: Moment,
}

/// Comments: two persons delete one.
#[derive(Admin)]
#[admin(of = comment::Entity, order = "-written_at", two_person(Delete), without(Add, Change, Import))]
struct Comments {
    #[admin(list, search)]
    body: Text<10_000>,
    #[admin(list, filter)]
    ticket_id: Pick<ticket::Entity>,
    #[admin(list, filter)]
    written_at: Moment,
}

/// The admin, with two numbers on its first page.
pub fn admin() -> Admin {
    let open = Tile::count::<ticket::Entity>("Open tickets", || ticket::Column::Status.eq("open"));
    let opened = Tile::per_day::<ticket::Entity>("Opened tickets", ticket::Column::OpenedAt);
    let admin = Admin::new().resource::<Tickets>().resource::<Comments>();
    admin.tile(open).tile(opened)
}
