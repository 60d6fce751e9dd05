//! Permissions and groups of a user, loaded by one query.

use crate::db::FromRow;
use crate::django::UserTables;
use chrono::{DateTime, Utc};
use palisade_crypto::random;
use sea_orm::sea_query::{Alias, Cond, Expr, ExprTrait, Query, SelectStatement, UnionType};
use sea_orm::{ConnectionTrait, DbErr};
use std::collections::{BTreeMap, HashSet};

/// Permissions and groups of one user, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rights {
    permissions: HashSet<String>,
    groups: BTreeMap<i32, String>,
}

impl Rights {
    /// Loads them: own permissions, groups with memberships that have not ended, and the
    /// permissions of those groups.
    pub(super) async fn load(
        connection: &impl ConnectionTrait,
        tables: &UserTables,
        (user_id, now): (i32, DateTime<Utc>),
    ) -> Result<Self, DbErr> {
        let groups = groups_of(tables, user_id, now);
        let mut query = permissions_of(tables, user_id, groups.clone());
        query.union(UnionType::All, named(groups));
        let mut rights = Self::default();
        for row in connection.query_all(&query).await? {
            match <(i32, String, String)>::from_row(&row)? {
                (NO_GROUP, app, codename) => {
                    rights.permissions.insert(format!("{app}.{codename}"));
                }
                (id, _, name) => {
                    rights.groups.insert(id, name);
                }
            }
        }
        Ok(rights)
    }

    pub(super) fn has(&self, permission: &str) -> bool {
        self.permissions.contains(permission)
    }

    pub(super) fn is_member(&self, group: &str) -> bool {
        self.groups.values().any(|name| name == group)
    }

    pub(super) fn group_ids(&self) -> impl Iterator<Item = i32> + '_ {
        self.groups.keys().copied()
    }

    pub(super) fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.values().map(String::as_str)
    }

    pub(super) fn permission_names(&self) -> impl Iterator<Item = &str> {
        self.permissions.iter().map(String::as_str)
    }

    /// A digest, to notice a change.
    pub(super) fn digest(&self) -> String {
        let permissions = self
            .permissions
            .iter()
            .map(|name| format!("permission {name}"));
        let groups = self.groups.keys().map(|id| format!("group {id}"));
        let mut names: Vec<String> = permissions.chain(groups).collect();
        names.sort_unstable();
        random::stored_hash(&names.join("\n"))
    }

    pub(super) fn into_permissions(self) -> HashSet<String> {
        self.permissions
    }
}

/// Marks the rows of permissions; keys begin at 1.
const NO_GROUP: i32 = 0;

fn permissions_of(tables: &UserTables, user_id: i32, groups: SelectStatement) -> SelectStatement {
    let own = Query::select()
        .column("permission_id")
        .from(Alias::new(&tables.permissions))
        .and_where(Expr::col(Alias::new(&tables.column)).eq(user_id))
        .to_owned();
    let of_groups = Query::select()
        .column("permission_id")
        .from("auth_group_permissions")
        .and_where(Expr::col("group_id").in_subquery(groups))
        .to_owned();
    let id = || Expr::col(("auth_permission", "id"));
    let content_type = Expr::col(("django_content_type", "id"));
    Query::select()
        .expr(Expr::Constant(NO_GROUP.into()))
        .column(("django_content_type", "app_label"))
        .column(("auth_permission", "codename"))
        .from("auth_permission")
        .inner_join(
            "django_content_type",
            content_type.equals(("auth_permission", "content_type_id")),
        )
        .cond_where(
            Cond::any()
                .add(id().in_subquery(own))
                .add(id().in_subquery(of_groups)),
        )
        .to_owned()
}

fn named(groups: SelectStatement) -> SelectStatement {
    Query::select()
        .column("id")
        .expr(Expr::Constant("".into()))
        .column("name")
        .from("auth_group")
        .and_where(Expr::col("id").in_subquery(groups))
        .to_owned()
}

/// The ids of a user's groups: Django's memberships, and those with an end that is not reached.
pub(super) fn groups_of(tables: &UserTables, user_id: i32, now: DateTime<Utc>) -> SelectStatement {
    memberships(tables, "group_id", (now, &|_, user| user.eq(user_id)))
}

/// A column of memberships that have not ended: `group_id` or `user_id`, by a condition on the columns
/// of the group and of the user.
pub(super) fn memberships(
    tables: &UserTables,
    column: &'static str,
    (now, condition): (DateTime<Utc>, &dyn Fn(Expr, Expr) -> Expr),
) -> SelectStatement {
    let of_django = Alias::new(match column {
        "user_id" => tables.column.as_str(),
        other => other,
    });
    let user = Expr::col(Alias::new(&tables.column));
    let ending = Query::select()
        .column(column)
        .from("palisade_membership")
        .and_where(condition(Expr::col("group_id"), Expr::col("user_id")))
        .and_where(Expr::col("until").gt(now.timestamp()))
        .to_owned();
    Query::select()
        .column(of_django)
        .from(Alias::new(&tables.groups))
        .and_where(condition(Expr::col("group_id"), user))
        .union(UnionType::All, ending)
        .to_owned()
}
