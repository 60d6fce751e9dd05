//! A browser, as far as the two need one: cookies for one host, ignoring the port.

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeMap;

pub struct Browser {
    client: Client<HttpConnector, Body>,
    pub cookies: BTreeMap<String, String>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The token of the page's form that has this action, or of the first one.
    pub fn token(&self) -> String {
        let (_, after) = self
            .body
            .split_once("name=\"csrfmiddlewaretoken\" value=\"")
            .unwrap_or_else(|| panic!("a form: {}", self.body));
        after.split('"').next().unwrap().to_owned()
    }
}

impl Browser {
    pub fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            cookies: BTreeMap::new(),
        }
    }

    pub async fn get(&mut self, url: &str) -> Answer {
        self.send(
            Request::builder().method(Method::GET).uri(url),
            Body::empty(),
        )
        .await
    }

    /// Fetches `page`, and posts to `action` with the token of its form.
    pub async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.get(page).await.token();
        self.post(action, &token, fields).await
    }

    /// Posts a form as a page of that site would.
    pub async fn post(&mut self, url: &str, token: &str, fields: &[(&str, &str)]) -> Answer {
        let fields = [&[("csrfmiddlewaretoken", token)], fields].concat();
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&fields)
            .finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header("origin", origin(url))
            .header("sec-fetch-site", "same-origin");
        self.send(
            request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
            Body::from(body),
        )
        .await
    }

    pub async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let (parts, body) = self.begin(request, body).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// The answer as it comes.
    pub async fn begin(
        &mut self,
        request: http::request::Builder,
        body: Body,
    ) -> http::Response<Body> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = if cookies.is_empty() {
            request
        } else {
            request.header(header::COOKIE, cookies.join("; "))
        };
        let answer = self
            .client
            .request(request.body(body).unwrap())
            .await
            .unwrap();
        for line in answer
            .headers()
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
        {
            let (name, rest) = line.split_once('=').unwrap();
            let is_gone = line.to_lowercase().contains("max-age=0");
            let value = rest.split(';').next().unwrap().trim_matches('"');
            if is_gone {
                self.cookies.remove(name)
            } else {
                self.cookies.insert(name.into(), value.into())
            };
        }
        answer.map(Body::new)
    }
}

fn origin(url: &str) -> String {
    let url: url::Url = url.parse().unwrap();
    url.origin().ascii_serialization()
}
