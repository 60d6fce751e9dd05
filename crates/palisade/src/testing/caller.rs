//! API clients in tests.

use super::{Answer, Client};
use axum::body::Body;
use http::{Method, header};

impl Client {
    /// Makes a personal access token of the signed-in user, as its page does, for 30 days.
    ///
    /// # Panics
    /// When the page refuses it.
    pub async fn make_token(&mut self, scopes: &[&str]) -> String {
        let mut fields = vec![("name", "test"), ("days", "30")];
        fields.extend(scopes.iter().map(|scope| ("scopes", *scope)));
        let made = self
            .submit("/account/tokens", "/account/tokens", &fields)
            .await;
        let token = made.body.split("id=\"token\">").nth(1);
        let token = token.and_then(|rest| rest.split('<').next());
        token
            .unwrap_or_else(|| panic!("{}: {}", made.status, made.body))
            .to_owned()
    }

    /// Sends a request of an API client: with a token, without cookies, and with JSON unless it is
    /// empty.
    pub async fn call(&self, (method, path): (Method, &str), token: &str, json: &str) -> Answer {
        let mut client = self.clone();
        client.cookies().clear();
        let mut request = client.request(method, path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !json.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        client.send(request, Body::from(json.to_owned())).await
    }
}
