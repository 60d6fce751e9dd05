//! A crawl of two users: rows of one must not exist for the other, by any route and method.

use super::{Answer, Client, TestSite, events};
use crate::app::RouteInfo;
use axum::body::Body;
use http::{Method, StatusCode};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A crawl for broken access control (OWASP API1, ASVS 8.2.2).
///
/// The pages of the owner are crawled by their links and forms. Each path with a parameter that they
/// contain, and that the stranger's pages do not, is requested by the stranger with every method of
/// its route. The answer must be that of an unknown row, with one event, and the owner's pages must
/// be as before. Where a path has several keys, each key of the owner is also requested among those
/// of the stranger.
///
/// ```
/// # async fn test(site: palisade::testing::TestSite) {
/// use palisade::auth::Rank;
/// use palisade::testing::Crawl;
/// let (ann, bob) = (site.sign_in("ann", Rank::Plain).await, site.sign_in("bob", Rank::Plain).await);
/// // … rows of ann
/// Crawl::new(&site, ann, bob).run().await.assert_sealed();
/// # }
/// ```
pub struct Crawl<'a> {
    site: &'a TestSite,
    owner: Client,
    stranger: Client,
    unreached: Vec<&'static str>,
    shared: Vec<&'static str>,
    refused_by_rule: Vec<&'static str>,
}

/// The result of a crawl.
#[derive(Debug, Clone, Default)]
pub struct CrawlReport {
    /// Requests of the stranger.
    pub requests: usize,
    /// Paths of the owner's rows.
    pub paths: BTreeSet<String>,
    /// Requests with which the stranger could do or notice something.
    pub faults: Vec<String>,
    /// Routes with a parameter to which no page of the owner leads.
    pub unreached: BTreeSet<String>,
    /// Routes with an access rule that refuses the stranger, so that their rows were not tried.
    pub refused_by_rule: BTreeSet<String>,
}

/// An answer to the stranger.
#[derive(Default)]
struct Attempt {
    fault: Option<String>,
    /// Whether the policy of the row refused, and not the access rule of the route.
    is_by_row: bool,
}

/// Most pages of one user.
const MOST_PAGES: usize = 1_000;

impl<'a> Crawl<'a> {
    /// A crawl of a site, with the sessions of two users. The owner has rows.
    pub fn new(site: &'a TestSite, owner: Client, stranger: Client) -> Self {
        Self {
            site,
            owner,
            stranger,
            unreached: Vec::new(),
            shared: Vec::new(),
            refused_by_rule: Vec::new(),
        }
    }

    /// Accepts that both users see links to rows of a route; `reason` is for the reader.
    #[must_use]
    pub fn shared(mut self, route: &'static str, reason: &'static str) -> Self {
        assert!(!reason.is_empty(), "a reason is a sentence");
        self.shared.push(route);
        self
    }

    /// Accepts that no page of the owner leads to a route; `reason` is for the reader.
    #[must_use]
    pub fn unreached(mut self, route: &'static str, reason: &'static str) -> Self {
        assert!(!reason.is_empty(), "a reason is a sentence");
        self.unreached.push(route);
        self
    }

    /// Accepts that the access rule of a route refuses the stranger, regardless of the row; `reason` is for
    /// the reader.
    #[must_use]
    pub fn refused_by_rule(mut self, route: &'static str, reason: &'static str) -> Self {
        assert!(!reason.is_empty(), "a reason is a sentence");
        self.refused_by_rule.push(route);
        self
    }

