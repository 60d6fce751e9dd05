use super::caller::{OnBehalf, SignedBy};
use super::current::{is_grouped, requires_factor};
use super::{Caller, CurrentActor, PermissionName};
use crate::auth::{User, Visitor};
use crate::views::Result;
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use http::request::Parts;
use std::fmt;
use std::sync::Arc;

/// The access rule of a route: the clients that are authorized to use it. A route without one does
/// not compile.
#[derive(Clone)]
pub struct Access(pub(super) Rule);

#[derive(Clone)]
pub(super) enum Rule {
    All(Vec<Access>),
    Any(Vec<Access>),
    One(Condition),
    /// A token of this scope, whose user satisfies a rule.
    OnBehalf(&'static str, Box<Access>),
}

#[derive(Clone)]
pub(super) enum Condition {
    Public,
    Staff,
    /// Staff with a second factor; all others, staff without one among them, get 404.
    AdminStaff,
    User(UserCondition),
    Factor,
    Fresh(u32),
    Token(&'static str),
    /// A token of any scope; others get 404.
    AnyToken,
    /// A signature of this source.
    Signed(&'static str),
    Export,
}

/// A condition about the authenticated user.
#[derive(Clone)]
pub(super) enum UserCondition {
    SignedIn,
    /// The account pages, where a second factor is added.
    Owner,
    Can(PermissionName),
    MemberOf(&'static str),
    When(&'static str, Arc<dyn Policy>),
}

/// A request, and the state that a rule may ask for.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) visitor: &'a Visitor,
    pub(crate) actor: &'a CurrentActor,
    pub(crate) request: &'a Parts,
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
    Access::one(Condition::Public)
}

/// All authenticated users.
pub fn signed_in() -> Access {
    Access::user(UserCondition::SignedIn)
}

/// All authenticated users, for their own account: even if they still have to add a second factor.
pub(crate) fn owner() -> Access {
    Access::user(UserCondition::Owner)
}

/// Staff. Others get 404.
pub fn staff() -> Access {
    Access::one(Condition::Staff)
}

/// Staff with a second factor and a login of the last twelve hours, for the admin. Other clients get
/// the 404 of an unknown path.
pub(crate) fn admin_staff() -> Access {
    Access::one(Condition::AdminStaff).fresh(12 * 60)
}

/// The same for an operation that is hard to take back: a login of the last ten minutes.
pub(crate) fn admin_staff_now() -> Access {
    Access::one(Condition::AdminStaff).fresh(10)
}

/// The same for an export.
pub(crate) fn admin_export() -> Access {
    let rule = Access::one(Condition::AdminStaff).fresh(60);
    rule.and(Access::one(Condition::Export))
}

/// Users with this permission, their own or by a group. An undeclared permission stops the start.
pub fn can(permission: impl Into<PermissionName>) -> Access {
    Access::user(UserCondition::Can(permission.into()))
}

/// Members of a group, by memberships that have not ended.
pub fn member_of(group: &'static str) -> Access {
    Access::user(UserCondition::MemberOf(group))
}

/// Users who satisfy a custom policy; `name` is for the route table.
pub fn when(
    name: &'static str,
    policy: impl Fn(Option<&User>, &Parts) -> bool + Send + Sync + 'static,
) -> Access {
    Access::user(UserCondition::When(name, Arc::new(policy)))
}

/// API clients with an access token of this scope, from this site (`api.issue`) or from one of
/// `api.issuers` with feature `social`, or a personal access token. Cookies are ignored where a token
/// is sent, so no CSRF token is required; a browser cannot be made to send one.
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
    Access::one(Condition::Token(scope))
}

/// Clients with a token of any scope, and users. Others get 404.
pub(crate) fn documented() -> Access {
    Access::one(Condition::AnyToken).or(signed_in())
}

/// Other sites with a signature of this source, declared by
/// [`App::webhook_source`](crate::app::App::webhook_source). Cookies are ignored, so no CSRF token is
/// required. It is the whole rule of a route, and its handler takes
/// [`Signed`](crate::api::Signed).
pub fn signed_by(source: &'static str) -> Access {
    Access::one(Condition::Signed(source))
}

/// Users who may export: they hold this permission, and have logged in within the last hour. Each
/// user has 20 exports in an hour, and each is an event: see [`exports`](crate::exports).
pub fn export(permission: impl Into<PermissionName>) -> Access {
    can(permission)
        .fresh(60)
        .and(Access::one(Condition::Export))
}

/// Marks a request that an [`export`] rule has allowed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExportRule;

impl Access {
    /// Both rules must allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(Rule::All(vec![self, other]))
    }

    /// One of the rules must allow.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn reports() {}
    /// let routes: Routes =
    ///     Routes::new().route("/reports", staff().or(can("shop.read_reports")).get(reports));
    /// ```
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Rule::Any(vec![self, other]))
    }

