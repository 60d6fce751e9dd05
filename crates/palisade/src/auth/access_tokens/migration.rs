use async_trait::async_trait;
use sea_orm::DbErr;
use sea_orm_migration::prelude::{Index, SchemaManager, Table};
use sea_orm_migration::schema::{
    big_integer, big_integer_null, boolean, integer, pk_auto, string_len, string_len_null, text,
    text_null,
};
use sea_orm_migration::{MigrationName, MigrationTrait};

/// The table of personal access tokens.
pub(in crate::auth) struct CreateAccessTokens;

impl MigrationName for CreateAccessTokens {
    fn name(&self) -> &str {
        "auth_0006_palisade_access_token"
    }
}

#[async_trait]
impl MigrationTrait for CreateAccessTokens {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("palisade_access_token")
            .col(pk_auto("id"))
            .col(integer("user_id"))
            .col(string_len("name", 100))
            .col(string_len("shown", 10))
            .col(string_len("hash", 40).unique_key())
            .col(text("scopes"))
            .col(text_null("networks"))
            .col(string_len("bound_to", 43))
            .col(boolean("has_factor"))
            .col(big_integer("created"))
            .col(big_integer("expires"))
            .col(big_integer_null("used"))
            .col(string_len_null("used_from", 45))
            .col(big_integer_null("moved"))
            .col(big_integer_null("warned"))
            .col(big_integer_null("ended"))
            .col(string_len_null("why", 60))
            .take();
        manager.create_table(table).await?;
        for column in ["user_id", "expires"] {
            let index = Index::create()
                .name(format!("palisade_access_token_{column}"))
                .table("palisade_access_token")
                .col(column)
                .take();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let dropped = Table::drop().table("palisade_access_token").take();
        manager.drop_table(dropped).await
    }
}
