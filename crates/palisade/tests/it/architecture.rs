//! The dependencies between areas and crates, as in ARCHITECTURE.md, and sizes of files.

use std::path::{Path, PathBuf};

/// Steps of the crate `palisade`: a module uses those of earlier steps, never its neighbours.
const STEPS: [&[&str]; 17] = [
    &["clock", "settings"],
    &["checks"],
    &["django"],
    &["db", "http", "storage", "system"],
    &["views"],
    &["encrypted_fields", "mail", "tasks"],
    &["forms", "audit_log"],
    &[
        "formats",
        "headers",
        "csrf",
        "sessions",
        "throttle",
        "static_files",
    ],
    &["auth", "alerts", "incident", "metrics"],
    &["mfa", "social", "permissions", "telemetry"],
    &["exports", "flows", "uploads"],
    &["api"],
    &["admin", "backups"],
    &["app"],
    &["testing"],
    &["command"],
    &["prelude", "entity", "lib"],
];

/// What each crate may use of ours.
const CRATES: [(&str, &[&str]); 6] = [
    ("palisade-crypto", &[]),
    ("palisade-template", &[]),
    ("palisade-password", &["palisade-crypto"]),
    ("palisade-macros", &["palisade-template"]),
    (
        "palisade",
        &[
            "palisade-macros",
            "palisade-crypto",
            "palisade-password",
            "palisade-template",
        ],
    ),
    ("helpdesk", &["palisade"]),
];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn step(module: &str) -> Option<usize> {
    STEPS.iter().position(|step| step.contains(&module))
}