    /// The same for a token, which allows at most the authority of its user at the moment of the
    /// request: the user must satisfy `rule`, and is the [`Actor`](super::Actor) of the handler.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn assign(actor: Actor) {}
    /// let rule = token("tickets.write").on_behalf(can("helpdesk.work_queue"));
    /// assert_eq!(rule.to_string(), "token for tickets.write on behalf of (can helpdesk.work_queue)");
    /// let routes: Routes = Routes::new().route("/api/assign", rule.post(assign));
    /// ```
    ///
    /// # Panics
    /// If this rule is not [`token`], or `rule` asks for a second factor, a recent login or another
    /// token: a token has none of them.
    #[must_use]
    pub fn on_behalf(self, rule: Self) -> Self {
        let Rule::One(Condition::Token(scope)) = self.0 else {
            panic!("{self}: only `token(…)` can be on behalf of a user");
        };
        assert!(
            rule.is_for_tokens(),
            "{rule}: a token has neither a second factor nor a recent login"
        );
        Self(Rule::OnBehalf(scope, Box::new(rule)))
    }

    /// Also requires a second factor; a user without one adds it first.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn pay() {}
    /// let rule = can("bank.pay").with_factor().fresh(15);
    /// assert_eq!(rule.to_string(), "can bank.pay and second factor and login of the last 15 min");
    /// let routes: Routes = Routes::new().route("/pay", rule.post(pay));
    /// ```
    #[must_use]
    pub fn with_factor(self) -> Self {
        self.and(Self::one(Condition::Factor))
    }

    /// Also requires a login that is not older than this; otherwise the user re-authenticates.
    #[must_use]
    pub fn fresh(self, minutes: u32) -> Self {
        self.and(Self::one(Condition::Fresh(minutes)))
    }

    const fn one(condition: Condition) -> Self {
        Self(Rule::One(condition))
    }

    const fn user(condition: UserCondition) -> Self {
        Self::one(Condition::User(condition))
    }

    /// Evaluates the rule. The database is queried only if needed.
    pub(crate) fn judge<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Result<Verdict>> {
        if self.is_public() {
            return Box::pin(std::future::ready(Ok(Verdict::Allow)));
        }
        Box::pin(async move {
            match &self.0 {
                Rule::One(condition) => condition.judge(question).await,
                Rule::All(rules) => judge_all(rules, question).await,
                Rule::Any(rules) => judge_any(rules, question).await,
                Rule::OnBehalf(scope, rule) => judge_behalf(scope, rule, question).await,
            }
        })
    }
}

