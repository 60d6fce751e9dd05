//! Tables of grants, and their rows.

use crate::audit_log::{self, Event};
use crate::db::Tx;
use crate::permissions::grants::{Content, Grant, Recipient, table_of_grants};
use crate::permissions::rights::Rights;
use crate::permissions::rows::single_key;
use crate::permissions::store::{group_id, permission_id};
use crate::permissions::{Actor, Key, PermissionName, Scoped, Verb};
use crate::sql;
use crate::views::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoValueTuple, Query, Value};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IdenStatic};
use sea_orm_migration::prelude::{
    ColumnDef, ForeignKey, ForeignKeyAction, ForeignKeyCreateStatement, SchemaManager, Table,
};

/// Creates the table of an entity's grants, for a migration of the site. It follows the migration
/// that creates the table of the entity.
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::sea_orm::{DbErr, EntityTrait};
/// # use sea_orm_migration::SchemaManager;
/// async fn up<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
///     palisade::permissions::create_grants::<E>(manager).await
/// }
/// ```
///
/// # Errors
/// Errors of the database.
pub async fn create_grants<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = table_of_grants::<E>();
    let key = single_key::<E>();
    let key =
        key.ok_or_else(|| DbErr::Migration(format!("{table}: grants need a key of one column")))?;
    let key_type = key.def().get_column_type().clone();
    let object = reference(
        &table,
        "object_id",
        (E::default().table_name(), key.as_str()),
    );
    let is_one = |first: &'static str, second: &'static str| {
        let only = |one: &'static str, other: &'static str| {
            Expr::col(one).is_not_null().and(Expr::col(other).is_null())
        };
        only(first, second).or(only(second, first))
    };
    let mut create = Table::create();
    create
        .table(Alias::new(&table))
        .if_not_exists()
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(ColumnDef::new_with_type("object_id", key_type).not_null())
        .col(ColumnDef::new("user_id").integer())
        .col(ColumnDef::new("group_id").integer())
        .col(ColumnDef::new("permission_id").integer())
        .col(ColumnDef::new("role_id").integer())
        .col(ColumnDef::new("until").big_integer())
        .col(ColumnDef::new("given_by").integer())
        .col(ColumnDef::new("given_at").big_integer().not_null())
        .col(ColumnDef::new("reason").string_len(200).not_null())
        .check(is_one("user_id", "group_id"))
        .check(is_one("permission_id", "role_id"))
        .foreign_key(&mut { object })
        .foreign_key(&mut reference(&table, "group_id", ("auth_group", "id")))
        .foreign_key(&mut reference(
            &table,
            "permission_id",
            ("auth_permission", "id"),
        ))
        .foreign_key(&mut reference(&table, "role_id", ("auth_group", "id")));
    // with a custom user model, the users of these tables are in another table
    if manager.has_table("auth_user").await? {
        create.foreign_key(&mut reference(&table, "user_id", ("auth_user", "id")));
    }
    manager.create_table(create).await?;
    create_indexes(manager, &table).await
}

fn reference(
    table: &str,
    column: &'static str,
    (target, key): (&str, &str),
) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(Alias::new(table), column)
        .to(Alias::new(target), Alias::new(key))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}

/// One grant per object, recipient and content; lookups by recipient.
async fn create_indexes(manager: &SchemaManager<'_>, table: &str) -> Result<(), DbErr> {
    // the name of a table is from the entity's code, and not from input
    let unique = format!(
        "CREATE UNIQUE INDEX IF NOT EXISTS \"{table}_once\" ON \"{table}\" (object_id, \
         coalesce(user_id, 0), coalesce(group_id, 0), coalesce(permission_id, 0), coalesce(role_id, 0))"
    );
    let connection = manager.get_connection();
    connection.execute_unprepared(&unique).await?;
    for recipient in ["user", "group"] {
        let lookup = format!(
            "CREATE INDEX IF NOT EXISTS \"{table}_{recipient}\" ON \"{table}\" ({recipient}_id, object_id)"
        );
        connection.execute_unprepared(&lookup).await?;
    }
    Ok(())
}

/// Drops the table of an entity's grants.
///
/// # Errors
/// Errors of the database.
pub async fn drop_grants<E: EntityTrait>(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let drop = Table::drop()
        .table(Alias::new(table_of_grants::<E>()))
        .if_exists()
        .to_owned();
    manager.drop_table(drop).await
}

