use super::handler::RouteHandler;
use crate::api::{Entry, Operation};
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
use std::convert::Infallible;
use std::panic::Location;
use std::sync::Arc;
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
    pub(super) access: Access,
    methods: MethodRouter<S>,
    pub(super) handlers: Vec<(Method, &'static str)>,
    pub(super) without_csrf: Option<(Reason, &'static Location<'static>)>,
    pub(super) extras: Extras,
    /// Descriptions of handlers.
    pub(super) operations: Vec<(Method, Operation)>,
    pub(super) source: &'static Location<'static>,
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
                    Guarded { access: self, methods: MethodRouter::new(), handlers: Vec::new(), without_csrf: None, extras: Extras::default(), operations: Vec::new(), source }.$name(handler)
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

    /// Marks a route of the API: errors of all paths below its first segment are problems, and
    /// browsers show none of its responses as a page.
    pub(super) fn of_api(mut self) -> Self {
        self.extras.is_api = true;
        self
    }

    /// For requests whose body is their only authority: cookies add nothing to them, so that they
    /// need no CSRF token.
    pub(super) fn without_credentials(mut self) -> Self {
        self.extras.has_no_credentials = true;
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
    pub(super) entries: Vec<(String, Guarded<S>)>,
    pub(super) resources: Vec<Arc<Entry>>,
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
            resources: Vec::new(),
        }
    }

    /// Adds a resource, to which fields of others may refer.
    pub(super) fn with_resource(mut self, resource: Arc<Entry>) -> Self {
        self.resources.push(resource);
        self
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
        self.resources.extend(routes.resources);
        self
    }

    /// Adds the routes of another part.
    #[must_use]
    pub fn merge(mut self, routes: Self) -> Self {
        self.entries.extend(routes.entries);
        self.resources.extend(routes.resources);
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
                operations,
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
                    operations,
                    source,
                },
            )
        };
        Routes {
            entries: self.entries.into_iter().map(stateless).collect(),
            resources: self.resources,
        }
    }
}

impl Routes {
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
                    is_csrf_checked: guarded.without_csrf.is_none()
                        && !guarded.extras.has_no_credentials,
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
