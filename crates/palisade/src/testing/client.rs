use crate::app::{Site, answer};
use crate::crypto::random;
use crate::http::{Entrance, Link, Peer};
use crate::mail::Mail;
use crate::mfa::code_at;
use axum::body::{Body, Bytes, to_bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::task::Poll;
use url::form_urlencoded;

/// A browser-like client: keeps cookies, sends Origin and CSRF tokens, and follows no redirects.
#[derive(Clone)]
pub struct Client {
    site: Arc<Site>,
    cookies: BTreeMap<String, String>,
    peer: IpAddr,
    origin: String,
    fixed: Vec<(String, String)>,
    entrance: Entrance,
}

/// A complete response.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body as text.
    pub body: String,
    /// Body.
    pub bytes: Bytes,
}

impl Client {
    pub(super) fn new(site: Arc<Site>) -> Self {
        let is_development = site.settings().profile.is_development();
        let origin = if is_development {
            "http://localhost"
        } else {
            "https://desk.example.org"
        };
        Self {
            site,
            cookies: BTreeMap::new(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            origin: origin.into(),
            fixed: Vec::new(),
            entrance: Entrance::Site,
        }
    }

    /// Connects to the listener of `admin.address`.
    #[must_use]
    pub fn at_admin(mut self) -> Self {
        self.entrance = Entrance::Admin;
        self
    }

    /// Sends this header with every request.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.fixed.push((name.into(), value.into()));
        self
    }

    /// Sets the client's address.
    #[must_use]
    pub fn from_address(mut self, peer: IpAddr) -> Self {
        self.peer = peer;
        self
    }

