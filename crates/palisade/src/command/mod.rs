//! The command line of a site: `serve`, `check`, `migrate`, `routes`, `settings`, `user`,
//! `lockout`, `tasks`, `jobs`, `keys`, `data`, `deploy`, and custom commands.

mod access_report;
mod access_tokens;
mod account;
#[cfg(feature = "adopt")]
mod adopt;
mod arguments;
mod audit;
mod backup;
mod cli;
mod data;
mod data_encrypt;
mod deploy;
mod doctor;
mod erasures;
mod files;
mod generate;
mod group;
mod incident;
mod keys;
mod lockout;
mod log;
mod object_grants;
mod openapi;
mod permissions;
mod print;
mod privacy;
mod rewrite;
mod rights;
mod runbook;
mod serve;
mod subject;
mod tasks;
mod user;

use crate::app::{App, BootError, Prepared, Site, SiteCommand};
use crate::audit_log;
use crate::checks::{Level, Report};
use crate::clock::SystemClock;
use crate::db::Database;
use crate::settings::{Origin, Sources};
use clap::ArgMatches;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Result of a command: text for standard output, or for standard error with an exit status.
type Outcome = Result<String, Failed>;

/// A command that failed: its message and exit status.
struct Failed(String, u8);

impl From<BootError> for Failed {
    fn from(error: BootError) -> Self {
        Self(error.to_string(), 1)
    }
}

impl From<crate::views::Error> for Failed {
    fn from(error: crate::views::Error) -> Self {
        Self(error.to_string(), 1)
    }
}

impl App {
    /// Runs the site's command line. Without a command it serves.
    pub fn run(self) -> ExitCode {
        let matches = cli::command(&self.commands).get_matches();
        let runtime = match tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
        {
            Ok(runtime) => runtime,
            Err(error) => {
                return exit_code(Err(Failed(
                    format!("the asynchronous runtime cannot start: {error}"),
                    1,
                )));
            }
        };
        exit_code(runtime.block_on(run(self, &matches)))
    }
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(text) => {
            print::out(&text);
            ExitCode::SUCCESS
        }
        Err(Failed(text, status)) => {
            print::error(&text);
            ExitCode::from(status)
        }
    }
}

async fn run(app: App, matches: &ArgMatches) -> Outcome {
    #[cfg(feature = "adopt")]
    if let Some(("adopt", adopt)) = matches.subcommand() {
        return adopt::run(adopt).await;
    }
    if incident::is_drill(matches) {
        return incident::drill(app).await;
    }
    let commands = app.commands.clone();
    let prepared = match Prepared::new(app, sources(matches)) {
        Ok(prepared) => prepared,
        // `check` reports on settings that other commands cannot read
        Err(error) => {
            return match matches.subcommand() {
                Some(("check", check)) => print_report(&Report::unreadable(&error), check),
                _ => Err(Failed(error.to_string(), 1)),
            };
        }
    };
    serve::start_log(prepared.settings());
    match matches.subcommand() {
        None | Some(("serve", _)) => serve::serve(prepared).await,
        Some((name, matches)) => {
            let work = run_command(prepared, (name, matches), commands);
            audit_log::during((None, "command"), work).await
        }
    }
}

/// Runs a command on the booted site, and stores its entries of the audit log.
async fn on_site(prepared: Prepared, run: impl AsyncFnOnce(Arc<Site>) -> Outcome) -> Outcome {
    let site = Arc::new(prepared.boot(Arc::new(SystemClock)).await?);
    let audit = site.audit.clone();
    let outcome = audit_log::during((Some(audit.clone()), "command"), run(site.clone())).await;
    if let Err(error) = audit.flush(site.database()).await {
        tracing::warn!(target: "palisade", %error, "entries of the audit log were not stored");
    }
    site.alerts.close(site.database()).await;
    outcome
}

