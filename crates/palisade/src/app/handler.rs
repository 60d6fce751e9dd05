//! Handlers of routes, and the words of the compiler for functions that are none.

use axum::extract::{FromRequest, FromRequestParts};
use axum::handler::Handler;
use axum::response::IntoResponse;

/// A function that handles requests: an async function of up to 16 extractors that returns a
/// response.
#[diagnostic::on_unimplemented(
    message = "this function cannot handle requests",
    label = "not a handler",
    note = "its arguments are extractors, such as Page, User, Db, Session, Path, Query; Form and Json read the body and stand last",
    note = "what it holds over an .await is Send, and it returns a response, such as Result<Response>",
    note = "put #[debug_handler] above the function: the compiler then names the argument"
)]
pub trait RouteHandler<T, S>: Handler<T, S> {}

#[diagnostic::do_not_recommend]
impl<H: Handler<T, S>, T, S> RouteHandler<T, S> for H {}

/// An argument of a handler before its last one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler here",
    label = "not an extractor, or one that reads the body and must stand last",
    note = "extractors are Page, User, Option<User>, Visitor, Actor, Allowed, Db, Session, Flash, Path, Query, MailQueue, Jobs, Settings and those of axum",
    note = "Form, Json, Multipart, Bytes and Request read the body: one of them, as the last argument"
)]
pub trait Argument {}

#[diagnostic::do_not_recommend]
impl<T: FromRequestParts<()>> Argument for T {}

/// The last argument of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "not an extractor",
    note = "extractors are Page, User, Option<User>, Visitor, Actor, Allowed, Db, Session, Flash, Path, Query, Form, Json, MailQueue, Jobs, Settings and those of axum",
    note = "a value of the URL is Path<i32>, one of the query a field of Query<T> with #[derive(Form)]"
)]
pub trait LastArgument<M> {}

#[diagnostic::do_not_recommend]
impl<T: FromRequest<(), M>, M> LastArgument<M> for T {}

/// The result of a handler.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a response",
    label = "not a response",
    note = "return Result<Response>, a text, Json<T>, or a type that implements IntoResponse; `?` converts errors into error pages"
)]
pub trait HandlerResult {}

#[diagnostic::do_not_recommend]
impl<T: IntoResponse> HandlerResult for T {}

/// Asserts for `#[debug_handler]`.
#[doc(hidden)]
pub fn is_argument<T: Argument>() {}

/// Asserts for `#[debug_handler]`.
#[doc(hidden)]
pub fn is_last_argument<T: LastArgument<M>, M>() {}

/// Asserts for `#[debug_handler]`.
#[doc(hidden)]
pub fn is_result<T: HandlerResult>() {}

/// Asserts for `#[debug_handler]`.
#[doc(hidden)]
pub fn is_sent(_: impl Future + Send) {}
