//! The accept loop: connection limits, timeouts, and graceful shutdown.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
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

use crate::http::HttpState;
use crate::http::error_response::error_response;
use crate::http::server::connection_limit::{ConnectionLimiter, ConnectionPermit};
use crate::http::server::write_timeout::WriteTimeoutStream;
use crate::metrics;

/// The limits of connections.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Maximum number of connections. Further ones wait for a few seconds, except for health checks.
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

/// Timeout of running requests after the shutdown signal.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long idle connections stay open after the shutdown signal: requests in transit are still served.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Maximum size of a request's head, and of a connection's read buffer, in bytes.
const BUFFER: usize = 32 * 1024;

/// The paths that are served even if all connection permits are taken.
const HEALTH: [&str; 2] = ["/livez", "/readyz"];

/// Timeout for the head of a request on a reserved permit, which others wait for.
const RESERVE_HEAD: Duration = Duration::from_secs(2);

/// The stages of the accept loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum ServingStage {
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
    http: Arc<HttpState>,
    stop: impl Future<Output = ()> + Send,
) -> io::Result<()> {
    let limits = http.server_limits;
    let (stage, stage_receiver) = watch::channel(ServingStage::Serving);
    let limiter = ConnectionLimiter::new(limits.connections, limits.max_connections_per_ip);
    let open = |tcp_stream: TcpStream, peer: SocketAddr, permit: Arc<ConnectionPermit>| {
        let stream = WriteTimeoutStream::new(tcp_stream, limits.body_timeout, permit.clone());
        let serving = serve(
            stream,
            permit,
            peer,
            router.clone(),
            limits,
            stage_receiver.clone(),
        );
        tokio::spawn(serving);
    };

    let mut stop = pin!(stop);
    loop {
        let next = async {
            limiter.wait_for_vacancy().await;
            accept(&listener).await
        };
        tokio::select! {
            biased;
            () = stop.as_mut() => break,
            (stream, peer) = next => {
                if let Some(permit) = limiter.admit(peer.ip(), &http.trusted_proxies).await {
                    open(stream, peer, permit);
                }
            }
        }
    }

    stage.send_replace(ServingStage::Stopping);
    // Connections in the backlog of the system are established for their clients.
    let listener = listener.into_std()?;
    while let Ok((stream, peer)) = listener.accept() {
        if let Some(permit) = limiter.try_admit(peer.ip(), &http.trusted_proxies) {
            open(unblocked(stream)?, peer, permit);
        }
    }
    drop(listener);

    if timeout(IDLE_GRACE, limiter.all_released()).await.is_err() {
        stage.send_replace(ServingStage::Closing);
        // The remaining connections are aborted when the program exits.
        let _ = timeout(
            SHUTDOWN_TIMEOUT.saturating_sub(IDLE_GRACE),
            limiter.all_released(),
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

/// Returns the response to a request whose connection got no permit.
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

fn unblocked(stream: StdTcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Serves the requests of one connection.
async fn serve(
    stream: WriteTimeoutStream,
    permit: Arc<ConnectionPermit>,
    peer: SocketAddr,
    router: Router,
    limits: ServerLimits,
    mut stage: watch::Receiver<ServingStage>,
) {
    let inner = TowerToHyperService::new(router);
    let stage_receiver = stage.clone();
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        // They hold the original case of the header names.
        let extensions = request
            .headers()
            .contains_key(UPGRADE)
            .then(|| request.extensions().clone());
        let (inner, permit, stage_receiver) = (&inner, &permit, &stage_receiver);
        async move {
            let is_health = HEALTH.contains(&request.uri().path());
            let mut response: Response<Body> = if is_health || permit.leave_reserved().await {
                inner.call(request).await?
            } else {
                busy()
            };
            if let Some(extensions) = extensions
                && response.status() == StatusCode::SWITCHING_PROTOCOLS
            {
                response.extensions_mut().extend(extensions);
            }
            if (*stage_receiver.borrow() >= ServingStage::Stopping || permit.is_reserved())
                && response.status() != StatusCode::SWITCHING_PROTOCOLS
            {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response)
        }
    });
    let head = if permit.is_reserved() {
        limits.header_read_timeout.min(RESERVE_HEAD)
    } else {
        limits.header_read_timeout
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
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let closing = async {
        // Fails if the sender is gone, which also means that the service stops.
        let _ = stage
            .wait_for(|stage| *stage == ServingStage::Closing)
            .await;
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = closing => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // Errors caused by clients are not worth a warning.
        tracing::debug!(%error, "connection closed with error");
    }
}
