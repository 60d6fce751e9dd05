//! `docs/tutorial.md` shows the files of this crate, and counts their lines.

use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The code blocks of the tutorial, each after the line that names its file in bold.
fn blocks(guide: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut rest = guide;
    while let Some((before, after)) = rest.split_once("\n```") {
        let (_, code) = after.split_once('\n').unwrap();
        let (code, after) = code.split_once("```").unwrap();
        let named = before
            .rsplit("**`")
            .next()
            .filter(|_| before.trim_end().ends_with("`**:"));
        if let Some(name) = named.and_then(|name| name.split('`').next()) {
            blocks.push((name.to_owned(), code.to_owned()));
        }
        rest = after;
    }
    blocks
}

fn code_lines(code: &str) -> usize {
    let lines = code.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .count()
}

#[test]
fn the_tutorial_shows_the_files_of_its_site() {
    let guide = std::fs::read_to_string(folder().join("../../docs/tutorial.md")).unwrap();
    let blocks = blocks(&guide);
    let names: Vec<&str> = blocks.iter().map(|(name, _)| name.as_str()).collect();
    for name in [
        "src/main.rs",
        "src/lib.rs",
        "src/note.rs",
        "templates/notes/list.html",
        "tests/it/notes.rs",
    ] {
        assert!(names.contains(&name), "{name} is shown: {names:?}");
    }
    for (name, shown) in blocks {
        let file = std::fs::read_to_string(folder().join(&name)).unwrap();
        assert_eq!(shown, file, "{name}");
    }
}

// a resource (list, show, new, edit, delete, own rows only) takes at most 70 lines
#[test]
fn a_resource_takes_seventy_lines() {
    let resource = std::fs::read_to_string(folder().join("src/note.rs")).unwrap();
    let lines = code_lines(&resource);
    assert!((30..=70).contains(&lines), "{lines} lines");
}

// the site of examples/notes takes at most 300 lines
#[test]
fn a_whole_site_takes_three_hundred_lines() {
    let source = folder().join("../notes/src");
    let of = |path: &Path| code_lines(&std::fs::read_to_string(path).unwrap());
    let files = std::fs::read_dir(source).unwrap();
    let lines: usize = files.map(|file| of(&file.unwrap().path())).sum();
    assert!((150..=300).contains(&lines), "{lines} lines");
}
