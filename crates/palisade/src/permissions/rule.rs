use super::{Caller, store};
use crate::auth::{User, Visitor};
use crate::db::Database;
use crate::views::Result;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::request::Parts;
use std::fmt;
use std::sync::Arc;

/// Who may use a route. Without one, a route does not compile.
#[derive(Clone)]
pub struct Access(Rule);

#[derive(Clone)]
enum Rule {
    Public,
    SignedIn,
    /// The pages of the account itself, where a factor is added.
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

/// A rule of the site's own: a pure decision about a visitor and a request. Anonymous is `None`, the least of all users.
pub trait Policy: Send + Sync {
    /// Whether this user may send this request.
    fn allows(&self, user: Option<&User>, request: &Parts) -> bool;
}

impl<F: Fn(Option<&User>, &Parts) -> bool + Send + Sync> Policy for F {
    fn allows(&self, user: Option<&User>, request: &Parts) -> bool {
        self(user, request)
    }
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Come in.
    Allow,
    /// Say who you are first.
    LogIn,
    /// No.
    Forbid,
    /// There is nothing here, for you.
    Hide,
    /// Add a second factor first, or log in with it.
    AddFactor,
    /// Prove again who you are.
    ProveAgain,
    /// Bring a token of this scope.
    BringToken(&'static str),
    /// The token is good, and not for this scope.
    WidenScope(&'static str),
}

/// Everybody.
pub fn public() -> Access {
    Access(Rule::Public)
}

/// Everybody who is signed in.
pub fn signed_in() -> Access {
    Access(Rule::SignedIn)
}

/// Everybody who is signed in, to their own account: also those who have a second factor still to add.
pub(crate) fn owner() -> Access {
    Access(Rule::Owner)
}

/// Those who work here. For all others there is nothing there: 404.
pub fn staff() -> Access {
    Access(Rule::Staff)
}

/// Users who have this permission, by themselves or by a group. A name that the site does not declare stops the start.
pub fn can(permission: &'static str) -> Access {
    Access(Rule::Can(permission))
}

/// Those for whom a policy of the site says yes; `name` is for the list of routes.
pub fn when(
    name: &'static str,
    policy: impl Fn(Option<&User>, &Parts) -> bool + Send + Sync + 'static,
) -> Access {
    Access(Rule::When(name, Arc::new(policy)))
}

/// Programs that call with an access token of this scope, from this site (`api.issue`) or from one of `api.issuers`. Cookies say nothing where a token
/// is brought, so no form token is asked for; a browser cannot be made to bring one. With feature `social`.
///
/// # Panics
/// If it is no scope ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
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

    /// Also asks for a second factor: whoever logged in without one adds it first.
    #[must_use]
    pub fn with_factor(self) -> Self {
        self.and(Self(Rule::Factor))
    }

    /// Also asks for a login that is not older than this; whoever logged in before types the password again.
    #[must_use]
    pub fn fresh(self, minutes: u32) -> Self {
        self.and(Self(Rule::Fresh(minutes)))
    }

    /// Every permission that the rule names.
    pub(crate) fn permissions(&self) -> Vec<&'static str> {
        match &self.0 {
            Rule::Can(permission) => vec![permission],
            Rule::All(rules) | Rule::Any(rules) => {
                rules.iter().flat_map(Self::permissions).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether a program can come in with a token.
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

    /// Whether nobody comes in without one.
    pub(crate) fn needs_token(&self) -> bool {
        match &self.0 {
            Rule::Token(_) => true,
            Rule::All(rules) => rules.iter().any(Self::needs_token),
            Rule::Any(rules) => rules.iter().all(Self::needs_token),
            _ => false,
        }
    }

    /// Whether nobody can come in: a token and somebody who is signed in are never the same.
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

    /// Whether the rule can say that there is nothing here.
    pub(crate) fn hides(&self) -> bool {
        match &self.0 {
            Rule::Staff => true,
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::hides),
            _ => false,
        }
    }

    /// What the rule says of this visitor and request. Asks the database only if the rule needs to know.
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
                        // to whoever has brought a token, the others do not speak
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
                    judged(visitor, is_fresh, Verdict::ProveAgain).await
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

/// Those who work here have a second factor, unless the site says otherwise.
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

/// Whoever is not signed in logs in first.
async fn judged(visitor: &Visitor, has_enough: bool, otherwise: Verdict) -> Result<Verdict> {
    Ok(match visitor.user().await? {
        None => Verdict::LogIn,
        Some(_) if has_enough => Verdict::Allow,
        Some(_) => otherwise,
    })
}

impl Rule {
    /// Whether the site asks a second factor of somebody, and they have proven none.
    async fn lacks_factor(&self, visitor: &Visitor, database: &Database) -> Result<bool> {
        let rule = &visitor.accounts().factor_rule;
        let Some(user) = visitor.user().await? else {
            return Ok(false);
        };
        // what those who work here do as everybody does, they do without
        let is_work =
            matches!(self, Self::Staff | Self::Can(_)) && (user.is_staff || user.is_superuser);
        let is_member = async || {
            Ok::<_, crate::views::Error>(
                !rule.groups.is_empty() && store::is_member(database, user, &rule.groups).await?,
            )
        };
        let is_asked = rule.everybody || (rule.staff && is_work) || is_member().await?;
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
            Rule::Public => f.write_str("everybody"),
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
