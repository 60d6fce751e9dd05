//! The members and permissions of a group.

use crate::admin::desk::Desk;
use crate::admin::site::MANAGE_RIGHTS;
use crate::admin::{group, user};
use crate::permissions::Verb;
use crate::permissions::report::of_group::{GroupMember, members_of, permissions_of};
use crate::views::{Path, Result};
use axum::response::Response;
use palisade_template::{Value, context};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use std::collections::BTreeSet;

/// Members on the page.
const SHOWN: u64 = 200;

/// `GET /members/{group}`
pub(crate) async fn show(desk: Desk, Path(id): Path<i32>) -> Result<Response> {
    desk.require(MANAGE_RIGHTS)?;
    let group = desk.actor.row::<group::Entity>(id);
    let group = group.read(Verb::View, &desk.db).await?;
    let members = members_of(&desk.db, id, (desk.site.now(), SHOWN + 1)).await?;
    let more = members.len() as u64 > SHOWN;
    let visible = visible(&desk, &members).await?;
    let seen = members
        .into_iter()
        .filter(|member| visible.contains(&member.user));
    let shown = seen.take(SHOWN as usize).map(|member| {
        let until = member.until.map(|until| desk.time(until.timestamp()));
        context! { name => member.username, url => format!("{}/access/{}", desk.site.path, member.user), until, reason => member.reason }
    });
    let members: Vec<Value> = shown.collect();
    let values = context! {
        title => format!("Members of {}", group.name), list_title => "Groups", group_url => format!("{}/groups/row/{id}", desk.site.path),
        members, more, most => SHOWN, permissions => permissions_of(&desk.db, id).await?,
    };
    desk.render("admin/members.html", values).await
}

/// The members whom the user sees.
async fn visible(desk: &Desk, members: &[GroupMember]) -> Result<BTreeSet<i32>> {
    let ids = members.iter().map(|member| member.user);
    let rows = desk.actor.find::<user::Entity>(Verb::View);
    let rows = rows.filter(user::Column::Id.is_in(ids));
    let found: Vec<i32> = rows
        .select_only()
        .column(user::Column::Id)
        .into_tuple()
        .all(&desk.db)
        .await?;
    Ok(found.into_iter().collect())
}