async fn judge_all(rules: &[Access], question: Question<'_>) -> Result<Verdict> {
    for rule in rules {
        let verdict = rule.judge(question).await?;
        if verdict != Verdict::Allow {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Allow)
}

async fn judge_any(rules: &[Access], question: Question<'_>) -> Result<Verdict> {
    let mut first = None;
    for rule in rules {
        let verdict = rule.judge(question).await?;
        if verdict == Verdict::Allow {
            return Ok(verdict);
        }
        if let Some(user) = question.request.extensions.get::<OnBehalf>() {
            user.withdraw();
        }
        // other alternatives do not apply to a request with a token
        if matches!(verdict, Verdict::WidenScope(_)) {
            first = Some(verdict);
        }
        first.get_or_insert(verdict);
    }
    Ok(first.unwrap_or(Verdict::Forbid))
}

impl Condition {
    async fn judge(&self, question: Question<'_>) -> Result<Verdict> {
        let visitor = question.visitor;
        match self {
            Self::Public | Self::Export => Ok(Verdict::Allow),
            Self::Staff => judge_staff(question).await,
            Self::AdminStaff => judge_admin_staff(visitor).await,
            Self::User(condition) => condition.judge(question).await,
            Self::Factor => match visitor.has_factor().await? {
                true => judge_user(visitor, Verdict::Allow).await,
                false => judge_user(visitor, Verdict::AddFactor).await,
            },
            Self::Fresh(minutes) => {
                let within = TimeDelta::minutes(i64::from(*minutes));
                match visitor.is_fresh(within).await? {
                    true => judge_user(visitor, Verdict::Allow).await,
                    false => judge_user(visitor, Verdict::Reauthenticate).await,
                }
            }
            Self::Token(scope) => Ok(judge_caller(question.request.extensions.get(), scope)),
            Self::AnyToken => Ok(match question.request.extensions.get::<Caller>() {
                Some(_) => Verdict::Allow,
                None => Verdict::Hide,
            }),
            Self::Signed(source) => Ok(judge_signature(question.request, source)),
        }
    }
}

/// The verdict for the user of a token. A request without a valid token, or one whose scope is too
/// narrow, is refused before the user's rights are asked for.
async fn judge_behalf(
    scope: &'static str,
    rule: &Access,
    question: Question<'_>,
) -> Result<Verdict> {
    let caller = judge_caller(question.request.extensions.get(), scope);
    let on_behalf = question.request.extensions.get::<OnBehalf>();
    let (Verdict::Allow, Some(user)) = (caller, on_behalf) else {
        return Ok(match caller {
            // neither are strangers told of a hidden route
            _ if rule.hides() => Verdict::Hide,
            // a caller without a user here has no authority
            Verdict::Allow => Verdict::Forbid,
            refusal => refusal,
        });
    };
    let of_user = Question {
        visitor: user.actor.visitor(),
        actor: &user.actor,
        request: question.request,
    };
    Ok(match rule.judge(of_user).await? {
        Verdict::Allow => {
            user.grant();
            Verdict::Allow
        }
        Verdict::Hide => Verdict::Hide,
        // neither a login nor a factor can be added to a token
        _ => Verdict::Forbid,
    })
}

/// The verdict for authenticated users; anonymous visitors log in first.
async fn judge_user(visitor: &Visitor, verdict: Verdict) -> Result<Verdict> {
    let user = visitor.user().await?;
    Ok(user.map_or(Verdict::LogIn, |_| verdict))
}

/// Requires a second factor of staff, unless disabled by the configuration.
async fn judge_staff(question: Question<'_>) -> Result<Verdict> {
    match question.visitor.user().await? {
        Some(user) if user.is_staff => question.require_factor(Route::OfStaff).await,
        _ => Ok(Verdict::Hide),
    }
}

/// Hides the admin from staff without a second factor, too: a stolen password does not reveal its path.
async fn judge_admin_staff(visitor: &Visitor) -> Result<Verdict> {
    let is_staff = visitor.user().await?.is_some_and(|user| user.is_staff);
    Ok(match is_staff && visitor.has_factor().await? {
        true => Verdict::Allow,
        false => Verdict::Hide,
    })
}

fn judge_caller(caller: Option<&Caller>, scope: &'static str) -> Verdict {
    match caller {
        None => Verdict::BringToken(scope),
        Some(caller) if caller.may(scope) => Verdict::Allow,
        Some(_) => Verdict::WidenScope(scope),
    }
}

fn judge_signature(request: &Parts, source: &'static str) -> Verdict {
    match request.extensions.get() == Some(&SignedBy(source)) {
        true => Verdict::Allow,
        false => Verdict::Forbid,
    }
}

impl UserCondition {
    async fn judge(&self, question: Question<'_>) -> Result<Verdict> {
        let user = question.visitor.user().await?;
        if !self.allows(user, question).await? {
            return Ok(user.map_or(Verdict::LogIn, |_| Verdict::Forbid));
        }
        match self {
            Self::Owner => Ok(Verdict::Allow),
            Self::Can(_) | Self::MemberOf(_) => question.require_factor(Route::OfStaff).await,
            Self::SignedIn | Self::When(..) => question.require_factor(Route::OfUsers).await,
        }
    }

    async fn allows(&self, user: Option<&User>, question: Question<'_>) -> Result<bool> {
        Ok(match (self, user) {
            (Self::When(_, policy), user) => policy.allows(user, question.request),
            (_, None) => false,
            (Self::SignedIn | Self::Owner, Some(_)) => true,
            (Self::Can(permission), Some(user)) => {
                let name = permission.as_str();
                let is_held = user.is_superuser || question.actor.load().await?.holds(name);
                if is_held {
                    question.actor.note_use(user, name);
                }
                is_held
            }
            (Self::MemberOf(group), Some(_)) => question.actor.load().await?.belongs_to(group),
        })
    }
}

/// Staff need a second factor only on staff and permission routes, not on pages open to any
/// authenticated user.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    OfStaff,
    OfUsers,
}

impl Question<'_> {
    /// Allows the user, unless the configuration requires a second factor, and this session has
    /// none.
    async fn require_factor(self, route: Route) -> Result<Verdict> {
        let Some(user) = self.visitor.user().await? else {
            return Ok(Verdict::Allow);
        };
        let is_required = self.is_factor_required(user, route).await?;
        Ok(match is_required && !self.visitor.has_factor().await? {
            true => Verdict::AddFactor,
            false => Verdict::Allow,
        })
    }

    async fn is_factor_required(self, user: &User, route: Route) -> Result<bool> {
        let rule = &self.visitor.accounts().factors.rule;
        if rule.all_users || (route == Route::OfStaff && requires_factor(rule, user)) {
            return Ok(true);
        }
        Ok(!rule.groups.is_empty() && is_grouped(rule, self.actor.load().await?.rights()))
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
            Rule::One(condition) => condition.fmt(f),
            Rule::OnBehalf(scope, rule) => write!(f, "token for {scope} on behalf of ({rule})"),
            Rule::All(rules) => f.write_str(&joined(rules, " and ")),
            Rule::Any(rules) => write!(f, "({})", joined(rules, " or ")),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Staff => f.write_str("staff"),
            Self::AdminStaff => f.write_str("staff with second factor"),
            Self::User(UserCondition::SignedIn | UserCondition::Owner) => f.write_str("signed in"),
            Self::User(UserCondition::Can(permission)) => write!(f, "can {permission}"),
            Self::User(UserCondition::MemberOf(group)) => write!(f, "member of {group}"),
            Self::User(UserCondition::When(name, _)) => write!(f, "when {name}"),
            Self::Factor => f.write_str("second factor"),
            Self::Fresh(minutes) => write!(f, "login of the last {minutes} min"),
            Self::Token(scope) => write!(f, "token for {scope}"),
            Self::AnyToken => f.write_str("any token"),
            Self::Signed(source) => write!(f, "signed by {source}"),
            Self::Export => f.write_str("export"),
        }
    }
}
