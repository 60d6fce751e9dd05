//! Facts about an access rule, without a request.

use super::Actor;
use super::caller::{Caller, OnBehalf};
use super::rule::{Access, Condition, Rule, UserCondition};
use http::request::Parts;

impl Access {
    /// Whether the user of a token can satisfy the rule.
    pub(super) fn is_for_tokens(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => matches!(
                condition,
                Condition::Public | Condition::Staff | Condition::User(_)
            ),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().all(Self::is_for_tokens),
            Rule::OnBehalf(..) => false,
        }
    }

    /// Every permission of the rule.
    pub(crate) fn permissions(&self) -> Vec<&'static str> {
        match &self.0 {
            Rule::One(Condition::User(UserCondition::Can(permission))) => vec![permission.as_str()],
            Rule::One(_) => Vec::new(),
            Rule::OnBehalf(_, rule) => rule.permissions(),
            Rule::All(rules) | Rule::Any(rules) => {
                rules.iter().flat_map(Self::permissions).collect()
            }
        }
    }

    /// Every scope of the rule.
    pub(crate) fn scopes(&self) -> Vec<&'static str> {
        match &self.0 {
            Rule::One(Condition::Token(scope)) | Rule::OnBehalf(scope, _) => vec![scope],
            Rule::One(_) => Vec::new(),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().flat_map(Self::scopes).collect(),
        }
    }

    /// Whether the rule asks for rights of the user alone, and of no session, token or request.
    pub(crate) fn is_about_rights(&self) -> bool {
        match &self.0 {
            Rule::One(Condition::User(UserCondition::When(..))) | Rule::OnBehalf(..) => false,
            Rule::One(condition) => matches!(
                condition,
                Condition::Public | Condition::Staff | Condition::User(_)
            ),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().all(Self::is_about_rights),
        }
    }

    /// Whether the rights of an actor satisfy such a rule.
    pub(crate) fn holds_for(&self, actor: &Actor) -> bool {
        match &self.0 {
            Rule::One(Condition::Public) => true,
            Rule::One(Condition::Staff) => actor.is_staff(),
            Rule::One(Condition::User(condition)) => match condition {
                UserCondition::SignedIn | UserCondition::Owner => actor.user().is_some(),
                UserCondition::Can(permission) => actor.may_by_name(permission.as_str()),
                UserCondition::MemberOf(group) => actor.is_member(group),
                UserCondition::When(..) => false,
            },
            Rule::One(_) | Rule::OnBehalf(..) => false,
            Rule::All(rules) => rules.iter().all(|rule| rule.holds_for(actor)),
            Rule::Any(rules) => rules.iter().any(|rule| rule.holds_for(actor)),
        }
    }

    /// Whether the client of a request could satisfy the rule, perhaps after it has logged in again.
    /// The actor is that of the session.
    pub(crate) fn could_allow(&self, actor: &Actor, request: &Parts) -> bool {
        let may = |scope: &str| {
            let caller = request.extensions.get::<Caller>();
            caller.is_some_and(|caller| caller.may(scope))
        };
        match &self.0 {
            Rule::One(Condition::Token(scope)) => may(scope),
            Rule::One(condition) => condition.truth(actor, request).unwrap_or(true),
            Rule::OnBehalf(scope, rule) => {
                let user = request.extensions.get::<OnBehalf>();
                let user = user.and_then(|user| user.actor.loaded());
                may(scope) && user.is_some_and(|user| rule.holds_for(user))
            }
            Rule::All(rules) => rules.iter().all(|rule| rule.could_allow(actor, request)),
            Rule::Any(rules) => rules.iter().any(|rule| rule.could_allow(actor, request)),
        }
    }

    /// Each condition with its truth for an actor; `None` where it depends on the session.
    pub(crate) fn explain(&self, actor: &Actor, request: &Parts) -> Vec<(String, Option<bool>)> {
        match &self.0 {
            Rule::One(condition) => vec![(condition.to_string(), condition.truth(actor, request))],
            // a user has no token
            Rule::OnBehalf(..) => vec![(self.to_string(), Some(false))],
            Rule::All(rules) | Rule::Any(rules) => {
                let all = rules.iter().flat_map(|rule| rule.explain(actor, request));
                all.collect()
            }
        }
    }

    /// Whether the rule is one of an export, in each of its alternatives.
    pub(crate) fn is_export(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => matches!(condition, Condition::Export),
            Rule::OnBehalf(..) => false,
            Rule::All(rules) => rules.iter().any(Self::is_export),
            Rule::Any(rules) => rules.iter().all(Self::is_export),
        }
    }

    /// The source whose signature a request needs. It is the whole rule of its route.
    pub(crate) fn signed_source(&self) -> Option<&'static str> {
        match &self.0 {
            Rule::One(Condition::Signed(source)) => Some(source),
            _ => None,
        }
    }

    /// Whether a signature is a part of the rule, and not the whole.
    pub(crate) fn mixes_signatures(&self) -> bool {
        match &self.0 {
            Rule::One(_) => false,
            Rule::OnBehalf(_, rule) => rule.has_signature(),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::has_signature),
        }
    }

    fn has_signature(&self) -> bool {
        self.signed_source().is_some() || self.mixes_signatures()
    }

    /// Whether the rule allows all requests.
    pub(crate) fn is_public(&self) -> bool {
        matches!(self.0, Rule::One(Condition::Public))
    }

    /// Whether API clients can satisfy the rule.
    pub(crate) fn takes_tokens(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => {
                matches!(condition, Condition::Token(_) | Condition::AnyToken)
            }
            Rule::OnBehalf(..) => true,
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::takes_tokens),
        }
    }

    /// Whether only API clients can.
    pub(crate) fn needs_token(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => matches!(condition, Condition::Token(_)),
            Rule::OnBehalf(..) => true,
            Rule::All(rules) => rules.iter().any(Self::needs_token),
            Rule::Any(rules) => rules.iter().all(Self::needs_token),
        }
    }

    /// Whether no request can satisfy the rule: a bearer token and an authenticated user exclude
    /// each other.
    pub(crate) fn is_impossible(&self) -> bool {
        match &self.0 {
            Rule::One(_) | Rule::OnBehalf(..) => false,
            Rule::All(rules) => {
                (rules.iter().any(Self::needs_token) && rules.iter().any(Self::needs_user))
                    || rules.iter().any(Self::is_impossible)
            }
            Rule::Any(rules) => rules.iter().any(Self::is_impossible),
        }
    }

    fn needs_user(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => condition.needs_user(),
            Rule::OnBehalf(..) => false,
            Rule::All(rules) => rules.iter().any(Self::needs_user),
            Rule::Any(rules) => rules.iter().all(Self::needs_user),
        }
    }

    /// Whether the rule can deny as not found.
    pub(crate) fn hides(&self) -> bool {
        match &self.0 {
            Rule::One(condition) => matches!(
                condition,
                Condition::Staff | Condition::AdminStaff | Condition::AnyToken
            ),
            Rule::OnBehalf(_, rule) => rule.hides(),
            Rule::All(rules) | Rule::Any(rules) => rules.iter().any(Self::hides),
        }
    }
}

impl Condition {
    fn needs_user(&self) -> bool {
        match self {
            // a policy may allow anonymous visitors
            Self::User(UserCondition::When(..))
            | Self::Public
            | Self::Token(_)
            | Self::AnyToken
            | Self::Signed(_) => false,
            Self::User(_)
            | Self::Staff
            | Self::AdminStaff
            | Self::Factor
            | Self::Fresh(_)
            | Self::Export => true,
        }
    }

    fn truth(&self, actor: &Actor, request: &Parts) -> Option<bool> {
        match self {
            Self::Public | Self::Export => Some(true),
            Self::Staff | Self::AdminStaff => Some(actor.user().is_some_and(|user| user.is_staff)),
            Self::User(condition) => Some(match condition {
                UserCondition::SignedIn | UserCondition::Owner => actor.user().is_some(),
                UserCondition::Can(permission) => actor.holds(permission.as_str()),
                UserCondition::MemberOf(group) => actor.belongs_to(group),
                UserCondition::When(_, policy) => policy.allows(actor.user(), request),
            }),
            // a user has no token and no signature
            Self::Token(_) | Self::AnyToken | Self::Signed(_) => Some(false),
            Self::Factor | Self::Fresh(_) => None,
        }
    }
}
