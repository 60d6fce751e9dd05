//! Authorized reads and writes of single rows. The policy is part of each statement.

use crate::audit_log::{self, Entry, Event};
use crate::db::Tx;
use crate::encrypted_fields::{encrypt_change, is_encrypted_change};
use crate::permissions::rows::{condition_of, name_of_row};
use crate::permissions::{Actor, RowCondition, Scoped, Verb};
use crate::views::{Error, ErrorKind, Result};
use sea_orm::sea_query::{Alias, Condition, Expr, IntoCondition, IntoValueTuple, ValueTuple};
use sea_orm::{
    ActiveModelTrait, ActiveValue, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, Iterable, ModelTrait, PrimaryKeyToColumn, PrimaryKeyTrait,
    QueryFilter, QuerySelect, QueryTrait, Select,
};
use std::collections::HashSet;
use std::marker::PhantomData;

/// The type of an entity's primary key.
pub type Key<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Authorized access of an actor to one row, created by [`Actor::row`].
///
/// | Row | Result |
/// |---|---|
/// | unknown, or not viewable | 404 |
/// | viewable, but not allowed | 403 |
/// | allowed, but changed meanwhile ([`RowAccess::only_if`]) | 409 |
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::permissions::Scoped;
/// # use palisade::sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait};
/// # async fn example<E: Scoped>(actor: Actor, db: Db, id: palisade::permissions::Key<E>, seen: i32,
/// #     version: E::Column, change: E::ActiveModel) -> Result<()> {
/// db.write(async |tx| {
///     actor.row::<E>(id).only_if(version.eq(seen)).change(tx, change).await
/// }).await
/// # }
/// ```
#[must_use = "it does nothing before it is read, changed or deleted"]
pub struct RowAccess<'a, E> {
    actor: &'a Actor,
    key: ValueTuple,
    only_if: Condition,
    entity: PhantomData<fn() -> E>,
}

impl<'a, E: Scoped> RowAccess<'a, E> {
    pub(in crate::permissions) fn new(actor: &'a Actor, key: impl IntoValueTuple) -> Self {
        Self {
            actor,
            key: key.into_value_tuple(),
            only_if: Condition::all(),
            entity: PhantomData,
        }
    }

    /// Changes or deletes only a row that meets this condition too, such as the version that the
    /// user has seen.
    pub fn only_if(mut self, condition: impl IntoCondition) -> Self {
        self.only_if = self.only_if.add(condition.into_condition());
        self
    }

    /// Reads the row.
    ///
    /// # Errors
    /// 404 for a row that the actor may not view; when the database does not answer.
    pub async fn view(self, db: &impl ConnectionTrait) -> Result<E::Model> {
        self.read(Verb::View, db).await
    }

    /// Reads the row, if the actor is authorized for a verb on it.
    ///
    /// # Errors
    /// 404 for a row that the actor may not view, 403 for one that is viewable only; when the
    /// database does not answer.
    pub async fn read(self, verb: Verb, db: &impl ConnectionTrait) -> Result<E::Model> {
        let query = self.actor.find::<E>(verb).filter(self.is_it());
        let grants = self.unrecorded_grants(verb);
        let row = match grants.is_empty() {
            true => query.one(db).await?,
            false => self.read_by_grants(query, &grants, db).await?,
        };
        match row {
            Some(row) => Ok(row),
            None => Err(self.refuse(verb, db).await?),
        }
    }

    /// The same for a row that is to be changed: it is locked until the end of the transaction.
    pub(crate) async fn read_locked(&self, verb: Verb, tx: &Tx) -> Result<E::Model> {
        let query = self.actor.find::<E>(verb).filter(self.is_it());
        match query.lock_exclusive().one(tx).await? {
            Some(row) => Ok(row),
            None => Err(self.refuse(verb, tx).await?),
        }
    }

    /// Permissions that the policy asks for on the object, with their conditions, of which no use is
    /// recorded today.
    fn unrecorded_grants(&self, verb: Verb) -> Vec<(String, Expr)> {
        let rows = E::rows(self.actor, verb);
        let (allowed, _) = rows.named();
        let granted = allowed.iter().filter_map(|part| {
            let permission = part.condition.permission()?;
            let is_new = self.actor.is_use_new(permission);
            is_new.then(|| (permission.to_owned(), part.condition.sql()))
        });
        granted.collect()
    }

