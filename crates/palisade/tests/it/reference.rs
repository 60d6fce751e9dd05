//! The reference pages of settings and checks, which are generated from the code.
//! `WRITE_REFERENCE=1 cargo test -p palisade --test it reference` writes them.

use crate::architecture::root;
use palisade::app::{App, Prepared, SiteSettings};
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

#[test]
fn the_reference_pages_are_those_of_the_code() {
    for (name, page) in [("settings", settings_page()), ("checks", checks_page())] {
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