#[test]
fn modules_use_only_what_is_below_them() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&source, &mut files);
    let mut broken = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&source).unwrap();
        let module = relative
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        let own = step(&module).unwrap_or_else(|| panic!("{module} has no place in the table"));
        // a module's own tests may use the test kit
        if relative.file_name().unwrap() == "tests.rs"
            || relative.parent().unwrap().ends_with("tests")
        {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        for (number, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..]
                    .chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect();
                let Some(theirs) = step(&used) else { continue };
                if used != module && theirs >= own {
                    broken.push(format!(
                        "{}:{}: {module} must not use {used}",
                        relative.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn crates_use_only_what_is_below_them() {
    for (name, allowed) in CRATES {
        let folder = if name == "helpdesk" {
            "examples/helpdesk".into()
        } else {
            format!("crates/{name}")
        };
        let manifest: toml::Table = std::fs::read_to_string(root().join(folder).join("Cargo.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let used = manifest["dependencies"]
            .as_table()
            .unwrap()
            .keys()
            .filter(|used| used.starts_with("palisade"));
        for used in used {
            assert!(
                allowed.contains(&used.as_str()),
                "{name} must not use {used}"
            );
        }
    }
}

/// Files that are longer than the rule allows, in code lines. They may only shrink, and the list may only get shorter.
const TOO_LONG: [(&str, usize); 4] = [
    ("crates/palisade-template/src/analysis/walk.rs", 446),
    ("crates/palisade-template/src/context/value.rs", 438),
    ("crates/palisade/src/command/adopt/rules.rs", 487),
    ("crates/palisade/src/sessions/session.rs", 409),
];

#[test]
fn no_file_outgrows_its_reader() {
    let mut wrong = Vec::new();
    for (folder, most) in [
        ("crates", 400),
        ("examples/helpdesk/src", 200),
        ("examples/hello/src", 20),
    ] {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files);
        for file in files
            .into_iter()
            .filter(|file| !file.to_string_lossy().contains("/tests"))
        {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty() && !line.starts_with("//"))
                .count();
            let listed = TOO_LONG.iter().find(|(path, _)| file.ends_with(path));
            let is_stale = listed.is_some() && code <= most;
            if code > listed.map_or(most, |(_, ceiling)| *ceiling) || is_stale {
                wrong.push(format!("{}: {code}", file.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "too long, or listed without need: {wrong:?}"
    );
}

// D40
#[test]
fn examples_weaken_nothing_and_listen_on_loopback() {
    let mut files = Vec::new();
    rust_files(&root().join("examples"), &mut files);
    for file in files
        .into_iter()
        .filter(|file| !file.to_string_lossy().contains("/tests/"))
    {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in ["dangerous_", "0.0.0.0", "[::]"] {
            assert!(!text.contains(word), "{} contains {word}", file.display());
        }
    }
}

#[test]
fn every_test_that_the_proof_names_exists() {
    let proof = std::fs::read_to_string(root().join("docs/proof.md")).unwrap();
    let mut missing = Vec::new();
    for name in proof
        .split('`')
        .filter(|name| name.contains("::") && !name.contains(' ') && *name != "file::function")
    {
        let (file, function) = name.split_once("::").unwrap();
        let path = match file {
            "client" => "crates/palisade/src/http/client/tests.rs".into(),
            "permissions/report" => "crates/palisade/src/permissions/report/tests.rs".into(),
            "runbook" => "crates/palisade/src/command/runbook.rs".into(),
            "drill" => "crates/palisade/src/command/incident/drill.rs".into(),
            "address" => "crates/palisade/src/mail/tests.rs".into(),
            "storage" => "crates/palisade/src/storage/s3.rs".into(),
            "auth" => "crates/palisade/src/auth/email/codes.rs".into(),
            "http" | "headers" | "csrf" | "forms" | "throttle" | "mfa" | "settings"
            | "permissions" => {
                format!("crates/palisade/src/{file}/tests.rs")
            }
            "password" => "crates/palisade-password/tests/it/main.rs".into(),
            "crypto" => String::new(),
            _ => match file.split_once('/') {
                Some((example @ ("helpdesk" | "notes" | "tutorial" | "beside-django"), file)) => {
                    format!("examples/{example}/tests/it/{file}.rs")
                }
                Some(("template", file)) => format!("crates/palisade-template/tests/it/{file}.rs"),
                _ => format!("crates/palisade/tests/it/{file}.rs"),
            },
        };
        let paths = if path.is_empty() {
            vec![
                "crates/palisade-crypto/tests/it/vectors.rs".into(),
                "crates/palisade-crypto/tests/it/rotation.rs".into(),
                "crates/palisade-crypto/tests/it/sealing.rs".into(),
                "crates/palisade-crypto/tests/it/fields.rs".into(),
                "crates/palisade-crypto/tests/it/webhooks.rs".into(),
            ]
        } else {
            vec![path]
        };
        let exists = paths.iter().any(|path| {
            std::fs::read_to_string(root().join(path))
                .is_ok_and(|text| text.contains(&format!("fn {function}(")))
        });
        if !exists {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

/// The functions of ARCHITECTURE.md's table of steps, in its order.
fn listed_steps() -> Vec<String> {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let table = rows.skip_while(|line| !line.contains("| Step |"));
    let table = table.take_while(|line| !line.contains("| Decision |"));
    let name = |row: &str| Some(row.trim_end_matches("` |").rsplit_once('`')?.1.to_owned());
    table.filter_map(name).collect()
}

/// The part of a source file from `start` to `end`.
fn source_between(file: &str, start: &str, end: &str) -> String {
    let path = root().join("crates/palisade/src/app/pipeline").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let from = text
        .find(start)
        .unwrap_or_else(|| panic!("{start} in {file}"));
    let length = text[from..].find(end).unwrap_or_else(|| panic!("{end}"));
    text[from..from + length].to_owned()
}

/// The steps from `first` to `last`.
fn section(steps: &[String], first: &str, last: &str) -> Vec<String> {
    let place = |name| steps.iter().position(|step| step == name).unwrap();
    steps[place(first)..=place(last)].to_vec()
}

#[test]
fn the_listed_steps_are_those_of_the_code() {
    let steps = listed_steps();
    // one call a line
    let calls = |body: String, start: &str, end: &str| -> Vec<String> {
        let call = |line: &str| {
            let line = line.trim().trim_start_matches("let host = ");
            let name = line.split_once(end)?.0.strip_prefix(start)?;
            Some(name.to_owned())
        };
        body.lines().skip(1).filter_map(call).collect()
    };
    let perimeter = source_between("perimeter.rs", "pub(super) async fn run(", "\n}\n");
    assert_eq!(
        calls(perimeter, "", "(info, parts"),
        section(
            &steps,
            "rate_limit::check_requests",
            "rate_limit::check_changes"
        )
    );
    let guard = source_between("route_steps.rs", "async fn run(&self", "\n    }\n");
    assert_eq!(
        calls(guard, "self.", "(parts"),
        section(&steps, "check_networks", "admit_export")
    );
    let ordered = |file, start, first, last| {
        let body = source_between(file, start, "\n}\n");
        let place = |step: &String| body.find(&**step).unwrap_or_else(|| panic!("{step}"));
        let found: Vec<usize> = section(&steps, first, last).iter().map(place).collect();
        assert!(found.is_sorted(), "{file}: {first} to {last}");
    };
    ordered(
        "mod.rs",
        "async fn answer(",
        "copy_authority_to_host",
        "memory.admit",
    );
    ordered(
        "route_guard.rs",
        "async fn run_steps(",
        "load_session",
        "double_submit::enter",
    );
}
