use super::field_schema::{of_fields, of_input};
use super::operation::Operation;
use super::schema::Schema;
use crate::api::webhooks::Signed;
use crate::auth::{User, Visitor};
use crate::db::Db;
use crate::flows::Once;
use crate::forms::{Fields, Form, Json, Query};
use crate::mail::MailQueue;
use crate::permissions::{Actor, Allowed, Caller};
use crate::sessions::Session;
use crate::views::{Path, RequestContext, Result};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use sea_orm::EntityTrait;
use serde_json::json;

/// An argument of a handler of the API, which describes the input that it reads.
///
/// An extractor of a site's own has no input to describe, `impl Described for Mine {}`, or describes
/// it; one of another crate is wrapped in [`Undescribed`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe the input that it reads",
    label = "an argument of a handler behind `.api()` is described",
    note = "write `impl Described for {Self} {{}}` if it reads no input of its own, or take Undescribed<{Self}>"
)]
pub trait Described {
    /// Adds its input to an operation.
    fn describe(operation: &mut Operation) {
        let _ = operation;
    }
}

/// The result of a handler of the API, which describes the response.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not describe a response",
    label = "the result of a handler behind `.api()` is described",
    note = "return Json<T> with #[derive(Schema)] on T, a StatusCode, a text, a Result of one of them, or Undescribed<Response>"
)]
pub trait Answer {
    /// Adds the response to an operation.
    fn describe(operation: &mut Operation);
}

/// An argument or a result that is left out of the description.
#[derive(Debug, Clone, Copy)]
pub struct Undescribed<T>(pub T);

impl<T> Described for Undescribed<T> {}

impl<T> Answer for Undescribed<T> {
    fn describe(operation: &mut Operation) {
        operation.empty_answer(StatusCode::OK);
    }
}

impl<T: IntoResponse> IntoResponse for Undescribed<T> {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<S: Send + Sync, T: FromRequest<S>> FromRequest<S> for Undescribed<T> {
    type Rejection = T::Rejection;

    async fn from_request(request: Request, state: &S) -> Result<Self, T::Rejection> {
        T::from_request(request, state).await.map(Self)
    }
}

macro_rules! without_input {
    ($($type:ty),+ $(,)?) => { $(impl Described for $type {})+ };
}

without_input!(
    Actor,
    Caller,
    Db,
    HeaderMap,
    MailQueue,
    Method,
    Parts,
    RequestContext,
    Session,
    Uri,
    User,
    Visitor,
);

impl<E: EntityTrait, V> Described for Allowed<E, V> {}
impl<T> Described for Path<T> {}
impl<T> Described for State<T> {}
impl<T> Described for Signed<T> {}
impl<T> Described for Option<T> where T: Described {}

impl<T: Fields> Described for Query<T> {
    fn describe(operation: &mut Operation) {
        for field in T::FIELDS {
            operation.query(field.name, of_input(field));
        }
    }
}

impl<T: Fields> Described for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.body(&["application/json"], of_fields(T::FIELDS));
    }
}

impl<T: Fields> Described for Form<T> {
    fn describe(operation: &mut Operation) {
        operation.body(&["application/x-www-form-urlencoded"], of_fields(T::FIELDS));
    }
}

impl<T: Described> Described for Once<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
        let key =
            json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"});
        operation.header("Idempotency-Key", key);
    }
}

impl<T: Schema> Answer for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.answer(StatusCode::OK, "application/json", T::schema());
    }
}

impl<T: Answer> Answer for Result<T> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}

impl Answer for StatusCode {
    fn describe(operation: &mut Operation) {
        operation.empty_answer(Self::NO_CONTENT);
    }
}

impl Answer for () {
    fn describe(operation: &mut Operation) {
        operation.empty_answer(StatusCode::OK);
    }
}

macro_rules! texts {
    ($($type:ty),+) => {
        $(
            impl Answer for $type {
                fn describe(operation: &mut Operation) {
                    operation.answer(StatusCode::OK, "text/plain", json!({ "type": "string" }));
                }
            }
        )+
    };
}

texts!(String, &'static str);
