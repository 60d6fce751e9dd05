use super::csv;
use crate::audit_log::{Entry, Event, record_now};
use crate::auth::Visitor;
use crate::db::Db;
use crate::permissions::ExportRule;
use crate::views::{Error, ErrorKind, Now, RequestContext, Result};
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, header};
use sea_orm::{EntityTrait, PartialModelTrait, QuerySelect, Select};
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    Json,
    #[cfg(feature = "xlsx")]
    Xlsx,
}

#[cfg(feature = "xlsx")]
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Most rows of an export.
const MOST_ROWS: u64 = 50_000;

/// The extractor of an export. Only behind [`export`](super::export); elsewhere it is an error.
pub struct Export {
    visitor: Visitor,
    context: RequestContext,
    db: Db,
    now: Now,
}

impl<S: Send + Sync> FromRequestParts<S> for Export {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        if parts.extensions.get::<ExportRule>().is_none() {
            let why =
                "an export is behind a rule of its own: export(May::ExportTickets).get(handler)";
            return Err(Error::bug(why));
        }
        let no_database = |_| Error::bug("this site has no database");
        Ok(Self {
            visitor: Visitor::from_request_parts(parts, state).await?,
            context: RequestContext::from_request_parts(parts, state).await?,
            db: Db::from_request_parts(parts, state)
                .await
                .map_err(no_database)?,
            now: Now::from_request_parts(parts, state).await?,
        })
    }
}

impl Export {
    /// The columns `C` of these rows as a CSV file, `tickets-2026-11-29.csv`. A limit of the query is
    /// replaced: filter it.
    ///
    /// # Errors
    /// 413 for more than 50,000 rows; when the database does not answer.
    pub async fn csv<E: EntityTrait, C: PartialModelTrait + Serialize>(
        self,
        name: &'static str,
        rows: Select<E>,
    ) -> Result<Response> {
        let rows = self.load::<E, C>(rows).await?;
        self.rows(name, rows, Format::Csv).await
    }

    /// Rows that were read already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn rows(
        self,
        name: &'static str,
        rows: Vec<Map<String, Value>>,
        format: Format,
    ) -> Result<Response> {
        let (file, extension, kind) = match format {
            Format::Csv => (csv::write(&rows)?, "csv", "text/csv; charset=utf-8"),
            Format::Json => (serde_json::to_vec(&rows)?, "json", "application/json"),
            #[cfg(feature = "xlsx")]
            Format::Xlsx => (super::xlsx::write(&rows)?, "xlsx", XLSX),
        };
        let kind = HeaderValue::from_static(kind);
        self.answer((name, extension, kind), rows.len(), file).await
    }

    /// The same as a JSON file: a list of objects.
    ///
    /// # Errors
    /// As [`Export::csv`].
    pub async fn json<E: EntityTrait, C: PartialModelTrait + Serialize>(
        self,
        name: &'static str,
        rows: Select<E>,
    ) -> Result<Response> {
        let rows = self.load::<E, C>(rows).await?;
        self.rows(name, rows, Format::Json).await
    }

    /// The same as a workbook with one sheet.
    ///
    /// # Errors
    /// As [`Export::csv`], and 413 for a text of more than 32,767 characters.
    #[cfg(feature = "xlsx")]
    pub async fn xlsx<E: EntityTrait, C: PartialModelTrait + Serialize>(
        self,
        name: &'static str,
        rows: Select<E>,
    ) -> Result<Response> {
        let rows = self.load::<E, C>(rows).await?;
        self.rows(name, rows, Format::Xlsx).await
    }

    async fn load<E: EntityTrait, C: PartialModelTrait + Serialize>(
        &self,
        rows: Select<E>,
    ) -> Result<Vec<Map<String, Value>>> {
        let rows = rows.limit(MOST_ROWS + 1).into_partial_model::<C>();
        let rows = rows.all(&self.db).await?;
        if rows.len() as u64 > MOST_ROWS {
            let said = format!("An export has at most {MOST_ROWS} rows: filter it.");
            return Err(Error::new(ErrorKind::TooLarge, said));
        }
        let row = |row: &C| match serde_json::to_value(row)? {
            Value::Object(columns) => Ok(columns),
            _ => Err(Error::bug("a row of an export is a struct of columns")),
        };
        rows.iter().map(row).collect()
    }

    /// The file, after the event that it leaves the site.
    async fn answer(
        &self,
        (name, extension, kind): (&str, &str, HeaderValue),
        rows: usize,
        file: Vec<u8>,
    ) -> Result<Response> {
        let hash = crate::crypto::hex(&Sha256::digest(&file));
        let detail = format!("{rows} rows, sha256 {hash}");
        // a filter may name a person
        let exported = Entry::new(Event::Exported)
            .name(self.context.path())
            .detail(detail);
        record_now(self.visitor.accounts().database(), exported).await?;
        let day = self.now.today();
        let disposition = format!("attachment; filename=\"{name}-{day}.{extension}\"");
        let mut response = Response::new(Body::from(file));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(
            header::CONTENT_DISPOSITION,
            HeaderValue::from_str(&disposition)?,
        );
        Ok(response)
    }
}