    /// Reads the row by the same query with a column for each grant, and records the uses of those
    /// that hold for it.
    async fn read_by_grants(
        &self,
        query: Select<E>,
        grants: &[(String, Expr)],
        db: &impl ConnectionTrait,
    ) -> Result<Option<E::Model>> {
        let mut query = query.limit(1).into_query();
        let name = |index: usize| format!("palisade_grant_{index}");
        for (index, (_, is_granted)) in grants.iter().enumerate() {
            let is_granted = Expr::case(is_granted.clone(), Expr::Constant(1.into()));
            let is_granted = is_granted.finally(Expr::Constant(0.into()));
            query.expr_as(is_granted, Alias::new(name(index)));
        }
        let Some(row) = db.query_one(&query).await? else {
            return Ok(None);
        };
        for (index, (permission, _)) in grants.iter().enumerate() {
            if row.try_get::<i32>("", &name(index))? == 1 {
                self.actor.note_use(permission);
            }
        }
        Ok(Some(E::Model::from_query_result(&row, "")?))
    }

    /// Whether the actor is authorized for a verb on the row, for a menu or a button.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn allows(self, verb: Verb, db: &impl ConnectionTrait) -> Result<bool> {
        Ok(self
            .matches(condition_of::<E>(self.actor, verb), db)
            .await?)
    }

    /// Changes the set columns. The changed row must meet the policy, too: a user cannot move a row
    /// out of reach, or into another user's data.
    ///
    /// # Errors
    /// As in the table of [`RowAccess`]; nothing is written then.
    pub async fn change(self, tx: &Tx, mut change: E::ActiveModel) -> Result<()>
    where
        E::ActiveModel: 'static,
    {
        let is_set = |column| matches!(change.get(column), ActiveValue::Set(_));
        if !E::Column::iter().any(is_set) {
            let allowed = self.actor.find::<E>(Verb::Change).filter(self.is_it());
            return match allowed.filter(self.only_if.clone()).one(tx).await? {
                Some(_) => Ok(()),
                None => Err(self.refuse(Verb::Change, tx).await?),
            };
        }
        if let ValueTuple::One(key) = &self.key {
            // first the policy: a unique index answers about other rows
            if is_encrypted_change(tx, &change) {
                let allowed = self.actor.find::<E>(Verb::Change).filter(self.is_it());
                let allowed = allowed.filter(self.only_if.clone()).lock_exclusive();
                if allowed.one(tx).await?.is_none() {
                    return Err(self.refuse(Verb::Change, tx).await?);
                }
            }
            encrypt_change(tx, &mut change, key).await?;
        }
        let changed = E::update_many()
            .set(change)
            .filter(condition_of::<E>(self.actor, Verb::Change))
            .filter(self.is_it())
            .filter(self.only_if.clone())
            .exec(tx)
            .await?;
        if changed.rows_affected == 0 {
            return Err(self.refuse(Verb::Change, tx).await?);
        }
        self.require_after_write(tx, Verb::Change).await
    }

    /// Deletes the row.
    ///
    /// # Errors
    /// As in the table of [`RowAccess`]; nothing is written then.
    pub async fn delete(self, tx: &Tx) -> Result<()> {
        let deleted = E::delete_many()
            .filter(condition_of::<E>(self.actor, Verb::Delete))
            .filter(self.is_it())
            .filter(self.only_if.clone())
            .exec(tx)
            .await?;
        match deleted.rows_affected {
            0 => Err(self.refuse(Verb::Delete, tx).await?),
            _ => Ok(()),
        }
    }

    /// Requires the policy of a row as it was written. The transaction cannot be committed
    /// otherwise, even if the caller drops the error.
    async fn require_after_write(&self, tx: &Tx, verb: Verb) -> Result<()> {
        if self
            .matches(condition_of::<E>(self.actor, verb), tx)
            .await?
        {
            return Ok(());
        }
        tx.refuse_commit();
        self.record(verb, Denial::Outside);
        Err(Error::forbidden())
    }

    fn is_it(&self) -> Condition {
        has_key::<E>(&self.key)
    }

    /// Whether there is such a row, regardless of the policy.
    pub(in crate::permissions) async fn exists(
        self,
        db: &impl ConnectionTrait,
    ) -> Result<bool, DbErr> {
        self.matches(Condition::all(), db).await
    }

    /// Whether the row meets a condition.
    pub(in crate::permissions) async fn meets(
        &self,
        condition: &RowCondition,
        db: &impl ConnectionTrait,
    ) -> Result<bool, DbErr> {
        self.matches(Condition::all().add(condition.sql()), db)
            .await
    }

    async fn matches(&self, rows: Condition, db: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let found = E::find()
            .select_only()
            .expr(Expr::Constant(1.into()))
            .filter(rows)
            .filter(self.is_it());
        Ok(found.into_tuple::<i32>().one(db).await?.is_some())
    }

    /// The error for a row that was not found by its policy. The same queries run for an unknown
    /// row and for a hidden one.
    async fn refuse(&self, verb: Verb, db: &impl ConnectionTrait) -> Result<Error> {
        let is_there = self.matches(Condition::all(), db).await?;
        let is_viewable = self
            .matches(condition_of::<E>(self.actor, Verb::View), db)
            .await?;
        if !is_viewable {
            if is_there {
                self.record(verb, Denial::Hidden);
            }
            return Ok(Error::not_found());
        }
        if self
            .matches(condition_of::<E>(self.actor, verb), db)
            .await?
        {
            return Ok(Error::new(ErrorKind::Conflict, CHANGED_MEANWHILE));
        }
        self.record(verb, Denial::NotAllowed);
        Ok(Error::forbidden())
    }

    /// Records a denied access with the names of the conditions, of which the client sees none.
    fn record(&self, verb: Verb, why: Denial) {
        let row = name_of_row::<E>(&self.key);
        let judged = match why {
            Denial::Hidden => Verb::View,
            Denial::NotAllowed | Denial::Outside => verb,
        };
        let policy = E::rows(self.actor, judged).names();
        let why = why.text();
        let (verb, user) = (verb.name(), self.actor.id());
        let user = user.map_or_else(|| "anonymous".to_owned(), |id| format!("user {id}"));
        let detail = format!("{user}: {verb} {row}: {why}, policy: {policy}");
        audit_log::record(Entry::new(Event::AccessDenied).detail(detail));
    }
}

