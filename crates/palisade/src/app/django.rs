//! Properties of the database that follow from a Django project next to this site, as far as this
//! site must match them.

use crate::app::{BootError, SiteSettings};
use crate::auth::{DjangoFactors, HasherKind};
use crate::db::{self, Database};
use palisade_password::Algorithm;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query};
use sea_orm::{ConnectionTrait, DbErr};

/// Properties found at the start.
pub(in crate::app) struct Beside {
    /// Algorithm of new password hashes.
    pub(in crate::app) algorithm: Algorithm,
    /// Tables of the project's second factors.
    pub(in crate::app) factors: DjangoFactors,
}

impl Beside {
    /// # Errors
    /// When the groups of users are not Django's own, or the database does not answer.
    pub(in crate::app) async fn look_at(
        settings: &SiteSettings,
        database: &Database,
    ) -> Result<Self, BootError> {
        let chosen = settings.passwords.hasher.map(HasherKind::algorithm);
        if !settings.django.beside {
            return Ok(Self {
                algorithm: chosen.unwrap_or(Algorithm::ARGON2ID),
                factors: DjangoFactors::default(),
            });
        }
        let unknown = BootError::Database;
        judge_groups(database).await?;
        let algorithm = match chosen {
            Some(Algorithm::Argon2id { .. }) => Algorithm::ARGON2ID,
            chosen => newest_algorithm(database)
                .await
                .map_err(unknown)?
                .or(chosen)
                .unwrap_or(Algorithm::PBKDF2_SHA256),
        };
        Ok(Self {
            algorithm,
            factors: DjangoFactors::find(database).await.map_err(unknown)?,
        })
    }
}

/// Permissions are read by the ids in `auth_group`. With a custom group model the same ids would
/// name other groups, and grant their permissions.
async fn judge_groups(database: &Database) -> Result<(), BootError> {
    let tables = database.users();
    let links = [
        (&tables.groups, "group_id", "auth_group"),
        (&tables.permissions, "permission_id", "auth_permission"),
    ];
    for (table, column, expected) in links {
        let query = db::foreign_table(database.backend(), table, column);
        let found: Option<(String,)> = database
            .handle()
            .fetch_one(query)
            .await
            .map_err(BootError::Database)?;
        if let Some((found,)) = found.filter(|(found,)| found.trim_matches('"') != expected) {
            return Err(BootError::Django(format!(
                "{table}.{column} leads to {found} and not to {expected}: this site would take groups of the project's own for Django's, and give people the permissions of others\n  \
                 fix: let the model of users have Django's own groups (PermissionsMixin), or serve this site from a database of its own"
            )));
        }
    }
    Ok(())
}

/// The algorithm of the newest login's hash. Django rehashes at a login when the algorithm differs,
/// which ends the sessions of the other side.
async fn newest_algorithm(database: &Database) -> Result<Option<Algorithm>, DbErr> {
    let users = Query::select()
        .column("password")
        .from(Alias::new(&database.users().users))
        .and_where(Expr::col("last_login").is_not_null())
        .and_where(
            Expr::col("password")
                .like("pbkdf2_sha256$%")
                .or(Expr::col("password").like("argon2$%")),
        )
        .order_by("last_login", Order::Desc)
        .limit(1)
        .to_owned();
    let Some(row) = database.handle().query_one(&users).await? else {
        return Ok(None);
    };
    let encoded: String = row.try_get("", "password")?;
    Ok(match encoded.split('$').collect::<Vec<_>>()[..] {
        ["pbkdf2_sha256", iterations, ..] => iterations
            .parse()
            .ok()
            .map(|iterations| Algorithm::Pbkdf2Sha256 { iterations }),
        _ => Some(Algorithm::ARGON2ID),
    })
}
