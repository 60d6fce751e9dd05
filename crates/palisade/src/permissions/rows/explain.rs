//! Explanations of authorization decisions: each named condition with its truth.

use crate::auth::RightChange;
use crate::db::{Db, Tx};
use crate::permissions::rows::Named;
use crate::permissions::{Actor, Grant, Key, RowAccess, Scoped, Verb};
use crate::views::Result;
use async_trait::async_trait;
use sea_orm::sea_query::{FromValueTuple, IntoValueTuple};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// The policy of a registered entity, for commands that name it at run time.
#[async_trait]
pub(crate) trait EntityPolicy: Send + Sync {
    /// The table of the entity.
    fn table(&self) -> &'static str;

    /// Whether the policy asks for a permission.
    fn asks_for(&self, permission: &str) -> bool;

    /// The conditions of a verb for the row with this key; `None` for an invalid key.
    async fn explain(
        &self,
        actor: &Actor,
        (verb, key): (Verb, &str),
        db: &Db,
    ) -> Result<Option<Explanation>>;

    /// Whether the actor may view the row with this key. An invalid key is that of no row.
    async fn may_view(&self, actor: &Actor, key: &str, db: &Db) -> Result<bool>;

    /// Those of the keys that have no row. Text that is no key is not among them.
    async fn missing(&self, keys: Vec<String>, db: &Db) -> Result<Vec<String>>;

    /// Grants or revokes a right on the object with this key, by a user, or by an operator.
    async fn change_grant(
        &self,
        tx: &Tx,
        (key, change): (&str, RightChange),
        (grant, by): (Grant, Option<&Actor>),
    ) -> Result<GrantChange>;
}

/// The result of a change of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantChange {
    /// The key is invalid, or there is no such object.
    NoObject,
    /// There was no such grant to revoke.
    NoGrant,
    Done,
}

/// The policy of `E`.
pub(crate) struct PolicyOf<E>(PhantomData<fn() -> E>);

impl<E> PolicyOf<E> {
    pub(crate) fn new() -> Self {
        Self(PhantomData)
    }
}

#[async_trait]
impl<E: Scoped> EntityPolicy for PolicyOf<E>
where
    Key<E>: FromStr,
{
    fn table(&self) -> &'static str {
        E::default().table_name()
    }

    fn asks_for(&self, permission: &str) -> bool {
        let probe = Actor::probe();
        for verb in [Verb::View, Verb::Change, Verb::Delete, Verb::Create] {
            let _ = E::rows(&probe, verb);
        }
        probe.was_asked(permission)
    }

    async fn explain(
        &self,
        actor: &Actor,
        (verb, key): (Verb, &str),
        db: &Db,
    ) -> Result<Option<Explanation>> {
        let Ok(key) = key.parse::<Key<E>>() else {
            return Ok(None);
        };
        let key = key.into_value_tuple();
        let row = || RowAccess::<E>::new(actor, key.clone());
        let mut parts = Vec::new();
        for verb in conditions_of(verb) {
            let rows = E::rows(actor, *verb);
            let (allowed, required) = rows.named();
            parts.extend(judge(row, (*verb, Kind::OneOf, allowed), db).await?);
            parts.extend(judge(row, (*verb, Kind::Required, required), db).await?);
        }
        Ok(Some(Explanation {
            is_there: row().exists(db).await?,
            is_allowed: row().allows(verb, db).await?,
            parts,
        }))
    }

    async fn may_view(&self, actor: &Actor, key: &str, db: &Db) -> Result<bool> {
        match key.parse::<Key<E>>().ok() {
            Some(key) => RowAccess::<E>::new(actor, key).allows(Verb::View, db).await,
            None => Ok(false),
        }
    }

    async fn missing(&self, keys: Vec<String>, db: &Db) -> Result<Vec<String>> {
        let anonymous = Actor::anonymous();
        let mut missing = Vec::new();
        for key in keys {
            // the key of another release of the site is no reason to delete something
            let Some(parsed) = key.parse::<Key<E>>().ok() else {
                continue;
            };
            if !RowAccess::<E>::new(&anonymous, parsed).exists(db).await? {
                missing.push(key);
            }
        }
        Ok(missing)
    }

    async fn change_grant(
        &self,
        tx: &Tx,
        (key, change): (&str, RightChange),
        (grant, by): (Grant, Option<&Actor>),
    ) -> Result<GrantChange> {
        let Ok(key) = key.parse::<Key<E>>() else {
            return Ok(GrantChange::NoObject);
        };
        let object = key.into_value_tuple();
        let anonymous = Actor::anonymous();
        let row = RowAccess::<E>::new(by.unwrap_or(&anonymous), object.clone());
        if !row.exists(tx).await? {
            return Ok(GrantChange::NoObject);
        }
        let key = || Key::<E>::from_value_tuple(object.clone());
        let is_done = match (change, by) {
            (RightChange::Grant, Some(actor)) => {
                actor.give::<E>(tx, key(), grant).await.map(|()| true)
            }
            (RightChange::Grant, None) => grant.store::<E>(tx, key()).await.map(|()| true),
            (RightChange::Revoke, Some(actor)) => actor.take::<E>(tx, key(), &grant).await,
            (RightChange::Revoke, None) => grant.remove::<E>(tx, key()).await,
        };
        Ok(match is_done? {
            true => GrantChange::Done,
            false => GrantChange::NoGrant,
        })
    }
}

/// A verb, and viewing, which changing and deleting require too.
fn conditions_of(verb: Verb) -> &'static [Verb] {
    match verb {
        Verb::View => &[Verb::View],
        Verb::Change => &[Verb::Change, Verb::View],
        Verb::Delete => &[Verb::Delete, Verb::View],
        Verb::Create => &[Verb::Create],
    }
}

async fn judge<'a, E: Scoped>(
    row: impl Fn() -> RowAccess<'a, E>,
    (verb, kind, conditions): (Verb, Kind, &[Named]),
    db: &Db,
) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for Named { name, condition } in conditions {
        parts.push(Part {
            verb,
            kind,
            name,
            is_met: row().meets(condition, db).await?,
        });
    }
    Ok(parts)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    OneOf,
    Required,
}

/// A condition and its truth for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    verb: Verb,
    kind: Kind,
    name: &'static str,
    is_met: bool,
}

/// The conditions of a decision about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Explanation {
    is_there: bool,
    is_allowed: bool,
    parts: Vec<Part>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_there {
            return writeln!(f, "there is no such row: 404");
        }
        for Part {
            verb,
            kind,
            name,
            is_met,
        } in &self.parts
        {
            let truth = if *is_met { "yes" } else { "no" };
            let kind = match kind {
                Kind::OneOf => "one of",
                Kind::Required => "required",
            };
            writeln!(f, "  {:<7} {kind:<9} {truth:<4} {name}", verb.name())?;
        }
        let is_viewable = self.meets(Verb::View);
        writeln!(
            f,
            "{}",
            match (self.is_allowed, is_viewable) {
                (true, _) => "allowed",
                (false, true) => "denied: 403",
                (false, false) => "denied: 404",
            }
        )
    }
}

impl Explanation {
    fn meets(&self, verb: Verb) -> bool {
        let of_verb = |kind| {
            let parts = self.parts.iter();
            parts.filter(move |part| part.verb == verb && part.kind == kind)
        };
        of_verb(Kind::OneOf).any(|part| part.is_met)
            && of_verb(Kind::Required).all(|part| part.is_met)
    }
}
