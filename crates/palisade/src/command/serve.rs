use super::log::{Ecs, OfRequest};
use super::{Failed, Outcome, print};
use crate::app::{BootError, Prepared, Runner, Server, Site, SiteSettings};
use crate::audit_log::Event;
use crate::clock::SystemClock;
use crate::flows;
use crate::incident;
use crate::settings::Profile;
use sd_notify::NotifyState;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};
use tracing_subscriber::EnvFilter;

/// Text in development, JSON otherwise, to standard error. `RUST_LOG` is the filter.
pub(super) fn start_log(settings: &SiteSettings) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = if settings.site.log_format == crate::app::LogFormat::Json {
        log.event_format(Ecs).try_init()
    } else {
        let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        log.with_ansi(is_terminal)
            .map_event_format(|format| OfRequest(format.with_ansi(is_terminal)))
            .try_init()
    };
}

/// Serves until the process gets a stop signal.
pub(super) async fn serve(mut prepared: Prepared) -> Outcome {
    prepared.watch_files();
    // checked before files are created; an inherited socket is checked when it is taken
    let settings = prepared.settings();
    Server::may_listen(settings, &settings.server.address)
        .map_err(|error| Failed(error.to_string(), 1))?;
    // before the keys are read: a key written later may be unknown to this process
    let began = SystemTime::now();
    let site = Arc::new(prepared.boot(Arc::new(SystemClock)).await?);
    let _serving = serving(site.settings().data(), began);
    let stop = stop_signal().map_err(|error| Failed(error.to_string(), 1))?;
    let server = Server::listen(site.clone()).map_err(|error| Failed(error.to_string(), 1))?;
    print::out(&greeting(&site, &server));
    // for a unit of Type=notify; ignored elsewhere
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    site.start().await.map_err(BootError::Start)?;
    site.audit.record(Event::SiteStarted);
    let (runner, looping) = Runner::start(site.clone());
    let chores = chores(&site);
    let stopped = server.run(async {
        stop.await;
        runner.drain();
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    });
    let stopped = stopped.await;
    let drain = site.settings().server.drain_secs.duration();
    runner.stop(looping, drain).await;
    site.stop().await;
    chores.iter().for_each(JoinHandle::abort);
    if let Err(error) = site.incident.leave(&site.database).await {
        tracing::debug!(target: "palisade", %error, "the end of this instance could not be noted");
    }
    site.audit.record(Event::SiteStopped);
    if let Err(error) = site.audit.close(&site.database).await {
        tracing::warn!(target: "palisade", %error, "the last entries of the audit log were not stored");
    }
    // the last alerts, the last checkpoint, reports and spans
    site.alerts.close(&site.database).await;
    let _ = timeout(LAST_REPORTS, site.flush_telemetry()).await;
    // the last connection checkpoints the write-ahead log, so that a copy of the database file
    // alone is complete
    if let Err(error) = site.database.close().await {
        tracing::warn!(target: "palisade", %error, "the database could not be closed properly");
    }
    Ok(match stopped.cut_off {
        0 => "stopped\n".into(),
        1 => "stopped; 1 connection was cut off: its request took longer than server.drain_secs\n"
            .into(),
        many => format!(
            "stopped; {many} connections were cut off: their requests took longer than \
                server.drain_secs\n"
        ),
    })
}

/// Time for the last reports of errors and spans.
const LAST_REPORTS: Duration = Duration::from_secs(5);

/// Work beside the pages, until the site stops.
fn chores(site: &Arc<Site>) -> Vec<JoinHandle<()>> {
    vec![
        tokio::spawn(sweep(site.clone())),
        tokio::spawn(refresh(site.clone())),
        tokio::spawn(scan_files(site.clone())),
        tokio::spawn(follow_posture(site.clone())),
        tokio::spawn({
            let site = site.clone();
            async move { site.send_mail().await }
        }),
        tokio::spawn({
            let site = site.clone();
            async move { site.send_telemetry().await }
        }),
        tokio::spawn({
            let site = site.clone();
            async move { site.alerts.send_on(&site.database).await }
        }),
        tokio::spawn({
            let site = site.clone();
            async move { site.audit.write_on(&site.database).await }
        }),
    ]
}

/// A lock which shows that a site serves from this folder, for `keys rotate`. Released when the
/// process ends.
fn serving(data: &Path, began: SystemTime) -> Option<File> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(data.join(SERVING))
        .ok()?;
    // of several overlapping processes, the time of the first counts
    if file.try_lock().is_ok() {
        file.set_modified(began).ok()?;
        file.unlock().ok()?;
    }
    file.lock_shared().ok()?;
    Some(file)
}

