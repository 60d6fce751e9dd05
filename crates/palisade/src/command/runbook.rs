//! `runbook`: instructions for an event.

use super::arguments::program_name;
use super::print::table_of;
use super::subject::argument;
use super::{Failed, Outcome};
use crate::audit_log::Event;
use crate::incident::{RUNBOOKS, Runbook};
use clap::{Arg, ArgMatches, Command};

pub(super) fn command() -> Command {
    Command::new("runbook")
        .about("Print what to do after an event: what it means, and the commands that investigate, contain and recover")
        .arg(
            Arg::new("event")
                .value_name("EVENT|RUNBOOK")
                .help("Such as login_failed or account-takeover; without it, all are listed"),
        )
}

pub(super) fn run(matches: &ArgMatches) -> Outcome {
    let asked = argument(matches, "event");
    if asked.is_empty() {
        return Ok(list());
    }
    let is_event = Event::all().any(|event| event.name() == asked) || asked.contains('.');
    let name = if is_event {
        Event::runbook_of(asked)
    } else {
        asked
    };
    let runbook = Runbook::of(name).ok_or_else(|| {
        Failed(
            format!("there is no event {asked}; `runbook` lists them"),
            1,
        )
    })?;
    let program = format!("{} ", program_name());
    let named = |line: &str| match line.strip_prefix("site ") {
        Some(command) => format!("{program}{command}\n"),
        None => format!("{line}\n"),
    };
    Ok(runbook.text.lines().map(named).collect())
}

fn list() -> String {
    let events = |runbook: &Runbook| {
        let theirs = Event::all().filter(|event| event.runbook() == runbook.name);
        theirs.map(Event::name).collect::<Vec<_>>().join(", ")
    };
    let row = |runbook: &Runbook| [runbook.name.to_owned(), events(runbook)];
    table_of(["RUNBOOK", "EVENTS"], RUNBOOKS.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::arguments::words;
    use super::super::cli;
    use super::*;

    // F112: a runbook that does not parse fails in the worst hour
    #[test]
    fn every_event_has_a_runbook_and_every_command_of_one_parses() {
        for event in Event::all() {
            assert!(Runbook::of(event.runbook()).is_some(), "{event}");
        }
        for runbook in RUNBOOKS {
            let used = Event::all().any(|event| event.runbook() == runbook.name);
            let is_of_site = Event::Site("x.y").runbook() == runbook.name;
            assert!(used || is_of_site, "{} is of no event", runbook.name);
            let mut count = 0;
            for section in ["Investigate", "Contain", "Recover", "Notify"] {
                assert!(
                    runbook.text.contains(&format!("\n## {section}\n")),
                    "{}",
                    runbook.name
                );
                for command in runbook.commands(section) {
                    let all = std::iter::once("site".to_owned()).chain(words(command));
                    let parsed = cli::command(&[]).try_get_matches_from(all);
                    assert!(
                        parsed.is_ok(),
                        "{}: {command}\n{}",
                        runbook.name,
                        parsed.unwrap_err()
                    );
                    count += 1;
                }
            }
            let lines = runbook
                .text
                .lines()
                .filter(|line| line.starts_with("site "));
            assert_eq!(
                count,
                lines.count(),
                "{}: a command outside of the sections",
                runbook.name
            );
        }
    }

    // the guides of operators: every command line in them parses
    #[test]
    fn every_command_of_the_guides_parses() {
        let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs");
        let guides = [
            "alerts",
            "audit-log",
            "backup",
            "incident",
            "monitoring",
            "privacy",
        ];
        for guide in guides {
            let text = std::fs::read_to_string(format!("{docs}/{guide}.md")).unwrap();
            let commands = text.lines().filter_map(|line| line.strip_prefix("desk "));
            for command in commands {
                // without redirections
                let command = command.split(" >").next().unwrap_or_default();
                let all = std::iter::once("desk".to_owned()).chain(words(command));
                let parsed = cli::command(&[]).try_get_matches_from(all);
                assert!(
                    parsed.is_ok(),
                    "{guide}: {command}\n{}",
                    parsed.unwrap_err()
                );
            }
        }
    }

    #[test]
    fn runbook_prints_that_of_an_event_with_the_name_of_the_program() {
        let printed = |asked: &str| {
            let matches = command().get_matches_from(["runbook", asked]);
            run(&matches).map_err(|failed| failed.0)
        };
        let text = printed("session_moved").unwrap();
        assert!(text.starts_with("# Account takeover\n"), "{text}");
        assert!(text.contains(" incident freeze USER"), "{text}");
        assert!(!text.contains("\nsite "), "{text}");
        assert!(
            printed("order.refunded")
                .unwrap()
                .starts_with("# Events of the site")
        );
        assert!(
            printed("no-such")
                .unwrap_err()
                .contains("there is no event no-such")
        );
    }
}
