use super::health;
use super::security_txt::{SECURITY_TXT, SecurityTxt};
use super::site::{Challenge, CsrfRefusalPage};
use super::{Routes, Site, SiteSettings};
use crate::auth::views::{
    RECENT, again, email, locks, login, mailed, password, personal, sessions, signup,
};
use crate::auth::{self, LoginChallenge, LoginWays, PersonalData};
use crate::csrf::Refusal;
use crate::db::migrate::Migrations;
use crate::headers::{REPORTS, Reports};
use crate::http::{Networks, redirect_to};
use crate::mfa::views as mfa;
use crate::permissions::{owner, public, staff};
use crate::static_files::{StaticFiles, Store};
use crate::throttle::{By, Limit};
use crate::views::Result;
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::request::Parts;
use palisade_template::Layer as TemplateLayer;
use sea_orm_migration::MigratorTrait;
use std::convert::Infallible;
use std::sync::Arc;
use tower::{Layer, Service};

/// Builder of a site. All protections are on by default.
///
/// ```no_run
/// use palisade::prelude::*;
///
/// fn main() -> ExitCode {
///     App::new().routes(Routes::new().route("/", public().get(async || "Hello"))).run()
/// }
/// ```
pub struct App {
    pub(super) templates: Vec<TemplateLayer>,
    pub(super) static_files: StaticFiles,
    pub(super) migrations: Migrations,
    pub(super) routes: Routes,
    pub(super) permissions: Vec<(&'static str, &'static str)>,
    pub(super) settings: Vec<(&'static str, String)>,
    pub(super) csrf_refusal: Option<CsrfRefusalPage>,
    pub(super) challenge: Option<Challenge>,
    pub(super) login_challenge: Option<LoginChallenge>,
    pub(super) layers: Vec<Box<dyn FnOnce(Router) -> Router + Send>>,
    pub(crate) commands: Vec<SiteCommand>,
    pub(super) personal_data: Vec<Arc<dyn PersonalData>>,
}

/// A custom command, in addition to `serve`, `check` and the others.
#[derive(Clone)]
pub struct SiteCommand {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: Arc<dyn Fn(Arc<Site>) -> BoxFuture<'static, Result<String>> + Send + Sync>,
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

impl App {
    /// A site with accounts, health checks and a stylesheet only.
    pub fn new() -> Self {
        let mut migrations = Migrations::default();
        migrations.add(auth::migrations);
        migrations.add(crate::sessions::migrations);
        migrations.add(crate::mail::migrations);
        migrations.add(crate::mfa::migrations);
        migrations.add(crate::social::migrations);
        migrations.add(super::acme::migrations);
        migrations.add(crate::db::probe::migrations);
        Self {
            templates: Vec::new(),
            static_files: StaticFiles::default(),
            migrations,
            routes: Routes::new(),
            permissions: Vec::new(),
            settings: Vec::new(),
            csrf_refusal: None,
            challenge: None,
            login_challenge: None,
            layers: Vec::new(),
            commands: Vec::new(),
            personal_data: vec![
                Arc::new(crate::social::Identities),
                Arc::new(crate::mfa::OwnKeys),
            ],
        }
    }

    /// Adds templates: `include_templates!("templates")`. They take precedence over the framework's
    /// templates of the same name.
    #[must_use]
    pub fn templates(mut self, layer: TemplateLayer) -> Self {
        self.templates.push(layer);
        self
    }

    /// Adds static files: `include_static!("static")`. They are served below `/static/`, and take
    /// precedence over the framework's files of the same name.
    #[must_use]
    pub fn static_files(mut self, files: StaticFiles) -> Self {
        self.static_files = self.static_files.over(files);
        self
    }

    /// Adds the site's migrations, which run after the framework's.
    #[must_use]
    pub fn migrations<M: MigratorTrait>(mut self) -> Self {
        self.migrations.add_migrator::<M>();
        self
    }

