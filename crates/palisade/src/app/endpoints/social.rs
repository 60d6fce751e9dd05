//! Pages of social login.

use super::by_client;
use crate::app::Routes;
use crate::auth::User;
use crate::auth::views::RECENT;
use crate::forms::{Form, Query};
use crate::permissions::{owner, public};
use crate::social::{SocialRequest, sign_up_views as sign_up, views as social};
use crate::throttle::{By, Limit};
use crate::views::Path;
use std::sync::Arc;

/// The routes of social login; none without identity providers.
pub(super) fn routes(providers: crate::social::Providers) -> Routes {
    if providers.is_empty() {
        return Routes::new();
    }
    let all = Arc::new(providers);
    let (begin, link, callback, remove, list) =
        (all.clone(), all.clone(), all.clone(), all.clone(), all);
    let begin =
        async move |request: SocialRequest, Path(id): Path<String>, form: Form<social::Begin>| {
            begin.begin(request, &id, form).await
        };
    let link = async move |request: SocialRequest, Path(id): Path<String>, user: User| {
        link.begin_linking(request, &id, user).await
    };
    let callback = async move |request: SocialRequest,
                               Path(id): Path<String>,
                               Query(returned): Query<social::Returned>| {
        callback.callback(request, &id, returned).await
    };
    let remove = async move |request: SocialRequest, user: User, form: Form<social::Which>| {
        remove.remove(request, user, form).await
    };
    let list = async move |request: SocialRequest, user: User| list.list(request, user).await;
    Routes::new()
        .route(
            "/account/social/{id}",
            public().post(begin).limit(by_client("social login")),
        )
        .route(
            "/account/social/{id}/callback",
            public().get(callback).changing_on_read(),
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
        .route("/account/logins/{id}", owner().fresh(RECENT).post(link))
        .route("/account/logins/remove", owner().fresh(RECENT).post(remove))
        .route(
            "/account/logins/password",
            owner()
                .post(social::password)
                .limit(Limit::new("password by mail", By::User, "5/h")),
        )
}
