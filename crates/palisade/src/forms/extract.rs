use super::choices::{check, has_row_choices, load};
use super::errors::{about, too_long, unreadable};
use super::files::has_files;
use super::group_names::{GroupErrors, field_of, without_groups};
use super::input::{Input, Values, check_repeated, values};
use super::json::limits;
use super::multipart_form::{Sent, is_multipart, read_multipart, without_files};
use super::show::{Conflicts, Shown, problem, without};
use super::start::TOKEN_FIELD;
use super::{FieldOptions, FieldSpec, FieldValues, Fields, Seen, most_bytes};
use crate::views::{Error, ErrorKind, Page, RequestContext, Result};
use axum::RequestExt;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::Response;
use chrono_tz::Tz;
use http::Extensions;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::LengthLimitError;
use palisade_template::{Value, context};
use std::collections::BTreeMap;

/// A submitted form.
pub struct Form<T> {
    value: Option<T>,
    invalid: InvalidForm,
}

/// An invalid form: the input and its errors, to show it again.
pub struct InvalidForm {
    fields: Vec<FieldSpec>,
    typed: Values,
    errors: BTreeMap<&'static str, Vec<String>>,
    general: Vec<String>,
    groups: GroupErrors,
    conflicts: Conflicts,
    page: Page,
    /// A field that is not shown.
    left_out: Option<&'static str>,
    /// Of the request, where its form has choices from the database.
    extensions: Extensions,
    /// Its choices, where they are not all that the user may view.
    options: Option<FieldOptions>,
    /// The body is not a form, or has unknown fields.
    unreadable: Option<Error>,
}

impl<T: Fields> Form<T> {
    /// The empty form, for the template: `context! { form => Form::<NewTicket>::blank() }`.
    pub fn blank() -> Value {
        Self::with_values([])
    }

    /// The form with initial values.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// #[derive(Form)]
    /// struct Search {
    ///     q: Line<80>,
    /// }
    /// let form = Form::<Search>::with_values([("q", "printer".to_owned())]);
    /// ```
    pub fn with_values<'a>(values: impl IntoIterator<Item = (&'a str, String)>) -> Value {
        Self::filled_without(values, None)
    }

    /// The empty form without a field.
    pub(crate) fn blank_without(field: Option<&'static str>) -> Value {
        Self::filled_without([], field)
    }

    /// The form with initial values, without a field.
    pub(crate) fn filled_without<'a>(
        values: impl IntoIterator<Item = (&'a str, String)>,
        field: Option<&'static str>,
    ) -> Value {
        let () = const {
            assert!(
                !has_row_choices(T::FIELDS),
                "this form has choices from the database: take FormView"
            )
        };
        let typed = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), vec![value]))
            .collect();
        let shown = Shown {
            fields: without(T::FIELDS, field),
            typed: &typed,
            ..Shown::default()
        };
        shown.render()
    }

    /// The valid input of a form without fields to type, such as a button with hidden values.
    ///
    /// # Errors
    /// 400 with the name of a field for the log.
    pub fn valid(self) -> Result<T> {
        let invalid = self.invalid;
        let name = invalid.errors.keys().next().copied().unwrap_or_default();
        let why = || about(name, "The form has an invalid value. Load the page again.");
        self.value
            .ok_or_else(|| invalid.unreadable.unwrap_or_else(why))
    }

    /// The valid input, or `template` again with the input and its errors (422).
    ///
    /// # Errors
    /// The page, as an error, so that `?` shows it.
    pub async fn valid_or_show(self, template: &str) -> Result<T> {
        self.valid_or_show_with(template, context! {}).await
    }

    /// The same for a template with further values.
    ///
    /// # Errors
    /// As [`Form::valid_or_show`].
    pub async fn valid_or_show_with(self, template: &str, values: Value) -> Result<T> {
        match self.value {
            Some(value) => Ok(value),
            None => Err(self.invalid.show_with(template, values).await),
        }
    }

    /// The valid input, if it is, and the form to show it again in any case.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// #[derive(Form)]
    /// struct Booking {
    ///     day: Line<10>,
    /// }
    /// async fn book(form: Form<Booking>) -> Result<Response> {
    ///     let (booking, invalid) = form.into_parts();
    ///     match booking {
    ///         Some(booking) if !booking.day.starts_with("Sun") => Ok(redirect_to("/booked")),
    ///         Some(_) => Err(invalid.error("day", "Sundays are closed.").show("book.html").await),
    ///         None => Err(invalid.show("book.html").await),
    ///     }
    /// }
    /// let routes: Routes = Routes::new().route("/book", signed_in().post(book));
    /// ```
    pub fn into_parts(self) -> (Option<T>, InvalidForm) {
        (self.value, self.invalid)
    }
}