    /// Adds routes.
    #[must_use]
    pub fn routes(mut self, routes: Routes) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Declares permissions: `("helpdesk.work_queue", "Can work the queue")`. A route with an
    /// undeclared permission stops the start.
    #[must_use]
    pub fn permissions(mut self, permissions: &[(&'static str, &'static str)]) -> Self {
        self.permissions.extend_from_slice(permissions);
        self
    }

    /// Sets a default of this site, which settings can override: `("site.home", "/tickets")`.
    #[must_use]
    pub fn setting(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((key, value.into()));
        self
    }

    /// Sets the page for requests that fail the CSRF checks, in place of the generic error page.
    /// The status stays 403.
    #[must_use]
    pub fn csrf_refusal_page<R: IntoResponse>(
        mut self,
        page: impl Fn(Refusal) -> R + Send + Sync + 'static,
    ) -> Self {
        self.csrf_refusal = Some(Arc::new(move |refusal| -> Response {
            page(refusal).into_response()
        }));
        self
    }

    /// Sets the handler for requests from block-listed addresses, where `http.block_mode` is
    /// `challenge`. It returns a response, such as a CAPTCHA, or `None` to let the request pass,
    /// for example when a cookie proves a solved CAPTCHA.
    #[must_use]
    pub fn challenge(
        mut self,
        decide: impl Fn(&Parts) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        self.challenge = Some(Arc::new(decide));
        self
    }

    /// Sets a challenge, such as a CAPTCHA or a proof of work, which is shown after a few failed
    /// logins for a name (`lockout.challenge_after`) before the next password is verified. `decide`
    /// gets the headers of the login request and returns a page, or `None` when a cookie proves a
    /// solved challenge. Lockout applies in addition.
    #[must_use]
    pub fn login_challenge<F, R>(mut self, decide: F) -> Self
    where
        F: Fn(HeaderMap) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Option<Response>>> + Send + 'static,
    {
        self.login_challenge = Some(Arc::new(move |headers| Box::pin(decide(headers))));
        self
    }

    /// Wraps all routes in a tower layer. It runs after headers, host checks and rate limits, and
    /// before session and access rule.
    #[must_use]
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.layers
            .push(Box::new(move |router| router.layer(layer)));
        self
    }

    /// Registers personal data of the site's own tables: it is part of the user's data export, and
    /// is erased with the account.
    #[must_use]
    pub fn personal_data(mut self, part: impl PersonalData + 'static) -> Self {
        self.personal_data.push(Arc::new(part));
        self
    }

