//! Separation of duties on objects: no user has two roles that exclude each other.

use super::list::has_not_ended;
use super::{Content, Grant, Recipient, table_of_grants};
use crate::db::{FromRow, Tx};
use crate::permissions::Actor;
use crate::permissions::rights::{groups_of, memberships};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Condition, Expr, ExprTrait, Query, SelectStatement, Value};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use std::collections::BTreeSet;

impl Actor {
    /// The role of a recipient that excludes the role of a grant, if there is one: for a group, of
    /// any of its members.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn excluded_role<E: EntityTrait>(
        &self,
        tx: &Tx,
        object: Value,
        (grant, group): (&Grant, Option<i32>),
    ) -> Result<Option<String>, DbErr> {
        let (Content::Role(role), Some(roles)) = (&grant.content, self.roles()) else {
            return Ok(None);
        };
        let recipients = Recipients::of(tx, (&grant.recipient, group), self.now());
        let held = recipients.roles_on::<E>(tx, object).await?;
        Ok(roles.conflict(&held, role))
    }
}

/// The recipients of a grant and their groups, to validate a role.
struct Recipients {
    users: SelectStatement,
    groups: SelectStatement,
    group: Option<i32>,
    now: DateTime<Utc>,
}

impl Recipients {
    fn of(tx: &Tx, (recipient, group): (&Recipient, Option<i32>), now: DateTime<Utc>) -> Self {
        let tables = tx.users();
        let (users, groups) = match recipient {
            Recipient::User(id) => {
                let user = Query::select().expr(Expr::val(*id)).to_owned();
                (user, groups_of(tables, *id, now))
            }
            Recipient::Group(_) => {
                let members = |of: Expr, _| of.eq(group);
                let members = memberships(tables, "user_id", (now, &members));
                let theirs = |_, user: Expr| user.in_subquery(members.clone());
                let groups = memberships(tables, "group_id", (now, &theirs));
                (members, groups)
            }
        };
        Self {
            users,
            groups,
            group,
            now,
        }
    }

    /// The names of their roles: everywhere, and on the object.
    async fn roles_on<E: EntityTrait>(
        self,
        tx: &Tx,
        object: Value,
    ) -> Result<BTreeSet<String>, DbErr> {
        let recipient = Condition::any()
            .add(Expr::col("user_id").in_subquery(self.users))
            .add(Expr::col("group_id").in_subquery(self.groups.clone()))
            .add(Expr::col("group_id").eq(self.group));
        let on_object = Query::select()
            .column("role_id")
            .from(Alias::new(table_of_grants::<E>()))
            .and_where(Expr::col("object_id").eq(object))
            .and_where(Expr::col("role_id").is_not_null())
            .cond_where(has_not_ended(self.now))
            .cond_where(recipient)
            .to_owned();
        let held = Condition::any()
            .add(Expr::col("id").in_subquery(self.groups))
            .add(Expr::col("id").in_subquery(on_object))
            .add(Expr::col("id").eq(self.group));
        let query = Query::select()
            .column("name")
            .from("auth_group")
            .cond_where(held)
            .to_owned();
        let rows = tx.query_all(&query).await?;
        let names = rows.iter().map(<(String,)>::from_row);
        names.map(|name| name.map(|(name,)| name)).collect()
    }
}
