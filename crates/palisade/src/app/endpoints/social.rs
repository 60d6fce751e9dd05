//! Pages of social login.

use super::by_client;
use crate::app::Routes;
use crate::auth::views::RECENT;
use crate::auth::{User, Visitor};
use crate::forms::{Form, Query};
use crate::http::client::Client;
use crate::permissions::{owner, public};
use crate::social::{sign_up_views as sign_up, views as social};
use crate::throttle::{By, Limit};
use crate::views::{Page, Path};
use http::HeaderMap;
use std::sync::Arc;

/// The routes of social login; none without identity providers.
pub(super) fn routes(providers: crate::social::Providers) -> Routes {
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
                .post(sign_up::address)
                .limit(by_client("social sign-up")),
        )
        .route(
            "/account/social/confirm",
            public().get(sign_up::show_confirm).post(sign_up::confirm),
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
