use super::{Caller, store};
use crate::auth::{User, Visitor};
use crate::db::Database;
use crate::views::Result;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::request::Parts;
use std::fmt;
use std::sync::Arc;

/// The access rule of a route. A route without one does not compile.
#[derive(Clone)]
pub struct Access(Rule);

#[derive(Clone)]
enum Rule {
    Public,
    SignedIn,
    /// The account pages, where a second factor is added.
    Owner,
    Staff,
    Can(&'static str),
    When(&'static str, Arc<dyn Policy>),
    All(Vec<Access>),
    Any(Vec<Access>),
    Factor,
    Fresh(u32),
    Token(&'static str),
}

/// A custom policy: a pure decision about a user and a request. Anonymous visitors are `None`.
pub trait Policy: Send + Sync {
    /// Whether this user may send this request.
    fn allows(&self, user: Option<&User>, request: &Parts) -> bool;
}

impl<F: Fn(Option<&User>, &Parts) -> bool + Send + Sync> Policy for F {
    fn allows(&self, user: Option<&User>, request: &Parts) -> bool {
        self(user, request)
    }
}

/// Result of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Allowed.
    Allow,
    /// A login is required.
    LogIn,
    /// Denied.
    Forbid,
    /// Denied as not found.
    Hide,
    /// A second factor is required.
    AddFactor,
    /// Re-authentication is required.
    Reauthenticate,
    /// A token with this scope is required.
    BringToken(&'static str),
    /// The token is valid, but lacks this scope.
    WidenScope(&'static str),
}

/// All visitors.
pub fn public() -> Access {
    Access(Rule::Public)
}

/// All signed-in users.
pub fn signed_in() -> Access {
    Access(Rule::SignedIn)
}

/// All signed-in users, for their own account: even if they still have to add a second factor.
pub(crate) fn owner() -> Access {
    Access(Rule::Owner)
}

/// Staff. Others get 404.
pub fn staff() -> Access {
    Access(Rule::Staff)
}

/// Users with this permission, their own or by a group. An undeclared permission stops the start.
pub fn can(permission: &'static str) -> Access {
    Access(Rule::Can(permission))
}

/// Users who satisfy a custom policy; `name` is for the route table.
pub fn when(
    name: &'static str,
    policy: impl Fn(Option<&User>, &Parts) -> bool + Send + Sync + 'static,
) -> Access {
    Access(Rule::When(name, Arc::new(policy)))
}

/// API clients with an access token of this scope, from this site (`api.issue`) or from one of
/// `api.issuers`. Cookies are ignored where a token is sent, so no CSRF token is required; a
/// browser cannot be made to send one. With feature `social`.
///
/// # Panics
/// If it is not a scope
/// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
pub fn token(scope: &'static str) -> Access {
    let is_scope = !scope.is_empty()
        && scope
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    assert!(
        is_scope,
        "{scope:?} is no scope: it has spaces, quotes or nothing in it"
    );
    Access(Rule::Token(scope))
}

impl Access {
    /// Both rules must allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Rule::All(vec![self, other]))
    }

    /// One of the rules must allow.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Rule::Any(vec![self, other]))
    }

    /// Also requires a second factor; a user without one adds it first.
    #[must_use]
    pub fn with_factor(self) -> Self {
        self.and(Self(Rule::Factor))
    }

    /// Also requires a login that is not older than this; otherwise the user re-authenticates.
    #[must_use]
    pub fn fresh(self, minutes: u32) -> Self {
        self.and(Self(Rule::Fresh(minutes)))
    }

    /// Every permission of the rule.
    pub(crate) fn permissions(&self) -> Vec<&'static str> {
        match &self.0 {
            Rule::Can(permission) => vec![permission],
            Rule::All(rules) | Rule::Any(rules) => {
                rules.iter().flat_map(Self::permissions).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether API clients can satisfy the rule.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self.0, Rule::Public)
    }

    pub(crate) fn takes_tokens(&self) -> bool {
        match &self.0 {
            Rule::Token(_) => true,
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::takes_tokens),
            _ => false,
        }
    }

    /// Whether only API clients can.
    pub(crate) fn needs_token(&self) -> bool {
        match &self.0 {
            Rule::Token(_) => true,
            Rule::All(rules) => rules.iter().any(Self::needs_token),
            Rule::Any(rules) => rules.iter().all(Self::needs_token),
            _ => false,
        }
    }

    /// Whether no request can satisfy the rule: a bearer token and a signed-in user exclude each
    /// other.
    pub(crate) fn is_impossible(&self) -> bool {
        match &self.0 {
            Rule::All(rules) => {
                (rules.iter().any(Self::needs_token) && rules.iter().any(Self::needs_user))
                    || rules.iter().any(Self::is_impossible)
            }
            Rule::Any(rules) => rules.iter().any(Self::is_impossible),
            _ => false,
        }
    }

    fn needs_user(&self) -> bool {
        match &self.0 {
            Rule::SignedIn
            | Rule::Owner
            | Rule::Staff
            | Rule::Can(_)
            | Rule::Factor
            | Rule::Fresh(_) => true,
            Rule::All(rules) => rules.iter().any(Self::needs_user),
            Rule::Any(rules) => rules.iter().all(Self::needs_user),
            _ => false,
        }
    }

    /// Whether the rule can deny as not found.
    pub(crate) fn hides(&self) -> bool {
        match &self.0 {
            Rule::Staff => true,
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::hides),
            _ => false,
        }
    }

