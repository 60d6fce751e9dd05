//! Second factors of a Django project next to this site: of django-allauth and django-otp. This
//! site cannot verify them, and a login here is a login there; so users who have such a factor, and
//! none of this site's, must log in there.

use crate::db::{Database, Db};
use crate::sql;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Query};
use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// A table with a row for each factor of a user.
#[derive(Debug, Clone, Copy)]
struct FactorTable {
    name: &'static str,
    /// Whether only confirmed rows count.
    has_confirmed: bool,
}

/// The packages' tables.
const KNOWN: [FactorTable; 7] = [
    FactorTable {
        name: "mfa_authenticator",
        has_confirmed: false,
    },
    FactorTable {
        name: "otp_totp_totpdevice",
        has_confirmed: true,
    },
    FactorTable {
        name: "otp_hotp_hotpdevice",
        has_confirmed: true,
    },
    FactorTable {
        name: "otp_static_staticdevice",
        has_confirmed: true,
    },
    FactorTable {
        name: "otp_email_emaildevice",
        has_confirmed: true,
    },
    FactorTable {
        name: "two_factor_phonedevice",
        has_confirmed: true,
    },
    FactorTable {
        name: "otp_webauthn_webauthncredential",
        has_confirmed: true,
    },
];

/// Those tables that exist in this database.
#[derive(Debug, Clone, Default)]
pub(crate) struct DjangoFactors(Vec<FactorTable>);

impl DjangoFactors {
    /// Finds the tables.
    pub(crate) async fn find(database: &Database) -> Result<Self, DbErr> {
        let mut found = Vec::new();
        for table in KNOWN {
            let query = match database.backend() {
                DbBackend::Postgres => sql!(
                    "SELECT 1::bigint WHERE to_regclass(?) IS NOT NULL",
                    table.name
                ),
                _ => sql!(
                    "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?",
                    table.name
                ),
            };
            if database
                .handle()
                .fetch_one::<(i64,)>(query)
                .await?
                .is_some()
            {
                found.push(table);
            }
        }
        Ok(Self(found))
    }

    /// Whether a user has a second factor that only the Django project can verify.
    pub(in crate::auth) async fn is_enrolled(&self, db: &Db, user_id: i32) -> Result<bool, DbErr> {
        for table in &self.0 {
            let mut query = Query::select();
            query
                .expr(Expr::val(1_i32))
                .from(Alias::new(table.name))
                .and_where(Expr::col("user_id").eq(user_id))
                .limit(1);
            if table.has_confirmed {
                query.and_where(Expr::col("confirmed").eq(true));
            }
            if db.query_one(&query).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
