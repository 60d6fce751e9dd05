//! The page of a form that was sent after the session had ended.

use crate::auth::Visitor;
use crate::auth::login::unsent_forms::UnsentForm;
use crate::forms::TOKEN_FIELD;
use crate::http::redirect_to;
use crate::views::{Page, Result};
use axum::response::Response;
use http::HeaderMap;
use palisade_template::{Value, context};

/// Its path.
pub(crate) const UNSENT: &str = "/account/unsent";
/// Longest value in one line, in characters.
const LINE: usize = 60;

/// `GET /account/unsent`: the form as it was typed, once. Without one, the home page.
pub(crate) async fn show(page: Page, visitor: Visitor, headers: HeaderMap) -> Result<Response> {
    let accounts = visitor.accounts();
    let user = visitor.user().await?.map(|user| user.id);
    let form = match user {
        Some(id) => accounts.unsent.take(&headers, id).await?,
        None => None,
    };
    match form {
        Some(UnsentForm { path, body }) => {
            let fields = fields(&body);
            let values = context! { action => path, fields };
            page.render("account/unsent.html", values).await
        }
        None => Ok(redirect_to(&accounts.home)),
    }
}

/// The fields of a form: those with text to read and to correct, and the others as they are.
fn fields(body: &[u8]) -> Vec<Value> {
    let typed = url::form_urlencoded::parse(body);
    let typed = typed.filter(|(name, _)| name != TOKEN_FIELD);
    typed
        .map(|(name, value)| {
            let kind = match &*value {
                "" | "on" => "hidden",
                // a value that the page has computed, such as a version
                text if text.starts_with('{') || ["version", "seen", "next"].contains(&&*name) => {
                    "hidden"
                }
                text if text.contains('\n') || text.chars().count() > LINE => "textarea",
                _ => "text",
            };
            let label = label(&name);
            context! { name => name.into_owned(), value => value.into_owned(), label, kind }
        })
        .collect()
}

/// `due_date` becomes `Due date`.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut characters = words.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).collect()
}