async fn run_command(
    prepared: Prepared,
    (name, matches): (&str, &ArgMatches),
    commands: Vec<SiteCommand>,
) -> Outcome {
    match (name, matches) {
        ("check", check) if check.get_flag("list") => {
            Ok(print::checks(&prepared.settings().checks()))
        }
        ("check", check) if check.get_flag("templates") => template_uses(&prepared, check),
        ("check", check) => print_report(&with_stored(&prepared, check).await, check),
        ("migrate", migrate) => run_migrations(prepared, migrate).await,
        ("routes", _) => Ok(routes(&prepared)),
        ("openapi", command) => openapi::run(&prepared, command),
        ("runbook", runbook) => runbook::run(runbook),
        ("settings", asked) if asked.get_flag("explain") => {
            Ok(print::explain(&prepared.settings().effective))
        }
        ("settings", _) => Ok(print::settings(&prepared.settings().effective)),
        ("deploy", chosen) => deploy::run(prepared.settings(), &arguments::program_name(), chosen),
        ("keys", command) => keys::run(&prepared, command).await,
        ("data", command) => data::run(&prepared, command).await,
        ("backup", command) => backup::run(prepared, command).await,
        ("doctor", command) => doctor::run(&prepared, command).await,
        ("restore", command) => backup::restore(prepared, command).await,
        ("generate", command) => generate::run(&prepared, command).await,
        ("audit", command) => audit::run(&prepared, command).await,
        ("permissions", command) => permissions::run(prepared, command).await,
        ("incident", incident) if incident.subcommand_name() == Some("rotate-keys") => {
            let rotate = incident.subcommand_matches("rotate-keys");
            incident::rotate_keys(prepared, rotate.unwrap_or(incident)).await
        }
        _ => run_on_site(prepared, (name, matches), commands).await,
    }
}

/// Commands of the booted site.
async fn run_on_site(
    prepared: Prepared,
    (name, matches): (&str, &ArgMatches),
    commands: Vec<SiteCommand>,
) -> Outcome {
    match (name, matches) {
        ("lockout", locks) => {
            on_site(prepared, async |site| lockout::run(&site, locks).await).await
        }
        ("tasks", tasks) => {
            on_site(prepared, async |site| tasks::run_tasks(site, tasks).await).await
        }
        ("incident", incident) => {
            on_site(prepared, async |site| incident::run(&site, incident).await).await
        }
        ("privacy", privacy) => {
            on_site(prepared, async |site| privacy::run(&site, privacy).await).await
        }
        ("retention", asked) => {
            on_site(prepared, async |site| {
                privacy::run_retention(&site, asked).await
            })
            .await
        }
        ("jobs", jobs) => on_site(prepared, async |site| tasks::run_jobs(&site, jobs).await).await,
        ("files", files) => on_site(prepared, async |site| files::run(&site, files).await).await,
        ("group", group) => on_site(prepared, async |site| group::run(&site, group).await).await,
        ("user", user) => on_site(prepared, async |site| user::run(&site, user).await).await,
        (name, _) => {
            let command = commands.into_iter().find(|command| command.name == name);
            let Some(command) = command else {
                return Err(Failed(format!("there is no command {name}"), 2));
            };
            on_site(prepared, async |site| Ok((command.run)(site).await?)).await
        }
    }
}

fn routes(prepared: &Prepared) -> String {
    let settings = prepared.settings();
    let limits = format!(
        "{} bytes, {}",
        settings.http.max_body_bytes, settings.throttle.changes
    );
    print::routes(&prepared.routes().table(), &limits)
}

/// Sources of settings: the folder's files, the environment, and the command line, which takes
/// precedence.
fn sources(matches: &ArgMatches) -> Sources {
    let mut sources = Sources::of_folder(Path::new("."));
    if let Some(data) = matches.get_one::<String>("data") {
        sources.set("site.data", data, Origin::CommandLine("--data"));
    }
    if let Some(address) = matches
        .subcommand()
        .and_then(|(name, serve)| (name == "serve").then(|| serve.get_one::<String>("address"))?)
    {
        sources.set("server.address", address, Origin::CommandLine("--address"));
    }
    sources
}

/// The report, with findings about keys and roles in the database where it is for production.
async fn with_stored(prepared: &Prepared, matches: &ArgMatches) -> Report {
    let report = prepared.report();
    if !matches.get_flag("deploy") {
        return report;
    }
    report
        .with_findings(prepared.key_findings().await)
        .with_findings(prepared.role_findings().await)
        .with_findings(prepared.privilege_findings().await)
        .with_findings(prepared.start_findings().await)
        .with_findings(prepared.uncovered_references().await)
        .with_findings(prepared.schema_findings().await)
        .with_findings(prepared.backup_findings().await)
}