    /// Adds a custom command. Its return value is printed.
    #[must_use]
    pub fn command<F, R>(mut self, name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn(Arc<Site>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<String>> + Send + 'static,
    {
        self.commands.push(SiteCommand {
            name,
            about,
            run: Arc::new(move |site| Box::pin(run(site))),
        });
        self
    }

    /// Static files of site and framework.
    pub(super) fn take_static_files(&mut self) -> Store {
        Store::new(
            std::mem::take(&mut self.static_files)
                .over(StaticFiles::own())
                .over(StaticFiles::scripts()),
        )
    }

    /// Routes of site and framework.
    pub(super) fn take_routes(&mut self, files: &Arc<Store>, settings: &SiteSettings) -> Routes {
        std::mem::take(&mut self.routes).merge(own_routes(files.clone(), settings))
    }
}

fn own_routes(files: Arc<Store>, settings: &SiteSettings) -> Routes {
    let contacts = Arc::new(SecurityTxt::new(settings));
    let monitors: Networks = settings.site.health_detail_from.iter().copied().collect();
    let reports = Arc::new(Reports::default());
    let report = async move |request: Request| reports.take(request.into_body()).await;
    let file = async move |request: Request| files.answer(request.uri().path(), request.headers());
    let routes = Routes::new();
    #[cfg(feature = "social")]
    let routes = routes.merge(social_routes(crate::social::Providers::new(
        &settings.social,
    )));
    #[cfg(feature = "social")]
    let routes = if settings.api.issue {
        routes.merge(super::callers::routes())
    } else {
        routes
    };
    routes
        .merge(account_routes())
        .merge(django_links(settings))
        .merge(other_ways(&login_ways(settings)))
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
pub(super) fn login_ways(settings: &SiteSettings) -> LoginWays {
    let all = settings
        .social
        .providers
        .iter()
        .filter(|_| cfg!(feature = "social"));
    let others: Vec<_> = all
        .map(|one| (one.name.clone(), one.label.clone()))
        .collect();
    let (passkeys, mail) = (cfg!(feature = "passkeys"), settings.login.by_mail);
    LoginWays {
        are_any: passkeys || mail || !others.is_empty(),
        passkeys,
        mail,
        others,
    }
}

/// Password reset links in Django's format.
fn django_links(settings: &SiteSettings) -> Routes {
    let follow = || public().get(password::follow_django);
    let path = format!("{}/{{uid}}/{{token}}", settings.django.reset_path);
    if settings.django.beside {
        Routes::new()
            .route(&path, follow())
            .route(&format!("{path}/"), follow())
    } else {
        Routes::new()
    }
}

/// Pages of the optional login methods. A method that is off has no pages.
fn other_ways(ways: &LoginWays) -> Routes {
    let mut routes = Routes::new();
    if ways.are_any {
        routes = routes.route("/account/login/ways", public().get(login::show_ways));
    }
    if ways.mail {
        routes = routes
            .route(
                "/account/login/mail",
                public()
                    .get(mailed::show)
                    .post(mailed::ask)
                    .limit(by_client("login by mail")),
            )
            .route(
                "/account/login/mail/code",
                public().get(mailed::show_code).post(mailed::log_in),
            );
    }
    routes
}

/// A rate limit per client and page that counts unsafe methods only, so that no page uses up the
/// limit of another and loading a form is free. Steps of a pending login have none: their guesses
/// are counted per account (`lockout`).
fn by_client(page: &'static str) -> Limit {
    Limit::new(page, By::Address, "60/m").changes_only()
}

/// The account pages. Mail to an address is rate limited where mail is created
/// (`Accounts::ask_mail`).
fn account_routes() -> Routes {
    let routes = Routes::new();
    #[cfg(feature = "passkeys")]
    let routes = routes.merge(passkey_routes());
    routes
        .route(
            "/account/login",
            public().get(login::show_login).post(login::login),
        )
        .route("/account/logout", public().post(login::logout))
        .route(
            "/account/signup",
            public()
                .get(signup::show)
                .post(signup::sign_up)
                .limit(by_client("sign-up")),
        )
        .route("/account/signup/sent", public().get(signup::sent))
        .route(
            "/account/confirm",
            public().get(signup::show_confirm).post(signup::confirm),
        )
        .route(
            "/account/reset",
            public()
                .get(password::show_ask)
                .post(password::ask)
                .limit(by_client("reset")),
        )
        .route("/account/reset/sent", public().get(password::sent))
        .route(
            "/account/reset/new",
            public().get(password::show_new).post(password::reset),
        )
        .route("/account", owner().get(personal::overview))
        .route(
            "/account/password",
            owner().get(password::show).post(password::change),
        )
        .route(
            "/account/email",
            owner()
                .get(email::show)
                .post(email::change)
                .limit(by_client("email")),
        )
        .route(
            "/account/email/confirm",
            public().get(email::show_confirm).post(email::confirm),
        )
        .route(
            "/account/login/second",
            public().get(mfa::show_second).post(mfa::second),
        )
        .route(
            "/account/again",
            owner().get(again::show).post(again::prove),
        )
        .route(
            "/account/again/mail",
            owner()
                .post(mailed::ask_again)
                .limit(Limit::new("again", By::User, "5/h")),
        )
        .route(
            "/account/again/code",
            owner().get(mailed::show_again).post(mailed::prove_again),
        )
        .route(
            "/account/sessions",
            owner()
                .fresh(RECENT)
                .get(sessions::show)
                .post(sessions::end),
        )
        .route("/account/factors", owner().get(mfa::show))
        .route(
            "/account/factors/app",
            owner().fresh(RECENT).get(mfa::show_app).post(mfa::begin),
        )
        .route(
            "/account/factors/app/confirm",
            owner().fresh(RECENT).post(mfa::confirm),
        )
        .route(
            "/account/factors/codes",
            owner().with_factor().fresh(RECENT).post(mfa::new_codes),
        )
        .route(
            "/account/factors/remove",
            owner().with_factor().fresh(RECENT).post(mfa::remove),
        )
        .route("/account/factors/browsers", owner().post(mfa::distrust))
        .route("/account/locks", staff().get(locks::show).post(locks::lift))
        .route(
            "/account/export",
            owner().get(personal::show_export).post(personal::export),
        )
        .route(
            "/account/close",
            owner().get(personal::show_close).post(personal::close),
        )
        .route(
            "/account/delete",
            owner().get(personal::show_delete).post(personal::delete),
        )
}

#[cfg(feature = "passkeys")]
fn passkey_routes() -> Routes {
    use crate::mfa::passkey_views as keys;
    Routes::new()
        .route(
            "/account/login/passkey",
            public()
                .post(keys::begin_login)
                .limit(by_client("login by passkey")),
        )
        .route(
            "/account/login/second/passkey",
            public().post(keys::begin_second),
        )
        .route("/account/again/passkey", owner().post(keys::begin_again))
        .route(
            "/account/passkey",
            public().get(keys::show_ask).post(keys::answer),
        )
        .route(
            "/account/factors/passkey",
            owner().fresh(RECENT).get(keys::show_add).post(keys::begin),
        )
        .route(
            "/account/factors/passkey/add",
            owner().fresh(RECENT).post(keys::add),
        )
        .route(
            "/account/factors/passkey/remove",
            owner().with_factor().fresh(RECENT).post(keys::remove),
        )
}

/// `None` without identity providers.
#[cfg(feature = "social")]
fn social_routes(providers: crate::social::Providers) -> Routes {
    use crate::auth::{User, Visitor};
    use crate::forms::{Form, Query};
    use crate::http::client::Client;
    use crate::social::views as social;
    use crate::views::{Page, Path};
    if providers.is_empty() {
        return Routes::new();
    }
    let all = Arc::new(providers);
    let (leaving, adding, back, removing, listed) =
        (all.clone(), all.clone(), all.clone(), all.clone(), all);
    let leave = async move |page: Page,
                            visitor: Visitor,
                            headers: HeaderMap,
                            client: Client,
                            Path(id): Path<String>,
                            form: Form<social::Begin>| {
        leaving
            .begin(page, visitor, headers, client, &id, form)
            .await
    };
    let add = async move |page: Page,
                          visitor: Visitor,
                          headers: HeaderMap,
                          client: Client,
                          Path(id): Path<String>,
                          user: User| {
        adding
            .begin_adding(page, visitor, headers, client, &id, user)
            .await
    };
    let back = async move |page: Page,
                           visitor: Visitor,
                           headers: HeaderMap,
                           client: Client,
                           Path(id): Path<String>,
                           Query(returned): Query<social::Returned>| {
        back.back(page, visitor, headers, client, &id, returned)
            .await
    };
    let remove =
        async move |visitor: Visitor, headers: HeaderMap, user: User, form: Form<social::Which>| {
            removing.remove(visitor, headers, user, form).await
        };
    let list = async move |page: Page, visitor: Visitor, user: User| {
        listed.list(page, visitor, user).await
    };
    Routes::new()
        .route(
            "/account/social/{id}",
            public().post(leave).limit(by_client("social login")),
        )
        .route(
            "/account/social/{id}/callback",
            public().get(back).changing_on_read(),
        )
        .route(
            "/account/social/address",
            public()
                .post(social::address)
                .limit(by_client("social sign-up")),
        )
        .route(
            "/account/social/confirm",
            public().get(social::show_confirm).post(social::confirm),
        )
        .route("/account/logins", owner().get(list))
        .route("/account/logins/{id}", owner().fresh(RECENT).post(add))
        .route("/account/logins/remove", owner().fresh(RECENT).post(remove))
        .route(
            "/account/logins/password",
            owner()
                .post(social::password)
                .limit(Limit::new("password by mail", By::User, "5/h")),
        )
}