impl InvalidForm {
    /// Adds an error to a field.
    #[must_use]
    pub fn error(mut self, field: &'static str, message: impl Into<String>) -> Self {
        self.errors.entry(field).or_default().push(message.into());
        self
    }

    /// Adds an error above the form.
    #[must_use]
    pub fn general_error(mut self, message: impl Into<String>) -> Self {
        self.general.push(message.into());
        self
    }

    /// Replaces the input of a field.
    #[must_use]
    pub fn set(mut self, field: &str, value: impl Into<String>) -> Self {
        self.typed.insert(field.to_owned(), vec![value.into()]);
        self
    }

    /// The first input of a field.
    pub(crate) fn typed(&self, field: &str) -> String {
        let typed = self.typed.get(field).and_then(|values| values.first());
        typed.cloned().unwrap_or_default()
    }

    /// All inputs of a field.
    pub(crate) fn inputs(&self, field: &str) -> &[String] {
        self.typed.get(field).map_or(&[], Vec::as_slice)
    }

    /// Offers these choices from the database.
    pub(crate) fn with_options(mut self, options: FieldOptions) -> Self {
        self.options = Some(options);
        self
    }

    /// Shows at a field the value that was seen and the present one.
    pub(crate) fn conflict(mut self, field: &'static str, seen: String, now: String) -> Self {
        self.conflicts.insert(field, (Some(seen), now));
        self
    }

    /// Shows at each field that another change has overtaken the value that was seen and the present one, and
    /// lets the form be sent again.
    pub(crate) fn with_conflicts(mut self, seen: &Seen, now: FieldValues) -> Self {
        let differences = seen.differences(&now);
        self.conflicts = differences
            .map(|(name, seen, now)| (name, (seen.map(str::to_owned), now)))
            .collect();
        self.set("seen", Seen::of(&now))
    }

    /// Whether the body was not a form of these fields.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable.is_some()
    }

    /// Leaves out a field.
    pub(crate) fn without(mut self, field: Option<&'static str>) -> Self {
        self.left_out = field;
        self
    }

    /// The form again (422), as an error for `Err(…)`.
    pub async fn show(self, template: &str) -> Error {
        self.show_with(template, context! {}).await
    }

    /// The same for a template with further values.
    pub async fn show_with(self, template: &str, values: Value) -> Error {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        self.show_as(status, template, values).await
    }

    /// The same with another status.
    pub async fn show_as(self, status: StatusCode, template: &str, values: Value) -> Error {
        if let Some(error) = self.unreadable {
            return error;
        }
        if self.page.context().wants_problem() {
            let errors = (&self.general[..], &self.errors);
            return Error::page(problem(self.page.context(), status, errors));
        }
        match self.render(status, template, values).await {
            Ok(page) => Error::page(page),
            Err(error) => error,
        }
    }

    async fn render(self, status: StatusCode, template: &str, values: Value) -> Result<Response> {
        let shown = Shown {
            fields: without(&self.fields, self.left_out),
            typed: &self.typed,
            errors: self.errors,
            general: self.general,
            groups: self.groups,
            conflicts: self.conflicts,
            options: match self.options {
                Some(options) => options,
                None => load(&self.fields, &self.extensions).await?,
            },
            zone: self.page.context().site().time_zone,
        };
        let form = shown.render();
        let page = self
            .page
            .render_as(status, template, context! { form, ..values });
        page.await
    }
}

/// Field names that the framework adds to every form.
const OWN_FIELDS: [&str; 1] = [TOKEN_FIELD];

/// Never rejects: a handler first decides whether the resource exists for this visitor, and then
/// about the form.
impl<S: Send + Sync, T: Fields> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let mut form = OpenForm::new(request, T::FIELDS.to_vec()).await?;
        let value = T::read(form.input()).filter(|_| form.unreadable.is_none());
        Ok(Self {
            value,
            invalid: form.into_invalid(),
        })
    }
}

/// A submitted form whose fields are read one after another.
pub(crate) struct OpenForm {
    fields: Vec<FieldSpec>,
    input: Input,
    page: Page,
    extensions: Extensions,
    unreadable: Option<Error>,
}

impl OpenForm {
    /// Reads a form with these fields.
    pub(crate) async fn new(request: Request, fields: Vec<FieldSpec>) -> Result<Self> {
        let context = request.extensions().get::<RequestContext>().cloned();
        let page = context.map(Page::new).ok_or_else(|| {
            Error::bug("there is no request context: routes must be served by App")
        })?;
        let extensions = match has_row_choices(&fields) {
            true => request.extensions().clone(),
            false => Extensions::new(),
        };
        let (sent, unreadable) = match read(request, &fields).await {
            Ok(sent) => (sent, None),
            Err(error) => (Sent::default(), Some(error)),
        };
        let mut input = Input::new(sent.values, page.context().site().time_zone);
        for (field, refusal) in &sent.refused {
            input.refuse(field, refusal);
        }
        check(&mut input, &fields, &extensions).await?;
        Ok(Self {
            input,
            fields,
            page,
            extensions,
            unreadable,
        })
    }

