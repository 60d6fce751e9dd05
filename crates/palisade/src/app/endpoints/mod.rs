//! The endpoints that every site has: account pages, health checks, static files, reports.

mod account;
pub(in crate::app) mod admin;
pub(in crate::app) mod health;
#[cfg(feature = "social")]
mod jwks;
#[cfg(feature = "metrics")]
mod metrics;
pub(in crate::app) mod openapi;
pub(in crate::app) mod security_txt;
#[cfg(feature = "social")]
mod social;

pub(in crate::app) use self::account::{profile_routes, token_routes};
use self::security_txt::{SECURITY_TXT, SecurityTxt};
use crate::app::{Routes, SiteSettings};
use crate::auth::LoginMethods;
use crate::headers::{REPORTS, Reports};
use crate::http::{Networks, redirect_to};
use crate::permissions::public;
use crate::static_files::Store;
use crate::throttle::{By, Limit};
use crate::uploads;
use axum::extract::Request;
use std::sync::Arc;
/// The routes of every site.
pub(in crate::app) fn routes(files: Arc<Store>, settings: &SiteSettings) -> Routes {
    let contacts = Arc::new(SecurityTxt::new(settings));
    let monitors: Networks = settings.site.health_detail_from.iter().copied().collect();
    let reports = Arc::new(Reports::default());
    let report = async move |request: Request| reports.take(request.into_body()).await;
    let file = async move |request: Request| files.answer(request.uri().path(), request.headers());
    let routes = Routes::new();
    #[cfg(feature = "social")]
    let routes = routes.merge(social::routes(crate::social::Providers::new(
        &settings.social,
    )));
    #[cfg(feature = "social")]
    let routes = if settings.api.issue {
        routes.merge(jwks::routes())
    } else {
        routes
    };
    #[cfg(feature = "metrics")]
    let routes = match settings.metrics.is_on() {
        true => routes.merge(metrics::routes(&settings.metrics.from)),
        false => routes,
    };
    routes
        .merge(account::routes())
        .merge(account::django_links(settings))
        .merge(account::optional_logins(&login_methods(settings)))
        .route(health::LIVE, public().get(health::live).impersonal())
        .route(health::READY, public().get(health::ready).impersonal())
        .route(
            health::DETAIL,
            public().get(health::detail).only_from(monitors),
        )
        // https://www.w3.org/TR/change-password-url/
        .route(
            "/.well-known/change-password",
            public()
                .get(async || redirect_to("/account/password"))
                .impersonal(),
        )
        .route(
            SECURITY_TXT,
            public().get(async move || contacts.answer()).impersonal(),
        )
        .route(uploads::ROUTE, public().get(uploads::serve))
        .route("/static/{*name}", public().get(file).impersonal())
        .route(
            REPORTS,
            public().post(report).taking_reports().limit(Limit::new(
                "csp_reports",
                By::Address,
                "60/m",
            )),
        )
}

/// Login methods in addition to username and password, by settings and features.
pub(in crate::app) fn login_methods(settings: &SiteSettings) -> LoginMethods {
    let all = settings
        .social
        .providers
        .iter()
        .filter(|_| cfg!(feature = "social"));
    let others: Vec<_> = all
        .map(|one| (one.name.clone(), one.label.clone()))
        .collect();
    let (passkeys, mail) = (cfg!(feature = "passkeys"), settings.login.by_mail);
    LoginMethods {
        are_any: passkeys || mail || !others.is_empty(),
        passkeys,
        mail,
        others,
    }
}

/// A rate limit per client and page that counts unsafe methods only, so that no page uses up the
/// limit of another and loading a form is free. Steps of a pending login have none: their guesses
/// are counted per account (`lockout`).
fn by_client(page: &'static str) -> Limit {
    Limit::new(page, By::Address, "60/m").changes_only()
}
