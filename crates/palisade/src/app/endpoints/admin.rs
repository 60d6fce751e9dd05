//! The routes of the admin. Each is behind the rule of its staff; handlers take an extractor that
//! judges the operation on the resource.

use crate::admin::AdminSettings;
use crate::admin::list::page as list;
use crate::admin::pages::{
    access, actions, audit, bin, change, delete, export, files, history, home, import, locks, mail,
    members, proposals, rights, row, saved_views, search, view_as,
};
use crate::app::Routes;
use crate::http::{Entrance, Networks};
use crate::permissions::{admin_export, admin_staff, admin_staff_now};

pub(in crate::app) fn routes(path: &str, settings: &AdminSettings) -> Routes {
    let routes = Routes::new().nest(path, site().merge(rows()));
    let routes = match settings.networks.is_empty() {
        true => routes,
        false => routes.only_from(&settings.networks.iter().copied().collect::<Networks>()),
    };
    let routes = match settings.address {
        Some(_) => routes.only_through(Entrance::Admin),
        None => routes,
    };
    match &settings.host {
        Some(host) => routes.only_at(host),
        None => routes,
    }
}

/// Pages beside the resources.
fn site() -> Routes {
    Routes::new()
        .route("/", admin_staff().get(home::show))
        .route("/search", admin_staff().get(search::palette))
        .route("/history", admin_staff().get(history::of_site))
        .route("/audit", admin_staff().get(audit::show))
        .route("/bin", admin_staff().get(bin::list))
        .route("/bin", admin_staff_now().post(bin::restore))
        .route("/view-as/{user}", admin_staff().get(view_as::ask))
        .route("/view-as/{user}", admin_staff_now().post(view_as::begin))
        .route("/access/{user}", admin_staff().get(access::show))
        .route("/access/{user}", admin_staff_now().post(access::end))
        .route("/access/{user}/join", admin_staff().get(rights::ask_group))
        .route("/access/{user}/join", admin_staff_now().post(rights::join))
        .route(
            "/access/{user}/grant",
            admin_staff().get(rights::ask_permission),
        )
        .route(
            "/access/{user}/grant",
            admin_staff_now().post(rights::grant),
        )
        .route("/members/{group}", admin_staff().get(members::show))
        .route("/locks", admin_staff().get(locks::list))
        .route("/locks", admin_staff_now().post(locks::lift))
        .route("/files", admin_staff().get(files::list))
        .route("/files", admin_staff_now().post(files::settle))
        .route("/mail", admin_staff().get(mail::list))
        .route("/proposals", admin_staff().get(proposals::list))
        .route("/proposals/{id}", admin_staff().get(proposals::show))
        .route("/proposals/{id}", admin_staff_now().post(proposals::settle))
}

/// Pages of a resource.
fn rows() -> Routes {
    const ROW: &str = "/{resource}/row/{key}";
    Routes::new()
        .route("/{resource}", admin_staff().get(list::show))
        .route(
            "/{resource}/add",
            admin_staff().get(change::blank).post(change::add),
        )
        .route("/{resource}/action", admin_staff().post(actions::confirm))
        .route(
            "/{resource}/action/run",
            admin_staff_now().post(actions::run),
        )
        .route("/{resource}/export", admin_staff().get(export::ask))
        .route("/{resource}/export", admin_export().post(export::download))
        .route(
            "/{resource}/import",
            admin_staff().get(import::ask).post(import::check),
        )
        .route(
            "/{resource}/import/run",
            admin_staff_now().post(import::run),
        )
        .route("/{resource}/views", admin_staff().post(saved_views::save))
        .route(
            "/{resource}/views/delete",
            admin_staff().post(saved_views::delete),
        )
        .route(
            "/{resource}/choices/{field}",
            admin_staff().get(search::choices),
        )
        .route(ROW, admin_staff().get(row::show).post(change::change))
        .route(
            &format!("{ROW}/history"),
            admin_staff().get(history::of_row),
        )
        .route(
            &format!("{ROW}/undo"),
            admin_staff_now().post(history::undo),
        )
        .route(&format!("{ROW}/delete"), admin_staff().get(delete::ask))
        .route(
            &format!("{ROW}/delete"),
            admin_staff_now().post(delete::delete),
        )
}