/// Why an access to a row is denied.
#[derive(Clone, Copy)]
enum Denial {
    Hidden,
    NotAllowed,
    Outside,
}

impl Denial {
    fn text(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::NotAllowed => "not allowed",
            Self::Outside => "the row as written is outside of the policy",
        }
    }
}

/// Whether a row has a key.
fn has_key<E: EntityTrait>(key: &ValueTuple) -> Condition {
    let columns = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column);
    let values = key.clone().into_iter();
    let same = columns.zip(values).map(|(column, value)| column.eq(value));
    same.fold(Condition::all(), Condition::add)
}

const CHANGED_MEANWHILE: &str = "This was changed by another user in the meantime.";

impl Actor {
    /// Access to the row of an entity with this key, by the entity's policy.
    pub fn row<E: Scoped>(&self, key: impl Into<Key<E>>) -> RowAccess<'_, E> {
        RowAccess::new(self, key.into())
    }

    /// Whether the actor is authorized for a verb on each of some rows, in their order, by one query:
    /// for the buttons of a list.
    ///
    /// ```
    /// # use palisade::prelude::*;
    /// # use palisade::sea_orm::{EntityTrait, QuerySelect};
    /// # async fn example<E: Scoped>(actor: Actor, db: Db) -> Result<()> {
    /// let rows = actor.find::<E>(Verb::View).limit(20).all(&db).await?;
    /// let editable = actor.allows_each::<E>(Verb::Change, &rows, &db).await?;
    /// assert_eq!(rows.len(), editable.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn allows_each<E: Scoped>(
        &self,
        verb: Verb,
        rows: &[E::Model],
        db: &impl ConnectionTrait,
    ) -> Result<Vec<bool>> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<_> = rows.iter().map(ModelTrait::get_primary_key_value).collect();
        let any = keys.iter().map(has_key::<E>);
        let any = any.fold(Condition::any(), Condition::add);
        let allowed = self.find::<E>(verb).filter(any).all(db).await?;
        let allowed: HashSet<_> = allowed
            .iter()
            .map(ModelTrait::get_primary_key_value)
            .collect();
        Ok(keys.iter().map(|key| allowed.contains(key)).collect())
    }

    /// Inserts a row that meets the policy for [`Verb::Create`].
    ///
    /// # Errors
    /// 403 for another row; the transaction cannot be committed then.
    pub async fn insert<A>(&self, tx: &Tx, row: A) -> Result<<A::Entity as EntityTrait>::Model>
    where
        A: ActiveModelTrait<Entity: Scoped> + sea_orm::ActiveModelBehavior + Send + 'static,
        <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    {
        let row = tx.insert_row(row).await?;
        let access = RowAccess::<A::Entity>::new(self, row.get_primary_key_value());
        access.require_after_write(tx, Verb::Create).await?;
        Ok(row)
    }
}
