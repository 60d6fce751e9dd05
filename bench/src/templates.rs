//! Templates in this process: compared with the engine alone, which escapes every value as HTML
//! text, with and without the same limit on its work.

use crate::load::median;
use palisade::template::{Layer, PageSecrets, Templates, Value, check, context};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 21;
const PAGES: u32 = 400;

const TABLE: &str = "<!doctype html><title>Tickets</title><table>{% for row in rows %}<tr><td>{{ row.id }}</td><td>{{ row.subject }}</td>\
<td>{{ row.customer }}</td><td>{{ row.status }}</td><td>{{ row.changed }}</td></tr>{% endfor %}</table>";

const MIXED: &str = "<!doctype html><title>Tickets</title><ul>{% for row in rows %}<li id=\"row-{{ row.id }}\" class=\"{{ row.status }}\" \
title=\"{{ row.subject }}\"><a href=\"/tickets/{{ row.id }}?from={{ row.customer }}\" data-customer=\"{{ row.customer }}\">{{ row.subject }}</a>\
<img src=\"{{ row.picture }}\" alt=\"{{ row.customer }}\"></li>{% endfor %}</ul><script>show({{ first }}, \"{{ first }}\", {{ count }})</script>";

/// Prints the time of a page compared with the engine alone, and of checking a template.
pub fn measure() {
    println!(
        "{:<72}{:>12}{:>12}{:>8}",
        "page, in this process", "palisade", "minijinja", "ratio"
    );
    for (name, source) in [
        ("100 rows of text", TABLE),
        ("100 rows of attributes and URLs, and a script", MIXED),
    ] {
        for (limit, fuel) in [("", Some(5_000_000)), (", engine without limits", None)] {
            let (ours, theirs) = compare(source, fuel);
            println!(
                "{:<72}{ours:>9.1} µs{theirs:>9.1} µs{:>8.2}",
                format!("{name}{limit}"),
                ours / theirs
            );
        }
    }
    for (name, source) in [
        ("100 rows of text", TABLE),
        ("attributes, URLs and a script", MIXED),
        ("the form of the framework", FORM),
    ] {
        println!(
            "checking a template: {name:<36}{:>9.1} µs",
            median(
                (0..ROUNDS)
                    .map(|_| micros(|| drop(black_box(check("page.html", source)))))
                    .collect()
            )
        );
    }
}

const FORM: &str = include_str!("../../crates/palisade/src/views/templates/form.html");

fn values() -> Value {
    let row = |number: u32| {
        context! {
            id => number, subject => format!("Printer {number} doesn't print on paper"), customer => format!("Ann {number} Example"),
            status => "open", changed => "2026-01-01 12:00", picture => format!("/media/people/{number}.png"),
        }
    };
    context! { rows => (0..100).map(row).collect::<Vec<_>>(), first => "Ann's \"first\" ticket", count => 100 }
}

/// Medians in microseconds for one page.
fn compare(source: &'static str, fuel: Option<u64>) -> (f64, f64) {
    let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
    let mut engine = minijinja::Environment::new();
    engine.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    engine.set_fuel(fuel);
    engine.add_template("page.html", source).unwrap();
    let values = values();
    let theirs = engine.get_template("page.html").unwrap();
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(micros(|| {
            drop(black_box(
                templates
                    .render("page.html", values.clone(), PageSecrets::none())
                    .unwrap(),
            ))
        }));
        two.push(micros(|| {
            drop(black_box(theirs.render(values.clone()).unwrap()))
        }));
    }
    (median(one), median(two))
}

fn micros(mut work: impl FnMut()) -> f64 {
    let begun = Instant::now();
    for _ in 0..PAGES {
        work();
    }
    begun.elapsed().as_secs_f64() * 1e6 / f64::from(PAGES)
}
