use super::input::{Input, Pairs, RawError, pairs, pairs_of};
use super::json::limits;
use super::start::TOKEN_FIELD;
use super::{FieldSpec, Fields, most_bytes};
use crate::views::{Error, ErrorKind, Page, RequestContext, Result};
use axum::RequestExt;
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::LengthLimitError;
use palisade_template::{Value, context};
use serde_json::json;
use std::collections::BTreeMap;

/// A submitted form.
pub struct Form<T> {
    value: Option<T>,
    invalid: InvalidForm,
}

/// An invalid form: the input and its errors, to show it again.
pub struct InvalidForm {
    fields: &'static [FieldSpec],
    typed: Pairs,
    errors: BTreeMap<&'static str, Vec<String>>,
    general: Vec<String>,
    page: Page,
    /// A field that is not shown.
    left_out: Option<&'static str>,
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
        let typed = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let fields: Vec<FieldSpec> = T::FIELDS
            .iter()
            .filter(|spec| Some(spec.name) != field)
            .copied()
            .collect();
        render_fields(&fields, &typed, &BTreeMap::new(), &[])
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
        self.typed.insert(field.to_owned(), value.into());
        self
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
            return Error::page(self.problem(status));
        }
        let fields: Vec<FieldSpec> = self
            .fields
            .iter()
            .filter(|spec| Some(spec.name) != self.left_out)
            .copied()
            .collect();
        let form = render_fields(&fields, &self.typed, &self.errors, &self.general);
        match self
            .page
            .render_as(status, template, context! { form, ..values })
            .await
        {
            Ok(page) => Error::page(page),
            Err(error) => error,
        }
    }
}

impl InvalidForm {
    /// The errors for API clients ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).
    fn problem(&self, status: StatusCode) -> Response {
        let problem = json!({
            "type": "about:blank", "title": status.canonical_reason(), "status": status.as_u16(), "detail": self.general.join(" "),
            "errors": self.errors, "request_id": self.page.context().id(),
        });
        (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            problem.to_string(),
        )
            .into_response()
    }
}

fn render_fields(
    fields: &[FieldSpec],
    typed: &Pairs,
    errors: &BTreeMap<&'static str, Vec<String>>,
    general: &[String],
) -> Value {
    let shown = |spec: &FieldSpec| {
        let shape = spec.shape;
        // passwords are never sent back, and other input is truncated to its field: one request
        // must not cause a response of megabytes
        let value = if shape.kind == "password" {
            ""
        } else {
            typed
                .get(spec.name)
                .map_or("", |typed| beginning(typed, shape.max_length))
        };
        let option = |(value, label): &(&str, &str)| context! { value => *value, label => *label };
        context! {
            name => spec.name, label => spec.label, help => spec.help, kind => shape.kind, value, max_length => shape.max_length,
            required => shape.is_required, autocomplete => autocomplete(spec, fields),
            inputmode => shape.inputmode, autocapitalize => if spec.name == "username" { "none" } else { shape.autocapitalize }, enterkeyhint => shape.enterkeyhint,
            options => shape.options.iter().map(option).collect::<Vec<_>>(),
            errors => errors.get(spec.name).cloned().unwrap_or_default(),
        }
    };
    context! { fields => fields.iter().map(shown).collect::<Vec<_>>(), errors => general.to_vec() }
}

/// Truncates to so many characters.
fn beginning(text: &str, most: usize) -> &str {
    text.char_indices()
        .nth(most)
        .map_or(text, |(end, _)| &text[..end])
}

/// Autocomplete of a new password is off; usernames may be filled in.
fn autocomplete(spec: &FieldSpec, fields: &[FieldSpec]) -> &'static str {
    let is_asked_twice = fields
        .iter()
        .any(|other| other.name.strip_suffix("_again") == Some(spec.name));
    let is_new = spec.name.starts_with("new_") || spec.name.ends_with("_again") || is_asked_twice;
    match (spec.shape.kind, spec.name) {
        ("password", _) if is_new => "new-password",
        ("text", "username") => "username",
        _ => spec.shape.autocomplete,
    }
}

/// Field names that the framework adds to every form.
const OWN_FIELDS: [&str; 1] = [TOKEN_FIELD];

/// Never rejects: a handler first decides whether the resource exists for this visitor, and then
/// about the form.
impl<S: Send + Sync, T: Fields> FromRequest<S> for Form<T> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let page = request
            .extensions()
            .get::<RequestContext>()
            .cloned()
            .map(Page::new);
        let page = page.ok_or_else(|| {
            Error::bug("there is no request context: routes must be served by App")
        })?;
        let (typed, unreadable) = match read::<T>(request).await {
            Ok(typed) => (typed, None),
            Err(error) => (Pairs::new(), Some(error)),
        };
        let mut input = Input::new(typed);
        let value = T::read(&mut input).filter(|_| unreadable.is_none());
        let (typed, errors) = input.into_parts();
        Ok(Self {
            value,
            invalid: InvalidForm {
                fields: T::FIELDS,
                typed,
                errors,
                general: Vec::new(),
                page,
                left_out: None,
                unreadable,
            },
        })
    }
}

async fn read<T: Fields>(request: Request) -> Result<Pairs> {
    if !is_form(request.headers()) {
        return Err(Error::new(
            ErrorKind::UnsupportedType,
            "Send this form as application/x-www-form-urlencoded.",
        ));
    }
    let limits = limits(&request)?;
    let most = most_bytes(T::FIELDS).max(limits.form_bytes);
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
    let typed = pairs(&body, limits.form_fields).map_err(unreadable)?;
    let is_known =
        |name: &str| OWN_FIELDS.contains(&name) || T::FIELDS.iter().any(|field| field.name == name);
    match typed.keys().find(|name| !is_known(name)) {
        Some(_) => Err(Error::new(
            ErrorKind::BadRequest,
            "The form has an unknown field.",
        )),
        None => Ok(typed),
    }
}

fn is_more(length: &HeaderValue, most: usize) -> bool {
    length
        .to_str()
        .ok()
        .and_then(|length| length.parse::<usize>().ok())
        .is_some_and(|length| length > most)
}

fn too_long() -> Error {
    Error::new(
        ErrorKind::TooLarge,
        "The form is longer than its fields allow.",
    )
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

fn unreadable(error: RawError) -> Error {
    match error {
        RawError::Encoding => Error::new(ErrorKind::BadRequest, "The text is not UTF-8."),
        RawError::Duplicate(_) => Error::new(ErrorKind::BadRequest, "A field was sent twice."),
        RawError::TooMany => Error::new(ErrorKind::TooLarge, "There are too many fields."),
    }
}

/// Most parameters of a query, which `http.max_url_bytes` bounds too.
const MOST_IN_QUERY: usize = 1000;

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
        let is_known = |name: &str| T::FIELDS.iter().any(|field| field.name == name);
        let query = parts.uri.query().unwrap_or_default();
        let typed = pairs_of(query.as_bytes(), MOST_IN_QUERY, is_known).map_err(unreadable)?;
        let mut input = Input::new(typed);
        let value = T::read(&mut input);
        value
            .map(Self)
            .ok_or_else(|| Error::new(ErrorKind::BadRequest, "The URL has an invalid value."))
    }
}
