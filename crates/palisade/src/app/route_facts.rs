//! Facts about the routes of a site: the route table, and answers to checks.

use super::route::{Guarded, Routes};
use super::route_info::RouteInfo;
use crate::api::{DescribedRoute, Handles, Operation};
use crate::checks::Weakened;
use crate::permissions::Access;
use crate::throttle::Limit;
use http::Method;
use std::collections::BTreeSet;

impl Routes {
    /// The route table.
    pub fn table(&self) -> Vec<RouteInfo> {
        self.entries
            .iter()
            .flat_map(|(path, guarded)| guarded.table(path))
            .collect()
    }

    /// Paths whose GET changes state.
    pub(super) fn changing_on_read(&self) -> Vec<String> {
        let all = self
            .entries
            .iter()
            .filter(|(_, guarded)| guarded.extras.changes_on_read);
        all.map(|(path, _)| path.clone()).collect()
    }

    /// The resources by name.
    pub(super) fn resources(&self) -> Handles {
        let all = self.resources.iter();
        all.map(|entry| (entry.name, entry.clone())).collect()
    }

    /// The described routes.
    pub(crate) fn described(&self) -> Vec<DescribedRoute> {
        let of_path = |(path, guarded): &(String, Guarded)| {
            let all = guarded.operations.iter();
            let route = |(method, operation): &(Method, Operation)| DescribedRoute {
                method: method.clone(),
                path: path.clone(),
                access: guarded.access.clone(),
                only_from: guarded.extras.only_from.clone(),
                limits: guarded.limits_of(method),
                operation: operation.clone(),
            };
            all.map(route).collect::<Vec<_>>()
        };
        self.entries.iter().flat_map(of_path).collect()
    }

    /// The first segments of paths that belong to the API.
    pub(super) fn api_prefixes(&self) -> BTreeSet<String> {
        let of_api = self
            .entries
            .iter()
            .filter(|(_, guarded)| guarded.extras.is_api);
        of_api
            .map(|(path, _)| first_segment(path).to_owned())
            .collect()
    }

    /// Every weakened protection.
    pub(super) fn ledger(&self) -> Vec<Weakened> {
        let weakened = |(path, guarded): &(String, Guarded)| {
            let (reason, place) = guarded.without_csrf?;
            Some(reason.weakens(format!("without_csrf {path}"), place))
        };
        self.entries.iter().filter_map(weakened).collect()
    }

    /// Every permission of an access rule, with the path.
    pub(super) fn permissions(&self) -> Vec<(&'static str, &str)> {
        self.entries
            .iter()
            .flat_map(|(path, guarded)| {
                guarded
                    .access
                    .permissions()
                    .into_iter()
                    .map(move |name| (name, path.as_str()))
            })
            .collect()
    }

    /// The path and the access rule of the route that handles a request.
    ///
    /// # Errors
    /// A sentence, if no route handles it.
    pub(crate) fn rule_of(&self, method: &Method, path: &str) -> Result<(String, Access), String> {
        let mut matcher = matchit::Router::new();
        let paths: BTreeSet<&str> = self.entries.iter().map(|(path, _)| path.as_str()).collect();
        for known in paths {
            let inserted = matcher.insert(known, known);
            inserted.map_err(|error| format!("{known}: {error}"))?;
        }
        let found = matcher.at(path);
        let route = *found
            .map_err(|_| format!("there is no route {path}"))?
            .value;
        let handles =
            |known: &Method| known == method || (known == Method::GET && method == Method::HEAD);
        // a path can have a rule for each of its methods
        let mut rules = self.entries.iter().filter(|(known, _)| known == route);
        let rule =
            rules.find(|(_, guarded)| guarded.handlers.iter().any(|(known, _)| handles(known)));
        match rule {
            Some((_, guarded)) => Ok((route.to_owned(), guarded.access.clone())),
            None => Err(format!("{route} does not handle {method}")),
        }
    }

    /// Paths whose access rule no client can satisfy.
    pub(super) fn impossible(&self) -> impl Iterator<Item = (&str, String)> {
        let all = self
            .entries
            .iter()
            .filter(|(_, guarded)| guarded.access.is_impossible());
        all.map(|(path, guarded)| (path.as_str(), guarded.access.to_string()))
    }

    /// Rules that mix a signature with other conditions, with their paths.
    pub(super) fn mixing_signatures(&self) -> impl Iterator<Item = (&str, String)> {
        let all = self.entries.iter();
        let mixing = all.filter(|(_, guarded)| guarded.access.mixes_signatures());
        mixing.map(|(path, guarded)| (path.as_str(), guarded.access.to_string()))
    }

    /// Every source whose signature a route asks for, with the path.
    pub(super) fn webhook_sources(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = self.entries.iter();
        all.filter_map(|(path, guarded)| Some((guarded.access.signed_source()?, path.as_str())))
    }

    /// Every scope of an access rule, with the path.
    pub(super) fn scopes<'a>(&'a self) -> Vec<(&'static str, &'a str)> {
        let of_route = |(path, guarded): &'a (String, Guarded)| {
            let scopes = guarded.access.scopes().into_iter();
            scopes.map(move |scope| (scope, path.as_str()))
        };
        self.entries.iter().flat_map(of_route).collect()
    }
}

/// `/api` of `/api/v1/tickets`.
pub(super) fn first_segment(path: &str) -> &str {
    let end = path
        .char_indices()
        .skip(1)
        .find(|(_, character)| *character == '/');
    end.map_or(path, |(end, _)| &path[..end])
}

impl<S> Guarded<S> {
    fn limits_of(&self, method: &Method) -> Vec<String> {
        let is_safe = crate::csrf::is_safe(method);
        let counts = |limit: &&Limit| !(is_safe && limit.counts_changes());
        let limits = self.extras.limits.iter().filter(counts);
        limits.map(ToString::to_string).collect()
    }

    fn table(&self, path: &str) -> Vec<RouteInfo> {
        let line = |(method, handler): &(Method, &'static str)| RouteInfo {
            method: method.clone(),
            path: path.to_owned(),
            access: self.access.to_string(),
            csrf: match (crate::csrf::is_safe(method), &self.without_csrf) {
                (true, _) => "-",
                (false, _) if self.access.needs_token() => "bearer",
                (false, _) if self.access.signed_source().is_some() => "-",
                (false, _) if self.extras.has_no_credentials => "-",
                (false, None) => "token",
                (false, Some(_)) => "OFF",
            },
            is_api: self.extras.is_api,
            limits: self.limits_of(method),
            handler,
            source: format!("{}:{}", self.source.file(), self.source.line()),
        };
        self.handlers.iter().map(line).collect()
    }
}
