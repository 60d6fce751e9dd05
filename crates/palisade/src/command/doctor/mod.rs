//! `doctor`: the machine that hosts the site, read and judged where a program can (F001).

mod machine;
mod ports;

use self::machine::Machine;
use super::arguments::flag;
use super::{Failed, Outcome, print};
use crate::app::{Prepared, SiteSettings};
use crate::db::DatabaseUrl;
use clap::{ArgMatches, Command};
use serde_json::json;
use std::path::Path;

pub(super) fn command() -> Command {
    Command::new("doctor")
        .about("Judge the machine that hosts the site, and list what only its operator knows; exit status 1 if something is wrong")
        .arg(flag("json", "Print JSON"))
}

/// A line of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    id: &'static str,
    verdict: Verdict,
    said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    Bad,
    /// Only the operator can answer it.
    Ask,
}

impl Item {
    fn good(id: &'static str, said: impl Into<String>) -> Self {
        Self {
            id,
            verdict: Verdict::Good,
            said: said.into(),
        }
    }

    fn bad(id: &'static str, said: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Bad,
            ..Self::good(id, said)
        }
    }

    fn ask(id: &'static str, said: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ask,
            ..Self::good(id, said)
        }
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Bad => "BAD",
            Self::Ask => "ask",
        }
    }
}

/// Questions that no program can answer.
const QUESTIONS: [(&str, &str); 8] = [
    (
        "contract",
        "Is there a contract on data processing with the provider (GDPR article 28), and do you know its subcontractors?",
    ),
    (
        "region",
        "Is the data in a country in which it may be, backups and logs too?",
    ),
    (
        "support",
        "Who is reached at night, at the provider and in the team, and is the number written down outside of the machine?",
    ),
    (
        "access",
        "Do all accounts of the provider's console have a second factor, and do former colleagues have none?",
    ),
    (
        "disk",
        "Are the disks and the swap of the machine encrypted, and wiped when it is returned?",
    ),
    (
        "floods",
        "Does the provider filter floods of traffic, or is there a service in front that does?",
    ),
    (
        "growth",
        "Can memory, disk and database grow without a new machine, and who is told before they are full?",
    ),
    (
        "disaster",
        "Was the site restored on another machine from a backup in another place, and how long did it take?",
    ),
];

pub(super) async fn run(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let settings = prepared.settings();
    let machine = Machine::new(Path::new("/"));
    let mut items = machine.items();
    items.extend(machine::own_items(settings));
    items.extend(ports::items(Path::new("/")));
    items.push(programs(settings));
    for finding in prepared.backup_findings().await {
        items.push(Item::bad(
            "backups",
            format!("{}: {}", finding.title, finding.fix),
        ));
    }
    items.extend(QUESTIONS.map(|(id, question)| Item::ask(id, question)));
    let text = match matches.get_flag("json") {
        true => as_json(&items),
        false => as_text(&items),
    };
    if items.iter().any(|item| item.verdict == Verdict::Bad) {
        print::out(&text);
        return Err(Failed(String::new(), 1));
    }
    Ok(text)
}

fn as_json(items: &[Item]) -> String {
    let item =
        |item: &Item| json!({ "id": item.id, "verdict": item.verdict.word(), "text": item.said });
    format!(
        "{:#}\n",
        items.iter().map(item).collect::<serde_json::Value>()
    )
}

fn as_text(items: &[Item]) -> String {
    let line = |item: &Item| format!("{:4} {:12} {}\n", item.verdict.word(), item.id, item.said);
    let count = |verdict| items.iter().filter(|item| item.verdict == verdict).count();
    let lines: String = items.iter().map(line).collect();
    format!(
        "{lines}\n{} wrong, {} good, {} to ask\n",
        count(Verdict::Bad),
        count(Verdict::Good),
        count(Verdict::Ask)
    )
}

/// The programs that backups of PostgreSQL need.
fn programs(settings: &SiteSettings) -> Item {
    const ID: &str = "programs";
    if let DatabaseUrl::Sqlite(_) = settings.database.url {
        return Item::good(ID, "the site needs no other program for its backups");
    }
    let output = std::process::Command::new("pg_dump")
        .arg("--version")
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Item::good(ID, String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Item::bad(
            ID,
            "pg_dump is missing, which backups need: install the client programs of PostgreSQL",
        ),
    }
}
