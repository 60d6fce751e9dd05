//! Grants on objects: given and revoked by users within their rights, or by a rule of the site.

use crate::audit_log::{Entry, Event, record_in};
use crate::db::Tx;
use crate::permissions::grants::{Content, Grant, Recipient, table_of_grants};
use crate::permissions::rights::Rights;
use crate::permissions::rows::{name_of_row, single_key};
use crate::permissions::store::{group_id, permission_id};
use crate::permissions::{Actor, Key, PermissionName, RowAccess, Scoped, Verb};
use crate::sql;
use crate::views::{Error, ErrorKind, Result};
use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Alias, Expr, ExprTrait, IntoValueTuple, Query, Value, ValueTuple};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};

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
    /// hold on it, for a grant to oneself (escalation of privileges, ASVS 8.2.2), and for a role that
    /// excludes another one of a recipient (separation of duties); 400 for an unknown permission,
    /// user, group or role, and for an end in the past.
    pub async fn give<E: Scoped>(
        &self,
        tx: &Tx,
        object: impl Into<Key<E>>,
        grant: Grant,
    ) -> Result<()> {
        let object = object.into().into_value_tuple();
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
        let detail = put_grant::<E>(tx, &object, (&grant, by)).await?;
        self.record_change(tx, Event::RightGranted, &detail).await
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
    ) -> Result<bool> {
        let object = object.into().into_value_tuple();
        self.object::<E>(&object).read(Verb::View, tx).await?;
        self.require_own_grant::<E>(tx, &object, grant).await?;
        let (is_gone, detail) = remove_grant::<E>(tx, &object, grant).await?;
        if is_gone {
            self.record_change(tx, Event::RightRevoked, &detail).await?;
        }
        Ok(is_gone)
    }

    /// Requires that the actor is authorized to view the object, holds everything in the grant on
    /// it without an end, and is not among its recipients. Only a user who may
    /// change the object changes another user's grant.
    async fn require_granter<E: Scoped>(
        &self,
        tx: &Tx,
        object: &ValueTuple,
        grant: &Grant,
    ) -> Result<()> {
        self.object::<E>(object).read(Verb::View, tx).await?;
        let is_own = match &grant.recipient {
            Recipient::User(id) => Some(*id) == self.id(),
            Recipient::Group(name) => self.belongs_to(name),
        };
        let lasting = self.lasting_until(tx, grant.until).await?;
        for permission in permissions_in(tx, &grant.content).await? {
            if is_own || !lasting.holds_on::<E>(tx, object, &permission).await? {
                let detail =
                    format!("a grant of {permission} that the granter does not hold, or to itself");
                return Err(self.refuse_grant(&detail));
            }
        }
        self.require_separation::<E>(tx, object, grant).await?;
        self.require_own_grant::<E>(tx, object, grant).await
    }

    /// Refuses a role which excludes another one of its recipients.
    async fn require_separation<E: Scoped>(
        &self,
        tx: &Tx,
        object: &ValueTuple,
        grant: &Grant,
    ) -> Result<()> {
        let group = match &grant.recipient {
            Recipient::User(_) => None,
            Recipient::Group(name) => Some(known_group(tx, name).await?),
        };
        let excluded = self.excluded_role::<E>(tx, key_of(object), (grant, group));
        match excluded.await? {
            Some(role) => Err(self.refuse_grant(&format!("a role that excludes {role}"))),
            None => Ok(()),
        }
    }

    /// Requires that an existing grant is the actor's own, or that the actor may change the object.
    async fn require_own_grant<E: Scoped>(
        &self,
        tx: &Tx,
        object: &ValueTuple,
        grant: &Grant,
    ) -> Result<()> {
        let is_of_another = is_of_another::<E>(tx, object, (grant, self.id())).await?;
        let row = self.object::<E>(object);
        if is_of_another && !row.allows(Verb::Change, tx).await? {
            return Err(self.refuse_grant("a change of another user's grant"));
        }
        Ok(())
    }

    /// The same user with the rights that last until a time: those that end earlier are not passed on.
    async fn lasting_until(&self, tx: &Tx, until: Option<DateTime<Utc>>) -> Result<Self> {
        let Some(id) = self.id() else {
            return Ok(Self::anonymous());
        };
        let until = until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let rights = Rights::load(tx, tx.users(), (id, until)).await?;
        Ok(self.with_rights(rights, until))
    }

    fn refuse_grant(&self, detail: &str) -> Error {
        self.record_refusal(detail);
        Error::forbidden()
    }

    /// Whether the actor holds a permission on an object: everywhere, or granted on it.
    async fn holds_on<E: Scoped>(
        &self,
        tx: &Tx,
        object: &ValueTuple,
        permission: &str,
    ) -> Result<bool> {
        if self.may_by_name(permission) {
            return Ok(true);
        }
        let Some(key) = single_key::<E>() else {
            return Ok(false);
        };
        let granted = self.granted_by_name::<E>(key, permission);
        Ok(self.object::<E>(object).meets(&granted, tx).await?)
    }

    fn object<E: Scoped>(&self, key: &ValueTuple) -> RowAccess<'_, E> {
        RowAccess::new(self, key.clone())
    }
}

