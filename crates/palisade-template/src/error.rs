use std::fmt;
use std::ops::Range;

/// One error in a template, in terms of the author's source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the template.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line of the source.
    pub excerpt: String,
    /// Length of the marked place in characters, at least 1.
    pub width: usize,
    /// The error, in one line.
    pub message: String,
    /// The fix.
    pub help: String,
}

/// The source of a template, with its name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

impl Problem {
    /// A problem at a place in the source, given in bytes.
    pub(crate) fn at(
        source: Source<'_>,
        place: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        let place = Place::find(source.text, place);
        Self {
            template: source.name.to_owned(),
            line: place.line,
            column: place.column,
            excerpt: place.excerpt,
            width: place.width,
            message: message.into(),
            help: help.into(),
        }
    }
}

/// Where in the author's source a value is, for an error of one value among several.
#[derive(Debug)]
pub(crate) struct At(pub(crate) Range<usize>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "in bytes {} to {} of the template",
            self.0.start, self.0.end
        )
    }
}

impl std::error::Error for At {}

/// A place in a source, for people: line and column from 1, the line itself, and how much of it is marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) excerpt: String,
    pub(crate) width: usize,
}

impl Place {
    pub(crate) fn find(source: &str, place: Range<usize>) -> Self {
        let start = floor(source, place.start);
        let line_start = source[..start].rfind('\n').map_or(0, |found| found + 1);
        let line_end = source[start..]
            .find('\n')
            .map_or(source.len(), |found| start + found);
        let end = floor(source, place.end).clamp(start, line_end);
        Self {
            line: source[..start].matches('\n').count() + 1,
            column: source[line_start..start].chars().count() + 1,
            excerpt: source[line_start..line_end]
                .trim_end_matches('\r')
                .to_owned(),
            width: source[start..end].chars().count().max(1),
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, template: &str) -> fmt::Result {
        let Self {
            line,
            column,
            excerpt,
            width,
        } = self;
        let gutter = " ".repeat(line.to_string().len());
        // a tab before the mark stays a tab, so that the mark stands below its place
        let indent: String = excerpt
            .chars()
            .take(column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let marks = "^".repeat(*width);
        write!(
            f,
            "{gutter}--> {template}:{line}:{column}\n{gutter} |\n{line} | {excerpt}\n{gutter} | \
                {indent}{marks}"
        )
    }
}

fn floor(source: &str, offset: usize) -> usize {
    let offset = offset.min(source.len());
    (0..=offset)
        .rev()
        .find(|&at| source.is_char_boundary(at))
        .unwrap_or(0)
}

/// Templates that were refused when they were loaded: all of them, not only the first.
#[derive(Debug, Clone)]
pub struct LoadError(pub(crate) Vec<Problem>);

impl LoadError {
    /// Every problem found.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

/// A template that could not be rendered.
#[derive(Debug)]
pub struct RenderError {
    pub(crate) cause: Cause,
    pub(crate) place: Option<(String, Place)>,
}

#[derive(Debug)]
pub(crate) enum Cause {
    Engine(minijinja::Error),
    /// A template was changed while the program runs, and is invalid now.
    Refused(LoadError),
    TooLong(usize),
}

impl RenderError {
    /// Name and line of the template, where known.
    pub fn place(&self) -> Option<(&str, usize)> {
        self.place
            .as_ref()
            .map(|(name, place)| (name.as_str(), place.line))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            template,
            line,
            column,
            excerpt,
            width,
            message,
            help,
        } = self;
        let place = Place {
            line: *line,
            column: *column,
            excerpt: excerpt.clone(),
            width: *width,
        };
        writeln!(f, "error: {message}")?;
        place.write(f, template)?;
        write!(f, "\n  = help: {help}")
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&problems.join("\n\n"))
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Engine(error) => {
                let error = innermost(error);
                write!(f, "{}", error.detail().unwrap_or(&error.kind().to_string()))?;
            }
            Cause::Refused(error) => write!(f, "{error}")?,
            Cause::TooLong(limit) => write!(f, "the page is longer than {limit} bytes")?,
        }
        match &self.place {
            Some((name, place)) => {
                writeln!(f)?;
                place.write(f, name)
            }
            None => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

impl std::error::Error for RenderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Engine(error) => error.source(),
            Cause::Refused(_) | Cause::TooLong(_) => None,
        }
    }
}

/// The innermost error: templates that include a failing one report it again.
pub(crate) fn innermost(error: &minijinja::Error) -> &minijinja::Error {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    source.map_or(error, innermost)
}
