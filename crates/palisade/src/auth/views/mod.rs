//! The pages of `/account`. They live here, so that an update mends them; a site replaces their look, template by template.

pub(crate) mod email;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod personal;
pub(crate) mod signup;

pub(crate) use login::MAX_NEXT_BYTES;

use super::{Accounts, Visitor};
use crate::audit_log::{self, Event};
use crate::forms::Refill;
use crate::http::redirect_to;
use crate::views::{Error, ErrorKind, Page, Result};
use axum::response::Response;
use http::StatusCode;
use palisade_crypto::random;
use palisade_template::context;

/// A link from a mail: what it is for, and the page that it leads to. The token leaves the address bar before a page is shown, so that no page passes it
/// on and no history keeps it: the session remembers its hash meanwhile.
struct MailedLink {
    remembered_as: &'static str,
    page: &'static str,
}

impl MailedLink {
    /// `GET` of the link itself.
    async fn follow(&self, visitor: &Visitor, token: &str) -> Result<Response> {
        visitor.session().insert(self.remembered_as, random::stored_hash(token)).await?;
        Ok(redirect_to(self.page))
    }

    /// The hash of the token that this visitor came with; of nothing, if there was none.
    async fn hash(&self, visitor: &Visitor) -> Result<String> {
        Ok(visitor.session().value(self.remembered_as).await?.unwrap_or_default())
    }

    /// The link was used.
    async fn forget(&self, visitor: &Visitor) -> Result<()> {
        visitor.session().remove(self.remembered_as).await.map(drop)
    }
}

/// A link that is too old, was used, or was never one. 410.
async fn dead_link(page: &Page) -> Result<Response> {
    page.render_as(StatusCode::GONE, "account/dead_link.html", context! {}).await
}

/// Nobody promises a mail that will not come.
fn can_mail(accounts: &Accounts) -> Result<()> {
    let refused =
        || Error::new(ErrorKind::Unavailable, "This site cannot send mail right now, and without mail this cannot be done.");
    if accounts.mail.is_real() { Ok(()) } else { Err(refused()) }
}

/// Puts what is wrong with a new password next to its field.
fn with_rules(refill: Refill, field: &'static str, broken: Vec<String>) -> Refill {
    broken.into_iter().fold(refill, |refill, rule| refill.error(field, rule))
}

fn audit(visitor: &Visitor, event: Event, username: &str) {
    audit_log::record(event, Some(visitor.client()), visitor.request_id(), username);
}
