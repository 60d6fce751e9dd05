//! Writes of resources: the body of a request, judged field by field.

use super::problem::{shown, unknown};
use super::{Entry, Field, Object, Problem, Write};
use crate::db::{Db, Tx, Values};
use crate::forms::{Input, json_texts};
use crate::permissions::{Actor, TableChange};
use crate::views::Result;
use chrono_tz::Tz;
use http::StatusCode;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// How a body is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    /// A new row.
    New,
    /// All fields that the actor may write (PUT).
    Whole,
    /// The fields to change (PATCH, [RFC 7396](https://www.rfc-editor.org/rfc/rfc7396)).
    Patch,
}

impl Body {
    fn write(self) -> Write {
        match self {
            Self::New => Write::Create,
            Self::Whole | Self::Patch => Write::Change,
        }
    }
}

impl Entry {
    /// The values of a body. Nothing is written if one member is refused: 400 for a name that is
    /// unknown to this actor, 403 for a field that the actor may not write, 422 for an invalid value.
    pub(crate) fn values(
        &self,
        actor: &Actor,
        (object, body): (Object, Body),
        zone: Tz,
    ) -> Result<Values, Problem> {
        let readable = self.readable(actor);
        let writable = self.writable(actor, body.write());
        let mut sent: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        let mut refused = Problem::new(StatusCode::FORBIDDEN, "You may not write this.");
        for (name, value) in object.0 {
            let Some(field) = readable.iter().find(|field| field.name == name) else {
                let said = unknown("field", &name, readable.iter().map(|field| field.name));
                return Err(Problem::bad(said.clone()).at(&shown(&name), said));
            };
            if !writable.iter().any(|one| one.name == name) {
                refused = refused.at(&name, "You may not write this field.");
                continue;
            }
            sent.insert(field.name, texts(field, value)?);
        }
        if !refused.errors.is_empty() {
            return Err(refused);
        }
        parse(&writable, (sent, body), zone)
    }

    /// Inserts a row, and returns its key.
    pub(crate) async fn insert(
        &self,
        (actor, tx): (&Actor, &Tx),
        values: &Values,
    ) -> Result<String> {
        self.table.insert(actor, values, tx).await
    }

    /// Changes a row.
    pub(crate) async fn change(
        &self,
        (actor, tx): (&Actor, &Tx),
        key: &str,
        values: &Values,
    ) -> Result<()> {
        let change = TableChange::Set(values);
        self.table.change(actor, key, change, tx).await.map(drop)
    }

    /// Deletes a row.
    pub(crate) async fn delete(&self, (actor, db): (&Actor, &Db), key: &str) -> Result<()> {
        db.write(async |tx| self.table.delete(actor, key, tx).await)
            .await
    }
}

fn texts(field: &Field, value: Json) -> Result<Vec<String>, Problem> {
    json_texts(value, &field.spec).ok_or_else(|| {
        let said = "This has another type of value.";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request has errors.");
        problem.at(field.name, said)
    })
}

fn parse(
    writable: &[&Field],
    (sent, body): (BTreeMap<&'static str, Vec<String>>, Body),
    zone: Tz,
) -> Result<Values, Problem> {
    let read: Vec<&Field> = writable
        .iter()
        .filter(|field| body != Body::Patch || sent.contains_key(field.name))
        .copied()
        .collect();
    let typed = sent
        .into_iter()
        .map(|(name, texts)| (name.to_owned(), texts));
    let mut input = Input::new(typed.collect(), zone);
    let parsed = read
        .iter()
        .map(|field| (field.name, field.parse(&mut input)));
    let parsed: Vec<_> = parsed.collect();
    let errors = input.into_errors();
    if !errors.is_empty() {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "The request has errors.");
        let all = errors.into_iter();
        return Err(all.fold(problem, |problem, (name, said)| {
            problem.at(name, said.join(" "))
        }));
    }
    let values = parsed.into_iter();
    Ok(values
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect())
}
