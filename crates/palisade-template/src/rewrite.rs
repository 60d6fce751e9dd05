//! Reads a template's source, refuses what cannot be made safe, and adds the form token and the nonce.
//!
//! This is a reader of tags, not yet of contexts: it knows template delimiters, HTML comments, quoted attributes and the raw contents of
//! script and style, which is what placing an insertion needs.

use crate::Problem;

/// The call that prints the hidden field with the form token.
pub(crate) const TOKEN_FIELD: &str = "{{ _palisade.token_field }}";
/// The attribute that lets the browser run this script or apply this style.
pub(crate) const NONCE_ATTRIBUTE: &str = " nonce=\"{{ _palisade.nonce }}\"";

/// Finds what is wrong with a template without rendering it.
pub fn check(name: &str, source: &str) -> Vec<Problem> {
    match rewrite(name, source) {
        Err(problems) => problems,
        Ok(rewritten) => syntax_problem(name, source, &rewritten).into_iter().collect(),
    }
}

/// The source that is given to the engine.
pub(crate) fn rewrite(name: &str, source: &str) -> Result<String, Vec<Problem>> {
    let mut reader = Reader { name, source, at: 0, output: String::with_capacity(source.len() + 64), problems: Vec::new() };
    reader.read();
    if reader.problems.is_empty() { Ok(reader.output) } else { Err(reader.problems) }
}

fn syntax_problem(name: &str, source: &str, rewritten: &str) -> Option<Problem> {
    let mut environment = minijinja::Environment::new();
    let error = environment.add_template_owned(name.to_owned(), rewritten.to_owned()).err()?;
    let line = error.line().unwrap_or(1).min(source.lines().count().max(1));
    Some(Problem { template: name.into(), line, message: error.to_string(), help: "mend the template's syntax".into() })
}

struct Reader<'a> {
    name: &'a str,
    source: &'a str,
    at: usize,
    output: String,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn read(&mut self) {
        while let Some(found) = self.source[self.at..].find(['{', '<']) {
            self.copy(found);
            let rest = &self.source[self.at..];
            if let Some(length) = template_tag(rest) {
                self.template_tag(&rest[..length]);
            } else if rest.starts_with("<!--") {
                // the engine reads its tags in comments as well
                self.raw_content(rest.find("-->").map_or(rest.len(), |end| end + 3));
            } else if let Some(element) = element(rest) {
                self.element(element);
            } else {
                self.copy(1);
            }
        }
        self.copy(self.source.len() - self.at);
    }

    fn copy(&mut self, length: usize) {
        self.output.push_str(&self.source[self.at..self.at + length]);
        self.at += length;
    }

    fn template_tag(&mut self, tag: &'a str) {
        let word = tag[2..].trim_start_matches(['-', '+']).trim_start();
        if tag.starts_with("{%") && word.starts_with("autoescape") {
            self.problem(
                "escaping cannot be switched off or changed",
                "remove {% autoescape %}; every value is escaped for its place",
            );
        }
        if tag.starts_with("{%") && word.starts_with("csrf_token") {
            // Django's tag: accepted, because people write it; the field is there already
            self.at += tag.len();
            return;
        }
        if !tag.starts_with("{#") && has_safe_filter(tag) {
            let help = "make the value a TrustedHtml where it is built, or let it be escaped";
            self.problem("the filter `safe` does not exist: it would print a value unescaped", help);
        }
        if !tag.starts_with("{#") && tag.contains("_palisade") {
            self.problem("names that start with _palisade belong to the framework", "choose another name");
        }
        self.copy(tag.len());
    }

    fn element(&mut self, element: &'a str) {
        let rest = &self.source[self.at..];
        let Some(end) = end_of_tag(rest) else {
            return self.copy(1);
        };
        let tag = &rest[..end];
        match element {
            "form" => self.form(tag),
            "button" | "input" => self.button(tag),
            _ => self.script_or_style(element, tag),
        }
    }

    fn form(&mut self, tag: &'a str) {
        let method = attribute(tag, "method").unwrap_or("get");
        if method.contains("{{") || method.contains("{%") {
            self.problem("a form's method must be written out", "write method=\"post\" or method=\"get\" in the template");
        }
        let action = attribute(tag, "action").unwrap_or("");
        if starts_with_value(action) {
            self.problem(
                "this form could be sent anywhere, with its token",
                "start the action with the path: action=\"/tickets/{{ id }}\"",
            );
        }
        self.copy(tag.len() + 1);
        if method.eq_ignore_ascii_case("post") && stays_here(action) {
            self.output.push_str(TOKEN_FIELD);
        }
    }

    fn button(&mut self, tag: &'a str) {
        if attribute(tag, "formaction").is_some() {
            let help = "give the form its action, or make a second form";
            self.problem("formaction could send the form, with its token, to another site", help);
        }
        self.copy(tag.len());
    }

    fn script_or_style(&mut self, element: &str, tag: &'a str) {
        if attribute(tag, "nonce").is_some() {
            self.problem("the nonce is written by the framework", "remove the nonce attribute");
        }
        self.copy(tag.len());
        self.output.push_str(NONCE_ATTRIBUTE);
        let rest = &self.source[self.at..];
        let close = rest.to_ascii_lowercase().find(&format!("</{element}")).unwrap_or(rest.len());
        self.raw_content(close);
    }

    /// Text in which `<` opens nothing: only template tags are looked at.
    fn raw_content(&mut self, length: usize) {
        let end = self.at + length;
        while let Some(found) = self.source[self.at..end].find('{') {
            self.copy(found);
            match template_tag(&self.source[self.at..]) {
                Some(length) => self.template_tag(&self.source[self.at..self.at + length]),
                None => self.copy(1),
            }
            if self.at >= end {
                return;
            }
        }
        self.copy(end - self.at);
    }

    fn problem(&mut self, message: &str, help: &str) {
        let line = self.source[..self.at].matches('\n').count() + 1;
        self.problems.push(Problem { template: self.name.into(), line, message: message.into(), help: help.into() });
    }
}

