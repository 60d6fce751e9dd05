//! Handlers of pages that only show a template.

use super::{Fields, FormView};
use crate::views::{Page, Result};
use axum::response::Response;
use futures_util::future::BoxFuture;
use palisade_template::context;

/// A handler that renders a template without values of its own.
///
/// ```
/// use palisade::prelude::*;
/// let routes: Routes = Routes::new().route("/about", public().get(show_template("about.html")));
/// ```
pub fn show_template(
    name: &'static str,
) -> impl Fn(Page) -> BoxFuture<'static, Result<Response>> + Clone + Send + Sync + 'static {
    move |page| Box::pin(async move { page.render(name, context! {}).await })
}

/// A handler that renders a template with an empty form, as `form`.
///
/// ```
/// use palisade::prelude::*;
/// #[derive(Form)]
/// struct NewNote {
///     title: Line<120>,
/// }
/// let new = signed_in().get(show_form::<NewNote>("notes/new.html"));
/// let routes: Routes = Routes::new().route("/notes/new", new);
/// ```
pub fn show_form<T: Fields + 'static>(
    name: &'static str,
) -> impl Fn(Page, FormView<T>) -> BoxFuture<'static, Result<Response>> + Clone + Send + Sync + 'static
{
    move |page, form| {
        let form = form.blank();
        Box::pin(async move { page.render(name, context! { form }).await })
    }
}
