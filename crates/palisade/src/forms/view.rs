use super::extract::Form;
use super::input::Values;
use super::show::{Shown, load_options, without};
use super::{Fields, FillFrom, Options};
use crate::views::{Error, RequestContext, Result};
use axum::extract::FromRequestParts;
use chrono_tz::Tz;
use http::request::Parts;
use palisade_template::Value;
use std::collections::BTreeMap;
use std::marker::PhantomData;

/// The empty form, or one filled from a row, for handlers of GET. Its choices from the database are
/// those that the user may see.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct NewNote {
///     title: Line<120>,
/// }
/// async fn new(page: Page, form: FormView<NewNote>) -> Result<Response> {
///     page.render("notes/new.html", context! { form => form.blank() }).await
/// }
/// let routes: Routes = Routes::new().route("/notes/new", signed_in().get(new));
/// ```
pub struct FormView<T> {
    options: BTreeMap<&'static str, Options>,
    zone: Tz,
    form: PhantomData<fn() -> Form<T>>,
}

impl<T: Fields> FormView<T> {
    /// The empty form.
    pub fn blank(self) -> Value {
        self.show(&Values::new())
    }

    /// The form with the values of a row.
    pub fn filled<R>(self, row: &R) -> Value
    where
        T: FillFrom<R>,
    {
        let values = T::values(row).into_iter();
        self.show(
            &values
                .map(|(name, values)| (name.to_owned(), values))
                .collect(),
        )
    }

    /// The form with these values.
    pub fn with_values<'a>(self, values: impl IntoIterator<Item = (&'a str, String)>) -> Value {
        let values = values.into_iter();
        self.show(
            &values
                .map(|(name, value)| (name.to_owned(), vec![value]))
                .collect(),
        )
    }

    fn show(self, typed: &Values) -> Value {
        Shown {
            fields: without(T::FIELDS, None),
            typed,
            options: self.options,
            zone: self.zone,
            ..Shown::default()
        }
        .render()
    }
}

impl<S: Sync, T: Fields> FromRequestParts<S> for FormView<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        Ok(Self {
            zone: context.site().time_zone,
            options: load_options(T::FIELDS, &parts.extensions).await?,
            form: PhantomData,
        })
    }
}
