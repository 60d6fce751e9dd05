//! Tables that refer to users and are not personal data of the site.

use super::App;
use crate::db::{Database, Reference};
use sea_orm::DbErr;

/// Foreign keys to the users' table from tables that no part of the personal data names. Without
/// the framework's own, and those of grants on objects.
pub(super) async fn uncovered_references(
    app: &App,
    database: &Database,
) -> Result<Vec<Reference>, DbErr> {
    let users = database.users();
    let parts = app.all_personal_data();
    let is_own = |table: &str| {
        let grants = table.strip_suffix("_grant");
        table.starts_with("palisade_")
            || [users.groups.as_str(), users.permissions.as_str()].contains(&table)
            || app
                .policies
                .iter()
                .any(|policy| Some(policy.table()) == grants)
    };
    let is_covered = |table: &str| parts.iter().any(|part| part.tables().contains(&table));
    let mut references = database.references_to(&users.users).await?;
    references.retain(|reference| !is_own(&reference.table) && !is_covered(&reference.table));
    references.dedup();
    Ok(references)
}
