//! `.env`: lines of `NAME=value`, read literally.
//!
//! There are no substitutions and no escapes: a value is the text after `=`, trimmed, or the text
//! between two quotes of one kind. Where django-environ, python-decouple and python-dotenv disagree
//! about a line, a variable of Palisade is refused, so that programs that share a file share its
//! values. Variables of other programs may have any syntax.

/// Why a file, or a line of it, cannot be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// Line, from 1; `None` for the whole file.
    pub(super) line: Option<usize>,
    pub(super) what: &'static str,
    pub(super) fix: &'static str,
}

/// Names and values.
pub(super) type Variables = Vec<(String, String)>;

/// The variables for which `is_ours` holds, in the order of the file.
pub(super) fn parse(
    bytes: &[u8],
    is_ours: impl Fn(&str) -> bool,
) -> Result<Variables, Vec<Unreadable>> {
    let text = decode(bytes).map_err(|error| vec![error])?;
    let lines: Vec<&str> = text.lines().map(trim).collect();
    let (mut variables, mut unreadable, mut next) = (Vec::new(), Vec::new(), 0);
    while let Some(line) = lines.get(next) {
        let number = next + 1;
        next = number;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let outcome =
            assignment(line)
                .ok_or(NO_ASSIGNMENT)
                .and_then(|(name, value)| match is_ours(name) {
                    true => Ok(Some((name.to_owned(), value_of(value)?))),
                    false => end_of_foreign(value, lines.get(next..).unwrap_or_default(), &is_ours)
                        .map(|more| {
                            next += more;
                            None
                        }),
                });
        match outcome {
            Ok(variable) => variables.extend(variable),
            Err((what, fix)) => unreadable.push(Unreadable {
                line: Some(number),
                what,
                fix,
            }),
        }
    }
    if unreadable.is_empty() {
        Ok(variables)
    } else {
        Err(unreadable)
    }
}

/// The problem and its fix.
type Fault = (&'static str, &'static str);

const NO_ASSIGNMENT: Fault = (
    "is not NAME=value",
    "write NAME=value; begin a comment with #",
);
const OPEN_QUOTE: Fault = (
    "opens a quote that is not closed on this line",
    "close it: a value is one line",
);

fn decode(bytes: &[u8]) -> Result<&str, Unreadable> {
    let of_file = |what| Unreadable {
        line: None,
        what,
        fix: "save the file as UTF-8",
    };
    // a zero byte in the first two is UTF-16 without a byte order mark
    if bytes.starts_with(&[0xff, 0xfe])
        || bytes.starts_with(&[0xfe, 0xff])
        || bytes.iter().take(2).any(|byte| *byte == 0)
    {
        return Err(of_file("is UTF-16"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Unreadable {
            line: Some(line),
            ..of_file("is not UTF-8")
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// Name, and everything after `=`.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line
        .strip_prefix("export")
        .filter(|rest| rest.starts_with([' ', '\t']))
        .unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = trim(name);
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_.-".contains(letter));
    is_name.then_some((name, value))
}

fn value_of(after: &str) -> Result<String, Fault> {
    let value = trim(after);
    if value != value.trim() {
        return Err((
            "begins or ends with a control character or a space that cannot be told from a usual \
                one",
            "remove it, or put the value into quotes",
        ));
    }
    if value.chars().any(|letter| {
        (letter.is_control() && letter != '\t') || matches!(letter, '\u{2028}' | '\u{2029}')
    }) {
        return Err((
            "holds a control character",
            "remove it; a value is one line of text",
        ));
    }
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => parse_quoted(value, quote).map(str::to_owned),
        _ if has_comment(after) => Err((
            "holds a # after a space, which is a comment to some programs and part of the value \
                to others",
            "put the value into quotes, or the comment on a line of its own",
        )),
        _ => Ok(value.to_owned()),
    }
}

fn parse_quoted(value: &str, quote: char) -> Result<&str, Fault> {
    let rest = value.get(1..).unwrap_or_default();
    let Some(inside) = rest.strip_suffix(quote) else {
        return Err(if rest.contains(quote) {
            (
                "has text after the closing quote",
                "remove it; put a comment on a line of its own",
            )
        } else {
            OPEN_QUOTE
        });
    };
    if inside.contains(quote) {
        return Err((
            "holds its own kind of quote inside quotes",
            "use the other kind of quotes around it",
        ));
    }
    match (quote, inside.contains('\\')) {
        ('"', true) => Err((
            "holds a backslash in double quotes, which some programs read as an escape",
            "use single quotes",
        )),
        ('\'', true) if inside.ends_with('\\') || inside.contains("\\\\") => Err((
            "holds two backslashes, or one before the closing quote, which some programs read as \
                an escape",
            "write it without quotes",
        )),
        _ => Ok(inside),
    }
}

fn has_comment(after: &str) -> bool {
    after.contains(" #") || after.contains("\t#")
}

/// Number of following lines that belong to a quoted value of another program. A variable of ours
/// among them is not part of it.
fn end_of_foreign(
    after: &str,
    following: &[&str],
    is_ours: impl Fn(&str) -> bool,
) -> Result<usize, Fault> {
    let value = trim(after);
    let Some(quote) = value
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))
    else {
        return Ok(0);
    };
    if value.get(1..).is_some_and(|rest| rest.contains(quote)) {
        return Ok(0);
    }
    let Some(last) = following.iter().position(|line| line.contains(quote)) else {
        return Ok(0);
    };
    let within = following.iter().take(last + 1);
    let swallows = within
        .filter_map(|line| assignment(line))
        .any(|(name, _)| is_ours(name));
    if swallows {
        Err(OPEN_QUOTE)
    } else {
        Ok(last + 1)
    }
}
