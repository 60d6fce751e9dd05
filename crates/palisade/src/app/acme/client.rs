use crate::http::client::Client;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::Request;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::pin::Pin;

/// HTTP client for the ACME server, with the restrictions of all outgoing requests: public
/// addresses, timeouts, and a verified certificate.
pub(super) struct Outbound(pub(super) Client);

/// Longest request body of the protocol: a signed order has a few hundred bytes per name.
const MAX_BYTES: usize = 1 << 20;

impl HttpClient for Outbound {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(Body::new(body), MAX_BYTES)
                .await
                .map_err(|error| Error::Other(error.into()))?;
            let answer = client
                .send(Request::from_parts(parts, body))
                .await
                .map_err(|error| Error::Other(error.into()))?;
            let (parts, body) = answer.into_parts();
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}