impl Grant {
    /// Stores the grant by a rule of the site, without regard to the rights of a user: the founder
    /// of an organisation becomes its owner. An earlier grant of the same is replaced. Neither the
    /// rights of a granter nor roles that exclude each other are compared: for a grant by a user, use
    /// [`Actor::give`].
    ///
    /// # Errors
    /// 400 for an unknown permission, user, group or role; when the database does not answer.
    pub async fn store<E: EntityTrait>(self, tx: &Tx, object: impl Into<Key<E>>) -> Result<()> {
        let by = Granter {
            user: None,
            now: Utc::now(),
        };
        let object = object.into().into_value_tuple();
        let detail = put_grant::<E>(tx, &object, (&self, by)).await?;
        let detail = format!("{detail}, by the site");
        Ok(record_in(tx, Entry::new(Event::RightGranted).detail(detail)).await?)
    }

    /// Revokes the grant by a rule of the site. `false` if it does not exist.
    ///
    /// # Errors
    /// As [`Grant::store`].
    pub async fn remove<E: EntityTrait>(&self, tx: &Tx, object: impl Into<Key<E>>) -> Result<bool> {
        let object = object.into().into_value_tuple();
        let (is_gone, detail) = remove_grant::<E>(tx, &object, self).await?;
        if is_gone {
            let detail = format!("{detail}, by the site");
            record_in(tx, Entry::new(Event::RightRevoked).detail(detail)).await?;
        }
        Ok(is_gone)
    }
}

/// Whether there is such a grant that another user, or the site, has stored.
async fn is_of_another<E: EntityTrait>(
    tx: &Tx,
    object: &ValueTuple,
    (grant, user): (&Grant, Option<i32>),
) -> Result<bool> {
    let (key, resolved) = (key_of(object), resolve(tx, grant).await?);
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
    object: &ValueTuple,
    (grant, by): (&Grant, Granter),
) -> Result<String> {
    let key = key_of(object);
    let resolved = resolve(tx, grant).await?;
    let detail = describe::<E>(object, grant);
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
    object: &ValueTuple,
    grant: &Grant,
) -> Result<(bool, String)> {
    let key = key_of(object);
    let resolved = resolve(tx, grant).await?;
    let is_gone = delete_rows::<E>(tx, &key, &resolved).await? > 0;
    Ok((is_gone, describe::<E>(object, grant)))
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
        Recipient::User(id) => ("user_id", known_user(tx, *id).await?),
        Recipient::Group(name) => ("group_id", known_group(tx, name).await?),
    };
    let content = match &grant.content {
        Content::Role(name) => ("role_id", known_group(tx, name).await?),
        Content::Permission(name) => ("permission_id", known_permission(tx, *name).await?),
    };
    Ok(Resolved { recipient, content })
}

async fn known_user(tx: &Tx, id: i32) -> Result<i32> {
    let query = Query::select()
        .column("id")
        .from("auth_user")
        .and_where(Expr::col("id").eq(id))
        .to_owned();
    match tx.query_one(&query).await? {
        Some(_) => Ok(id),
        None => Err(unknown("user", &id.to_string())),
    }
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

pub(in crate::permissions) fn unknown(kind: &str, name: &str) -> Error {
    Error::new(ErrorKind::BadRequest, format!("There is no {kind} {name}."))
}

fn key_of(object: &ValueTuple) -> Value {
    let mut values = object.clone().into_iter();
    values.next().unwrap_or(Value::Int(None))
}

fn describe<E: EntityTrait>(object: &ValueTuple, grant: &Grant) -> String {
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
    let object = name_of_row::<E>(object);
    format!("{content} on {object} for {recipient}{end}")
}
