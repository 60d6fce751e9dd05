//! `incident drill`: an attack on a copy of the site, answered by the commands of a runbook.

use crate::app::{App, Site};
use crate::audit_log::{Expected, verify};
use crate::auth::{NewUser, Rank};
use crate::command::arguments::{named, words};
use crate::command::{Failed, Outcome, cli, incident, user};
use crate::crypto::random;
use crate::incident::Runbook;
use crate::testing::{Client, TestSite};
use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, Command};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
const OWNER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 4));
const USERNAME: &str = "drill-owner";

pub(super) fn command() -> Command {
    let name = named("name", "NAME", "The attack")
        .value_parser(PossibleValuesParser::new(["account-takeover"]))
        .default_value("account-takeover");
    Command::new("drill")
        .about("Play an attack on a copy of the site with an empty database, and answer it with the commands of its runbook")
        .arg(name.long(None::<&str>).index(1))
}

/// A played attack.
struct Drill {
    copy: TestSite,
    begun: Instant,
    lines: Vec<String>,
    /// Statements that do not hold after the runbook.
    open: Vec<&'static str>,
}

/// Plays the takeover of an account.
pub(in crate::command) async fn run(app: App) -> Outcome {
    let settings = [
        ("throttle.requests", "1000/m"),
        ("throttle.changes", "1000/m"),
    ];
    let copy = TestSite::try_start(app, &settings).await?;
    let mut drill = Drill {
        copy,
        begun: Instant::now(),
        lines: Vec::new(),
        open: Vec::new(),
    };
    let contained = drill.play().await?;
    let result = drill.report(contained);
    match drill.open.is_empty() {
        true => Ok(result),
        false => {
            super::super::print::out(&result);
            Err(Failed("the runbook left something open".into(), 1))
        }
    }
}

impl Drill {
    fn site(&self) -> &Site {
        self.copy.site()
    }

    fn client(&self, from: IpAddr) -> Client {
        self.copy.client().from_address(from)
    }

    /// The attack and the answer to it. Returns the time from the alert to the end of the commands
    /// that contain it.
    async fn play(&mut self) -> Result<Duration, Failed> {
        let stolen = random::token();
        let new = NewUser {
            username: USERNAME,
            email: "drill-owner@example.org",
            password: stolen.expose(),
            rank: Rank::Plain,
        };
        let signed_up = self.site().accounts().sign_up(new).await;
        signed_up.map_err(|error| Failed(format!("the copy has no account: {error:?}"), 1))?;
        let (mut owner, mut attacker) = (self.client(OWNER), self.client(ATTACKER));
        owner.log_in(USERNAME, stolen.expose()).await;
        attacker.log_in(USERNAME, stolen.expose()).await;
        let found = entered(&mut attacker).await;
        self.check(
            "the attacker logs in with a stolen password",
            (found, Entered::In),
        );
        let alert = Instant::now();
        self.run_section("Contain").await?;
        let contained = alert.elapsed();
        let found = entered(&mut attacker).await;
        self.check(
            "the session of the attacker has ended",
            (found, Entered::Out),
        );
        let mut again = self.client(ATTACKER);
        again.log_in(USERNAME, stolen.expose()).await;
        let found = entered(&mut again).await;
        self.check(
            "the stolen password opens no session",
            (found, Entered::Out),
        );
        self.run_section("Recover").await?;
        self.check_recovered(stolen.expose()).await;
        self.check_log().await?;
        Ok(contained)
    }

    async fn check_recovered(&mut self, stolen: &str) {
        let mut attacker = self.client(ATTACKER);
        attacker.log_in(USERNAME, stolen).await;
        let found = entered(&mut attacker).await;
        self.check(
            "nor does it after the account is open again",
            (found, Entered::Out),
        );
        let mut owner = self.client(OWNER);
        owner.log_in(USERNAME, NEW_PASSWORD).await;
        let found = entered(&mut owner).await;
        self.check(
            "the owner logs in with the new password",
            (found, Entered::In),
        );
    }

    async fn check_log(&mut self) -> Result<(), Failed> {
        let site = self.copy.site().clone();
        site.audit
            .flush(&site.database)
            .await
            .map_err(super::failed)?;
        let expected = Expected {
            checkpoints: Vec::new(),
            known_damage: 0,
        };
        let verified = verify(&site.audit, &site.database, &expected).await;
        if let Some(tampering) = verified.map_err(super::failed)?.tampering {
            return Err(Failed(format!("the audit log: {tampering}"), 1));
        }
        self.note("the audit log of all this verifies");
        Ok(())
    }

