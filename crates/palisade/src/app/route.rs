use super::handler::RouteHandler;
use super::route_info::RouteInfo;
use crate::app::pipeline::{
    route_guard::RouteGuard,
    route_rule::{Extras, RouteRule},
};
use crate::checks::Weakened;
use crate::headers::{ContentSecurityPolicy, Cors};
use crate::http::{Entrance, Networks};
use crate::permissions::Access;
use crate::throttle::Limit;
use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, Route};
use http::Method;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::panic::Location;
use tower::{Layer, Service};

/// The reason for weakening a protection, for reviewers of the site.
///
/// ```
/// use palisade::prelude::*;
/// # async fn take() {}
/// let routes: Routes = Routes::new().route(
///     "/hooks/payments",
///     public()
///         .post(take)
///         .dangerous_without_csrf(Reason::new("the payment provider signs its requests")),
/// );
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Reason(&'static str);

impl Reason {
    /// A reason. It must not be empty.
    pub const fn new(reason: &'static str) -> Self {
        assert!(
            reason.len() >= 10,
            "a reason for weakening a protection is a sentence"
        );
        Self(reason)
    }

    /// The weakened protection of this name, by a call at this place.
    pub(super) fn weakens(self, name: impl Into<String>, place: &Location<'_>) -> Weakened {
        Weakened {
            name: name.into(),
            reason: self.0,
            source: format!("{}:{}", place.file(), place.line()),
        }
    }
}

/// The handlers of one path, behind an access rule. Created by [`Access::get`] and its like.
pub struct Guarded<S = ()> {
    access: Access,
    methods: MethodRouter<S>,
    handlers: Vec<(Method, &'static str)>,
    without_csrf: Option<(Reason, &'static Location<'static>)>,
    extras: Extras,
    source: &'static Location<'static>,
}

/// Types that can be routes: handlers behind an access rule only.
#[diagnostic::on_unimplemented(
    message = "this route has no access rule",
    label = "an access rule is missing",
    note = "start with one: `public().get(handler)`, `signed_in().get(handler)`, `staff().get(handler)`, `can(\"app.permission\").get(handler)` or `when(\"name\", policy).get(handler)`"
)]
pub trait IntoGuarded<S> {
    /// The handlers behind their rule.
    fn into_guarded(self) -> Guarded<S>;
}

impl<S> IntoGuarded<S> for Guarded<S> {
    fn into_guarded(self) -> Guarded<S> {
        self
    }
}

/// Declares one method on [`Access`], where a route starts, and on [`Guarded`], where it goes on.
macro_rules! methods {
    ($($name:ident $filter:ident $method:ident),*) => {
        impl Access {
            $(
                #[doc = concat!("Handles ", stringify!($method), " under this access rule.")]
                #[track_caller]
                pub fn $name<H, T, S>(self, handler: H) -> Guarded<S>
                where
                    H: RouteHandler<T, S>,
                    T: 'static,
                    S: Clone + Send + Sync + 'static,
                {
                    let source = Location::caller();
                    Guarded { access: self, methods: MethodRouter::new(), handlers: Vec::new(), without_csrf: None, extras: Extras::default(), source }.$name(handler)
                }
            )*
        }

        impl<S: Clone + Send + Sync + 'static> Scope<S> {
            $(
                #[doc = concat!("Handles ", stringify!($method), " of a path under the rule of the scope.")]
                #[must_use]
                #[track_caller]
                pub fn $name<H: RouteHandler<T, S>, T: 'static>(mut self, path: &str, handler: H) -> Self {
                    let guarded = self.access.clone().$name(handler);
                    self.routes = self.routes.route(path, guarded);
                    self
                }
            )*
        }

        impl<S: Clone + Send + Sync + 'static> Guarded<S> {
            $(
                #[doc = concat!("Handles ", stringify!($method), " under the same access rule.")]
                #[must_use]
                pub fn $name<H: RouteHandler<T, S>, T: 'static>(mut self, handler: H) -> Self {
                    self.methods = self.methods.on(MethodFilter::$filter, handler);
                    self.handlers.push((Method::$method, std::any::type_name::<H>()));
                    self
                }
            )*
        }
    };
}

