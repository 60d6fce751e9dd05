//! Every context times every payload: the structure never changes, and the value comes back whole.

use crate::payloads::payloads;
use crate::reading::{PLACES, Page, pages};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Write;

/// The same place, reached through the language.
const WAYS: [(&str, &[(&str, &str)]); 11] = [
    ("{% if yes %}PLACE{% endif %}", &[]),
    (
        "{% if not yes %}<hr>{% elif yes %}PLACE{% else %}{% endif %}",
        &[],
    ),
    ("{% for i in [1] %}PLACE{% else %}<hr>{% endfor %}", &[]),
    ("{% with y = x %}{% set x = y %}PLACE{% endwith %}", &[]),
    ("{% set all %}PLACE{% endset %}{{ all }}", &[]),
    ("{% macro m(x) %}PLACE{% endmacro %}{{ m(x) }}", &[]),
    (
        "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}PLACE{% endcall %}",
        &[],
    ),
    ("{% include 'part.html' %}", &[("part.html", "PLACE")]),
    (
        "{% import 'part.html' as part %}{{ part.m(x) }}",
        &[("part.html", "{% macro m(x) %}PLACE{% endmacro %}")],
    ),
    (
        "{% extends 'base.html' %}{% block a %}{{ super() }}PLACE{% endblock %}",
        &[("base.html", "<hr>{% block a %}{% endblock %}<hr>")],
    ),
    (
        "{% for i in [[1]] recursive %}{% if i is sequence %}{{ loop(i) }}{% else %}PLACE{% endif %}{% endfor %}",
        &[],
    ),
];

// F054, D19, ASVS 1.2.1, 1.2.2, 1.2.3
#[test]
fn every_context_holds_every_payload() {
    let (pages, payloads) = (pages(), payloads());
    for value in &payloads {
        for page in &pages {
            page.holds(value);
        }
    }
    let _ = writeln!(
        std::io::stdout(),
        "{} contexts, {} payloads, {} pages read back",
        pages.len(),
        payloads.len(),
        pages.len() * payloads.len()
    );
}

#[test]
fn every_way_through_the_language_holds_payloads() {
    let payloads = payloads();
    let mut count = 0;
    for (way, others) in WAYS {
        for (index, (place, reads)) in PLACES.iter().enumerate() {
            let files: BTreeMap<&str, String> = others
                .iter()
                .map(|(name, text)| (*name, text.replace("PLACE", place)))
                .collect();
            let page = way.replace("PLACE", place);
            let mut files: Vec<(&str, &str)> = files
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            files.push(("page.html", &page));
            let page = Page::new(&files, *reads);
            // a different share of the payloads each time
            for value in payloads.iter().skip(index % 41).step_by(41) {
                page.holds(value);
                count += 1;
            }
        }
    }
    let _ = writeln!(
        std::io::stdout(),
        "{} ways, {} contexts, {count} pages read back",
        WAYS.len(),
        PLACES.len()
    );
}

thread_local! {
    static PAGES: Vec<Page> = pages();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_context_holds_any_text(value in "(?s)([<>\"'`/\\\\&;:=(){}$*#%\\-! \\n]|script|on|url|[a-z0-9]|\\PC|.){1,24}") {
        PAGES.with(|pages| pages.iter().for_each(|page| page.holds(&value)));
    }
}
