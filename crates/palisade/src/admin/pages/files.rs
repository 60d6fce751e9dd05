//! Files that the virus scanner has withdrawn.

use crate::admin::desk::Desk;
use crate::admin::site::{APPROVE, MANAGE_FILES};
use crate::db::Tx;
use crate::forms::Form;
use crate::uploads::{Decision, StoredFile, decide, is_proposed, quarantined, size};
use crate::views::Result;
use axum::response::Response;
use palisade_macros::{Choice, Form};
use palisade_template::{Value, context};

/// `GET /files`: the files in quarantine. Their content is not shown.
pub(crate) async fn list(desk: Desk) -> Result<Response> {
    desk.require(MANAGE_FILES)?;
    let now = desk.site.now().timestamp();
    let may_approve = desk.holds(APPROVE);
    let mut files: Vec<Value> = Vec::new();
    for file in quarantined(&desk.db).await? {
        let is_waiting = is_proposed(&file, now);
        let is_own = file.proposed_by == Some(desk.user_id());
        files.push(context! {
            id => file.id, name => file.name.clone(), verdict => file.verdict.clone(), sha256 => file.sha256.clone(),
            size => size(u64::try_from(file.bytes).unwrap_or_default()), user => file.user_id,
            of => StoredFile::owner(&file), sent => desk.time(file.created), is_waiting, is_own,
            may_release => is_waiting && !is_own && may_approve,
        });
    }
    let values = context! { title => "Files in quarantine", files };
    desk.render("admin/files.html", values).await
}

#[derive(Choice, Clone, Copy, PartialEq, Debug)]
enum Act {
    Propose,
    Release,
    Withdraw,
    Delete,
}

#[derive(Form)]
pub(crate) struct Chosen {
    id: i64,
    act: Act,
}

/// `POST /files`: a decision about one of them.
pub(crate) async fn settle(desk: Desk, form: Form<Chosen>) -> Result<Response> {
    desk.require(MANAGE_FILES)?;
    let Chosen { id, act } = form.valid()?;
    let (decision, said) = match act {
        Act::Propose => (
            Decision::Propose,
            "The release waits for a second person, for a day.",
        ),
        Act::Release => (Decision::Release, "The file is released."),
        Act::Withdraw => (Decision::Withdraw, "The proposal is withdrawn."),
        Act::Delete => (Decision::Delete, "The file is deleted."),
    };
    if decision == Decision::Release {
        desk.require(APPROVE)?;
    }
    let by = (desk.user_id(), desk.site.now().timestamp());
    let write = async |tx: &Tx| decide(tx, (id, decision), by).await;
    desk.db.write(write).await?;
    desk.say(said.to_owned(), &format!("{}/files", desk.site.path))
        .await
}
