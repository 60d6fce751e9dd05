//! The helpdesk's tables.

use crate::ticket;
use palisade::permissions::{create_grants, drop_grants};
use palisade::sea_orm_migration::{prelude::*, schema::*};

/// The helpdesk's migrations.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Tickets),
            Box::new(StatusIndex),
            Box::new(TicketGrants),
        ]
    }
}

struct Tickets;

impl MigrationName for Tickets {
    fn name(&self) -> &str {
        "helpdesk_0001_tickets"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Tickets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
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
            .foreign_key(
                ForeignKey::create()
                    .from("helpdesk_ticket", "customer_id")
                    .to("auth_user", "id"),
            )
            .foreign_key(
                ForeignKey::create()
                    .from("helpdesk_ticket", "assignee_id")
                    .to("auth_user", "id"),
            )
            .take();
        manager.create_table(ticket).await?;
        let comment = Table::create()
            .table("helpdesk_comment")
            .col(pk_auto("id"))
            .col(integer("ticket_id"))
            .col(integer("author_id"))
            .col(string_len("author_name", 150))
            .col(boolean("is_staff"))
            .col(text("body"))
            .col(timestamp_with_time_zone("written_at"))
            .foreign_key(
                ForeignKey::create()
                    .from("helpdesk_comment", "ticket_id")
                    .to("helpdesk_ticket", "id"),
            )
            .foreign_key(
                ForeignKey::create()
                    .from("helpdesk_comment", "author_id")
                    .to("auth_user", "id"),
            )
            .take();
        manager.create_table(comment).await?;
        let index = |name: &str, table: &'static str, column: &'static str| {
            Index::create().name(name).table(table).col(column).take()
        };
        manager
            .create_index(index(
                "helpdesk_ticket_customer",
                "helpdesk_ticket",
                "customer_id",
            ))
            .await?;
        manager
            .create_index(index(
                "helpdesk_ticket_changed",
                "helpdesk_ticket",
                "changed_at",
            ))
            .await?;
        manager
            .create_index(index(
                "helpdesk_comment_ticket",
                "helpdesk_comment",
                "ticket_id",
            ))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("helpdesk_comment").take())
            .await?;
        manager
            .drop_table(Table::drop().table("helpdesk_ticket").take())
            .await
    }
}

/// `/status` is public and counts open tickets: the index keeps it from reading them all.
struct StatusIndex;

impl MigrationName for StatusIndex {
    fn name(&self) -> &str {
        "helpdesk_0002_status"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for StatusIndex {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name("helpdesk_ticket_status")
                    .table("helpdesk_ticket")
                    .col("status")
                    .take(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_index(
                Index::drop()
                    .name("helpdesk_ticket_status")
                    .table("helpdesk_ticket")
                    .to_owned(),
            )
            .await
    }
}

/// Tickets can be shared with single users and groups.
struct TicketGrants;

impl MigrationName for TicketGrants {
    fn name(&self) -> &str {
        "helpdesk_0003_ticket_grants"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for TicketGrants {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create_grants::<ticket::Entity>(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_grants::<ticket::Entity>(manager).await
    }
}