    /// Runs the commands of a section as the runbook has them, with the values of this attack.
    async fn run_section(&mut self, section: &str) -> Result<(), Failed> {
        let runbook = Runbook::of("account-takeover");
        for command in runbook.map(|one| one.commands(section)).unwrap_or_default() {
            let command = filled(command);
            let outcome = run_command(self.site(), &command).await;
            // running instances follow within two seconds
            self.site().refresh_posture().await.map_err(super::failed)?;
            self.note(&format!("{section}: {command}"));
            if let Err(Failed(said, _)) = outcome {
                return Err(Failed(format!("`{command}` failed: {said}"), 1));
            }
        }
        Ok(())
    }

    fn check(&mut self, what: &'static str, (found, wanted): (Entered, Entered)) {
        if found != wanted {
            self.open.push(what);
        }
        let mark = if found == wanted { "yes" } else { "NO" };
        self.note(&format!("{mark}: {what}"));
    }

    fn note(&mut self, what: &str) {
        let secs = self.begun.elapsed().as_secs_f64();
        self.lines.push(format!("{secs:7.1} s  {what}"));
    }

    fn report(&self, contained: Duration) -> String {
        let mut text =
            "Drill: the takeover of an account, on a copy with an empty database\n\n".to_owned();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        let secs = contained.as_secs_f64();
        let minutes = secs / 60.0;
        let _ = writeln!(
            text,
            "\nContained after {minutes:.2} minutes of commands ({secs:.1} s). Your own time from the alert to the first command is what you measure."
        );
        match self.open.is_empty() {
            true => text.push_str("Open: nothing\n"),
            false => self.open.iter().for_each(|what| {
                let _ = writeln!(text, "Open: it does not hold that {what}");
            }),
        }
        text
    }
}

/// The password that the owner gets in the drill.
const NEW_PASSWORD: &str = "twelve quiet harbours at dawn";

/// Whether a client has a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entered {
    In,
    Out,
}

async fn entered(client: &mut Client) -> Entered {
    match client.get("/account").await.status.is_success() {
        true => Entered::In,
        false => Entered::Out,
    }
}

/// A command of a runbook with the values of the drill.
fn filled(command: &str) -> String {
    let values = [
        ("USER", USERNAME.to_owned()),
        ("NETWORK", format!("{ATTACKER}/32")),
        ("DATE", "2999-01-01".to_owned()),
        ("REASON", "a drill".to_owned()),
    ];
    let fill = |text: String, (name, value): &(&str, String)| text.replace(name, value);
    values.iter().fold(command.to_owned(), fill)
}

async fn run_command(site: &Site, command: &str) -> Outcome {
    let all = std::iter::once("site".to_owned()).chain(words(command));
    let parsed = cli::command(&[]).try_get_matches_from(all);
    let parsed = parsed.map_err(|error| Failed(error.to_string(), 2))?;
    match parsed.subcommand() {
        Some(("incident", matches)) => Box::pin(incident::run(site, matches)).await,
        // the password is typed
        Some(("user", matches)) if matches.subcommand_name() == Some("password") => {
            user::set_password(site, USERNAME, NEW_PASSWORD).await
        }
        Some(("user", matches)) => user::run(site, matches).await,
        _ => Err(Failed("this command is not part of a drill".into(), 2)),
    }
}

/// Whether a command line asks for a drill.
pub(in crate::command) fn is_asked(matches: &ArgMatches) -> bool {
    let incident = matches.subcommand_matches("incident");
    incident.is_some_and(|incident| incident.subcommand_name() == Some("drill"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    // F111: the drill is the runbook, with its own commands
    #[tokio::test]
    async fn the_runbook_of_a_takeover_leaves_nothing_open() {
        let said = run(App::new()).await.map_err(|failed| failed.0).unwrap();
        assert!(
            said.contains("Contain: incident freeze drill-owner"),
            "{said}"
        );
        assert!(said.contains("Recover: user open drill-owner"), "{said}");
        assert!(said.ends_with("Open: nothing\n"), "{said}");
        assert!(said.contains(" minutes of commands"), "{said}");
    }
}