    /// Runs the crawl.
    pub async fn run(mut self) -> CrawlReport {
        let mut routes = self.site.site().routes().to_vec();
        // pages of staff, which are 404 for both users
        if let Some(admin) = self.site.site().admin_path() {
            routes.retain(|route| !route.path.starts_with(admin));
        }
        let owned = Pages::crawl(&mut self.owner, &routes).await;
        let shared = Pages::crawl(&mut self.stranger, &routes).await;
        let mut report = CrawlReport::default();
        let table = Table::new(&routes);
        let (mut reached, mut judged) = (BTreeSet::new(), BTreeSet::new());
        for path in &owned.links {
            let Some(route) = table.route_of(path) else {
                continue;
            };
            if shared.links.contains(path) {
                let is_accepted = self.shared.contains(&route);
                let fault = format!("{path}: pages of both users link to it");
                report.faults.extend((!is_accepted).then_some(fault));
                continue;
            }
            reached.insert(route.to_owned());
            report.paths.insert(path.clone());
            let own = shared.own_paths((route, &table), &owned);
            for mixed in own.iter().flat_map(|own| mixed_keys(route, own, path)) {
                let fault = self.try_mixed((route, path), &mixed).await;
                report.faults.extend(fault);
                report.requests += 1;
            }
            for method in methods_of(&routes, route) {
                let fields = owned.forms.get(path).map_or(&[][..], Vec::as_slice);
                let attempt = self.try_path((route, path), (&method, fields)).await;
                report.faults.extend(attempt.fault);
                report.requests += 1;
                if attempt.is_by_row {
                    judged.insert(route.to_owned());
                }
            }
        }
        let unchanged = owned.changed(&mut self.owner).await;
        report.faults.extend(unchanged);
        let by_rule = reached.difference(&judged);
        report.refused_by_rule = by_rule
            .filter(|path| !self.refused_by_rule.contains(&path.as_str()))
            .cloned()
            .collect();
        let all = routes.iter().map(|route| route.path.as_str());
        report.unreached = all
            .filter(|path| has_row(path) && !reached.contains(*path))
            // a site may have no files
            .filter(|path| !self.unreached.contains(path) && *path != crate::uploads::ROUTE)
            .map(str::to_owned)
            .collect();
        report
    }

    /// Requests a path of the owner as the stranger, and the same path of an unknown row.
    async fn try_path(
        &mut self,
        (route, path): (&str, &str),
        (method, fields): (&Method, &[(String, String)]),
    ) -> Attempt {
        let token = self.stranger.get("/account").await.token();
        let token = token.unwrap_or_default();
        let mut routes = self.site.site().routes().iter();
        let sent = match routes.any(|known| known.path == route && known.is_api) {
            true => Sent::Json,
            false => Sent::Form(fields),
        };
        let real = self.request((method, path), (&token, sent)).await;
        let unknown = unknown_row(route, path);
        let none = self.request((method, &unknown), (&token, sent)).await;
        let of_row = events(real.header("x-request-id"));
        // a body is judged before the row, and the same for an unknown row
        let is_body = sent == Sent::Json && matches!(real.status.as_u16(), 400 | 422);
        let denied: Vec<_> = of_row
            .iter()
            .filter(|line| line.contains("event.action=access_denied"))
            .collect();
        let is_by_row =
            |line: &&String| line.contains(": hidden") || line.contains(": not allowed");
        let mut fault = format!("{method} {path}: ");
        let before = fault.len();
        if !real.status.is_client_error() || real.status == StatusCode::METHOD_NOT_ALLOWED {
            let _ = write!(fault, "{}", real.status);
        } else if (real.status, masked(&real.body)) != (none.status, masked(&none.body)) {
            let _ = write!(
                fault,
                "{}, and an unknown row is {}",
                real.status, none.status
            );
        } else if denied.len() != 1 && !is_body {
            let _ = write!(fault, "{} events of a denied access", denied.len());
        }
        let is_fault = fault.len() > before;
        Attempt {
            is_by_row: is_fault || denied.iter().copied().any(|line| is_by_row(&line)),
            fault: is_fault.then_some(fault),
        }
    }

    /// Reads a path with one key of the owner among keys of the stranger: the answer must be an error,
    /// or the page of the stranger's own row, where the key is not used.
    async fn try_mixed(&mut self, (route, path): (&str, &str), mixed: &Mixed) -> Option<String> {
        let answer = self.stranger.get(&mixed.path).await;
        if answer.status.is_client_error() {
            return None;
        }
        let own = self.stranger.get(&mixed.own).await;
        let same = masked(&answer.body.replace(&mixed.path, &mixed.own)) == masked(&own.body);
        let fault = format!(
            "GET {}: {}, with a key of {path} among own keys of {route}",
            mixed.path, answer.status
        );
        (!same).then_some(fault)
    }