methods!(get GET GET, post POST POST, put PUT PUT, patch PATCH PATCH, delete DELETE DELETE);

impl<S: Clone + Send + Sync + 'static> Guarded<S> {
    /// Adds a rate limit to this path.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.extras.limits.push(limit);
        self
    }

    /// Serves this path to clients of these networks only. All others get 404.
    ///
    /// ```
    /// use palisade::http::Networks;
    /// use palisade::prelude::*;
    /// # async fn metrics() {}
    /// let office = Networks::read("192.0.2.0/24").expect("a network");
    /// let routes: Routes = Routes::new().route("/metrics", public().get(metrics).only_from(office));
    /// ```
    #[must_use]
    pub fn only_from(mut self, networks: Networks) -> Self {
        self.extras.only_from.push(networks);
        self
    }

    /// Serves this path's pages under another content security policy:
    /// `ContentSecurityPolicy::strict().allow(…)`. Error pages keep the site's.
    #[must_use]
    pub fn content_security_policy(mut self, policy: &ContentSecurityPolicy) -> Self {
        self.extras.policies = self.extras.policies.enforce(policy);
        self
    }

    /// Adds a report-only policy to this path's pages: browsers report violations and enforce
    /// nothing.
    #[must_use]
    pub fn content_security_policy_report_only(mut self, policy: &ContentSecurityPolicy) -> Self {
        self.extras.policies = self.extras.policies.report_only(policy);
        self
    }

    /// Allows scripts of other origins to call this path and read its responses (CORS).
    #[must_use]
    pub fn cors(mut self, cors: &Cors) -> Self {
        self.extras.cors = Some(cors.clone());
        self
    }

    /// Isolates this path's pages from other origins (`crossOriginIsolated`), which high-resolution
    /// timers and `SharedArrayBuffer` require. Cross-origin resources need to opt in.
    #[must_use]
    pub fn cross_origin_isolated(mut self) -> Self {
        self.extras.policies = self.extras.policies.isolate();
        self
    }

    /// Accepts reports that browsers send on their own, without a CSRF token. Other requests need
    /// one.
    pub(super) fn taking_reports(mut self) -> Self {
        self.extras.takes_reports = true;
        self
    }

    /// For files and texts of the framework that are the same for all clients: no session is
    /// opened. Has no effect on a route that is not public, or has rate limits or networks.
    pub(super) fn impersonal(mut self) -> Self {
        self.extras.is_impersonal = true;
        self
    }

    /// Marks a GET that changes state, such as the return from an identity provider: it runs to its
    /// end even if the client disconnects, as unsafe methods always do.
    #[must_use]
    pub fn changing_on_read(mut self) -> Self {
        self.extras.changes_on_read = true;
        self
    }

    /// Disables the CSRF checks on this route: only for clients that authenticate without cookies.
    ///
    /// # Security
    /// Any site can make a visitor's browser trigger the handler (CSRF). Listed by `check`; in
    /// production it must be named in `site.allow_dangerous`.
    #[must_use]
    #[track_caller]
    pub fn dangerous_without_csrf(mut self, reason: Reason) -> Self {
        self.without_csrf = Some((reason, Location::caller()));
        self
    }
}

/// The routes of a site, or of a part of it.
pub struct Routes<S = ()> {
    entries: Vec<(String, Guarded<S>)>,
}

/// Routes behind one access rule, in [`Routes::scope`].
pub struct Scope<S = ()> {
    access: Access,
    routes: Routes<S>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Adds a path: `/tickets/{id}`, `/files/{*rest}`.
    ///
    /// ```compile_fail
    /// use palisade::prelude::*;
    /// async fn page() {}
    /// Routes::<()>::new().route("/", axum::routing::get(page)); // says what to write
    /// ```
    #[must_use]
    pub fn route(mut self, path: &str, guarded: impl IntoGuarded<S>) -> Self {
        self.entries.push((path.to_owned(), guarded.into_guarded()));
        self
    }

