//! The reference pages of settings and checks, which are generated from the code.
//! `WRITE_REFERENCE=1 cargo test -p palisade --test it reference` writes them.

use crate::architecture::root;
use palisade::app::{App, Prepared, SiteSettings};
use palisade::audit_log::Event;
use palisade::settings::{Origin, Sources};
use std::collections::BTreeMap;
use std::fmt::Write;

fn settings(profile: &str) -> SiteSettings {
    let mut sources = Sources::none();
    sources.set("profile", profile, Origin::CommandLine("reference"));
    let prepared = Prepared::new(App::new(), sources).unwrap();
    prepared.settings().clone()
}

/// Markdown tables end a cell at `|`.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn settings_page() -> String {
    let (production, development) = (settings("production"), settings("development"));
    let local: BTreeMap<_, _> = development
        .effective
        .iter()
        .map(|setting| (&setting.key, &setting.value))
        .collect();
    let mut page = "# Settings\n\n\
        Generated from the code. A setting is read from, strongest first: options of the command, \
        the\nenvironment (`http.allowed_hosts` is `PALISADE_HTTP__ALLOWED_HOSTS`), `.env`, \
        `palisade.toml`, and the\nsite's program. `settings` lists the values of a site with their \
        sources, `settings --explain` with\nthese descriptions. Values that differ in development \
        follow the default.\n"
        .to_owned();
    let mut section = "";
    for setting in &production.effective {
        let name = setting.key.split_once('.').map_or("site", |(name, _)| name);
        if name != section {
            section = name;
            write!(
                page,
                "\n## {name}\n\n| Setting | Default | |\n|---|---|---|\n"
            )
            .unwrap();
        }
        let value = |value: &str| format!("`{}`", cell(value));
        if setting.key == "profile" {
            // of the profiles, development is the default
            writeln!(page, "| `profile` | `development` | {} |", setting.doc).unwrap();
            continue;
        }
        let mut default = value(&setting.value);
        if *local[&setting.key] != setting.value {
            write!(default, ", development {}", value(local[&setting.key])).unwrap();
        }
        let doc = setting.doc.split_whitespace().collect::<Vec<_>>().join(" ");
        writeln!(page, "| `{}` | {default} | {} |", setting.key, cell(&doc)).unwrap();
    }
    page
}

fn checks_page() -> String {
    let mut page = "# Checks\n\n\
        Generated from the code. `check` runs them on the settings of a site, `check --deploy` as \
        for\nproduction. An error prevents a production start. Checks of routes, templates, \
        permissions and keys\nare reported by the same command.\n\n\
        | Check | Level | Finding | Why | Fix |\n|---|---|---|---|---|\n"
        .to_owned();
    for check in settings("production").checks() {
        let django = check.django.map_or(String::new(), |id| format!(" ({id})"));
        writeln!(
            page,
            "| `{}`{django} | {} | {} | {} | {} |",
            check.id,
            check.level.word(),
            cell(&check.title),
            cell(&check.why),
            cell(&check.fix)
        )
        .unwrap();
    }
    page
}

fn events_page() -> String {
    let source = std::fs::read_to_string(root().join("crates/palisade/src/audit_log/event.rs"));
    let source = source.unwrap();
    let meaning = |event: Event| {
        let name = format!("    {event:?},");
        let before = source.lines().take_while(|line| *line != name);
        let said: Vec<&str> = before
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .map_while(|line| line.trim_start().strip_prefix("/// "))
            .collect();
        said.into_iter().rev().collect::<Vec<_>>().join(" ")
    };
    let mut page = "# Events of the audit log\n\n\
        Generated from the code. The second name is that of the OWASP logging vocabulary.\n\n\
        | Event | OWASP | Outcome | Severity | |\n|---|---|---|---|---|\n"
        .to_owned();
    for event in Event::all() {
        writeln!(
            page,
            "| `{}` | `{}` | {} | {} | {} |",
            event.name(),
            event.owasp(),
            event.outcome().name(),
            event.severity().name(),
            cell(&meaning(event))
        )
        .unwrap();
    }
    page
}

/// Values of every page and of every mail.
const COMMON: [&str; 6] = ["base", "may", "messages", "path", "site", "user"];

fn templates_page() -> String {
    let mut sources = Sources::none();
    sources.set("profile", "production", Origin::CommandLine("reference"));
    let prepared = Prepared::new(App::new(), sources).unwrap();
    let mut page = "# Templates of the framework\n\n\
        Generated from the code. A template of the site with the same name replaces one of these; \
        it gets the\nvalues that are listed. A page also gets `user` (or nothing), `messages`, \
        `path` and `site`, the name of\nthe site; a mail gets `site` and `base`, the base URL of \
        links. The title of a mail is its subject.\n\n\
        `base.html` is the frame of all pages, with the blocks `title`, `head`, `brand`, `nav` and \
        `main` of\n`palisade/skeleton.html`; `error.html` is the error page. \
        `palisade/form.html` has the macros `fields(form)`,\n`field(field)`, `hidden(form)` and \
        `page_links(pages)`.\n\n\
        | Template | Values |\n|---|---|\n"
        .to_owned();
    for (name, variables) in prepared.templates().unwrap().variables() {
        let is_own =
            |variable: &&String| !COMMON.contains(&variable.as_str()) && !variable.starts_with('_');
        let shown: Vec<String> = variables
            .iter()
            .filter(is_own)
            .map(|variable| format!("`{variable}`"))
            .collect();
        writeln!(page, "| `{name}` | {} |", shown.join(", ")).unwrap();
    }
    page
}

#[test]
fn the_reference_pages_are_those_of_the_code() {
    let pages = [
        ("audit-events", events_page()),
        ("settings", settings_page()),
        ("checks", checks_page()),
        ("replaceable-templates", templates_page()),
    ];
    for (name, page) in pages {
        let path = root().join(format!("docs/{name}.md"));
        if std::env::var_os("WRITE_REFERENCE").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == page,
            "docs/{name}.md is stale: WRITE_REFERENCE=1 cargo test --workspace --test it reference"
        );
    }
}
