//! The first page: resources, numbers, and the proposals that wait for this user.

use crate::admin::desk::Desk;
use crate::admin::policy::Verdict;
use crate::admin::proposal;
use crate::admin::tile::Look;
use crate::views::{ErrorKind, Result};
use axum::response::Response;
use palisade_template::context;

/// `GET /`
pub(crate) async fn show(desk: Desk) -> Result<Response> {
    let mut tiles = Vec::new();
    let look = Look {
        db: &desk.db,
        now: desk.site.now(),
        zone: desk.zone(),
        most: desk.most_time(),
    };
    for tile in &desk.site.tiles {
        tiles.push(tile.value(&desk.actor, look).await?);
    }
    let names = desk.site.entries.iter().map(|entry| entry.name).collect();
    let mut waiting = 0;
    for found in proposal::waiting(&desk, names).await? {
        let Some(entry) = desk.site.entry(&found.resource).cloned() else {
            continue;
        };
        let (found, operations) = match proposal::open(&desk.site, &desk.db, &found.id).await {
            Ok(opened) => opened,
            // of a key that was retired
            Err(error) if error.kind() == ErrorKind::Conflict => continue,
            Err(error) => return Err(error),
        };
        let verdict = proposal::may_approve(&desk, &entry, (&found, &operations.step));
        waiting += usize::from(verdict == Verdict::Allow);
    }
    desk.render(
        "admin/home.html",
        context! { title => "Admin", tiles, waiting },
    )
    .await
}
