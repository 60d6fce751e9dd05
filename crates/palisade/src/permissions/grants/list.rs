//! Grants of all entities, for reports, escalation and personal data. Their tables are found in the
//! database, so that no grant is left out because its entity is not registered.

use crate::db::FromRow;
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Func, Order, Query, SelectStatement};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult};
use std::collections::{BTreeMap, BTreeSet};

/// A grant with the names of its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::permissions) struct GrantRow {
    pub(in crate::permissions) user: Option<i32>,
    pub(in crate::permissions) group: Option<i32>,
    /// Table and key of the object.
    pub(in crate::permissions) object: String,
    pub(in crate::permissions) permission: Option<i32>,
    pub(in crate::permissions) role: Option<i32>,
    /// End, in seconds since 1970.
    pub(in crate::permissions) until: Option<i64>,
    pub(in crate::permissions) reason: String,
}

/// The names of all tables of grants, which are recognised by their columns.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn grant_tables(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let query = match connection.get_database_backend() {
        DbBackend::Postgres => tables_of_postgres(),
        _ => tables_of_sqlite(),
    };
    let tables: Vec<(String,)> = fetch(connection, &query).await?;
    let of_grants = tables.into_iter().map(|(table,)| table);
    Ok(of_grants.filter(|table| table.ends_with(SUFFIX)).collect())
}

const SUFFIX: &str = "_grant";
const COLUMNS: [&str; 5] = ["object_id", "permission_id", "role_id", "until", "given_by"];

fn tables_of_postgres() -> SelectStatement {
    Query::select()
        .expr(Expr::col("table_name").cast_as("text"))
        .from(("information_schema", "columns"))
        .and_where(Expr::col("table_schema").eq(Func::cust("current_schema")))
        .and_where(Expr::col("column_name").is_in(COLUMNS))
        .group_by_col("table_name")
        .and_having(Expr::col("column_name").count().eq(COLUMNS.len() as i64))
        .order_by("table_name", Order::Asc)
        .to_owned()
}

/// SQLite keeps the statements that created its tables.
fn tables_of_sqlite() -> SelectStatement {
    let mut query = Query::select();
    query
        .column("name")
        .from("sqlite_master")
        .and_where(Expr::col("type").eq("table"))
        .order_by("name", Order::Asc);
    for column in COLUMNS {
        query.and_where(Expr::col("sql").like(format!("%{column}%")));
    }
    query
}

async fn fetch<T: FromRow>(
    connection: &impl ConnectionTrait,
    query: &SelectStatement,
) -> Result<Vec<T>, DbErr> {
    let rows = connection.query_all(query).await?;
    rows.iter().map(T::from_row).collect()
}

/// Whether a grant or membership has not ended.
pub(in crate::permissions) fn has_not_ended(now: DateTime<Utc>) -> Condition {
    Condition::any()
        .add(Expr::col("until").is_null())
        .add(Expr::col("until").gt(now.timestamp()))
}

/// The grants of all entities that meet a condition.
///
/// # Errors
/// When the database does not answer.
pub(in crate::permissions) async fn all_grants(
    connection: &impl ConnectionTrait,
    rows: &Condition,
) -> Result<Vec<GrantRow>, DbErr> {
    let mut all = Vec::new();
    for table in grant_tables(connection).await? {
        let query = Query::select()
            .columns([
                "user_id",
                "group_id",
                "permission_id",
                "role_id",
                "until",
                "reason",
            ])
            .expr(Expr::col("object_id").cast_as("text"))
            .from(Alias::new(&table))
            .cond_where(rows.clone())
            .to_owned();
        let entity = table.strip_suffix(SUFFIX).unwrap_or(&table);
        for row in connection.query_all(&query).await? {
            all.push(grant_row(&row, entity)?);
        }
    }
    Ok(all)
}

