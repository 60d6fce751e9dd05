//! Files of forms.

use super::client::{Answer, Client};
use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, header};
use palisade_crypto::random;
use std::convert::Infallible;

/// A file in a form, with the client's claims about it.
#[derive(Debug, Clone, Copy)]
pub struct SentFile<'a> {
    /// The field of the form.
    pub field: &'a str,
    /// File name.
    pub name: &'a str,
    /// Declared type.
    pub media_type: &'a str,
    /// Content.
    pub content: &'a [u8],
}

impl Client {
    /// Fetches the page `page`, and sends `fields` and `files` to `action` with the page's CSRF
    /// token, as its form would.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite, png: &[u8]) {
    /// use palisade::testing::SentFile;
    /// let mut ann = site.client();
    /// ann.sign_up("ann").await;
    /// let shot = SentFile { field: "shot", name: "a.png", media_type: "image/png", content: png };
    /// let saved = ann.submit_files("/tickets/new", "/tickets", &[("subject", "printer")], &[shot]).await;
    /// assert_eq!(saved.status, 303);
    /// # }
    /// ```
    pub async fn submit_files(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
        files: &[SentFile<'_>],
    ) -> Answer {
        let token = self.get(page).await.token().unwrap_or_default();
        let token = [("csrfmiddlewaretoken", token.as_str())];
        self.send_files(action, &[&token, fields].concat(), files)
            .await
    }

    /// Sends fields and files as they are, as a page of this site would.
    pub async fn send_files(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[SentFile<'_>],
    ) -> Answer {
        let boundary = random::nonce();
        let request = self
            .request(Method::POST, path)
            .header("origin", self.origin())
            .header("sec-fetch-site", "same-origin")
            .header(
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={boundary}"),
            );
        let body = multipart(&boundary, fields, files);
        // in pieces, as from a network
        let pieces: Vec<_> = body.chunks(PIECE).map(Bytes::copy_from_slice).collect();
        let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
        self.send(request, Body::from_stream(pieces)).await
    }
}

const PIECE: usize = 64 * 1024;

fn multipart(boundary: &str, fields: &[(&str, &str)], files: &[SentFile<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    for file in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            file.field, file.name, file.media_type
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(file.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}
