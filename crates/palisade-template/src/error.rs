use std::fmt;

/// One thing that is wrong with a template, in the words and places of its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Name of the template.
    pub template: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do instead.
    pub help: String,
}

/// Templates that were refused when they were loaded: all of them, not only the first.
#[derive(Debug)]
pub struct LoadError(pub(crate) Vec<Problem>);

/// A template that could not be rendered.
#[derive(Debug)]
pub struct RenderError(pub(crate) minijinja::Error);

impl LoadError {
    /// Every problem found.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl RenderError {
    /// Name and line of the template, where known.
    pub fn place(&self) -> Option<(&str, usize)> {
        Some((self.0.name()?, self.0.line()?))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, line, message, help } = self;
        write!(f, "error: {message}\n --> {template}:{line}\n  = help: {help}")
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
        match self.place() {
            Some((name, line)) => write!(f, "{} in template {name}, line {line}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl std::error::Error for LoadError {}

impl std::error::Error for RenderError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
