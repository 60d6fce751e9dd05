//! The guide, `docs/templates.md`: every example is run.

use crate::{page, reading::lenient, refusal};
use palisade_template::context;

const GUIDE: &str = include_str!("../../../../docs/templates.md");

/// Line breaks and letters by number, as in Rust; the template itself is as it stands.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(found) = rest.find('\\') {
        out.push_str(&rest[..found]);
        rest = &rest[found + 1..];
        let (letter, length) = match rest.chars().next().unwrap_or('\\') {
            'n' => ('\n', 1),
            'u' => {
                let end = rest.find('}').unwrap();
                (
                    u32::from_str_radix(&rest[2..end], 16)
                        .ok()
                        .and_then(char::from_u32)
                        .unwrap(),
                    end + 1,
                )
            }
            other => (other, other.len_utf8()),
        };
        out.push(letter);
        rest = &rest[length..];
    }
    out + rest
}

/// Template, value of `x`, mark and what is expected.
fn examples() -> Vec<(String, String, &'static str, String)> {
    let blocks = GUIDE
        .split("```palisade\n")
        .skip(1)
        .map(|block| block.split("\n```").next().unwrap());
    let mut examples = Vec::new();
    for example in blocks.flat_map(|block| block.split("\n\n")) {
        let lines: Vec<&str> = example.lines().collect();
        let (last, before) = lines.split_last().unwrap();
        let mark = if last.starts_with("-> ") { "->" } else { "!!" };
        let (value, template) = match before.split_last() {
            Some((value, template)) if value.starts_with("x =") => {
                (value[3..].trim_start_matches(' '), template)
            }
            _ => ("", before),
        };
        let expected = last
            .strip_prefix(mark)
            .unwrap_or_else(|| panic!("{example}"))
            .trim_start();
        let (expected, source) = (
            if mark == "->" {
                unescaped(expected)
            } else {
                expected.to_owned()
            },
            template.join("\n"),
        );
        examples.push((
            source.replace("\\\\", "\\"),
            unescaped(value),
            mark,
            expected,
        ));
    }
    examples
}

#[test]
fn every_example_of_the_guide_is_true() {
    let examples = examples();
    assert!(examples.len() >= 95, "{}", examples.len());
    for (source, value, mark, expected) in examples {
        if mark == "->" {
            let page = page(&source, context! { x => value })
                .replace(" nonce=\"n0nce\"", "")
                .replace("t0ken&quot;&lt;", "TOKEN");
            assert_eq!(page, expected, "{source}");
        } else {
            let error = refusal(&[("page.html", &source)]);
            let first = error.lines().next().unwrap().trim_start_matches("error: ");
            assert!(first.starts_with(&expected), "{source}: {error}");
        }
    }
}

/// Every message in the source is shown in the guide.
#[test]
fn every_error_is_in_the_guide() {
    let mut missing = Vec::new();
    for file in [
        "html",
        "tag",
        "value",
        "url",
        "join",
        "style",
        "script/mod",
        "script/comment",
        "script/literal",
        "script/markup",
    ] {
        let path = format!("{}/src/context/{file}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        for call in text.split("Fault::new(").skip(1) {
            let Some(message) = call.split('"').nth(1) else {
                continue;
            };
            let lines = message.split("\\\n").map(str::trim_start);
            let message = &lines.collect::<String>();
            // the longest part that no value is put into
            let part = message
                .split(['{', '}'])
                .max_by_key(|part| part.len())
                .unwrap();
            if !call.trim_start().starts_with("message") && !GUIDE.contains(part.trim()) {
                missing.push(message.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(lenient(&[("page.html", "<b onclick=\"f()\">")]).is_ok());
}