/// A grant with the keys of its rows.
struct Resolved {
    recipient: (&'static str, i32),
    content: (&'static str, i32),
}

impl Actor {
    /// Grants a permission or a role on an object. An earlier grant of the same is replaced.
    ///
    /// # Errors
    /// 404 for an object that the actor may not view; 403 for a permission that the actor does not
    /// hold on it, and for a grant to oneself (escalation of privileges, ASVS 8.2.2); 400 for an
    /// unknown permission, group or role, and for an end in the past.
    pub async fn give<E: Scoped>(
        &self,
        tx: &Tx,
        object: impl Into<Key<E>>,
        grant: Grant,
    ) -> Result<()>
    where
        Key<E>: Clone,
    {
        let object = object.into();
        self.require_granter::<E>(tx, &object, &grant).await?;
        if grant.until.is_some_and(|end| end <= self.now()) {
            return Err(Error::new(
                ErrorKind::BadRequest,
                "This end is in the past.",
            ));
        }
        let by = Granter {
            user: self.id(),
            now: self.now(),
        };
        let detail = put_grant::<E>(tx, object, (&grant, by)).await?;
        self.record_grant(Event::RightGranted, &detail);
        Ok(())
    }

    /// Revokes a grant: one's own, or any on an object that the actor may change. `false` if it does
    /// not exist.
    ///
    /// # Errors
    /// 404 for an object that the actor may not view; 403 for another user's grant; 400 for an
    /// unknown permission, group or role.
    pub async fn take<E: Scoped>(
        &self,
        tx: &Tx,
        object: impl Into<Key<E>>,
        grant: &Grant,
    ) -> Result<bool>
    where
        Key<E>: Clone,
    {
        let object = object.into();
        self.row::<E>(object.clone()).read(Verb::View, tx).await?;
        self.require_own_grant::<E>(tx, &object, grant).await?;
        let (is_gone, detail) = remove_grant::<E>(tx, object, grant).await?;
        if is_gone {
            self.record_grant(Event::RightRevoked, &detail);
        }
        Ok(is_gone)
    }

    /// Requires that the actor is authorized to view the object, holds everything in the grant on
    /// it without an end, and is not among its recipients. A grant of another user is changed by
    /// those only who may change the object.
    async fn require_granter<E: Scoped>(
        &self,
        tx: &Tx,
        object: &Key<E>,
        grant: &Grant,
    ) -> Result<()>
    where
        Key<E>: Clone,
    {
        self.row::<E>(object.clone()).read(Verb::View, tx).await?;
        let is_own = match &grant.recipient {
            Recipient::User(id) => Some(*id) == self.id(),
            Recipient::Group(name) => self.belongs_to(name),
        };
        let lasting = self.without_ends(tx).await?;
        for permission in permissions_in(tx, &grant.content).await? {
            if is_own || !lasting.holds_on::<E>(tx, object, &permission).await? {
                let detail =
                    format!("a grant of {permission} that the granter does not hold, or to itself");
                return Err(self.refuse_grant(&detail));
            }
        }
        self.require_own_grant::<E>(tx, object, grant).await
    }

    /// Requires that an existing grant is the actor's own, or that the actor may change the object.
    async fn require_own_grant<E: Scoped>(
        &self,
        tx: &Tx,
        object: &Key<E>,
        grant: &Grant,
    ) -> Result<()>
    where
        Key<E>: Clone,
    {
        let is_of_another = is_of_another::<E>(tx, object.clone(), (grant, self.id())).await?;
        let row = self.row::<E>(object.clone());
        if is_of_another && !row.allows(Verb::Change, tx).await? {
            return Err(self.refuse_grant("a change of another user's grant"));
        }
        Ok(())
    }

    /// The same user without rights that end: those are not passed on.
    async fn without_ends(&self, tx: &Tx) -> Result<Self> {
        let Some(id) = self.id() else {
            return Ok(Self::anonymous());
        };
        let never = DateTime::<Utc>::MAX_UTC;
        let rights = Rights::load(tx, tx.users(), (id, never)).await?;
        Ok(self.with_rights(rights, never))
    }

    fn refuse_grant(&self, detail: &str) -> Error {
        self.record_grant(Event::AccessDenied, detail);
        Error::forbidden()
    }

    /// Whether the actor holds a permission on an object: everywhere, or granted on it.
    async fn holds_on<E: Scoped>(&self, tx: &Tx, object: &Key<E>, permission: &str) -> Result<bool>
    where
        Key<E>: Clone,
    {
        if self.may_by_name(permission) {
            return Ok(true);
        }
        let Some(key) = single_key::<E>() else {
            return Ok(false);
        };
        let granted = self.granted_by_name::<E>(key, permission);
        Ok(self.row::<E>(object.clone()).meets(&granted, tx).await?)
    }

    fn record_grant(&self, event: Event, detail: &str) {
        let by = self
            .id()
            .map_or_else(String::new, |id| format!(", by user {id}"));
        let detail = format!("{detail}{by}");
        audit_log::record(event, self.client(), self.request_id(), &detail);
    }
}

impl Grant {
    /// Stores the grant by a rule of the site, without regard to the rights of a user: the founder
    /// of an organisation becomes its owner. An earlier grant of the same is replaced. For a grant
    /// by a user, use [`Actor::give`].
    ///
    /// # Errors
    /// 400 for an unknown permission, group or role; when the database does not answer.
    pub async fn store<E: EntityTrait>(self, tx: &Tx, object: impl Into<Key<E>>) -> Result<()> {
        let by = Granter {
            user: None,
            now: Utc::now(),
        };
        let detail = put_grant::<E>(tx, object.into(), (&self, by)).await?;
        audit_log::record(
            Event::RightGranted,
            None,
            "",
            &format!("{detail}, by the site"),
        );
        Ok(())
    }

    /// Revokes the grant by a rule of the site. `false` if it does not exist.
    ///
    /// # Errors
    /// As [`Grant::store`].
    pub async fn remove<E: EntityTrait>(&self, tx: &Tx, object: impl Into<Key<E>>) -> Result<bool> {
        let (is_gone, detail) = remove_grant::<E>(tx, object.into(), self).await?;
        if is_gone {
            audit_log::record(
                Event::RightRevoked,
                None,
                "",
                &format!("{detail}, by the site"),
            );
        }
        Ok(is_gone)
    }
}

/// Whether there is such a grant that another user, or the site, has stored.
async fn is_of_another<E: EntityTrait>(
    tx: &Tx,
    object: Key<E>,
    (grant, user): (&Grant, Option<i32>),
) -> Result<bool> {
    let (key, resolved) = (key_of::<E>(object), resolve(tx, grant).await?);
    let ((recipient, recipient_id), (content, content_id)) = (resolved.recipient, resolved.content);
    let query = Query::select()
        .column("given_by")
        .from(Alias::new(table_of_grants::<E>()))
        .and_where(Expr::col("object_id").eq(key))
        .and_where(Expr::col(recipient).eq(recipient_id))
        .and_where(Expr::col(content).eq(content_id))
        .to_owned();
    let Some(row) = tx.query_one(&query).await? else {
        return Ok(false);
    };
    let given_by: Option<i32> = row.try_get_by_index(0)?;
    Ok(given_by != user)
}

/// Who granted, and when.
#[derive(Clone, Copy)]
pub(in crate::permissions) struct Granter {
    pub(in crate::permissions) user: Option<i32>,
    pub(in crate::permissions) now: DateTime<Utc>,
}

/// The names of the permissions in a grant.
async fn permissions_in(tx: &Tx, content: &Content) -> Result<Vec<String>> {
    let role = match content {
        Content::Permission(permission) => return Ok(vec![permission.to_string()]),
        Content::Role(role) => role,
    };
    let query = sql!(
        "SELECT type.app_label, permission.codename FROM auth_group role \
         JOIN auth_group_permissions link ON link.group_id = role.id \
         JOIN auth_permission permission ON permission.id = link.permission_id \
         JOIN django_content_type type ON type.id = permission.content_type_id WHERE role.name = ?",
        role.as_str()
    );
    let rows: Vec<(String, String)> = tx.fetch_all(query).await?;
    match rows.is_empty() {
        true => Err(unknown("role with permissions", role)),
        false => Ok(rows
            .into_iter()
            .map(|(app, codename)| format!("{app}.{codename}"))
            .collect()),
    }
}

/// Stores a grant without regard to the granter's rights, and returns its description.
pub(in crate::permissions) async fn put_grant<E: EntityTrait>(
    tx: &Tx,
    object: Key<E>,
    (grant, by): (&Grant, Granter),
) -> Result<String> {
    let key = key_of::<E>(object);
    let resolved = resolve(tx, grant).await?;
    let detail = describe::<E>(&key, grant);
    delete_rows::<E>(tx, &key, &resolved).await?;
    let ((recipient, recipient_id), (content, content_id)) = (resolved.recipient, resolved.content);
    let reason: String = grant.reason.chars().take(200).collect();
    let row = Query::insert()
        .into_table(Alias::new(table_of_grants::<E>()))
        .columns([
            "object_id",
            recipient,
            content,
            "until",
            "given_by",
            "given_at",
            "reason",
        ])
        .values_panic([
            Expr::val(key),
            Expr::val(recipient_id),
            Expr::val(content_id),
            Expr::val(grant.until.map(|end| end.timestamp())),
            Expr::val(by.user),
            Expr::val(by.now.timestamp()),
            Expr::val(reason),
        ])
        .to_owned();
    tx.execute(&row).await?;
    Ok(detail)
}

pub(in crate::permissions) async fn remove_grant<E: EntityTrait>(
    tx: &Tx,
    object: Key<E>,
    grant: &Grant,
) -> Result<(bool, String)> {
    let key = key_of::<E>(object);
    let resolved = resolve(tx, grant).await?;
    let is_gone = delete_rows::<E>(tx, &key, &resolved).await? > 0;
    Ok((is_gone, describe::<E>(&key, grant)))
}

async fn delete_rows<E: EntityTrait>(
    tx: &Tx,
    key: &Value,
    resolved: &Resolved,
) -> Result<u64, DbErr> {
    let ((recipient, recipient_id), (content, content_id)) = (resolved.recipient, resolved.content);
    let mut query = Query::delete();
    query
        .from_table(Alias::new(table_of_grants::<E>()))
        .and_where(Expr::col("object_id").eq(key.clone()))
        .and_where(Expr::col(recipient).eq(recipient_id))
        .and_where(Expr::col(content).eq(content_id));
    Ok(tx.execute(&query).await?.rows_affected())
}

async fn resolve(tx: &Tx, grant: &Grant) -> Result<Resolved> {
    let recipient = match &grant.recipient {
        Recipient::User(id) => ("user_id", *id),
        Recipient::Group(name) => ("group_id", known_group(tx, name).await?),
    };
    let content = match &grant.content {
        Content::Role(name) => ("role_id", known_group(tx, name).await?),
        Content::Permission(name) => ("permission_id", known_permission(tx, *name).await?),
    };
    Ok(Resolved { recipient, content })
}

async fn known_group(tx: &Tx, name: &str) -> Result<i32> {
    group_id(tx, name)
        .await?
        .ok_or_else(|| unknown("group", name))
}

async fn known_permission(tx: &Tx, name: PermissionName) -> Result<i32> {
    let id = permission_id(tx, name.as_str()).await?;
    id.ok_or_else(|| unknown("permission", name.as_str()))
}

fn unknown(kind: &str, name: &str) -> Error {
    Error::new(ErrorKind::BadRequest, format!("There is no {kind} {name}."))
}

fn key_of<E: EntityTrait>(object: Key<E>) -> Value {
    let mut values = object.into_value_tuple().into_iter();
    values.next().unwrap_or(Value::Int(None))
}

fn describe<E: EntityTrait>(key: &Value, grant: &Grant) -> String {
    let content = match &grant.content {
        Content::Permission(name) => name.to_string(),
        Content::Role(name) => format!("the role {name}"),
    };
    let recipient = match &grant.recipient {
        Recipient::User(id) => format!("user {id}"),
        Recipient::Group(name) => format!("the group {name}"),
    };
    let end = grant
        .until
        .map_or_else(String::new, |end| format!(" until {}", end.to_rfc3339()));
    format!(
        "{content} on {} {key:?} for {recipient}{end}",
        E::default().table_name()
    )
}
