//! Reads a source with the engine's parser, and says in its author's words what the parser does not understand.

use crate::error::{Problem, Source};
use crate::filters::is_filter;
use crate::tree::{Names, Tree, read};
use std::borrow::Cow;

/// Django's tag for the CSRF token. Authors write it out of habit; the token is inserted anyway, so
/// the tag is ignored.
const CSRF_TOKEN: &str = "csrf_token";

/// Replaces every `{% csrf_token %}` by a comment of the same length. The engine's parser says where they are.
///
/// # Errors
/// What else the parser does not understand.
pub(crate) fn without_token_tags<'s>(name: &str, source: &'s str) -> Result<Cow<'s, str>, Problem> {
    let mut text = Cow::Borrowed(source);
    loop {
        let Err(error) = read(&text, name) else {
            return Ok(text);
        };
        let at = error.range().unwrap_or_default();
        match token_tag(&text, at.start) {
            Some((start, end)) => text
                .to_mut()
                .replace_range(start..end, &comment(&source[start..end])),
            None => return Err(syntax_problem(name, source, &error)),
        }
    }
}

/// The tag whose word stands at or before an offset.
fn token_tag(text: &str, at: usize) -> Option<(usize, usize)> {
    let end = (at + CSRF_TOKEN.len() + 4..=text.len())
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(text.len());
    let around = &text[..end];
    let word = around.rfind(CSRF_TOKEN)?;
    let start = text[..word].rfind("{%")?;
    let end = word + text[word..].find("%}")? + 2;
    let inside = text[start + 2..end - 2]
        .trim_start_matches(['-', '+'])
        .trim_end_matches(['-', '+'])
        .trim();
    (inside == CSRF_TOKEN).then_some((start, end))
}

fn comment(tag: &str) -> String {
    let inside = &tag[2..tag.len() - 2];
    format!("{{#{}#}}", inside.replace(CSRF_TOKEN, "          "))
}

fn syntax_problem(name: &str, source: &str, error: &minijinja::Error) -> Problem {
    let message = error
        .detail()
        .map_or_else(|| error.to_string(), str::to_owned);
    let help = if message.contains("unknown statement") {
        "the statements are those of Jinja: if, for, set, with, block, extends, include, import, \
            macro, call, filter, raw"
    } else {
        "fix the template's syntax here or right before"
    };
    Problem::at(
        Source { name, text: source },
        error.range().unwrap_or_default(),
        message,
        help,
    )
}

/// Parses what was read before.
pub(crate) fn tree<'s>(name: &'s str, text: &'s str, source: &str) -> Result<Tree<'s>, Problem> {
    read(text, name).map_err(|error| syntax_problem(name, source, &error))
}

/// Reserved names: the framework's own, and those that would bypass escaping.
pub(crate) fn reserved_names(source: Source<'_>, names: &Names<'_>) -> Vec<Problem> {
    let own = names
        .variables
        .iter()
        .chain(&names.filters)
        .filter(|(word, _)| word.starts_with("_palisade"));
    let own = own.map(|(word, at)| {
        Problem::at(
            source,
            at.clone(),
            format!("{word}: names that start with _palisade belong to the framework"),
            "choose another name",
        )
    });
    let safe = names.filters.iter().filter(|(word, _)| *word == "safe").map(|(_, at)| {
        let help = "for HTML of visitors write |sanitize(\"comment\"); HTML that only the program writes is a TrustedHtml, made where it is built";
        Problem::at(source, at.clone(), "the filter `safe` does not exist: it would print a value unescaped", help)
    });
    let unknown = names
        .filters
        .iter()
        .filter(|(word, _)| *word != "safe" && !word.starts_with("_palisade") && !is_filter(word));
    let unknown = unknown.map(|(word, at)| {
        let help = "docs/templates.md lists the filters of Jinja and of Palisade";
        Problem::at(
            source,
            at.clone(),
            format!("there is no filter `{word}`"),
            help,
        )
    });
    own.chain(safe).chain(unknown).collect()
}
