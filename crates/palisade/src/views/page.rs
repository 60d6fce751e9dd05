use super::reload::with_reload;
use super::{Error, PageName, RequestContext, Result};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use palisade_template::{Value, context};

/// Renders pages of one request.
#[derive(Clone)]
pub struct Page(RequestContext);

impl Page {
    /// A page of the request.
    pub fn new(context: RequestContext) -> Self {
        Self(context)
    }

    /// Renders a template with `values` (created by `context! { … }`), the signed-in `user`,
    /// `messages`, `path` and `site`, the name of the site.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// async fn front(page: Page) -> Result<Response> {
    ///     page.render("front.html", context! { title => "Welcome" }).await
    /// }
    /// let routes: Routes = Routes::new().route("/", public().get(front));
    /// ```
    ///
    /// # Errors
    /// A template error, or a database that does not answer.
    pub async fn render(&self, template: &str, values: Value) -> Result<Response> {
        self.render_as(StatusCode::OK, template, values).await
    }

    /// The same with another status.
    ///
    /// # Errors
    /// As [`Page::render`].
    pub async fn render_as(
        &self,
        status: StatusCode,
        template: &str,
        values: Value,
    ) -> Result<Response> {
        let path = self.0.path().split('?').next().unwrap_or_default();
        let site = self.0.site().site_name.clone();
        let common = context! { site, path, ..self.0.values(PageName { template, path }).await? };
        let page = self.0.site().templates.render(
            template,
            context! { ..values, ..common },
            self.0.secrets(),
        )?;
        Ok(html(status, with_reload(&self.0, page)))
    }

    /// The context of the request.
    pub fn context(&self) -> &RequestContext {
        &self.0
    }
}

pub(super) fn html(status: StatusCode, page: String) -> Response {
    let content_type = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, content_type)], page).into_response()
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        RequestContext::from_request_parts(parts, state)
            .await
            .map(Self)
    }
}
