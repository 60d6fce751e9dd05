//! The audit log, for users with its permission.

use crate::admin::desk::Desk;
use crate::admin::site::VIEW_AUDIT;
use crate::audit_log::{self, Listed, Wanted};
use crate::forms::{FormView, Line, Query};
use crate::views::Result;
use axum::response::Response;
use palisade_macros::Form;
use palisade_template::{Value, context};

#[derive(Form)]
pub(crate) struct Filter {
    event: Option<Line<60>>,
    #[form(label = "User, by id or name")]
    user: Option<Line<150>>,
    #[form(hidden)]
    before: Option<i64>,
}

/// Entries on a page.
const SHOWN: u64 = 100;

/// `GET /audit`
pub(crate) async fn show(
    desk: Desk,
    Query(filter): Query<Filter>,
    form: FormView<Filter>,
) -> Result<Response> {
    desk.require(VIEW_AUDIT)?;
    let wanted = Wanted {
        event: filter.event.map(|event| event.to_string()),
        user: filter
            .user
            .map(|user| (user.parse().ok(), user.to_string())),
        before: filter.before,
        most: SHOWN,
        ..Wanted::default()
    };
    let mut entries = audit_log::entries(&desk.site.database, &wanted).await?;
    entries.reverse();
    let older = entries
        .last()
        .filter(|_| entries.len() as u64 == SHOWN)
        .map(|entry| entry.seq);
    let shown: Vec<Value> = entries.into_iter().map(shown).collect();
    let values =
        context! { title => "Audit log", entries => shown, older, filter => form.of_query() };
    desk.render("admin/audit.html", values).await
}

fn shown(entry: Listed) -> Value {
    context! {
        seq => entry.seq, at => entry.at, event => entry.event, severity => entry.severity, outcome => entry.outcome,
        actor => entry.actor, subject => entry.subject, name => entry.name, address => entry.address, route => entry.route,
        request => entry.request, detail => entry.detail, is_erased => entry.is_erased,
    }
}
