//! Links in templates that lead to no route.

use super::{Prepared, RouteInfo};
use crate::checks::{Finding, Level};
use palisade_template::Layer;
use std::collections::BTreeMap;
use std::ops::Range;

/// The part of a path that a value fills, which is one segment.
const VALUE: &str = "{}";

impl Prepared {
    /// Links and form actions of the site's templates that no route handles. None with
    /// `django.upstream`: the routes of that site are unknown.
    pub(super) fn dead_links(&self) -> Vec<Finding> {
        if self.settings.django.upstream.is_some() {
            return Vec::new();
        }
        let table = self.routes.table();
        // an earlier layer takes precedence
        let layers = self.app.templates.iter().rev();
        let files: BTreeMap<String, String> = layers.flat_map(Layer::sources).collect();
        let links = files.iter();
        let links =
            links.flat_map(|(name, text)| dead_links(name, &without_comments(text), &table));
        links.map(finding).collect()
    }
}

/// Place and path of the links of a template without a route.
fn dead_links(name: &str, text: &str, table: &[RouteInfo]) -> Vec<(String, String)> {
    let mut dead = Vec::new();
    for attribute in ["href=\"/", "action=\"/"] {
        for (start, _) in text.match_indices(attribute) {
            // not the end of another attribute, such as data-href
            if !text[..start].ends_with(|before: char| before.is_ascii_whitespace()) {
                continue;
            }
            let from = start + attribute.len() - 1;
            let line = text[..start].matches('\n').count() + 1;
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
    // the pages of accounts depend on features and settings
    let is_known = !path.contains("{%")
        && !path.contains('%')
        && !path.starts_with("//")
        && !path.starts_with("/account/")
        && !path.starts_with("/{}");
    is_known.then(|| path.to_owned())
}

/// The first `{{ … }}` before the end of the attribute.
fn value(text: &str) -> Option<Range<usize>> {
    let start = text.find("{{")?;
    let end = start + text[start..].find("}}")? + 2;
    (!text[..start].contains('"')).then_some(start..end)
}

/// The text with blanks in place of comments, of which the lines remain.
fn without_comments(text: &str) -> String {
    let mut text = text.to_owned();
    for (open, close) in [("{#", "#}"), ("<!--", "-->")] {
        let mut from = 0;
        while let Some(start) = text[from..].find(open).map(|at| from + at) {
            let end = text[start..].find(close).map(|at| start + at + close.len());
            let end = end.unwrap_or(text.len());
            let lines: String = text[start..end].matches('\n').collect();
            text.replace_range(start..end, &lines);
            from = start + lines.len();
        }
    }
    text
}

/// Whether a route handles a path; a value may be any segment of it.
fn matches(route: &str, path: &str) -> bool {
    let (mut wanted, mut segments) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), segments.next()) {
            (Some(known), Some(_)) if known.starts_with("{*") => return true,
            // a value at the end may be several segments of trusted text
            (Some(_), Some(segment))
                if segment.contains(VALUE) && segments.clone().next().is_none() =>
            {
                return true;
            }
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
        level: Level::Info,
        title: format!("{place} links to {path}, which no route handles"),
        why: "visitors get 404".into(),
        fix: "correct the path, or add the route".into(),
    }
}
