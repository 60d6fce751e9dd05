//! The helpdesk's tables.

use crate::ticket;
use palisade::db::{Migration, references};
use palisade::permissions::GrantsTable;
use palisade::sea_orm_migration::prelude::{Index, IndexCreateStatement, Table};
use palisade::sea_orm_migration::schema::*;

/// All migrations, in order.
pub fn migrations() -> Vec<Migration> {
    vec![
        tickets(),
        // `/status` is public and counts open tickets: the index keeps it from reading them all
        Migration::new("helpdesk_0002_status").create_index(index("ticket", "status", "status")),
        // tickets can be shared with single users and groups
        Migration::new("helpdesk_0003_ticket_grants").change(GrantsTable::<ticket::Entity>::new()),
    ]
}

fn tickets() -> Migration {
    let ticket = Table::create()
        .table("helpdesk_ticket")
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
        .foreign_key(&mut references(
            "helpdesk_ticket",
            "customer_id",
            "auth_user",
        ))
        .foreign_key(&mut references(
            "helpdesk_ticket",
            "assignee_id",
            "auth_user",
        ))
        .take();
    let comment = Table::create()
        .table("helpdesk_comment")
        .col(pk_auto("id"))
        .col(integer("ticket_id"))
        .col(integer("author_id"))
        .col(string_len("author_name", 150))
        .col(boolean("is_staff"))
        .col(text("body"))
        .col(timestamp_with_time_zone("written_at"))
        .foreign_key(&mut references(
            "helpdesk_comment",
            "ticket_id",
            "helpdesk_ticket",
        ))
        .foreign_key(&mut references(
            "helpdesk_comment",
            "author_id",
            "auth_user",
        ))
        .take();
    Migration::new("helpdesk_0001_tickets")
        .create_table(ticket)
        .create_table(comment)
        .create_index(index("ticket", "customer", "customer_id"))
        .create_index(index("ticket", "changed", "changed_at"))
        .create_index(index("comment", "ticket", "ticket_id"))
}

/// `helpdesk_ticket_customer` and so on.
fn index(table: &str, name: &str, column: &'static str) -> IndexCreateStatement {
    let name = format!("helpdesk_{table}_{name}");
    let table = format!("helpdesk_{table}");
    Index::create().name(name).table(table).col(column).take()
}
