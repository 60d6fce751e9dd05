//! The number of open tickets.

use palisade::prelude::*;
use std::collections::BTreeMap;

/// `GET /status`: number of open tickets, as JSON, for a wall display.
pub async fn status(db: Db) -> Result<Json<BTreeMap<String, i64>>> {
    let counted = sql!(
        "SELECT status, COUNT(*) FROM helpdesk_ticket \
         WHERE status IN ('open', 'waiting', 'resolved') GROUP BY status"
    );
    let counted: Vec<(String, i64)> = db.fetch_all(counted).await?;
    Ok(Json(counted.into_iter().collect()))
}
