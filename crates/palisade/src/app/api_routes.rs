//! Routes of the API with described handlers.

use super::handler::RouteHandler;
use super::route::{Guarded, IntoGuarded};
use crate::api::{Operates, Operation};
use crate::headers::Cors;
use crate::http::Networks;
use crate::permissions::Access;
use crate::throttle::Limit;
use http::Method;

/// The access rule of a route of the API, created by [`Access::api`].
#[must_use = "add a handler: `.get(list)`"]
pub struct ApiAccess(Access);

/// The described handlers of one path, behind an access rule.
pub struct ApiGuarded<S = ()> {
    guarded: Guarded<S>,
}

impl<S> IntoGuarded<S> for ApiGuarded<S> {
    fn into_guarded(self) -> Guarded<S> {
        self.guarded
    }
}

impl Access {
    /// Marks a route of the API, whose handlers are described: the document of the site has its
    /// parameters, bodies, responses, credentials and limits. All errors below the first segment of
    /// its path are problems (RFC 9457), and browsers show none of its responses as a page.
    ///
    /// ```
    /// use palisade::prelude::*;
    ///
    /// #[derive(Form)]
    /// struct Search { q: Option<Line<80>> }
    ///
    /// #[derive(Schema, palisade::serde::Serialize)]
    /// #[serde(crate = "palisade::serde")]
    /// struct Found { count: i64 }
    ///
    /// async fn count(actor: Actor, Query(search): Query<Search>) -> Result<Json<Found>> {
    ///     Ok(Json(Found { count: search.q.map_or(0, |q| q.len() as i64) }))
    /// }
    /// let routes: Routes = Routes::new().route("/api/count", signed_in().api().get(count));
    /// ```
    pub fn api(self) -> ApiAccess {
        ApiAccess(self)
    }
}

/// Declares one method on both.
macro_rules! methods {
    ($($name:ident $method:ident),*) => {
        impl ApiAccess {
            $(
                #[doc = concat!("Handles ", stringify!($method), " under this access rule.")]
                #[track_caller]
                pub fn $name<H, T, S>(self, handler: H) -> ApiGuarded<S>
                where
                    H: RouteHandler<T, S> + Operates<T>,
                    T: 'static,
                    S: Clone + Send + Sync + 'static,
                {
                    let guarded = self.0.$name(handler).of_api();
                    ApiGuarded { guarded: guarded.described(Method::$method, H::operation()) }
                }
            )*
        }

        impl<S: Clone + Send + Sync + 'static> ApiGuarded<S> {
            $(
                #[doc = concat!("Handles ", stringify!($method), " under the same access rule.")]
                #[must_use]
                pub fn $name<H, T>(self, handler: H) -> Self
                where
                    H: RouteHandler<T, S> + Operates<T>,
                    T: 'static,
                {
                    let guarded = self.guarded.$name(handler);
                    Self { guarded: guarded.described(Method::$method, H::operation()) }
                }
            )*
        }
    };
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE);

impl<S: Clone + Send + Sync + 'static> ApiGuarded<S> {
    /// Adds a rate limit to this path.
    #[must_use]
    pub fn limit(self, limit: Limit) -> Self {
        Self {
            guarded: self.guarded.limit(limit),
        }
    }

    /// Serves this path to clients of these networks only. All others get 404.
    #[must_use]
    pub fn only_from(self, networks: Networks) -> Self {
        Self {
            guarded: self.guarded.only_from(networks),
        }
    }

    /// Allows scripts of other origins to call this path and read its responses (CORS).
    #[must_use]
    pub fn cors(self, cors: &Cors) -> Self {
        Self {
            guarded: self.guarded.cors(cors),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Guarded<S> {
    /// Adds the description of a handler.
    pub(super) fn described(mut self, method: Method, operation: Operation) -> Self {
        self.operations.push((method, operation));
        self
    }
}