/// Whether a site serves from this folder that started before a file was written.
pub(super) fn serves_since_before(data: &Path, file: &Path) -> bool {
    let written = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()
    };
    is_serving(data) && written(&data.join(SERVING)) < written(file)
}

/// Whether a site serves from this folder.
pub(super) fn is_serving(data: &Path) -> bool {
    File::open(data.join(SERVING)).is_ok_and(|file| file.try_lock().is_err())
}

const SERVING: &str = "serving.lock";

fn greeting(site: &Site, server: &Server) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "site".into());
    let data = site.settings().data().display();
    let (url, profile) = (server.url(), site.settings().profile);
    let mut text =
        format!("Serving {url} ({profile} profile, data in {data}). Stop with Ctrl-C.\n");
    if let Some(address) = server.redirect_address() {
        text.push_str(&format!("http://{address} redirects to it.\n"));
    }
    if let Some(admin) = server.admin_url() {
        text.push_str(&format!(
            "The admin is {admin}, for staff with a second factor.\n"
        ));
    }
    if site.settings().profile == Profile::Development {
        text.push_str(&format!(
            "Next: open the address and sign up; mail is printed here. To become the administrator, in another terminal:\n  \
             {program} --data {data} user create admin --email admin@example.org --superuser\n"
        ));
    }
    text
}

/// Follows the measures of operators. While the database is away, the last ones hold.
async fn follow_posture(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(incident::POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_warned = false;
    loop {
        ticks.tick().await;
        let followed = site.follow_posture().await;
        if let Err(error) = &followed
            && !is_warned
        {
            tracing::warn!(target: "palisade", %error, "the measures of operators cannot be read: the last ones hold");
        }
        is_warned = followed.is_err();
    }
}

/// Reloads changed block lists, and fetches due ones of other sites.
async fn refresh(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    loop {
        ticks.tick().await;
        let files = site.clone();
        let _ = tokio::task::spawn_blocking(move || files.block_lists.refresh()).await;
        site.block_lists.fetch().await;
        site.judge_minute().await;
    }
}

/// Scans files that wait for the virus scanner, each minute.
async fn scan_files(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Err(error) = site.files_scanned().await {
            tracing::warn!(target: "palisade", ?error, "files could not be scanned");
        }
    }
}

/// Deletes expired sessions and tokens every ten minutes. Re-encrypts values of older keys, but not
/// at once: instances that were not restarted yet do not have the newest key.
async fn sweep(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(600));
    let mut is_first = true;
    loop {
        ticks.tick().await;
        if let Err(error) = site.accounts.sweep().await {
            tracing::warn!(target: "palisade", %error, "expired tokens could not be deleted");
        }
        if let Err(error) = site.flush_uses().await {
            tracing::warn!(target: "palisade", ?error, "uses of permissions could not be recorded");
        }
        if let Err(error) = site.save_weekly_report().await {
            tracing::warn!(target: "palisade", ?error, "the weekly access report could not be stored");
        }
        if let Err(error) = site.remove_lost_factors().await {
            tracing::warn!(target: "palisade", ?error, "lost factors could not be removed");
        }
        if let Err(error) = site.sweep_jobs().await {
            tracing::warn!(target: "palisade", %error, "old jobs could not be deleted");
        }
        if let Err(error) = site.sessions.sweep().await {
            tracing::warn!(target: "palisade", %error, "expired sessions could not be deleted");
        }
        if let Err(error) = flows::sweep(&site.database, site.now().timestamp()).await {
            tracing::warn!(target: "palisade", %error, "expired answers and quotas could not be deleted");
        }
        if let Err(error) = site.expire_personal_data().await {
            tracing::warn!(target: "palisade", ?error, "personal data could not be deleted after its time");
        }
        if let Err(error) = site.files_swept().await {
            tracing::warn!(target: "palisade", ?error, "files could not be deleted after their time");
        }
        if let Err(error) = site.judge_backups().await {
            tracing::warn!(target: "palisade", %error, "the last backup is not known");
        }
        let keep = site.settings.audit.keep();
        if let Err(error) = site.audit.prune(&site.database, keep).await {
            tracing::warn!(target: "palisade", %error, "old entries of the audit log could not be removed");
        }
        if let Err(error) = site.refresh_data_keys().await {
            tracing::warn!(target: "palisade", error, "the keys of encrypted columns could not be refreshed");
        }
        if !std::mem::take(&mut is_first)
            && let Err(error) = site.reseal().await
        {
            tracing::warn!(target: "palisade", %error, "values of an older key could not be re-encrypted");
        }
    }
}

/// Registers for Ctrl-C and SIGTERM, and returns the future of the first signal. Registered at once:
/// a signal before the first poll of the future must not end the process without a graceful stop.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