    async fn request(
        &mut self,
        (method, path): (&Method, &str),
        (token, sent): (&str, Sent<'_>),
    ) -> Answer {
        let request = self.stranger.request(method.clone(), path);
        if matches!(*method, Method::GET | Method::HEAD) {
            return self.stranger.send(request, Body::empty()).await;
        }
        let origin = self.stranger.origin().to_owned();
        let request = request
            .header("origin", origin)
            .header("x-csrftoken", token);
        let Sent::Form(fields) = sent else {
            let request = request.header("content-type", "application/json");
            return self.stranger.send(request, Body::from("{}")).await;
        };
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .filter(|(name, _)| name != "csrfmiddlewaretoken")
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.stranger.form(request, &fields).await
    }
}

/// The body of an attempt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent<'a> {
    Form(&'a [(String, String)]),
    /// An empty object.
    Json,
}

impl CrawlReport {
    /// Asserts that rows were found, that the stranger could not use them, and that all routes were
    /// reached.
    ///
    /// # Panics
    /// Otherwise.
    pub fn assert_sealed(&self) {
        assert!(
            self.faults.is_empty(),
            "a user reaches rows of another: {:#?}",
            self.faults
        );
        assert!(
            self.unreached.is_empty(),
            "no page of the owner leads to {:?}: give the owner such a row, or name the route with Crawl::unreached",
            self.unreached
        );
        assert!(
            self.refused_by_rule.is_empty(),
            "the rules of {:?} refuse the stranger, so that no row was tried: let both users pass them, or name the route with Crawl::refused_by_rule",
            self.refused_by_rule
        );
        assert!(!self.paths.is_empty(), "the owner has no rows of its own");
    }
}

/// The pages of one user.
#[derive(Default)]
struct Pages {
    bodies: BTreeMap<String, String>,
    links: BTreeSet<String>,
    /// Fields of the forms, by action.
    forms: BTreeMap<String, Vec<(String, String)>>,
}

impl Pages {
    /// Follows the links from the front page and from every page without a parameter.
    async fn crawl(client: &mut Client, routes: &[RouteInfo]) -> Self {
        let table = Table::new(routes);
        let starts = routes
            .iter()
            .filter(|route| route.method == Method::GET && !has_row(&route.path));
        let mut pages = Self::default();
        let mut waiting: Vec<String> = starts.map(|route| route.path.clone()).collect();
        waiting.retain(|path| !path.starts_with("/static/"));
        while let Some(path) = waiting.pop() {
            if pages.bodies.len() >= MOST_PAGES || pages.bodies.contains_key(&path) {
                continue;
            }
            let answer = client.get(&path).await;
            let body = if answer.status == StatusCode::OK {
                answer.body
            } else {
                String::new()
            };
            for link in links(&body).into_iter().chain(table.rows_of(&path, &body)) {
                if table.route_of(&link).is_some()
                    && pages.links.insert(link.clone())
                    && table.reads(&link)
                {
                    waiting.push(link);
                }
            }
            pages.forms.extend(forms(&body));
            pages.bodies.insert(path, masked(&body));
        }
        pages
    }

    /// Paths of a route that only these pages contain.
    fn own_paths(&self, (route, table): (&str, &Table<'_>), other: &Self) -> Vec<String> {
        let own = self.links.difference(&other.links);
        let of_route = own.filter(|path| table.route_of(path) == Some(route));
        of_route.take(1).cloned().collect()
    }

    /// Pages that differ now.
    async fn changed(&self, client: &mut Client) -> Vec<String> {
        let mut changed = Vec::new();
        for (path, before) in self
            .bodies
            .iter()
            .filter(|(path, body)| !path.starts_with("/account/") && !body.is_empty())
        {
            let now = client.get(path).await;
            if masked(&now.body) != *before {
                changed.push(format!("GET {path}: the owner's page has changed"));
            }
        }
        changed
    }
}

/// The routes with a parameter.
struct Table<'a> {
    matcher: matchit::Router<&'a str>,
    read: BTreeSet<&'a str>,
    routes: BTreeSet<&'a str>,
}

impl<'a> Table<'a> {
    fn new(routes: &'a [RouteInfo]) -> Self {
        let mut matcher = matchit::Router::new();
        for route in routes {
            // a path has one entry for each method
            let _ = matcher.insert(route.path.as_str(), route.path.as_str());
        }
        let read = routes.iter().filter(|route| route.method == Method::GET);
        Self {
            matcher,
            read: read.map(|route| route.path.as_str()).collect(),
            routes: routes.iter().map(|route| route.path.as_str()).collect(),
        }
    }

    fn route_of(&self, path: &str) -> Option<&'a str> {
        let route = *self.matcher.at(path).ok()?.value;
        has_row(route).then_some(route)
    }

