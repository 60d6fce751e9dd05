//! The table of answers: `palisade_once`.

use crate::clock::Clock;
use crate::db::{Database, KeyColumn, SealedColumn, Tx};
use crate::sql;
use crate::views::{Error, Result};
use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use palisade_crypto::KeyRing;
use palisade_crypto::seal::Sealer;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The services of a site that answers need.
#[derive(Clone)]
pub(crate) struct OnceServices {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ring: KeyRing,
}

/// State of a key.
pub(super) enum Claimed {
    /// This request is the first.
    New,
    Answered(Response),
    /// It belongs to a request with another body.
    Other,
}

const PURPOSE: &str = "answers that are given once";
/// How long an answer is kept.
pub(super) const KEPT_SECS: i64 = 24 * 3600;
/// Longest body that is kept.
const MOST_BYTES: usize = 64 * 1024;

/// The encrypted answers.
pub(crate) const SEALED: SealedColumn = SealedColumn {
    table: "palisade_once",
    key: KeyColumn::Text("id"),
    column: "sealed",
    purpose: PURPOSE,
    owner: None,
    place: |row| row.key.clone(),
};

/// Headers and body of an answer.
#[derive(Serialize, Deserialize)]
struct Kept {
    location: Option<String>,
    content_type: Option<String>,
    #[serde(with = "crate::flows::once_store::bytes")]
    body: Vec<u8>,
}

/// Bytes as base64.
mod bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(input)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

impl OnceServices {
    /// Claims a key in a transaction. A concurrent request with the same key waits for the end of
    /// this transaction.
    pub(super) async fn claim(
        &self,
        tx: &Tx,
        (id, fingerprint): (&str, &str),
        kept: i64,
    ) -> Result<Claimed> {
        let now = self.clock.now().timestamp();
        let expired = sql!(
            "DELETE FROM palisade_once WHERE id = ? AND expires <= ?",
            id,
            now
        );
        tx.execute_sql(expired).await?;
        let claim = sql!(
            "INSERT INTO palisade_once (id, fingerprint, expires) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
            id,
            fingerprint,
            now + kept
        );
        if tx.execute_sql(claim).await? == 1 {
            return Ok(Claimed::New);
        }
        let known = sql!(
            "SELECT fingerprint, status, sealed FROM palisade_once WHERE id = ?",
            id
        );
        let row: Option<(String, i32, Option<String>)> = tx.fetch_one(known).await?;
        let (known, status, sealed) = row.ok_or_else(|| Error::bug("a claimed key has no row"))?;
        if known != fingerprint {
            return Ok(Claimed::Other);
        }
        let sealed = sealed.unwrap_or_default();
        self.restore(id, status, &sealed).map(Claimed::Answered)
    }

    fn restore(&self, id: &str, status: i32, sealed: &str) -> Result<Response> {
        let opened = Sealer::new(&self.ring, PURPOSE).open(sealed, id)?;
        let kept: Kept = serde_json::from_slice(opened.expose())?;
        let status = u16::try_from(status).ok();
        let status = status.and_then(|status| StatusCode::from_u16(status).ok());
        let mut response = Response::new(Body::from(kept.body));
        *response.status_mut() = status.ok_or_else(|| Error::bug("a kept answer has no status"))?;
        let headers = response.headers_mut();
        for (name, value) in [
            (header::LOCATION, kept.location),
            (header::CONTENT_TYPE, kept.content_type),
        ] {
            if let Some(value) = value {
                headers.insert(name, HeaderValue::from_str(&value)?);
            }
        }
        let replayed = HeaderName::from_static("idempotency-replayed");
        headers.insert(replayed, HeaderValue::from_static("true"));
        Ok(response)
    }

    /// Keeps a response with its status, `Location`, `Content-Type` and body, encrypted. Cookies
    /// and other headers are not kept.
    pub(super) async fn keep(&self, tx: &Tx, id: &str, response: Response) -> Result<Response> {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, MOST_BYTES).await;
        let body = body.map_err(|_| {
            Error::bug("a response of Once is longer than 64 KiB: redirect to a page instead")
        })?;
        let text = |name| {
            let value = parts.headers.get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let kept = Kept {
            location: text(header::LOCATION),
            content_type: text(header::CONTENT_TYPE),
            body: body.to_vec(),
        };
        let sealed = Sealer::new(&self.ring, PURPOSE).seal(&serde_json::to_vec(&kept)?, id);
        let answered = sql!(
            "UPDATE palisade_once SET status = ?, sealed = ? WHERE id = ?",
            i32::from(parts.status.as_u16()),
            sealed,
            id
        );
        tx.execute_sql(answered).await?;
        Ok(Response::from_parts(parts, Body::from(body)))
    }
}

/// Deletes expired answers.
pub(super) async fn sweep(database: &Database, now: i64) -> Result<(), DbErr> {
    let expired = sql!("DELETE FROM palisade_once WHERE expires <= ?", now);
    let swept = database.write_always(async |tx| tx.execute_sql(expired).await);
    swept.await.map(drop)
}
