//! Links in templates that lead to no route.

use super::{Prepared, RouteInfo};
use crate::checks::{Finding, Level};
use std::ops::Range;

/// The part of a path that a value fills, which is one segment.
const VALUE: &str = "{}";

impl Prepared {
    /// Links and form actions of the site's templates that no route handles. None for a site in front
    /// of another one, whose paths are not known.
    pub(super) fn dead_links(&self) -> Vec<Finding> {
        if self.settings.django.upstream.is_some() {
            return Vec::new();
        }
        let table = self.routes.table();
        let files = self.app.templates.iter().flat_map(|layer| layer.sources());
        let links = files.flat_map(|(name, text)| dead_links(&name, &text, &table));
        links.map(finding).collect()
    }
}

/// Place and path of the links of a template without a route.
fn dead_links(name: &str, text: &str, table: &[RouteInfo]) -> Vec<(String, String)> {
    let mut dead = Vec::new();
    for attribute in ["href=\"/", "action=\"/"] {
        for (start, _) in text.match_indices(attribute) {
            let from = start + attribute.len() - 1;
            let line = text[..start].lines().count().max(1);
            let Some(path) = path(&text[from..]) else {
                continue;
            };
            let is_handled = table.iter().any(|route| matches(&route.path, &path));
            if !is_handled {
                dead.push((format!("{name}:{line}"), path));
            }
        }
    }
    dead
}

/// The path of a link, with [`VALUE`] for each value in it. `None` where it is not known: behind a
/// statement, or when a value is its first segment.
fn path(text: &str) -> Option<String> {
    let mut rest = text.to_owned();
    while let Some(value) = value(&rest) {
        rest.replace_range(value, VALUE);
    }
    let end = rest.find(['"', '?', '#'])?;
    let path = &rest[..end];
    let is_known = !path.contains("{%") && !path.starts_with("//") && !path.starts_with("/{}");
    is_known.then(|| path.to_owned())
}

/// The first `{{ … }}` before the end of the attribute.
fn value(text: &str) -> Option<Range<usize>> {
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    (!text[..start].contains('"')).then_some(start..end)
}

/// Whether a route handles a path; a value may be any segment of it.
fn matches(route: &str, path: &str) -> bool {
    let (mut wanted, mut segments) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), segments.next()) {
            (Some(known), Some(_)) if known.starts_with("{*") => return true,
            (Some(known), Some(segment)) => {
                if known != segment && !known.contains('{') && !segment.contains(VALUE) {
                    return false;
                }
            }
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn finding((place, path): (String, String)) -> Finding {
    Finding {
        id: "templates.dead_link".into(),
        django: None,
        level: Level::Warning,
        title: format!("{place} links to {path}, which no route handles"),
        why: "visitors get 404".into(),
        fix: "correct the path, or add the route".into(),
    }
}