    /// The input, to validate fields.
    pub(crate) fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    /// # Errors
    /// The body was not a form of these fields.
    pub(crate) fn require_readable(&mut self) -> Result<()> {
        self.unreadable.take().map_or(Ok(()), Err)
    }

    /// The values of some fields, as they were typed.
    pub(crate) fn values(&self, fields: &[FieldSpec]) -> Values {
        self.input.values_of(fields)
    }

    /// Time zone of the site.
    pub(crate) fn zone(&self) -> Tz {
        self.page.context().site().time_zone
    }

    /// The form to show again.
    pub(crate) fn into_invalid(self) -> InvalidForm {
        let (typed, errors) = self.input.into_parts();
        InvalidForm {
            fields: self.fields,
            typed,
            errors: errors.fields,
            general: errors.general,
            groups: errors.groups,
            conflicts: Conflicts::new(),
            page: self.page,
            left_out: None,
            extensions: self.extensions,
            options: None,
            unreadable: self.unreadable,
        }
    }
}

async fn read(request: Request, fields: &[FieldSpec]) -> Result<Sent> {
    if has_files(fields) && is_multipart(&request) {
        return read_multipart(request, fields).await;
    }
    if !is_form(request.headers()) {
        return Err(Error::new(
            ErrorKind::UnsupportedType,
            "Send this form as application/x-www-form-urlencoded.",
        ));
    }
    let limits = limits(&request)?;
    let most = most_bytes(fields).max(limits.form_bytes);
    if request
        .headers()
        .get(header::CONTENT_LENGTH)
        .is_some_and(|length| is_more(length, most))
    {
        return Err(too_long());
    }
    // the body limit applies as well
    let body = to_bytes(request.with_limited_body().into_body(), most)
        .await
        .map_err(|error| incomplete(&error))?;
    let typed = values(&body, limits.form_fields, |_| true).map_err(unreadable)?;
    check_repeated(&typed, fields).map_err(unreadable)?;
    let is_field = |name: &str| {
        let mut fields = fields.iter();
        fields.any(|field| {
            (field.name == name && field.shape.group.is_none()) || field_of(field, name).is_some()
        })
    };
    let is_known = |name: &str| OWN_FIELDS.contains(&name) || is_field(name);
    match typed.keys().find(|name| !is_known(name)) {
        Some(name) => Err(about(name, "The form has an unknown field.")),
        None => Ok(without_files(typed, fields)),
    }
}

fn is_more(length: &HeaderValue, most: usize) -> bool {
    length
        .to_str()
        .ok()
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > most)
}

/// Too long, or truncated.
fn incomplete(error: &axum::Error) -> Error {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return too_long();
        }
        cause = error.source();
    }
    Error::new(
        ErrorKind::BadRequest,
        "The form was incomplete. Please try again.",
    )
}

/// Whether the body is a url-encoded form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Most parameters of a query, which `http.max_url_bytes` bounds too.
pub(super) const MOST_IN_QUERY: usize = 1000;

/// The query string, parsed like a form. Unknown parameters are ignored; other errors are 400.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Choice, Clone, Copy, PartialEq)]
/// enum Order { Newest, Oldest }
/// #[derive(Form)]
/// struct Filter { order: Option<Order>, page: Option<Number<1, 10_000>> }
///
/// async fn list(Query(filter): Query<Filter>) -> String {
///     format!("page {}", filter.page.map_or(1, Number::get))
/// }
/// ```
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct Search {
///     q: Option<Line<80>>,
/// }
/// async fn search(Query(search): Query<Search>) -> String {
///     search.q.map_or_else(String::new, |q| q.to_string())
/// }
/// let routes: Routes = Routes::new().route("/search", public().get(search));
/// ```
pub struct Query<T>(pub T);

impl<S: Sync, T: Fields> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let () = const { without_groups(T::FIELDS) };
        let is_known = |name: &str| T::FIELDS.iter().any(|field| field.name == name);
        let query = parts.uri.query().unwrap_or_default();
        let typed = values(query.as_bytes(), MOST_IN_QUERY, is_known).map_err(unreadable)?;
        check_repeated(&typed, T::FIELDS).map_err(unreadable)?;
        let context = parts.extensions.get::<RequestContext>();
        let zone = context.map_or(Tz::UTC, |context| context.site().time_zone);
        let mut input = Input::new(typed, zone);
        check(&mut input, T::FIELDS, &parts.extensions).await?;
        let value = T::read(&mut input);
        let (_, errors) = input.into_parts();
        let name = errors.fields.keys().next().copied().unwrap_or_default();
        value
            .map(Self)
            .ok_or_else(|| about(name, "The URL has an invalid value."))
    }
}