fn grant_row(row: &QueryResult, entity: &str) -> Result<GrantRow, DbErr> {
    let object: String = row.try_get_by_index(6)?;
    Ok(GrantRow {
        user: row.try_get_by_index(0)?,
        group: row.try_get_by_index(1)?,
        permission: row.try_get_by_index(2)?,
        role: row.try_get_by_index(3)?,
        until: row.try_get_by_index(4)?,
        reason: row.try_get_by_index(5)?,
        object: format!("{entity} {object}"),
    })
}

/// The roles on objects that the members of a group have by it.
///
/// # Errors
/// When the database does not answer.
pub(in crate::permissions) async fn roles_of_group(
    connection: &impl ConnectionTrait,
    group: &str,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, DbErr> {
    let id = Query::select()
        .column("id")
        .from("auth_group")
        .and_where(Expr::col("name").eq(group))
        .to_owned();
    let of_group = Condition::all()
        .add(Expr::col("group_id").in_subquery(id))
        .add(Expr::col("role_id").is_not_null())
        .add(has_not_ended(now));
    let grants = all_grants(connection, &of_group).await?;
    if grants.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names = Names::load(connection).await?;
    let roles = grants.iter().filter_map(|grant| names.group(grant.role?));
    Ok(roles.map(str::to_owned).collect())
}

/// Names of permissions and of groups with their permissions, by key.
#[derive(Debug, Default)]
pub(in crate::permissions) struct Names {
    permissions: BTreeMap<i32, String>,
    groups: BTreeMap<i32, (String, Vec<String>)>,
}

/// Key, app and codename of all permissions.
fn permissions() -> SelectStatement {
    let content_type = Expr::col(("django_content_type", "id"));
    Query::select()
        .column(("auth_permission", "id"))
        .column(("django_content_type", "app_label"))
        .column(("auth_permission", "codename"))
        .from("auth_permission")
        .inner_join(
            "django_content_type",
            content_type.equals(("auth_permission", "content_type_id")),
        )
        .to_owned()
}

impl Names {
    /// Loads them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::permissions) async fn load(
        connection: &impl ConnectionTrait,
    ) -> Result<Self, DbErr> {
        let mut names = Self::default();
        for (id, app, codename) in
            fetch::<(i32, String, String)>(connection, &permissions()).await?
        {
            names.permissions.insert(id, format!("{app}.{codename}"));
        }
        let groups = Query::select()
            .columns(["id", "name"])
            .from("auth_group")
            .to_owned();
        for (id, name) in fetch::<(i32, String)>(connection, &groups).await? {
            names.groups.insert(id, (name, Vec::new()));
        }
        let links = Query::select()
            .columns(["group_id", "permission_id"])
            .from("auth_group_permissions")
            .to_owned();
        for (group, permission) in fetch::<(i32, i32)>(connection, &links).await? {
            let permission = names.permissions.get(&permission).cloned();
            if let Some((_, permissions)) = names.groups.get_mut(&group) {
                permissions.extend(permission);
            }
        }
        Ok(names)
    }

    pub(in crate::permissions) fn group(&self, id: i32) -> Option<&str> {
        self.groups.get(&id).map(|(name, _)| name.as_str())
    }

    /// The permissions in a grant, itself or by its role.
    pub(in crate::permissions) fn permissions_in(&self, grant: &GrantRow) -> Vec<&str> {
        let own = grant.permission.and_then(|id| self.permissions.get(&id));
        let of_role = grant.role.and_then(|id| self.groups.get(&id));
        let of_role = of_role.into_iter().flat_map(|(_, permissions)| permissions);
        own.into_iter().chain(of_role).map(String::as_str).collect()
    }

    /// The permissions of each group.
    pub(in crate::permissions) fn of_groups(&self) -> impl Iterator<Item = (i32, &str, &[String])> {
        let groups = self.groups.iter();
        groups.map(|(id, (name, permissions))| (*id, name.as_str(), permissions.as_slice()))
    }
}
