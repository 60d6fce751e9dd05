//! Runbooks: for each event its meaning, and the commands that investigate, contain and recover.

/// A runbook.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Runbook {
    pub(crate) name: &'static str,
    /// Markdown.
    pub(crate) text: &'static str,
}

macro_rules! runbooks {
    ($($name:literal),* $(,)?) => {
        /// All runbooks, the most urgent ones first.
        pub(crate) const RUNBOOKS: &[Runbook] = &[$(Runbook {
            name: $name,
            text: include_str!(concat!("runbooks/", $name, ".md")),
        }),*];
    };
}

runbooks!(
    "account-takeover",
    "audit-log",
    "keys",
    "canary",
    "operators",
    "rights",
    "data-left",
    "files",
    "backups",
    "failed-logins",
    "errors",
    "tokens",
    "requests-refused",
    "sign-ups",
    "accounts-closed",
    "certificate",
    "site-events",
);

impl Runbook {
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        RUNBOOKS.iter().find(|runbook| runbook.name == name)
    }

    /// Its first line, without the mark of a heading.
    pub(crate) fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }

    /// The commands of a section, without the name of the program.
    pub(crate) fn commands(&self, section: &str) -> Vec<&'static str> {
        let heading = format!("## {section}");
        let lines = self.text.lines().skip_while(|line| *line != heading);
        let lines = lines.skip(1).take_while(|line| !line.starts_with("## "));
        lines
            .filter_map(|line| line.strip_prefix("site "))
            .collect()
    }
}