/// Length of the template tag or comment that starts here. Raw blocks count as one tag.
fn template_tag(rest: &str) -> Option<usize> {
    let close = match rest.get(..2)? {
        "{{" => "}}",
        "{%" => "%}",
        "{#" => "#}",
        _ => return None,
    };
    let end = match close {
        "#}" => rest.find(close)? + 2,
        _ => end_outside_strings(rest, close)?,
    };
    let word = rest[2..end].trim_start_matches(['-', '+']).trim_start();
    if close == "%}" && word.starts_with("raw") {
        let after = rest[end..].find("endraw")? + end;
        return Some(rest[after..].find("%}")? + after + 2);
    }
    Some(end)
}

fn end_outside_strings(rest: &str, close: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (index, character) in rest.char_indices().skip(2) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None if character == '"' || character == '\'' => quote = Some(character),
            None if rest[index..].starts_with(close) => return Some(index + close.len()),
            None => {}
        }
    }
    None
}

/// The name of the element whose start tag is here, if it is one that gets an insertion.
fn element(rest: &str) -> Option<&'static str> {
    ["form", "script", "style", "button", "input"].into_iter().find(|name| {
        let start = rest.get(1..=name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            && rest[name.len() + 1..].starts_with(|c: char| c.is_ascii_whitespace() || c == '>' || c == '/')
    })
}

/// Offset of the `>` that ends the tag, outside of quotes and template tags.
fn end_of_tag(rest: &str) -> Option<usize> {
    let mut quote = None;
    let mut at = 1;
    while at < rest.len() {
        if let Some(length) = rest.is_char_boundary(at).then(|| template_tag(&rest[at..])).flatten() {
            at += length;
            continue;
        }
        let byte = rest.as_bytes()[at];
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'>') => return Some(at),
            (None, _) => {}
        }
        at += 1;
    }
    None
}

/// The value of an attribute of a start tag, without its quotes.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let lower = tag.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(name) {
        let start = from + found;
        from = start + name.len();
        let after = tag[from..].trim_start();
        let stands_alone = tag[..start].ends_with(|c: char| c.is_ascii_whitespace() || c == '"' || c == '\'');
        let Some(value) = after.strip_prefix('=').map(str::trim_start).filter(|_| stands_alone) else {
            continue;
        };
        return Some(match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split(quote).next()?,
            _ => value.split(|c: char| c.is_ascii_whitespace() || c == '>').next()?,
        });
    }
    None
}

/// Whether a form with this action is sent to this site: a path, a query, or nothing.
fn stays_here(action: &str) -> bool {
    let action = action.trim_start();
    let is_path = action.starts_with('/') && !action.starts_with("//") && !action.starts_with("/\\");
    action.is_empty() || action.starts_with('?') || is_path
}

/// Whether a value decides where an action leads: `{{ url }}`, and `/{{ path }}`, where a path of `/evil.example` makes it another site.
fn starts_with_value(action: &str) -> bool {
    let rest = action.trim_start().trim_start_matches(['/', '\\']);
    rest.starts_with("{{") || rest.starts_with("{%")
}

fn has_safe_filter(tag: &str) -> bool {
    tag.split('|').skip(1).any(|after| {
        let word: String = after.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        word == "safe"
    })
}
