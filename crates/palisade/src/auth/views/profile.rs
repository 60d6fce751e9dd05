//! `/account/profile`: the site's own fields of an account.

use crate::audit_log::{Entry, Event, record_in};
use crate::auth::account::profile::{ProfileForm, Typed};
use crate::auth::{User, Visitor};
use crate::db::Db;
use crate::forms::{FieldsView, OpenForm};
use crate::http::redirect_to;
use crate::sessions::MessageLevel;
use crate::views::{Error, Page, Result};
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use palisade_template::context;
use std::sync::Arc;

const TEMPLATE: &str = "account/profile.html";

fn profile_of(visitor: &Visitor) -> Result<Arc<dyn ProfileForm>> {
    let profile = visitor.accounts().profile.clone();
    profile.ok_or_else(Error::not_found)
}

/// `GET /account/profile`.
pub(crate) async fn show(
    page: Page,
    visitor: Visitor,
    (user, db): (User, Db),
    parts: Parts,
) -> Result<Response> {
    let profile = profile_of(&visitor)?;
    let values = profile.load(&db, &user).await?;
    let view = FieldsView::load(&parts.extensions, profile.fields().to_vec()).await?;
    page.render(TEMPLATE, context! { form => view.filled(values) })
        .await
}

/// `POST /account/profile`.
pub(crate) async fn save(visitor: Visitor, user: User, request: Request) -> Result<Response> {
    let profile = profile_of(&visitor)?;
    let mut form = OpenForm::new(request, profile.fields().to_vec()).await?;
    let is_valid = profile.validate(form.input()).is_some();
    let values: Typed = form.values(profile.fields());
    let zone = form.zone();
    let invalid = form.into_invalid();
    if !is_valid || invalid.is_unreadable() {
        return Err(invalid.show(TEMPLATE).await);
    }
    let database = visitor.accounts().database();
    database
        .write_always(async |tx| {
            profile.save((values, zone), tx, &user).await?;
            let changed = Entry::new(Event::ProfileChanged).name(&user.username);
            Ok::<_, Error>(record_in(tx, changed).await?)
        })
        .await?;
    let session = visitor.session();
    session
        .message(MessageLevel::Success, "Your profile was saved.")
        .await?;
    Ok(redirect_to("/account"))
}