    /// The origin of the site.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// The stored cookies.
    pub fn cookies(&mut self) -> &mut BTreeMap<String, String> {
        &mut self.cookies
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path), Body::empty())
            .await
    }

    /// Fetches the page `page`, and posts `fields` to `action` with the page's CSRF token, as its
    /// form would.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite) {
    /// let mut ann = site.client();
    /// ann.sign_up("ann").await;
    /// let saved = ann.submit("/tickets/new", "/tickets", &[("subject", "printer")]).await;
    /// assert_eq!(saved.status, 303);
    /// # }
    /// ```
    pub async fn submit(&mut self, page: &str, action: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.get(page).await.token().unwrap_or_default();
        self.post(
            action,
            &[&[("csrfmiddlewaretoken", token.as_str())], fields].concat(),
        )
        .await
    }

    /// Posts fields as they are, as a page of this site would.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self
            .request(Method::POST, path)
            .header("origin", &self.origin)
            .header("sec-fetch-site", "same-origin");
        self.form(request, fields).await
    }

    /// Sends fields with a request created by [`Client::request`].
    pub async fn form(
        &mut self,
        request: http::request::Builder,
        fields: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, Body::from(body)).await
    }

    /// A request with Host and the headers of a proxy. Cookies are added by [`Client::send`].
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        let host = self.origin.split("://").nth(1).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path);
        if !self.fixed.iter().any(|(name, _)| name == "host") {
            request = request.header(header::HOST, host);
        }
        if self.origin.starts_with("https") {
            request = request.header("x-forwarded-proto", "https");
        }
        self.fixed.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        })
    }

    /// Sends a request with the cookies, and stores those of the response.
    ///
    /// # Panics
    /// When the request is invalid.
    pub async fn send(&mut self, request: http::request::Builder, body: Body) -> Answer {
        let request = request.body(body).expect("a request");
        self.hang_up_beside(request.uri().path()).await;
        self.send_alone(request).await
    }

    /// GET with a body that may break off: `None` then.
    pub async fn try_get(&mut self, path: &str) -> Option<Answer> {
        let request = self.request(Method::GET, path).body(Body::empty());
        self.exchange(request.ok()?).await
    }

    async fn send_alone(&mut self, request: http::Request<Body>) -> Answer {
        self.exchange(request).await.expect("a body")
    }

    async fn exchange(&mut self, mut request: http::Request<Body>) -> Option<Answer> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request
                .headers_mut()
                .insert(header::COOKIE, cookies.join("; ").parse().expect("cookies"));
        }
        let response = answer(
            self.site.clone(),
            Peer {
                address: self.peer,
                link: Link::Plain,
                may_forward: true,
                entrance: self.entrance,
            },
            request,
        )
        .await;
        let (parts, body) = response.into_parts();
        self.keep(&parts.headers);
        let body = to_bytes(body, usize::MAX).await.ok()?;
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            bytes: body,
        })
    }

    /// With [`HANG_UP`], another client, with an invalid session cookie, requests the same page and
    /// the login page, and disconnects before the response.
    async fn hang_up_beside(&self, path: &str) {
        if std::env::var_os(HANG_UP).is_none() {
            return;
        }
        for page in [path, "/account/login"] {
            let request = Client {
                fixed: self.fixed.clone(),
                ..Client::new(self.site.clone())
            }
            .request(Method::GET, page);
            let key = random::token();
            let cookie = format!("session={0}; __Host-session={0}", key.expose());
            let request = request
                .header(header::COOKIE, cookie)
                .body(Body::empty())
                .expect("a request");
            let peer = Peer {
                address: IpAddr::V4(Ipv4Addr::new(203, 0, 113, 113)),
                link: Link::Plain,
                may_forward: true,
                entrance: Entrance::Site,
            };
            let [polls] = random::bytes::<1>();
            Box::pin(interrupt_after(
                usize::from(polls % 16),
                answer(self.site.clone(), peer, request),
            ))
            .await;
        }
    }

    /// Sends a request as [`Client::send`] does, and disconnects after `polls` polls of the
    /// response future: while it waits for the database or a hash, for example. Returns after all
    /// background work has ended. The response, if it was complete before; otherwise no cookies are
    /// stored.
    ///
    /// # Panics
    /// When the request is invalid.
    pub async fn send_and_hang_up(
        &mut self,
        request: http::request::Builder,
        body: Body,
        polls: usize,
    ) -> Option<Answer> {
        let site = self.site.clone();
        let request = request.body(body).expect("a request");
        self.hang_up_beside(request.uri().path()).await;
        let answer = interrupt_after(polls, self.send_alone(request)).await;
        site.changes_ended().await;
        answer
    }

    /// The same for a form.
    ///
    /// # Panics
    /// As [`Client::send_and_hang_up`].
    pub async fn post_and_hang_up(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        polls: usize,
    ) -> Option<Answer> {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self
            .request(Method::POST, path)
            .header("origin", &self.origin)
            .header("sec-fetch-site", "same-origin");
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send_and_hang_up(request, Body::from(body), polls)
            .await
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for line in headers
            .get_all(header::SET_COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
        {
            let Some((name, rest)) = line.split_once('=') else {
                continue;
            };
            let value = rest.split(';').next().unwrap_or_default();
            if line.contains("Max-Age=0") {
                self.cookies.remove(name)
            } else {
                self.cookies.insert(name.into(), value.into())
            };
        }
    }

    /// Signs up, with the link of the mail, and logs in.
    ///
    /// # Panics
    /// When it fails.
    pub async fn sign_up(&mut self, username: &str) -> &mut Self {
        self.sign_up_with(username, &[]).await
    }

    /// The same with the fields of the site's own ([`App::profile`](crate::app::App::profile)).
    ///
    /// # Panics
    /// When it fails.
    pub async fn sign_up_with(&mut self, username: &str, more: &[(&str, &str)]) -> &mut Self {
        let email = format!("{username}@example.org");
        let fields = [
            ("username", username),
            ("email", email.as_str()),
            ("password", PASSWORD),
            ("password_again", PASSWORD),
        ];
        let fields = [&fields, more].concat();
        let answer = self
            .submit("/account/signup", "/account/signup", &fields)
            .await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{username} signs up: {}",
            answer.body
        );
        let page = self.follow_mail(&email).await;
        let answer = self
            .submit(&page, "/account/confirm", &[("password", PASSWORD)])
            .await;
        assert_eq!(
            answer.status,
            StatusCode::SEE_OTHER,
            "{username} ends the sign-up: {}",
            answer.body
        );
        self
    }

    /// The newest mail to an address. Queued mail is delivered first.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn mail_to(&self, address: &str) -> Option<Mail> {
        self.site.mail().deliver().await.expect("mail is sent");
        self.site
            .mail()
            .outbox()
            .into_iter()
            .rfind(|mail| mail.to == address)
    }

    /// Opens the link of the newest mail to an address, and returns the page that it redirects to.
    ///
    /// # Panics
    /// Without such a mail.
    pub async fn follow_mail(&mut self, address: &str) -> String {
        self.site.mail().deliver().await.expect("mail is sent");
        let mails = self.site.mail().outbox();
        let link = |mail: &Mail| {
            mail.text
                .lines()
                .find(|line| line.contains("?token="))
                .map(str::to_owned)
        };
        let link = mails
            .iter()
            .rev()
            .filter(|mail| mail.to == address)
            .find_map(link);
        let link = link.unwrap_or_else(|| panic!("there is no mail with a link to {address}"));
        let path = &link[link.find("/account/").expect("a page of accounts")..];
        let is_end = |character: char| character.is_whitespace() || "()[]<>".contains(character);
        let path = path.split(is_end).next().unwrap_or_default();
        self.get(path).await.header("location").to_owned()
    }

    /// Adds an authenticator app, and returns its secret as typed.
    ///
    /// # Panics
    /// When it fails.
    pub async fn add_factor(&mut self) -> String {
        self.submit("/account/factors", "/account/factors/app", &[])
            .await;
        let page = self.get("/account/factors/app").await;
        let secret = page
            .body
            .split_once("id=\"secret\">")
            .and_then(|(_, rest)| rest.split('<').next())
            .map(str::to_owned);
        let secret = secret.unwrap_or_else(|| panic!("the page shows a secret: {}", page.body));
        let code = self.code(&secret);
        let added = self
            .submit(
                "/account/factors/app",
                "/account/factors/app/confirm",
                &[("code", &code)],
            )
            .await;
        assert_eq!(added.status, StatusCode::OK, "{}", added.body);
        secret
    }

    /// The current TOTP code of a secret, by the site's clock.
    ///
    /// # Panics
    /// When the secret is invalid.
    pub fn code(&self, secret: &str) -> String {
        code_at(secret, self.site.accounts().now().timestamp()).expect("a secret")
    }

    /// Logs in.
    pub async fn log_in(&mut self, username: &str, password: &str) -> Answer {
        self.submit(
            "/account/login",
            "/account/login",
            &[("username", username), ("password", password)],
        )
        .await
    }
}