    /// Adds routes behind one access rule.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn list() {}
    /// # async fn create() {}
    /// # async fn show() {}
    /// let routes = Routes::<()>::new().scope(signed_in(), |notes| {
    ///     notes.get("/notes", list).post("/notes", create).get("/notes/{id}", show)
    /// });
    /// assert!(routes.table().iter().all(|route| route.access == "signed in"));
    /// ```
    #[must_use]
    pub fn scope(self, access: Access, add: impl FnOnce(Scope<S>) -> Scope<S>) -> Self {
        let scope = Scope {
            access,
            routes: Self::new(),
        };
        self.merge(add(scope).routes)
    }

    /// Adds routes below a prefix.
    ///
    /// ```
    /// use palisade::prelude::*;
    /// # async fn list() {}
    /// let tickets = Routes::<()>::new().route("/mine", signed_in().get(list));
    /// let routes = Routes::<()>::new().nest("/tickets", tickets);
    /// assert_eq!(routes.table()[0].path, "/tickets/mine");
    /// ```
    #[must_use]
    pub fn nest(mut self, prefix: &str, routes: Self) -> Self {
        let nested = routes.entries.into_iter().map(|(path, guarded)| {
            let path = if path == "/" {
                prefix.to_owned()
            } else {
                format!("{prefix}{path}")
            };
            (path, guarded)
        });
        self.entries.extend(nested);
        self
    }

    /// Adds the routes of another part.
    #[must_use]
    pub fn merge(mut self, routes: Self) -> Self {
        self.entries.extend(routes.entries);
        self
    }

    /// Adds one rate limit to all routes so far, counted together.
    #[must_use]
    pub fn limit(mut self, limit: &Limit) -> Self {
        for (_, guarded) in &mut self.entries {
            guarded.extras.limits.push(limit.clone());
        }
        self
    }

    /// Serves the routes so far to clients of these networks only. All others get 404.
    #[must_use]
    pub fn only_from(mut self, networks: &Networks) -> Self {
        for (_, guarded) in &mut self.entries {
            guarded.extras.only_from.push(networks.clone());
        }
        self
    }

    /// Serves the routes so far at one host only. Requests to others get 404.
    #[must_use]
    pub(super) fn only_at(mut self, host: &str) -> Self {
        for (_, guarded) in &mut self.entries {
            guarded.extras.only_at = Some(host.to_ascii_lowercase());
        }
        self
    }

    /// Serves the routes so far at one listener only. Requests to others get 404.
    #[must_use]
    pub(super) fn only_through(mut self, entrance: Entrance) -> Self {
        for (_, guarded) in &mut self.entries {
            guarded.extras.only_through = Some(entrance);
        }
        self
    }

    /// Wraps every handler so far in tower middleware. It runs inside the access rule and the CSRF
    /// checks.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route<Infallible>> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        for (_, guarded) in &mut self.entries {
            guarded.methods =
                std::mem::take(&mut guarded.methods).layer::<_, Infallible>(layer.clone());
        }
        self
    }

    /// Provides the state of handlers that take axum's `State<S>`.
    pub fn with_state(self, state: S) -> Routes {
        let stateless = |(path, guarded): (String, Guarded<S>)| {
            let Guarded {
                access,
                methods,
                handlers,
                without_csrf,
                extras,
                source,
            } = guarded;
            (
                path,
                Guarded {
                    access,
                    methods: methods.with_state(state.clone()),
                    handlers,
                    without_csrf,
                    extras,
                    source,
                },
            )
        };
        Routes {
            entries: self.entries.into_iter().map(stateless).collect(),
        }
    }
}

impl Routes {
    /// The route table.
    pub fn table(&self) -> Vec<RouteInfo> {
        self.entries
            .iter()
            .flat_map(|(path, guarded)| guarded.table(path))
            .collect()
    }

    /// Paths whose GET changes state.
    pub(super) fn changing_on_read(&self) -> Vec<String> {
        let all = self
            .entries
            .iter()
            .filter(|(_, guarded)| guarded.extras.changes_on_read);
        all.map(|(path, _)| path.clone()).collect()
    }

    /// Every weakened protection.
    pub(super) fn ledger(&self) -> Vec<Weakened> {
        let weakened = |(path, guarded): &(String, Guarded)| {
            let (reason, place) = guarded.without_csrf?;
            Some(reason.weakens(format!("without_csrf {path}"), place))
        };
        self.entries.iter().filter_map(weakened).collect()
    }

