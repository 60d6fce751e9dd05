use super::{Failed, Outcome, print};
use crate::app::{Prepared, Site, SiteSettings};
use crate::clock::SystemClock;
use crate::settings::Profile;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// Lines for people in development, JSON elsewhere, to standard error. `RUST_LOG` chooses what is logged.
pub(super) fn start_log(settings: &SiteSettings) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,sea_orm_migration=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = if settings.site.log_format == crate::app::LogFormat::Json {
        log.json().try_init()
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
    };
}

/// Serves until the process is told to stop.
pub(super) async fn serve(prepared: Prepared) -> Outcome {
    let (address, profile) = (prepared.settings().server.address, prepared.settings().profile);
    if profile.is_development() && !address.ip().is_loopback() {
        let message = format!(
            "{address} can be reached from other machines, and the development profile serves this one only\n  \
             fix: listen on 127.0.0.1, or set PALISADE_PROFILE=staging"
        );
        return Err(Failed(message, 1));
    }
    let site = Arc::new(prepared.boot(Arc::new(SystemClock)).await?);
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failed(
            format!("cannot listen on {address}: {error}\n  fix: stop what listens there, or choose another with serve --address"),
            1,
        )
    })?;
    let address = listener.local_addr().unwrap_or(address);
    print::out(&greeting(&site, &address.to_string()));
    let sweeper = tokio::spawn(sweep(site.clone()));
    crate::app::serve(listener, site, stopped()).await;
    sweeper.abort();
    Ok("stopped\n".into())
}

fn greeting(site: &Site, address: &str) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "site".into());
    let data = site.settings().data().display();
    let mut text = format!("Serving http://{address} ({} profile, data in {data}). Stop with Ctrl-C.\n", site.settings().profile);
    if site.settings().profile == Profile::Development {
        text.push_str(&format!(
            "Next: open the address and sign up. To become the administrator, in another terminal:\n  \
             {program} --data {data} user create admin --email admin@example.org --superuser\n"
        ));
    }
    text
}

/// Forgets sessions that have ended, every ten minutes.
async fn sweep(site: Arc<Site>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(600));
    loop {
        ticks.tick().await;
        if let Err(error) = site.sessions.sweep().await {
            tracing::warn!(target: "palisade", %error, "ended sessions could not be removed");
        }
    }
}

/// Ctrl-C, or SIGTERM from whoever runs the process.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! { _ = interrupt => {}, _ = terminate.recv() => {} }
            return;
        }
    }
    let _ = interrupt.await;
}
