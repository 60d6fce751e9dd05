//! Choices from the database: loaded for the page, and checked when the form is submitted.

use super::input::Input;
use super::{FieldSpec, Options};
use crate::views::Result;
use futures_util::future::BoxFuture;
use http::Extensions;
use std::collections::BTreeMap;
use std::time::Duration;

/// The choices of a field are the rows that the user of the request may view.
#[derive(Debug, Clone, Copy)]
pub struct RowChoices {
    /// Loads the choices for the request with these extensions.
    pub load: fn(Extensions) -> BoxFuture<'static, Result<Options>>,
    /// Whether all of these keys are choices of the request.
    pub check: fn(Extensions, Vec<String>) -> BoxFuture<'static, Result<bool>>,
    /// The table of the rows.
    pub table: fn() -> &'static str,
    /// Searches the labels for a text, with a limit of choices and of time.
    pub search: fn(Extensions, (String, u64), Duration) -> BoxFuture<'static, Result<Options>>,
    /// The choices with these keys; keys that are no choices are left out.
    pub labels: fn(Extensions, Vec<String>) -> BoxFuture<'static, Result<Options>>,
}

/// The error of a key that is not one of the user's choices, whether or not such a row exists.
pub const NOT_A_CHOICE: &str = "Choose one of the list.";

/// Whether fields have choices from the database.
pub(super) const fn has_row_choices(fields: &[FieldSpec]) -> bool {
    let mut index = 0;
    while index < fields.len() {
        if fields[index].shape.choices.is_some() {
            return true;
        }
        index += 1;
    }
    false
}

/// Loads the choices of all fields.
pub(super) async fn load(
    fields: &[FieldSpec],
    request: &Extensions,
) -> Result<BTreeMap<&'static str, Options>> {
    let mut options = BTreeMap::new();
    for field in fields {
        if let Some(choices) = field.shape.choices {
            options.insert(field.name, (choices.load)(request.clone()).await?);
        }
    }
    Ok(options)
}

/// Refuses keys that are no choices of the request's user.
pub(super) async fn check(
    input: &mut Input,
    fields: &[FieldSpec],
    request: &Extensions,
) -> Result<()> {
    for field in fields {
        let Some(choices) = field.shape.choices else {
            continue;
        };
        let keys = input.given(field.name, field.shape.max_count);
        // more keys than the field takes are an error of its own
        if keys.is_empty() || keys.len() > field.shape.max_count {
            continue;
        }
        if !(choices.check)(request.clone(), keys).await? {
            input.refuse(field.name, NOT_A_CHOICE);
        }
    }
    Ok(())
}
