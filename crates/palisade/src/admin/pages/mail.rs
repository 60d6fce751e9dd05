//! The mail queue.

use crate::admin::desk::Desk;
use crate::admin::site::VIEW_MAIL;
use crate::mail::waiting;
use crate::views::Result;
use axum::response::Response;
use palisade_template::{Value, context};

/// Mails on the page.
const SHOWN: i64 = 100;

/// `GET /mail`: the next mails. Their text and recipient are encrypted, and not decrypted here.
pub(crate) async fn list(desk: Desk) -> Result<Response> {
    desk.require(VIEW_MAIL)?;
    let (mails, count) = waiting(&desk.db, SHOWN).await?;
    let shown = mails.into_iter().map(|mail| {
        let (due, expires) = (
            desk.time(mail.due.timestamp()),
            desk.time(mail.expires.timestamp()),
        );
        context! { kind => mail.kind, due, expires, tries => mail.tries }
    });
    let mails: Vec<Value> = shown.collect();
    desk.render(
        "admin/mail.html",
        context! { title => "Mail queue", mails, count },
    )
    .await
}
