//! Serves a file by the access rule of its row.

use super::bytes::opened;
use super::link::VALID;
use super::row::{Column, Entity, Model, State};
use super::service::{Sealing, Service, Uploads, unavailable};
use super::stored::is_picture;
use crate::db::Db;
use crate::headers::PagePolicies;
use crate::http::{Wanted, range_not_satisfiable};
use crate::permissions::Actor;
use crate::storage::{Answer, ObjectName, StorageKey};
use crate::views::{Error, RequestContext, Result};
use axum::Extension;
use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use headers::{ContentRange, HeaderMapExt};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

/// The route of files. Its prefix is one that sites do not have.
pub(crate) const ROUTE: &str = "/uploaded/{key}";
const PREFIX: &str = "/uploaded/";

/// `GET /uploaded/{key}`: the file, or 404 for users without access to its row.
pub(crate) async fn serve(
    Extension(context): Extension<RequestContext>,
    (actor, db): (Actor, Db),
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Response> {
    let uploads: Option<&Uploads> = context.site().services.get();
    let service = &uploads.ok_or_else(Error::not_found)?.0;
    let row = service.viewable(&actor, &key, &db).await?;
    match service.link(&row) {
        Some(link) => redirect(&link),
        None => {
            service
                .answer(&row, &headers, PagePolicies::of_file())
                .await
        }
    }
}

/// Answers a request to the origin of files, which has no cookies: by the signature of its link.
pub(crate) async fn serve_elsewhere(uploads: &Uploads, request: &Parts) -> Result<Response> {
    let is_read = matches!(request.method, Method::GET | Method::HEAD);
    let key = request.uri.path().strip_prefix(PREFIX).filter(|_| is_read);
    let key = key.ok_or_else(Error::not_found)?;
    let query = request.uri.query().unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    let signature = pairs.find(|(name, _)| name == "s");
    let service = &uploads.0;
    if !signature.is_some_and(|(_, signature)| service.is_link(key, &signature)) {
        return Err(Error::not_found());
    }
    let row = service.served(key, &service.database.handle()).await?;
    let policies = PagePolicies::of_file_elsewhere();
    service.answer(&row, &request.headers, policies).await
}

/// To a link of another origin, which is that of the settings.
fn redirect(link: &str) -> Result<Response> {
    let location = HeaderValue::from_str(link)?;
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

impl Service {
    /// The file of a key, if it is served at all.
    async fn served(&self, key: &str, db: &Db) -> Result<Model> {
        let key: StorageKey = key.parse().map_err(|()| Error::not_found())?;
        let row = Entity::find()
            .filter(Column::Key.eq(key.as_str()))
            .one(db)
            .await?;
        row.filter(|row| State::of(&row.state).is_served())
            .ok_or_else(Error::not_found)
    }

    /// A link for one minute, where the file is not served by this host.
    fn link(&self, row: &Model) -> Option<String> {
        // pages show pictures, and their policy names the hosts of pictures
        let of_bucket = || {
            let name = ObjectName::from(&row.key.parse::<StorageKey>().ok()?);
            let answer = Answer {
                media_type: &media_type(row),
                disposition: &disposition("attachment", &row.name),
                now: self.clock.now(),
                seconds: VALID,
            };
            self.storage.link(&name, &answer)
        };
        let is_linked = row.sealed.is_empty() && self.sealing == Sealing::Off && !is_picture(row);
        let of_bucket = is_linked.then(of_bucket).flatten();
        let of_origin = || Some(self.signed_link(self.settings.origin.as_ref()?, row));
        of_bucket.or_else(of_origin)
    }

    async fn viewable(&self, actor: &Actor, key: &str, db: &Db) -> Result<Model> {
        let row = self.served(key, db).await?;
        let table = row.owner_table.as_deref().unwrap_or_default();
        let policy = self.policies.iter().find(|policy| policy.table() == table);
        let policy = policy.ok_or_else(Error::not_found)?;
        let owner = row.owner_key.as_deref().unwrap_or_default();
        match policy.may_view(actor, owner, db).await? {
            true => Ok(row),
            false => Err(Error::not_found()),
        }
    }

    async fn answer(
        &self,
        row: &Model,
        headers: &HeaderMap,
        policies: PagePolicies,
    ) -> Result<Response> {
        let stored = self
            .stored_bytes(row)
            .map_err(|error| unavailable(&error))?;
        let length = stored.length;
        let (status, range) = match Wanted::of(headers, length) {
            Wanted::Unsatisfiable => return Ok(range_not_satisfiable(length)),
            Wanted::Whole => (StatusCode::OK, 0..length),
            Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        };
        let content = opened(&*self.storage, stored, range.clone()).await;
        let content = content.map_err(|error| unavailable(&error))?;
        let mut response = (status, Body::from_stream(content)).into_response();
        if status == StatusCode::PARTIAL_CONTENT
            && let Ok(range) = ContentRange::bytes(range.clone(), length)
        {
            response.headers_mut().typed_insert(range);
        }
        describe(response.headers_mut(), row, range.end - range.start)?;
        response.extensions_mut().insert(policies);
        Ok(response)
    }
}

fn media_type(row: &Model) -> String {
    match row.media_type.starts_with("text/") {
        true => format!("{}; charset=utf-8", row.media_type),
        false => row.media_type.clone(),
    }
}

fn describe(headers: &mut HeaderMap, row: &Model, length: u64) -> Result<()> {
    let kind = media_type(row);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&kind)?);
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let how = match is_picture(row) {
        true => "inline",
        false => "attachment",
    };
    let disposition = disposition(how, &row.name);
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&disposition)?,
    );
    Ok(())
}

/// Characters that `filename*` takes as they are
/// ([RFC 8187](https://www.rfc-editor.org/rfc/rfc8187#section-3.2.1)).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// Content-Disposition ([RFC 6266](https://www.rfc-editor.org/rfc/rfc6266)) with one form of the
/// name: of two, readers choose differently.
fn disposition(how: &str, name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || " -._".contains(letter);
    match name.chars().all(is_plain) {
        true => format!("{how}; filename=\"{name}\""),
        false => {
            let encoded = utf8_percent_encode(name, ENCODED);
            format!("{how}; filename*=UTF-8''{encoded}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // V5.4.2: a name ends no header, and no other name
    #[test]
    fn names_are_encoded() {
        let attachment = |name: &str| disposition("attachment", name);
        assert_eq!(
            attachment("report.pdf"),
            "attachment; filename=\"report.pdf\""
        );
        let hostile = attachment("a\"; filename=\"b.html\r\nX: y.pdf");
        assert!(!hostile.contains(['\r', '\n']));
        assert_eq!(
            (hostile.matches('"').count(), hostile.matches(';').count()),
            (0, 1)
        );
        assert!(
            attachment("Übersicht 😀.pdf").ends_with("=UTF-8''%C3%9Cbersicht%20%F0%9F%98%80.pdf")
        );
        assert!(disposition("inline", "a.png").starts_with("inline; "));
    }
}