/// Polls a future so many times, then drops it. Its output, if it completed before.
pub async fn interrupt_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut done = 0;
    std::future::poll_fn(move |context| {
        if done == polls {
            return Poll::Ready(None);
        }
        done += 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() && done == polls {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Environment variable: when it is set, another client disconnects in the middle of two requests
/// before each request of a [`Client`].
const HANG_UP: &str = "PALISADE_TEST_HANG_UP";

/// The password of accounts created by [`Client::sign_up`].
/// The password of accounts that tests sign up.
pub const PASSWORD: &str = "correct horse battery staple";

impl Answer {
    /// A header as text; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The CSRF token of the page's first form.
    pub fn token(&self) -> Option<String> {
        self.hidden_field("csrfmiddlewaretoken")
    }

    /// The value of the page's first hidden field of this name.
    pub fn hidden_field(&self, name: &str) -> Option<String> {
        let (_, after) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        let value = after.split('"').next()?;
        // as a browser reads it
        let characters = [
            ("&quot;", "\""),
            ("&#x27;", "'"),
            ("&#39;", "'"),
            ("&lt;", "<"),
            ("&gt;", ">"),
            ("&amp;", "&"),
        ];
        let decode = |text: String, (name, character): (&str, &str)| text.replace(name, character);
        Some(characters.into_iter().fold(value.to_owned(), decode))
    }

    /// The log lines of this request.
    ///
    /// ```
    /// # async fn test(site: palisade::testing::TestSite) {
    /// let refused = site.client().log_in("ann", "wrong").await;
    /// assert!(refused.events().iter().any(|event| event.contains("event.action=login_failed")));
    /// # }
    /// ```
    pub fn events(&self) -> Vec<String> {
        super::events(self.header("x-request-id"))
    }
}
