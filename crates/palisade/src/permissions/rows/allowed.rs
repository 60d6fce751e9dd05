//! The extractor of the row that a path names, which authorizes the access.

use crate::db::{Db, Tx};
use crate::permissions::{Actor, Key, RowAccess, Scoped, Verb};
use crate::views::{Error, Result};
use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use sea_orm::{EntityTrait, ModelTrait};
use std::marker::PhantomData;
use std::ops::Deref;
use std::str::FromStr;

/// A verb as a type, for [`Allowed`].
pub trait OnRow: Send + 'static {
    /// The verb.
    const VERB: Verb;
}

macro_rules! on_row {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl OnRow for $name {
            const VERB: Verb = Verb::$name;
        }
    )*};
}

on_row!(
    /// [`Verb::View`].
    View,
    /// [`Verb::Change`].
    Change,
    /// [`Verb::Delete`].
    Delete
);

/// The extractor of the row with the key in the path, judged by its policy: 404 if the user may not
/// view it, 403 if the user may not use the verb.
///
/// The key is the parameter with the name of the model, such as `{ticket}` or `{ticket_id}` for the
/// table `helpdesk_ticket`; otherwise `{id}`.
///
/// ```
/// # use palisade::prelude::*;
/// # use palisade::permissions::{Change, Key, Scoped};
/// # use std::str::FromStr;
/// # fn example<E: Scoped>() where Key<E>: FromStr {
/// async fn show<E: Scoped>(ticket: Allowed<E>) -> String {
///     format!("{:?}", *ticket)
/// }
/// async fn edit<E: Scoped>(ticket: Allowed<E, Change>) -> String {
///     format!("{:?}", *ticket)
/// }
/// # }
/// ```
pub struct Allowed<E: EntityTrait, V = View> {
    row: E::Model,
    actor: Actor,
    verb: PhantomData<fn() -> V>,
}

impl<E: Scoped, V: OnRow> Allowed<E, V> {
    /// The row.
    pub fn into_row(self) -> E::Model {
        self.row
    }

    /// The user of the request.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Changes the row: [`RowAccess::change`].
    ///
    /// # Errors
    /// As there.
    pub async fn change(&self, tx: &Tx, change: E::ActiveModel) -> Result<()> {
        self.access().change(tx, change).await
    }

    /// Deletes the row: [`RowAccess::delete`].
    ///
    /// # Errors
    /// As there.
    pub async fn delete(&self, tx: &Tx) -> Result<()> {
        self.access().delete(tx).await
    }

    /// Access to the row, to change or delete it under a further condition.
    pub fn access(&self) -> RowAccess<'_, E> {
        RowAccess::new(&self.actor, self.row.get_primary_key_value())
    }
}

impl<E: EntityTrait, V> Deref for Allowed<E, V> {
    type Target = E::Model;

    fn deref(&self) -> &E::Model {
        &self.row
    }
}

impl<S, E, V> FromRequestParts<S> for Allowed<E, V>
where
    S: Send + Sync,
    E: Scoped,
    E::Model: Send,
    Key<E>: FromStr,
    V: OnRow,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|_| Error::not_found())?;
        let key = key_in_path::<E>(&params)?;
        let actor = Actor::from_request_parts(parts, state).await?;
        let db = Db::from_request_parts(parts, state).await;
        let db = db.map_err(|(_, why)| Error::bug(why))?;
        let row = actor.row::<E>(key).read(V::VERB, &db).await?;
        Ok(Self {
            row,
            actor,
            verb: PhantomData,
        })
    }
}

fn key_in_path<E: Scoped>(params: &RawPathParams) -> Result<Key<E>>
where
    Key<E>: FromStr,
{
    let table = E::default().table_name();
    let named = params.iter().find(|(name, _)| is_model(table, name));
    let found = named.or_else(|| params.iter().find(|(name, _)| *name == "id"));
    let Some((_, text)) = found else {
        let said = format!("a route takes a row of {table}, and its path has no {{id}}");
        return Err(Error::bug(said));
    };
    text.parse().map_err(|_| Error::not_found())
}

/// Whether a path parameter has the name of a table's model.
fn is_model(table: &str, parameter: &str) -> bool {
    let model = parameter.strip_suffix("_id").unwrap_or(parameter);
    table == model
        || table
            .strip_suffix(model)
            .is_some_and(|app| app.ends_with('_'))
}
