use super::choices::load;
use super::extract::{Form, MOST_IN_QUERY};
use super::input::{Values, values};
use super::show::Shown;
use super::{FieldOptions, FieldSpec, Fields, FillFrom};
use crate::views::{Error, RequestContext, Result};
use axum::extract::FromRequestParts;
use chrono_tz::Tz;
use http::Extensions;
use http::request::Parts;
use palisade_template::Value;
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
    view: FieldsView,
    query: Values,
    form: PhantomData<fn() -> Form<T>>,
}

/// The same for fields of several structs.
pub(crate) struct FieldsView {
    fields: Vec<FieldSpec>,
    options: FieldOptions,
    zone: Tz,
}

impl FieldsView {
    /// Loads the choices of a request with these extensions.
    pub(crate) async fn load(extensions: &Extensions, fields: Vec<FieldSpec>) -> Result<Self> {
        let context = extensions.get::<RequestContext>();
        Ok(Self {
            zone: context.map_or(Tz::UTC, |context| context.site().time_zone),
            options: load(&fields, extensions).await?,
            fields,
        })
    }

    /// Fields whose choices are given.
    pub(crate) fn with_options(fields: Vec<FieldSpec>, options: FieldOptions, zone: Tz) -> Self {
        Self {
            fields,
            options,
            zone,
        }
    }

    pub(crate) fn filled(
        self,
        values: impl IntoIterator<Item = (&'static str, Vec<String>)>,
    ) -> Value {
        let values = values.into_iter();
        self.show(
            &values
                .map(|(name, values)| (name.to_owned(), values))
                .collect(),
        )
    }

    fn show(self, typed: &Values) -> Value {
        Shown {
            fields: self.fields,
            typed,
            options: self.options,
            zone: self.zone,
            ..Shown::default()
        }
        .render()
    }
}

impl<T: Fields> FormView<T> {
    /// The empty form.
    pub fn blank(self) -> Value {
        self.view.show(&Values::new())
    }

    /// The form with the values of the request's query, such as that of a filter.
    pub fn of_query(self) -> Value {
        self.view.show(&self.query)
    }

    /// The form with the values of a row.
    pub fn filled<R>(self, row: &R) -> Value
    where
        T: FillFrom<R>,
    {
        self.view.filled(T::values(row))
    }

    /// The same with the values of fields that are no columns, such as the tags of a note.
    pub fn filled_with<R>(
        self,
        row: &R,
        more: impl IntoIterator<Item = (&'static str, Vec<String>)>,
    ) -> Value
    where
        T: FillFrom<R>,
    {
        self.view.filled(T::values(row).into_iter().chain(more))
    }

    /// The form with these values.
    pub fn with_values<'a>(self, values: impl IntoIterator<Item = (&'a str, String)>) -> Value {
        let values = values.into_iter();
        self.view.show(
            &values
                .map(|(name, value)| (name.to_owned(), vec![value]))
                .collect(),
        )
    }
}

impl<S: Sync, T: Fields> FromRequestParts<S> for FormView<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self {
            query: known(parts.uri.query().unwrap_or_default(), T::FIELDS),
            view: FieldsView::load(&parts.extensions, T::FIELDS.to_vec()).await?,
            form: PhantomData,
        })
    }
}

/// The values of a query for these fields; none of one that cannot be parsed.
fn known(query: &str, fields: &[FieldSpec]) -> Values {
    let is_known = |name: &str| fields.iter().any(|field| field.name == name);
    values(query.as_bytes(), MOST_IN_QUERY, is_known).unwrap_or_default()
}
