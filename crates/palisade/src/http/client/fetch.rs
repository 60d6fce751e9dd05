use super::reach::Reach;
use super::{ClientSettings, FetchError, FetchErrorKind as Kind};
use crate::http::HostPattern;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, LOCATION};
use http::{HeaderMap, Method, Request, Response};
use reqwest::redirect::Policy;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

/// HTTP client for public addresses. Cheap to clone; a handler takes it as an argument.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    reach: Reach,
    time: Duration,
    max_bytes: u64,
    /// Most redirects; none by default.
    redirects: u64,
    max_redirects: u64,
    /// Allowed hosts; all if empty.
    only_hosts: Arc<[HostPattern]>,
    tls: Arc<ClientConfig>,
}

impl Client {
    /// A client configured by these settings.
    ///
    /// # Errors
    /// When the file of `client.certificate_authority` cannot be used.
    pub fn new(settings: &ClientSettings) -> io::Result<Self> {
        let reach = Reach::new(&settings.private_networks);
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .user_agent("palisade");
        let tls = tls(settings.certificate_authority.as_deref())?;
        let builder = builder.tls_backend_preconfigured(tls.clone());
        let http = builder
            .dns_resolver(Arc::new(reach.clone()))
            .build()
            .map_err(io::Error::other)?;
        Ok(Self {
            http,
            reach,
            time: settings.timeout_secs.duration(),
            max_bytes: settings.max_bytes,
            redirects: 0,
            max_redirects: settings.max_redirects,
            only_hosts: settings.only_hosts.clone().into(),
            tls: Arc::new(tls),
        })
    }

    /// A TLS connection to a host and port that the operator has chosen, with a verified certificate.
    ///
    /// # Errors
    /// When there is no connection, or the certificate is invalid.
    pub(crate) async fn connect_tls(&self, address: &str) -> io::Result<TlsStream<TcpStream>> {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
    }

    /// The same client, following redirects of GET and HEAD, each validated like the first URL, up to
    /// `client.max_redirects`. Across origins only content negotiation headers are kept.
    #[must_use]
    pub fn following_redirects(&self) -> Self {
        Self {
            redirects: self.max_redirects,
            ..self.clone()
        }
    }

    /// Sends a GET request. A redirect is a response like any other.
    ///
    /// # Errors
    /// See [`FetchErrorKind`](super::FetchErrorKind). A response with an error status is no error.
    pub async fn get(&self, url: &str) -> Result<Response<Bytes>, FetchError> {
        let request = Request::get(url).body(Bytes::new());
        self.send(request.map_err(|_| FetchError::new(Kind::Address, &without_query(url)))?)
            .await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = timeout(self.time, self.follow_redirects(request)).await;
        answer.unwrap_or_else(|_| Err(FetchError::new(Kind::TooSlow, &host)))
    }

    async fn follow_redirects(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, FetchError> {
        let (parts, mut body) = request.into_parts();
        let text = parts.uri.to_string();
        let mut url =
            Url::parse(&text).map_err(|_| FetchError::new(Kind::Address, &without_query(&text)))?;
        let mut headers = parts.headers;
        let follows = matches!(parts.method, Method::GET | Method::HEAD) && self.redirects > 0;
        for _ in 0..=self.redirects {
            let answer = self
                .request_once(&parts.method, &url, &headers, &body)
                .await?;
            let Some(next) = redirect_target(&answer, &url).filter(|_| follows) else {
                return Ok(answer);
            };
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err(FetchError::new(
                    Kind::Address,
                    &without_query(next.as_str()),
                ));
            }
            if next.origin() != url.origin() {
                (headers, body) = (harmless(&headers), Bytes::new());
            }
            url = next;
        }
        Err(FetchError::new(
            Kind::TooManyRedirects,
            url.host_str().unwrap_or_default(),
        ))
    }

    async fn request_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Bytes>, FetchError> {
        let host = self.check_url(url)?;
        let failed = |error| FetchError::from_reqwest(error, host);
        let request = self
            .http
            .request(method.clone(), url.clone())
            .headers(headers.clone())
            .body(body.clone());
        let mut answer = request.send().await.map_err(failed)?;
        let too_large = || FetchError::new(Kind::TooLarge, host);
        if answer
            .content_length()
            .is_some_and(|length| length > self.max_bytes)
        {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(piece) = answer.chunk().await.map_err(failed)? {
            if (whole.len() + piece.len()) as u64 > self.max_bytes {
                return Err(too_large());
            }
            whole.extend_from_slice(&piece);
        }
        let mut made = Response::new(whole.freeze());
        *made.status_mut() = answer.status();
        *made.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(made)
    }

    /// The host of an allowed URL. Names are validated when they are resolved; IP addresses here,
    /// because they are not.
    fn check_url<'u>(&self, url: &'u Url) -> Result<&'u str, FetchError> {
        let host = url.host_str().unwrap_or_default();
        let is_web = matches!(url.scheme(), "http" | "https");
        if !is_web || !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::new(Kind::Address, &without_query(url.as_str())));
        }
        let is_reached = match url.host() {
            Some(Host::Ipv4(address)) => self.reach.allows(address.into()),
            Some(Host::Ipv6(address)) => self.reach.allows(address.into()),
            Some(Host::Domain(_)) => true,
            None => false,
        };
        let is_listed = self.only_hosts.is_empty()
            || self.only_hosts.iter().any(|pattern| pattern.matches(host));
        if is_reached && is_listed {
            Ok(host)
        } else {
            Err(FetchError::new(Kind::Refused, host))
        }
    }
}

fn redirect_target(answer: &Response<Bytes>, from: &Url) -> Option<Url> {
    let is_redirect = matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = answer.headers().get(LOCATION).filter(|_| is_redirect)?;
    from.join(location.to_str().ok()?).ok()
}

/// Headers that may be sent to another origin: no credentials of the first one.
fn harmless(headers: &HeaderMap) -> HeaderMap {
    let kept = [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE];
    headers
        .iter()
        .filter(|(name, _)| kept.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// A recognisable part of a URL, without a password, and without the query, which may hold tokens.
fn without_query(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    url[..end]
        .rsplit('@')
        .next()
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect()
}

/// The certificate authorities of browsers, which are compiled in, and those of a file.
fn tls(authority: Option<&str>) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = authority {
        let unusable = |error: String| {
            io::Error::other(format!(
                "client.certificate_authority: {path} cannot be used: {error}"
            ))
        };
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unusable(error.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
