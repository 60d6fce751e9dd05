//! One-time links of the site's own, by purpose.

use super::{Purpose, Token};
use crate::auth::user::entity::Entity as Users;
use crate::auth::{Accounts, User};
use crate::db::Tx;
use crate::views::{Error, ErrorKind, RequestContext, Result};
use axum::extract::FromRequestParts;
use http::request::Parts;
use palisade_crypto::random;
use sea_orm::EntityTrait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::sync::Arc;

/// The purpose of a link: to confirm an order, to leave a list, to accept an invitation.
pub trait Action: Send + Sync + 'static {
    /// Its name. A link of another name is none.
    const NAME: &'static str;
    /// How long a link can be used, in seconds.
    const LIFETIME_SECS: i64;
    /// The subject of the link. It is stored encrypted, and not part of the link.
    type Payload: Serialize + DeserializeOwned + Send + Sync;
}

/// One-time links of the site's own. A link is random and stored as a hash; it works once, for one
/// action, until its time is over or its user's password, address or state changes.
///
/// A GET shows the effect of the link, with a form; the POST spends it, in the transaction of its
/// effect. Programs open links of mails, and would spend them.
///
/// ```
/// use palisade::auth::{Action, ActionLinks};
/// use palisade::prelude::*;
///
/// struct Unsubscribe;
///
/// impl Action for Unsubscribe {
///     const NAME: &'static str = "unsubscribe";
///     const LIFETIME_SECS: i64 = 30 * 24 * 3600;
///     type Payload = i32;
/// }
///
/// async fn ask(page: Page, links: ActionLinks, Path(token): Path<String>) -> Result<Response> {
///     links.find::<Unsubscribe>(&token).await?.or_404()?;
///     page.render("unsubscribe.html", context! {}).await
/// }
///
/// async fn leave(db: Db, links: ActionLinks, Path(token): Path<String>) -> Result<&'static str> {
///     db.write(async |tx| {
///         let list = links.spend::<Unsubscribe>(tx, &token).await?;
///         tx.execute_sql(sql!("DELETE FROM subscription WHERE id = ?", list)).await?;
///         Ok::<_, Error>(())
///     })
///     .await?;
///     Ok("You will get no more mails.")
/// }
///
/// let routes: Routes = Routes::new().route("/unsubscribe/{token}", public().get(ask).post(leave));
/// ```
#[derive(Clone)]
pub struct ActionLinks(pub(crate) Arc<Accounts>);

/// The purpose of an action: apart from those of the framework.
struct OfSite<A>(PhantomData<A>);

impl<A: Action> Purpose for OfSite<A> {
    const NAME: &'static str = A::NAME;
    const LIFETIME_SECS: i64 = A::LIFETIME_SECS;

    fn name() -> Cow<'static, str> {
        format!("site: {}", A::NAME).into()
    }
}

impl ActionLinks {
    /// Issues a link: the text that goes into its path. With a user, it ends with a change of the
    /// user's password, address or state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn issue<A: Action>(
        &self,
        tx: &Tx,
        user: Option<&User>,
        payload: &A::Payload,
    ) -> Result<String> {
        let () = const {
            assert!(
                A::NAME.len() <= 24,
                "the name of an action has at most 24 bytes"
            )
        };
        let row = match user {
            Some(user) => Users::find_by_id(user.id).one(tx).await?,
            None => None,
        };
        let token = Token::<OfSite<A>>::new();
        let tokens = &self.0.email.tokens;
        tokens.keep(tx, &token, row.as_ref(), payload).await?;
        Ok(token.expose().to_owned())
    }

    /// The subject of a link, without using it; `None` for a link that was used, is too old, or
    /// never existed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find<A: Action>(&self, token: &str) -> Result<Option<A::Payload>> {
        let hash = random::stored_hash(token);
        let found = self
            .0
            .email
            .tokens
            .find::<OfSite<A>, A::Payload>(&hash)
            .await?;
        Ok(found.map(|found| found.payload))
    }

    /// Uses a link. Of several requests at once, one succeeds.
    ///
    /// # Errors
    /// 410 for a link that was used, is too old, or never existed.
    pub async fn spend<A: Action>(&self, tx: &Tx, token: &str) -> Result<A::Payload> {
        let gone = || {
            Error::new(
                ErrorKind::Gone,
                "This link was used already, or is too old.",
            )
        };
        let payload = self.find::<A>(token).await?.ok_or_else(gone)?;
        let hash = random::stored_hash(token);
        match self.0.email.tokens.redeem::<OfSite<A>>(tx, &hash).await? {
            true => Ok(payload),
            false => Err(gone()),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for ActionLinks {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let context = RequestContext::from_request_parts(parts, state).await?;
        let links = context.site().services.get::<Self>().cloned();
        links.ok_or_else(|| Error::bug("routes must be served by App"))
    }
}