    /// The paths of the rows in a list of the API.
    fn rows_of(&self, path: &str, body: &str) -> Vec<String> {
        let list: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let items = list["items"].as_array().into_iter().flatten();
        let keys: Vec<String> = items.map(|item| item["id"].to_string()).collect();
        let below = format!("{path}/{{id}}");
        let routes = self.routes.iter().filter(|route| route.starts_with(&below));
        let paths = routes.flat_map(|route| keys.iter().map(|key| route.replace("{id}", key)));
        paths.collect()
    }

    fn reads(&self, path: &str) -> bool {
        self.route_of(path)
            .is_some_and(|route| self.read.contains(route))
    }
}

/// Whether a route has a parameter; those of static files name no rows.
fn has_row(route: &str) -> bool {
    route.contains('{') && !route.starts_with("/static/")
}

fn methods_of(routes: &[RouteInfo], path: &str) -> Vec<Method> {
    let of_path = routes.iter().filter(|route| route.path == path);
    of_path.map(|route| route.method.clone()).collect()
}

/// The parts of a path beside those of its route; the last one may be a rest with slashes.
fn parts<'a>(route: &'a str, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let count = route.split('/').count();
    route.split('/').zip(path.splitn(count, '/'))
}

/// The same path with keys that no row has.
fn unknown_row(route: &str, path: &str) -> String {
    let unknown = |(template, part): (&str, &str)| match template.starts_with('{') {
        true if part.bytes().all(|byte| byte.is_ascii_digit()) => "1999999999".to_owned(),
        true => part.chars().rev().collect(),
        false => part.to_owned(),
    };
    parts(route, path)
        .map(unknown)
        .collect::<Vec<_>>()
        .join("/")
}

/// A path with a key of the owner among those of the stranger.
struct Mixed {
    path: String,
    /// The path with the stranger's keys alone.
    own: String,
}

/// The stranger's path with each key in turn replaced by the owner's; none for a route with one key.
fn mixed_keys(route: &str, own: &str, path: &str) -> Vec<Mixed> {
    let own_parts: Vec<&str> = parts(route, own).map(|(_, part)| part).collect();
    let keys: Vec<_> = parts(route, path)
        .enumerate()
        .filter(|(_, (template, _))| template.starts_with('{'))
        .collect();
    if keys.len() < 2 {
        return Vec::new();
    }
    let differs = keys
        .iter()
        .filter(|(index, (_, part))| own_parts.get(*index) != Some(part));
    let replaced = differs.map(|(index, (_, part))| {
        let mut mixed = own_parts.clone();
        mixed[*index] = part;
        Mixed {
            path: mixed.join("/"),
            own: own.to_owned(),
        }
    });
    replaced.filter(|mixed| mixed.path != path).collect()
}

/// Links and actions to paths of the site.
fn links(body: &str) -> Vec<String> {
    let found = ["href=\"", "action=\""]
        .into_iter()
        .flat_map(|attribute| body.split(attribute).skip(1));
    let paths = found.filter_map(|rest| rest.split(['"', '?', '#']).next());
    let own = paths.filter(|path| path.starts_with('/') && !path.starts_with("//"));
    own.map(str::to_owned).collect()
}

/// The fields of each form with a path as its action; empty ones are filled with a digit.
fn forms(body: &str) -> Vec<(String, Vec<(String, String)>)> {
    let forms = body
        .split("<form")
        .skip(1)
        .filter_map(|rest| rest.split("</form>").next());
    forms
        .filter_map(|form| Some((attribute(form, "action")?, fields(form))))
        .collect()
}

fn fields(form: &str) -> Vec<(String, String)> {
    let named = form.split('<').filter_map(|element| {
        let name = attribute(element, "name")?;
        let value = attribute(element, "value").filter(|value| !value.is_empty());
        Some((name, value.unwrap_or_else(|| "1".into())))
    });
    named.collect()
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let start = element.find(&format!(" {name}=\""))? + name.len() + 3;
    element[start..].split('"').next().map(str::to_owned)
}

/// A page without values that differ in every response: tokens, nonces and request ids.
fn masked(body: &str) -> String {
    let is_word = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let words = body.split_inclusive(|character| !is_word(character));
    words
        .map(|word| if word.len() > 20 { "*" } else { word })
        .collect()
}