    /// Every permission of an access rule, with the path.
    pub(super) fn permissions(&self) -> Vec<(&'static str, &str)> {
        self.entries
            .iter()
            .flat_map(|(path, guarded)| {
                guarded
                    .access
                    .permissions()
                    .into_iter()
                    .map(move |name| (name, path.as_str()))
            })
            .collect()
    }

    /// The path and the access rule of the route that handles a request.
    ///
    /// # Errors
    /// A sentence, if no route handles it.
    pub(crate) fn rule_of(&self, method: &Method, path: &str) -> Result<(String, Access), String> {
        let mut matcher = matchit::Router::new();
        let paths: BTreeSet<&str> = self.entries.iter().map(|(path, _)| path.as_str()).collect();
        for known in paths {
            let inserted = matcher.insert(known, known);
            inserted.map_err(|error| format!("{known}: {error}"))?;
        }
        let found = matcher.at(path);
        let route = *found
            .map_err(|_| format!("there is no route {path}"))?
            .value;
        let handles =
            |known: &Method| known == method || (known == Method::GET && method == Method::HEAD);
        // a path can have a rule for each of its methods
        let mut rules = self.entries.iter().filter(|(known, _)| known == route);
        let rule =
            rules.find(|(_, guarded)| guarded.handlers.iter().any(|(known, _)| handles(known)));
        match rule {
            Some((_, guarded)) => Ok((route.to_owned(), guarded.access.clone())),
            None => Err(format!("{route} does not handle {method}")),
        }
    }

    /// Paths whose access rule no client can satisfy.
    pub(super) fn impossible(&self) -> impl Iterator<Item = (&str, String)> {
        let all = self
            .entries
            .iter()
            .filter(|(_, guarded)| guarded.access.is_impossible());
        all.map(|(path, guarded)| (path.as_str(), guarded.access.to_string()))
    }

    /// The first path that accepts bearer tokens.
    pub(super) fn takes_tokens(&self) -> Option<&str> {
        self.entries
            .iter()
            .find(|(_, guarded)| guarded.access.takes_tokens())
            .map(|(path, _)| path.as_str())
    }

    /// The router, every path behind its guard.
    pub(super) fn into_router(self) -> Router {
        self.entries
            .into_iter()
            .fold(Router::new(), |router, (path, guarded)| {
                let declared: Vec<Method> = guarded
                    .handlers
                    .iter()
                    .map(|(method, _)| method.clone())
                    .collect();
                let rule = RouteRule {
                    is_impersonal: guarded.extras.are_impersonal(&guarded.access, &declared),
                    access: guarded.access,
                    #[cfg(debug_assertions)]
                    handlers: guarded.handlers,
                    declared,
                    is_csrf_checked: guarded.without_csrf.is_none(),
                    extras: guarded.extras,
                };
                router.route(
                    &path,
                    guarded
                        .methods
                        .layer::<_, Infallible>(RouteGuard::new(rule)),
                )
            })
    }
}

impl<S> Guarded<S> {
    fn limits_of(&self, method: &Method) -> Vec<String> {
        let is_safe = crate::csrf::is_safe(method);
        let counts = |limit: &&Limit| !(is_safe && limit.counts_changes());
        let limits = self.extras.limits.iter().filter(counts);
        limits.map(ToString::to_string).collect()
    }

    fn table(&self, path: &str) -> Vec<RouteInfo> {
        let line = |(method, handler): &(Method, &'static str)| RouteInfo {
            method: method.clone(),
            path: path.to_owned(),
            access: self.access.to_string(),
            csrf: match (crate::csrf::is_safe(method), &self.without_csrf) {
                (true, _) => "-",
                (false, _) if self.access.needs_token() => "bearer",
                (false, None) => "token",
                (false, Some(_)) => "OFF",
            },
            limits: self.limits_of(method),
            handler,
            source: format!("{}:{}", self.source.file(), self.source.line()),
        };
        self.handlers.iter().map(line).collect()
    }
}
