//! Rules of one path, as the site declares them.

use crate::csrf::is_safe;
use crate::headers::{Cors, PagePolicies};
use crate::http::{ClientAddress, Entrance, Networks};
use crate::permissions::Access;
use crate::throttle::Limit;
#[cfg(debug_assertions)]
use crate::views::RequestContext;
use http::Method;

/// Rules of one path.
pub(in crate::app) struct RouteRule {
    pub(in crate::app) access: Access,
    pub(in crate::app) declared: Vec<Method>,
    /// Names of the handlers, for the debug page.
    #[cfg(debug_assertions)]
    pub(in crate::app) handlers: Vec<(Method, &'static str)>,
    pub(in crate::app) is_csrf_checked: bool,
    /// Whether no session is opened.
    pub(in crate::app) is_impersonal: bool,
    pub(in crate::app) extras: Extras,
}

impl RouteRule {
    /// Notes the name of the handler of a request.
    #[cfg(debug_assertions)]
    pub(super) fn note_handler(&self, method: &Method, context: &RequestContext) {
        let named = self.handlers.iter().find(|(known, _)| known == method);
        if let Some((_, name)) = named {
            context.set_handler(name);
        }
    }

    /// Whether a method has a handler; HEAD uses that of GET.
    pub(super) fn has(&self, method: &Method) -> bool {
        self.declared.contains(if *method == Method::HEAD {
            &Method::GET
        } else {
            method
        })
    }

    /// Whether a form may be read before any check, to detect a double submission. Not on pages
    /// that can be hidden: waiting for the body would reveal that the page exists.
    pub(super) fn may_repeat(&self, method: &Method, client: ClientAddress) -> bool {
        let is_form = self.is_csrf_checked && *method == Method::POST && self.has(method);
        is_form
            && !self.access.hides()
            && self
                .extras
                .only_from
                .iter()
                .all(|networks| networks.contains(client.0))
    }
}

/// Optional properties of a route.
#[derive(Default)]
pub(in crate::app) struct Extras {
    pub(in crate::app) limits: Vec<Limit>,
    /// Networks that must contain the client's address.
    pub(in crate::app) only_from: Vec<Networks>,
    /// The only host of the route, in lower case and without a port.
    pub(in crate::app) only_at: Option<String>,
    /// The only listener of the route.
    pub(in crate::app) only_through: Option<Entrance>,
    pub(in crate::app) policies: PagePolicies,
    pub(in crate::app) cors: Option<Cors>,
    /// Whether the body of a request is its only authority.
    pub(in crate::app) has_no_credentials: bool,
    /// Whether browsers send reports to it on their own, without a CSRF token.
    pub(in crate::app) takes_reports: bool,
    /// Whether the response is the same for all clients.
    pub(in crate::app) is_impersonal: bool,
    /// Whether it belongs to the API.
    pub(in crate::app) is_api: bool,
    /// Whether GET changes state.
    pub(in crate::app) changes_on_read: bool,
}

impl Extras {
    /// Whether steps 8 to 10 have no effect: the response is the same for all clients, and no rule
    /// excludes any.
    pub(in crate::app) fn are_impersonal(&self, access: &Access, declared: &[Method]) -> bool {
        let is_open = access.is_public()
            && self.limits.is_empty()
            && self.only_from.is_empty()
            && self.only_at.is_none()
            && self.only_through.is_none()
            && self.cors.is_none();
        self.is_impersonal && is_open && declared.iter().all(is_safe)
    }
}
