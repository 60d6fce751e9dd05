//! The helpdesk's tables.

use crate::ticket;
use palisade::db::{Migration, references};
use palisade::permissions::GrantsTable;
use palisade::sea_orm_migration::prelude::{Index, IndexCreateStatement, Table};
use palisade::sea_orm_migration::schema::*;

const USERS: &str = "auth_user";
const TICKETS: &str = "helpdesk_ticket";
const COMMENTS: &str = "helpdesk_comment";

/// All migrations, in order.
pub fn migrations() -> Vec<Migration> {
    vec![
        tickets(),
        // `/status` is public and counts open tickets: the index keeps it from reading them all
        Migration::new("helpdesk_0002_status").create_index(index(TICKETS, "status", "status")),
        // tickets can be shared with single users and groups
        Migration::new("helpdesk_0003_ticket_grants").change(GrantsTable::<ticket::Entity>::new()),
    ]
}

fn tickets() -> Migration {
    let ticket = Table::create()
        .table(TICKETS)
        .col(pk_auto("id"))
        .col(string_len("subject", 120))
        .col(text("body"))
        .col(string_len("status", 20))
        .col(integer("customer_id"))
        .col(string_len("customer_name", 150))
        .col(integer_null("assignee_id"))
        .col(string_len_null("assignee_name", 150))
        .col(integer("version"))
        .col(timestamp_with_time_zone("opened_at"))
        .col(timestamp_with_time_zone("changed_at"))
        .foreign_key(&mut references(TICKETS, "customer_id", USERS))
        .foreign_key(&mut references(TICKETS, "assignee_id", USERS))
        .take();
    let comment = Table::create()
        .table(COMMENTS)
        .col(pk_auto("id"))
        .col(integer("ticket_id"))
        .col(integer("author_id"))
        .col(string_len("author_name", 150))
        .col(boolean("is_staff"))
        .col(text("body"))
        .col(timestamp_with_time_zone("written_at"))
        .foreign_key(&mut references(COMMENTS, "ticket_id", TICKETS))
        .foreign_key(&mut references(COMMENTS, "author_id", USERS))
        .take();
    Migration::new("helpdesk_0001_tickets")
        .create_table(ticket)
        .create_table(comment)
        .create_index(index(TICKETS, "customer", "customer_id"))
        .create_index(index(TICKETS, "changed", "changed_at"))
        .create_index(index(COMMENTS, "ticket", "ticket_id"))
}

/// `helpdesk_ticket_customer` and so on.
fn index(table: &'static str, name: &str, column: &'static str) -> IndexCreateStatement {
    let name = format!("{table}_{name}");
    Index::create().name(name).table(table).col(column).take()
}