/// A finding sets the exit status: an error always, a warning with `--deploy`.
fn print_report(report: &Report, matches: &ArgMatches) -> Outcome {
    let is_deploy = matches.get_flag("deploy");
    // without --deploy, exactly what `serve` would report
    let report = if is_deploy {
        report.clone()
    } else {
        report.clone().for_start()
    };
    let text = if matches.get_flag("json") {
        format!("{:#}\n", report.to_json())
    } else {
        report.to_string()
    };
    let least = if is_deploy {
        Level::Warning
    } else {
        Level::Error
    };
    if report.worst().is_some_and(|worst| worst >= least) {
        print::out(&text);
        return Err(Failed(String::new(), 1));
    }
    Ok(text)
}

/// Values of templates outside HTML text, for reviewers.
fn template_uses(prepared: &Prepared, matches: &ArgMatches) -> Outcome {
    let templates = prepared
        .templates()
        .map_err(|error| Failed(error.to_string(), 1))?;
    let uses = templates.uses();
    Ok(if matches.get_flag("json") {
        print::uses_json(&uses)
    } else {
        print::uses(&uses)
    })
}

/// `migrate --to NAME`.
async fn migrate_to(
    prepared: &Prepared,
    database: &Database,
    (name, matches): (&str, &ArgMatches),
) -> Outcome {
    let steps = prepared.migrations().steps_to(database, name).await;
    let Some(steps) = steps.map_err(BootError::Database)? else {
        let all = prepared.migrations().all().join("\n  ");
        return Err(Failed(
            format!("there is no migration {name}; known are:\n  {all}"),
            2,
        ));
    };
    let (took_back, ran) = match matches.get_flag("plan") {
        true => ("would take back", "would run"),
        false => ("took back", "ran"),
    };
    if !matches.get_flag("plan") {
        if !steps.down.is_empty() && !matches.get_flag("yes") {
            let names = steps.down.join(", ");
            confirm_drop(&format!(
                "the tables and columns of {names}, with their data"
            ))?;
        }
        prepared.take_steps(database, &steps).await?;
    }
    match (steps.down.is_empty(), steps.up.is_empty()) {
        (false, _) => Ok(print::migrations(took_back, &steps.down)),
        (true, _) => Ok(print::migrations(ran, &steps.up)),
    }
}

async fn run_migrations(prepared: Prepared, matches: &ArgMatches) -> Outcome {
    let is_new = prepared
        .settings()
        .database
        .file(prepared.settings().data())
        .is_some_and(|file| !file.exists());
    if matches.get_flag("plan") && is_new {
        return Ok(print::migrations("would run", &prepared.migrations().all())); // a plan makes no file
    }
    let database = prepared.database().await?;
    if matches.get_flag("undo") {
        let all = prepared.migrations().all();
        if !matches.get_flag("yes") {
            let count = all.len();
            confirm_drop(&format!(
                "all tables of {count} migrations, with sessions, second factors, passkeys and the \
                 site's own rows"
            ))?;
        }
        prepared.undo(&database).await?;
        return Ok(print::migrations("took back", &all));
    }
    if let Some(name) = matches.get_one::<String>("draft") {
        let changes = prepared.draft(&database).await;
        return Ok(print::draft(name, &changes.map_err(BootError::Database)?));
    }
    if let Some(name) = matches.get_one::<String>("to") {
        return migrate_to(&prepared, &database, (name, matches)).await;
    }
    let pending = prepared
        .migrations()
        .pending(&database)
        .await
        .map_err(BootError::Database)?;
    if matches.get_flag("plan") {
        return Ok(print::migrations("would run", &pending));
    }
    prepared.migrate(&database).await?;
    Ok(print::migrations("ran", &pending))
}

/// Format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Table,
    Json,
}

impl Format {
    /// JSON with `--json`.
    fn parse(matches: &ArgMatches) -> Self {
        match matches.get_flag("json") {
            true => Self::Json,
            false => Self::Table,
        }
    }
}

/// Irreversible actions require a confirmation by typing a word.
fn confirm_drop(what: &str) -> Result<(), Failed> {
    let word = "drop";
    eprintln!("This drops {what}.\nType {word} to confirm:");
    let mut typed = String::new();
    std::io::stdin()
        .read_line(&mut typed)
        .map_err(|error| Failed(error.to_string(), 1))?;
    match typed.trim() == word {
        true => Ok(()),
        false => Err(Failed("nothing was changed".into(), 1)),
    }
}
