//! `tasks` and `jobs`: work beside the pages.

use super::subject::argument;
use super::{Failed, Outcome, print};
use crate::app::Site;
use crate::tasks::{JobId, QueuedJob, TaskState};
use crate::views::Error;
use chrono::{DateTime, Utc};
use clap::{Arg, ArgMatches, Command};
use std::sync::Arc;

/// The command line of tasks.
pub(super) fn tasks_command() -> Command {
    let name = Arg::new("task")
        .value_name("TASK")
        .required(true)
        .help("Name of the task");
    Command::new("tasks")
        .about("List scheduled tasks, and run one now")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("List tasks with their schedules and last runs"))
        .subcommand(
            Command::new("run")
                .about("Run a task now, unless an instance runs it")
                .arg(name),
        )
}

/// The command line of jobs.
pub(super) fn jobs_command() -> Command {
    let id = || {
        Arg::new("job")
            .value_name("ID")
            .required(true)
            .help("Id of the job")
    };
    Command::new("jobs")
        .about("List queued jobs, and retry or delete one")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("list").about("List pending and failed jobs"))
        .subcommand(
            Command::new("retry")
                .about("Make a failed or waiting job due now, with all its tries")
                .arg(id()),
        )
        .subcommand(
            Command::new("delete")
                .about("Delete a job that does not run")
                .arg(id()),
        )
}

pub(super) async fn run_tasks(site: Arc<Site>, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("list", _)) => {
            let states = site.task_states().await.map_err(Error::from)?;
            Ok(list_tasks(&states))
        }
        Some(("run", run)) => run_task(&site, argument(run, "task")).await,
        _ => Err(Failed("tasks list or tasks run".into(), 2)),
    }
}

async fn run_task(site: &Arc<Site>, name: &str) -> Outcome {
    if !site.task_names().any(|known| known == name) {
        let known: Vec<&str> = site.task_names().collect();
        let text = format!("there is no task {name:?}; known are: {}", known.join(", "));
        return Err(Failed(text, 2));
    }
    match site.run_task_now(name).await? {
        None => Err(Failed(format!("another instance runs {name:?}"), 1)),
        Some(report) => match report.error {
            Some(error) => Err(Failed(format!("{name:?} failed: {error}"), 1)),
            None => Ok(format!("ran {name:?}\n")),
        },
    }
}

fn list_tasks(states: &[(String, TaskState)]) -> String {
    if states.is_empty() {
        return "no task has run; `serve` runs those of App::task\n".into();
    }
    let row = |(schedule, state): &(String, TaskState)| {
        [
            state.name.clone(),
            schedule.clone(),
            time(state.due),
            time(state.started),
            time(state.succeeded),
            state.failures.to_string(),
        ]
    };
    print::table_of(
        [
            "TASK",
            "SCHEDULE",
            "DUE",
            "STARTED",
            "SUCCEEDED",
            "FAILURES",
        ],
        states.iter().map(row).collect(),
    )
}

pub(super) async fn run_jobs(site: &Site, matches: &ArgMatches) -> Outcome {
    match matches.subcommand() {
        Some(("list", _)) => Ok(list_jobs(&site.jobs().list().await?)),
        Some(("retry", retry)) => match site.jobs().retry(&id(retry)?).await? {
            true => Ok("the job is due\n".into()),
            false => Err(no_job()),
        },
        Some(("delete", delete)) => match site.jobs().delete(&id(delete)?).await? {
            true => Ok("deleted\n".into()),
            false => Err(no_job()),
        },
        _ => Err(Failed("jobs list, jobs retry or jobs delete".into(), 2)),
    }
}

fn id(matches: &ArgMatches) -> Result<JobId, Failed> {
    let parsed = argument(matches, "job").parse();
    parsed.map_err(|why: &str| Failed(why.to_owned(), 2))
}

fn no_job() -> Failed {
    let text = "no such job, or an instance runs it; `jobs list` shows pending and failed ones";
    Failed(text.into(), 1)
}

fn list_jobs(jobs: &[QueuedJob]) -> String {
    if jobs.is_empty() {
        return "no pending or failed jobs\n".into();
    }
    let row = |job: &QueuedJob| {
        [
            job.id.to_string(),
            job.name.clone(),
            job.state.code().to_owned(),
            job.tries.to_string(),
            time(job.queued),
            time(job.due),
        ]
    };
    print::table_of(
        ["ID", "JOB", "STATE", "TRIES", "QUEUED", "DUE"],
        jobs.iter().map(row).collect(),
    )
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(String::new, |time| time.to_rfc3339())
}
