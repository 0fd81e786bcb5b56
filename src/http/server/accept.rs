//! The accept loop: connection limits, timeouts, and graceful shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream as Accepted};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, RETRY_AFTER, UPGRADE};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::http::HttpConfig;
use crate::http::error_response::error_response;
use crate::http::server::connection_limit::{ConnectionLimiter, ConnectionPermit};
use crate::http::server::write_timeout::WriteTimeoutStream;
use crate::metrics;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Connections at a time; what comes then waits for a few seconds, but for health checks.
    pub connections: u32,
    /// Maximum number per client address; further ones are closed at once. Trusted proxies are exempt. 0 is no limit.
    pub max_connections_per_ip: u32,
    /// Timeout for the head of a request, and for idle connections.
    pub header_read_timeout: Duration,
    /// Timeout for the body of a request, and for a client that does not read its response.
    pub body_timeout: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 2000,
            max_connections_per_ip: 0,
            header_read_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(20),
        }
    }
}

/// How long running requests may take after the shutdown signal.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long idle connections stay open after the shutdown signal: requests in transit are still served.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Maximum size of a request's head, and of a connection's read buffer, in bytes.
const BUFFER: usize = 32 * 1024;

/// The requests that are answered also if all places are taken.
const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// For the head of a request on a place of the reserve: others wait for it.
const RESERVE_HEAD: Duration = Duration::from_secs(2);

/// Where the service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Serving,
    /// No new connections are accepted, and each response closes its connection.
    Stopping,
    /// Idle connections are closed.
    Closing,
}

/// The remote address of a connection, in the extensions of each request.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddr(pub SocketAddr);

/// Serves until `stop` completes; then accepts no more connections and finishes running requests.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn run(
    listener: TcpListener,
    router: Router,
    around: Arc<HttpConfig>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let bounds = around.server_limits;
    let (stage, seen) = watch::channel(Stage::Serving);
    let places = ConnectionLimiter::new(bounds.connections, bounds.max_connections_per_ip);
    let open = |stream: TcpStream, peer: SocketAddr, place: Arc<ConnectionPermit>| {
        let wire = WriteTimeoutStream::new(stream, bounds.body_timeout, place.clone());
        let serving = serve(wire, place, peer, router.clone(), bounds, seen.clone());
        tokio::spawn(serving);
    };

    let mut stop = pin!(stop);
    loop {
        let next = async {
            places.wait_for_vacancy().await;
            accept(&listener).await
        };
        tokio::select! {
            biased;
            () = stop.as_mut() => break,
            (stream, peer) = next => {
                if let Some(place) = places.admit(peer.ip(), &around.trusted_proxies).await {
                    open(stream, peer, place);
                }
            }
        }
    }

    stage.send_replace(Stage::Stopping);
    // Connections in the backlog of the system are established for their clients.
    let listener = listener.into_std()?;
    while let Ok((stream, peer)) = listener.accept() {
        if let Some(place) = places.try_admit(peer.ip(), &around.trusted_proxies) {
            open(unblocked(stream)?, peer, place);
        }
    }
    drop(listener);

    if timeout(IDLE_GRACE, places.all_released()).await.is_err() {
        stage.send_replace(Stage::Closing);
        // The remaining connections are aborted when the program exits.
        let _ = timeout(
            SHUTDOWN_TIMEOUT.saturating_sub(IDLE_GRACE),
            places.all_released(),
        )
        .await;
    }
    Ok(())
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // Closed before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            // Usually too many open files: some connection will end.
            Err(error) => {
                tracing::error!(%error, "failed to accept connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// The response to a request that found no place.
fn busy() -> Response<Body> {
    metrics::record_rejection("connections");
    let message = "All connections of the service are in use. Try again in a moment.";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut response = error_response(status, "SERVICE_UNAVAILABLE", message, &Value::Null);
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn unblocked(stream: Accepted) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Serves the requests of one connection.
async fn serve(
    wire: WriteTimeoutStream,
    place: Arc<ConnectionPermit>,
    peer: SocketAddr,
    router: Router,
    bounds: ServerLimits,
    mut stage: watch::Receiver<Stage>,
) {
    let inner = TowerToHyperService::new(router);
    let seen = stage.clone();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        // They hold the original case of the header names.
        let extensions = request
            .headers()
            .contains_key(UPGRADE)
            .then(|| request.extensions().clone());
        let (inner, place, seen) = (&inner, &place, &seen);
        async move {
            let is_health = HEALTH.contains(&request.uri().path());
            let mut answer: Response<Body> = if is_health || place.leave_reserved().await {
                inner.call(request).await?
            } else {
                busy()
            };
            if let Some(extensions) = extensions
                && answer.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                answer.extensions_mut().extend(extensions);
            }
            if (*seen.borrow() >= Stage::Stopping || place.is_reserved())
                && answer.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let head = if place.is_reserved() {
        bounds.header_read_timeout.min(RESERVE_HEAD)
    } else {
        bounds.header_read_timeout
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_header_size(BUFFER)
        .max_buf_size(BUFFER)
        // Some clients compare header names by case. Title case alone would give `Sec-Websocket-Protocol`, so the case
        // of the request is preserved there.
        .title_case_headers(true)
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(wire), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let closing = async {
        // Fails if the sender is gone, which also means that the service stops.
        let _ = stage.wait_for(|stage| *stage == Stage::Closing).await;
    };
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = closing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        // Errors caused by clients are not worth a warning.
        tracing::debug!(%error, "connection closed with error");
    }
}