    /// Evaluates the rule. The database is queried only if needed.
    pub(crate) fn judge<'a>(
        &'a self,
        visitor: &'a Visitor,
        database: &'a Database,
        request: &'a Parts,
    ) -> BoxFuture<'a, Result<Verdict>> {
        if self.is_public() {
            return Box::pin(std::future::ready(Ok(Verdict::Allow)));
        }
        Box::pin(async move {
            match &self.0 {
                Rule::All(rules) => {
                    for rule in rules {
                        let verdict = rule.judge(visitor, database, request).await?;
                        if verdict != Verdict::Allow {
                            return Ok(verdict);
                        }
                    }
                    Ok(Verdict::Allow)
                }
                Rule::Any(rules) => {
                    let mut first = None;
                    for rule in rules {
                        let verdict = rule.judge(visitor, database, request).await?;
                        if verdict == Verdict::Allow {
                            return Ok(verdict);
                        }
                        // other alternatives do not apply to a request with a token
                        if matches!(verdict, Verdict::WidenScope(_)) {
                            first = Some(verdict);
                        }
                        first.get_or_insert(verdict);
                    }
                    Ok(first.unwrap_or(Verdict::Forbid))
                }
                Rule::Token(scope) => Ok(judge_caller(request.extensions.get::<Caller>(), scope)),
                Rule::Staff => judge_staff(visitor, database).await,
                Rule::Factor => {
                    judged(visitor, visitor.has_factor().await?, Verdict::AddFactor).await
                }
                Rule::Fresh(minutes) => {
                    let is_fresh = visitor
                        .is_fresh(TimeDelta::minutes(i64::from(*minutes)))
                        .await?;
                    judged(visitor, is_fresh, Verdict::Reauthenticate).await
                }
                Rule::Can(_) | Rule::SignedIn | Rule::When(..) => {
                    let verdict = self
                        .0
                        .judge_user(visitor.user().await?, database, request)
                        .await?;
                    let lacks =
                        verdict == Verdict::Allow && self.0.lacks_factor(visitor, database).await?;
                    Ok(if lacks { Verdict::AddFactor } else { verdict })
                }
                rule => {
                    rule.judge_user(visitor.user().await?, database, request)
                        .await
                }
            }
        })
    }
}

/// Requires a second factor of staff, unless disabled by the settings.
async fn judge_staff(visitor: &Visitor, database: &Database) -> Result<Verdict> {
    match visitor.user().await? {
        Some(user) if user.is_staff => {
            let lacks = Rule::Staff.lacks_factor(visitor, database).await?;
            Ok(if lacks {
                Verdict::AddFactor
            } else {
                Verdict::Allow
            })
        }
        _ => Ok(Verdict::Hide),
    }
}

fn judge_caller(caller: Option<&Caller>, scope: &'static str) -> Verdict {
    match caller {
        None => Verdict::BringToken(scope),
        Some(caller) if caller.may(scope) => Verdict::Allow,
        Some(_) => Verdict::WidenScope(scope),
    }
}

/// Anonymous visitors log in first.
async fn judged(visitor: &Visitor, has_enough: bool, otherwise: Verdict) -> Result<Verdict> {
    Ok(match visitor.user().await? {
        None => Verdict::LogIn,
        Some(_) if has_enough => Verdict::Allow,
        Some(_) => otherwise,
    })
}

impl Rule {
    /// Whether the settings require a second factor of the user, and this session has none.
    async fn lacks_factor(&self, visitor: &Visitor, database: &Database) -> Result<bool> {
        let rule = &visitor.accounts().factors.rule;
        let Some(user) = visitor.user().await? else {
            return Ok(false);
        };
        // Staff need a second factor only on staff and permission routes, not on pages open to any
        // signed-in user.
        let is_work =
            matches!(self, Self::Staff | Self::Can(_)) && (user.is_staff || user.is_superuser);
        let is_member = async || {
            Ok::<_, crate::views::Error>(
                !rule.groups.is_empty() && store::is_member(database, user, &rule.groups).await?,
            )
        };
        let is_asked = rule.all_users || (rule.staff && is_work) || is_member().await?;
        Ok(is_asked && !visitor.has_factor().await?)
    }

    async fn judge_user(
        &self,
        user: Option<&User>,
        database: &Database,
        request: &Parts,
    ) -> Result<Verdict> {
        let allowed = match (self, user) {
            (Self::When(_, policy), user) => policy.allows(user, request),
            (_, None) => false,
            (Self::SignedIn | Self::Owner, Some(_)) => true,
            (Self::Can(permission), Some(user)) => {
                user.is_superuser || store::of_user(database, user).await?.contains(*permission)
            }
            (
                Self::Public
                | Self::Staff
                | Self::All(_)
                | Self::Any(_)
                | Self::Factor
                | Self::Fresh(_)
                | Self::Token(_),
                _,
            ) => {
                unreachable!("these do not ask about the user")
            }
        };
        Ok(match (allowed, user) {
            (true, _) => Verdict::Allow,
            (false, None) => Verdict::LogIn,
            (false, Some(_)) => Verdict::Forbid,
        })
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |rules: &[Self], word: &str| {
            rules
                .iter()
                .map(Self::to_string)
                .collect::<Vec<_>>()
                .join(word)
        };
        match &self.0 {
            Rule::Public => f.write_str("public"),
            Rule::SignedIn | Rule::Owner => f.write_str("signed in"),
            Rule::Staff => f.write_str("staff"),
            Rule::Can(permission) => write!(f, "can {permission}"),
            Rule::Factor => f.write_str("second factor"),
            Rule::Fresh(minutes) => write!(f, "login of the last {minutes} min"),
            Rule::Token(scope) => write!(f, "token for {scope}"),
            Rule::When(name, _) => write!(f, "when {name}"),
            Rule::All(rules) => f.write_str(&joined(rules, " and ")),
            Rule::Any(rules) => write!(f, "({})", joined(rules, " or ")),
        }
    }
}
