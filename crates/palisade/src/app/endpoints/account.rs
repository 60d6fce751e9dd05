//! The account pages: login, sign-up, recovery, factors, sessions, personal data.

use super::by_client;
use crate::app::{Routes, SiteSettings};
use crate::auth::LoginMethods;
use crate::auth::views::{
    RECENT, UNSENT, access_tokens, email, locks, login, mailed, password, personal, profile,
    reauthenticate, sessions, signup, unsent,
};
use crate::http::redirect_to;
use crate::mfa::views as mfa;
use crate::permissions::{owner, public, staff};
use crate::throttle::{By, Limit};
use axum::extract::Request;
use axum::response::Response;

/// The page of the site's own fields, where there are some.
pub(in crate::app) fn profile_routes() -> Routes {
    Routes::new().route(
        "/account/profile",
        owner().get(profile::show).post(profile::save),
    )
}

/// A token outlives the session that makes it: the login is more recent than for other pages.
const TOKEN_MINUTES: u32 = 10;

/// The pages of personal access tokens, where the site declares scopes.
pub(in crate::app) fn token_routes() -> Routes {
    Routes::new()
        .route(
            "/account/tokens",
            owner()
                .fresh(TOKEN_MINUTES)
                .get(access_tokens::show)
                .post(access_tokens::make),
        )
        .route("/account/tokens/end", owner().post(access_tokens::end))
        .route(
            "/account/tokens/found",
            public()
                .post(access_tokens::found)
                .without_credentials()
                .limit(Limit::new("found tokens", By::Address, "5/h")),
        )
}

/// The account pages. Mail to an address is rate limited where mail is created
/// (`Accounts::ask_mail`).
pub(super) fn routes() -> Routes {
    let routes = Routes::new();
    #[cfg(feature = "passkeys")]
    let routes = routes.merge(passkey_routes());
    routes
        .route(
            "/account/login",
            public().get(login::show_login).post(login::login),
        )
        .route("/account/logout", public().post(login::logout))
        .route(UNSENT, owner().get(unsent::show))
        .route(
            "/account/signup",
            public()
                .get(signup::show)
                .post(signup::sign_up)
                .limit(by_client("sign-up")),
        )
        .route("/account/signup/sent", public().get(signup::show_sent))
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
        .route("/account/reset/sent", public().get(password::show_sent))
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
            "/account/reauthenticate",
            owner()
                .get(reauthenticate::show)
                .post(reauthenticate::confirm),
        )
        .route(
            "/account/again",
            public().get(to_reauthentication).impersonal(),
        )
        .route(
            "/account/reauthenticate/mail",
            owner().post(mailed::ask_reauthentication).limit(Limit::new(
                "reauthenticate",
                By::User,
                "5/h",
            )),
        )
        .route(
            "/account/reauthenticate/code",
            owner()
                .get(mailed::show_reauthentication)
                .post(mailed::reauthenticate),
        )
        .route(sessions::END_VIEW, owner().post(sessions::end_view))
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

/// The former path of `/account/reauthenticate`, in bookmarks and open tabs.
async fn to_reauthentication(request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    redirect_to(format!("/account/reauthenticate?{query}"))
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
        .route(
            "/account/reauthenticate/passkey",
            owner().post(keys::begin_reauthentication),
        )
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

/// Password reset links in Django's format.
pub(super) fn django_links(settings: &SiteSettings) -> Routes {
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
pub(super) fn optional_logins(ways: &LoginMethods) -> Routes {
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
