//! Step 1: connections. Slow clients are cut off, there are never too many, and a stop lets requests finish.
//!
//! TLS is ended by a trusted proxy in front; `check` refuses production without one.

use super::{Site, way};
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Serves a site until `stop` is done, then lets requests finish.
pub async fn serve(listener: TcpListener, site: Arc<Site>, stop: impl Future<Output = ()>) {
    let server = &site.settings.server;
    let slots = Arc::new(Semaphore::new(usize::try_from(server.max_connections).unwrap_or(1024).clamp(1, 1 << 20)));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, slot)
        };
        match tokio::select! { accepted = accepted => accepted, () = &mut stop => break } {
            (Ok((stream, peer)), slot) => connection(stream, peer, slot, site.clone(), &graceful),
            // out of file descriptors, or a client that left: neither is a reason to stop
            (Err(error), _) => {
                tracing::warn!(target: "palisade", %error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let drained = tokio::time::timeout(server.drain_secs.duration(), graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!(target: "palisade", "requests that took longer than server.drain_secs were cut off");
    }
}

fn connection(stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit, site: Arc<Site>, graceful: &GracefulShutdown) {
    let _ = stream.set_nodelay(true);
    let server = &site.settings.server;
    let mut http = http1::Builder::new();
    // without a timer hyper ignores the timeout (D38)
    http.timer(TokioTimer::new()).header_read_timeout(server.header_timeout_secs.duration());
    http.max_buf_size(usize::try_from(server.max_header_bytes).unwrap_or(65_536).max(8192)).max_headers(500);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let site = site.clone();
        async move { Ok::<Response, Infallible>(way::answer(site, peer.ip(), request.map(Body::new)).await) }
    });
    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
    tokio::spawn(async move {
        let _slot = slot;
        if let Err(error) = connection.await {
            tracing::debug!(target: "palisade", %error, "a connection ended early");
        }
    });
}
