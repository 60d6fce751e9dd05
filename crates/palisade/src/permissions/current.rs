//! The authorization subject of a request: loaded at most once, for rules, handlers and templates.

use super::Actor;
use super::actor::RequestOf;
use super::authorizer::Authorizer;
use super::rights::Rights;
use crate::auth::{FactorRule, TokenUser, User, Visitor};
use crate::sessions::Session;
use crate::views::{Error, PageName, PageValues, Result, UserLookup};
use axum::extract::FromRequestParts;
use futures_util::future::BoxFuture;
use http::request::Parts;
use palisade_template::{Value, context, predicate};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The actor of a request, loaded at most once.
#[derive(Clone)]
pub(crate) struct CurrentActor(Arc<Source>);

struct Source {
    visitor: Visitor,
    authorizer: Arc<Authorizer>,
    actor: OnceCell<Actor>,
}

impl CurrentActor {
    pub(crate) fn new(visitor: Visitor, authorizer: Arc<Authorizer>) -> Self {
        Self(Arc::new(Source {
            visitor,
            authorizer,
            actor: OnceCell::new(),
        }))
    }

    /// The actor of the user on whose behalf a token of the same request was sent.
    pub(crate) fn of_token(&self, user: TokenUser) -> Self {
        let visitor = self.visitor().of_token(user);
        Self::new(visitor, self.0.authorizer.clone())
    }

    pub(crate) fn visitor(&self) -> &Visitor {
        &self.0.visitor
    }

    /// The actor, if it was loaded.
    pub(crate) fn loaded(&self) -> Option<&Actor> {
        self.0.actor.get()
    }

    pub(crate) async fn load(&self) -> Result<&Actor> {
        self.0.actor.get_or_try_init(|| self.query()).await
    }

    async fn query(&self) -> Result<Actor> {
        let Source {
            visitor,
            authorizer,
            ..
        } = &*self.0;
        let Some(user) = visitor.user().await? else {
            return Ok(Actor::anonymous());
        };
        let now = visitor.accounts().now();
        let database = &authorizer.database;
        let rights = Rights::load(&database.handle(), database.users(), (user.id, now)).await?;
        // the session is that of the viewer, with other rights; a token has none
        if visitor.viewer().await?.is_none() && !visitor.is_of_token() {
            rotate_after_change(visitor.session(), &rights).await?;
        }
        let rule = &visitor.accounts().factors.rule;
        let is_required = requires_factor(rule, user) || is_grouped(rule, &rights);
        let request = RequestOf {
            authorizer,
            lacks_factor: is_required && !visitor.has_factor().await?,
            now,
        };
        Ok(Actor::of_request(user, rights, request))
    }

    /// Records that a permission authorized a request.
    pub(super) fn note_use(&self, user: &User, permission: &str) {
        let now = self.0.visitor.accounts().now();
        self.0.authorizer.uses.note(user.id, permission, now);
    }

    /// The function `may` for templates: the permissions of an actor, by name.
    fn may(&self, actor: Actor) -> Value {
        let authorizer = self.0.authorizer.clone();
        predicate(move |name| match authorizer.is_known(name) {
            true => Ok(actor.may_by_name(name)),
            false => Err(format!("the permission {name} is not declared")),
        })
    }

    /// The actor of an error page; an anonymous one where it is unknown.
    async fn known_actor(&self, lookup: UserLookup) -> Actor {
        let actor = match lookup {
            UserLookup::Query => self.load().await.ok(),
            UserLookup::Loaded => self.0.actor.get(),
        };
        actor.cloned().unwrap_or_else(Actor::anonymous)
    }
}

/// The values of the visitor, and `may` where a template asks.
impl PageValues for CurrentActor {
    fn load<'a>(&'a self, page: PageName<'a>) -> BoxFuture<'a, Result<Value>> {
        if !self.0.authorizer.do_templates_ask() {
            return self.0.visitor.load(page);
        }
        Box::pin(async move {
            let values = self.0.visitor.load(page).await?;
            let actor = self.load().await?.clone();
            Ok(context! { may => self.may(actor), ..values })
        })
    }

    fn user(&self, lookup: UserLookup) -> BoxFuture<'_, Option<Value>> {
        PageValues::user(&self.0.visitor, lookup)
    }

    fn of_error_page<'a>(&'a self, _: PageName<'a>, lookup: UserLookup) -> BoxFuture<'a, Value> {
        Box::pin(async move {
            match self.0.authorizer.do_templates_ask() {
                true => context! { may => self.may(self.known_actor(lookup).await) },
                false => context! {},
            }
        })
    }
}

/// Session entry of the rights at the last request that asked for them.
const RIGHTS: &str = "_palisade_rights";

/// Rotates the key of a session after a change of permissions or groups (ASVS 7.2.4).
async fn rotate_after_change(session: &Session, rights: &Rights) -> Result<()> {
    let digest = rights.digest();
    match session.value::<String>(RIGHTS).await? {
        Some(known) if known == digest => Ok(()),
        Some(_) => {
            session.rotate().await?;
            session.insert(RIGHTS, digest).await
        }
        None => session.note_now(RIGHTS, digest).await,
    }
}

/// Whether the configuration requires a second factor of this user for the work of staff.
pub(super) fn requires_factor(rule: &FactorRule, user: &User) -> bool {
    rule.all_users || (rule.staff && (user.is_staff || user.is_superuser))
}

/// Whether it requires one of a group of the user.
pub(super) fn is_grouped(rule: &FactorRule, rights: &Rights) -> bool {
    rule.groups.iter().any(|group| rights.is_member(group))
}

impl<S: Sync> FromRequestParts<S> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let current = parts.extensions.get::<CurrentActor>().cloned();
        let current =
            current.ok_or_else(|| Error::bug("there is no actor: routes must be served by App"))?;
        Ok(current.load().await?.clone())
    }
}
