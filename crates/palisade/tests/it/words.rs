//! The words of comments, messages and documents, as CONTRIBUTING ("Words") wants them.

use crate::architecture::{root, rust_files};
use std::collections::BTreeMap;
use std::path::Path;

/// Words that stand for a role, a noun or a standard term.
const DIALECT: [&str; 19] = [
    "whoever",
    "whatever",
    "somebody",
    "nobody",
    "everybody",
    "anybody",
    "those who",
    "work here",
    "works here",
    "there is nothing",
    "there is none",
    "anew",
    "mend",
    "mended",
    "mends",
    "telephone",
    "telephones",
    "in clear",
    "by rate",
];

/// Occurrences by area. They may only fall, and an area that is not listed has none.
const CEILINGS: [(&str, usize); 4] = [
    ("bench", 1),
    ("helpdesk/tests", 5),
    ("palisade/tests", 25),
    ("root", 11),
];

/// "what" in the comments of the library's source, which the field's prose rarely needs as a noun.
const MOST_WHAT: usize = 14;

fn words(text: &str) -> String {
    let lower = text.to_lowercase();
    let parts = lower.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    format!(" {} ", words.join(" "))
}

fn count(text: &str, wanted: &[&str]) -> usize {
    let text = words(text);
    // a word ends with the space that the next one begins with
    let text = text.replace(' ', "  ");
    let find = |word: &&str| {
        text.matches(&format!(" {} ", word.replace(' ', "  ")))
            .count()
    };
    wanted.iter().map(find).sum()
}

/// `crates/palisade/src/auth/…` is the area `palisade/auth`, `docs/server.md` is `docs`.
fn area(path: &Path) -> String {
    let path = path.strip_prefix(root().canonicalize().unwrap()).unwrap();
    let parts: Vec<&str> = path.iter().map(|part| part.to_str().unwrap()).collect();
    match parts[..] {
        ["crates", "palisade", "src", area, _, ..] => format!("palisade/{area}"),
        ["crates" | "examples", name, "tests", ..] => format!("{name}/tests"),
        ["crates" | "examples", name, ..] => name.to_owned(),
        [folder, _, ..] => folder.to_owned(),
        _ => "root".to_owned(),
    }
}

fn texts(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    rust_files(folder, found);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_text = |end: &std::ffi::OsStr| end == "html" || end == "md";
            if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(is_text) {
                found.push(path);
            }
        }
    }
}

#[test]
fn the_dialect_does_not_come_back() {
    let root = root().canonicalize().unwrap();
    let mut files = Vec::new();
    for folder in ["crates", "examples", "docs", "bench"] {
        texts(&root.join(folder), &mut files);
    }
    for page in [
        "README",
        "ARCHITECTURE",
        "SECURITY",
        "CONTRIBUTING",
        "CHANGELOG",
    ] {
        files.push(root.join(page).with_extension("md"));
    }
    let mut found = BTreeMap::<String, usize>::new();
    // its own list, and cases in the words of others
    for file in files
        .iter()
        .filter(|file| !file.ends_with("words.rs") && !file.to_string_lossy().contains("/vectors/"))
    {
        let text = std::fs::read_to_string(file).unwrap();
        *found.entry(area(file)).or_default() += count(&text, &DIALECT);
    }
    found.retain(|_, count| *count > 0);
    let ceilings = CEILINGS.map(|(area, most)| (area.to_owned(), most));
    assert_eq!(
        found,
        BTreeMap::from(ceilings),
        "found by area, and the ceilings: write roles and terms (CONTRIBUTING, \"Words\"); a lower \
         count becomes the ceiling"
    );
}

#[test]
fn comments_name_things() {
    let mut files = Vec::new();
    rust_files(&root().join("crates/palisade/src"), &mut files);
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        let comments = text
            .lines()
            .filter(|line| line.trim_start().starts_with("//"));
        found += count(&comments.collect::<Vec<_>>().join("\n"), &["what"]);
    }
    assert_eq!(found, MOST_WHAT, "\"what\" in comments: name the thing");
}

#[test]
fn the_counts_find_words_and_pairs() {
    assert_eq!(count("Whoever asks; nobody_knows, nobody", &DIALECT), 2);
    assert_eq!(count("there is\n    nothing", &DIALECT), 1);
    assert_eq!(count("nobody nobody", &DIALECT), 2);
    assert_eq!(count("the client is authenticated", &DIALECT), 0);
}
