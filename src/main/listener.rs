//! Listens for connections.

use std::io;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use liaison::config::{HttpArgs, StartupError};
use liaison::metrics;
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Connections that wait until they are accepted. Beyond the default, 128, the system drops what comes, and clients try
/// again only after a second. Linux lowers it to `net.core.somaxconn`.
const BACKLOG: u32 = 4096;

/// Listens on an address. Returns the bound address, whose port may have been chosen by the system.
pub async fn listen(flag: &str, address: &str) -> Result<(TcpListener, SocketAddr), StartupError> {
    let listening = async {
        let mut bound = Err(io::ErrorKind::AddrNotAvailable.into());
        for address in resolve(address).await? {
            bound = bind(address);
            if bound.is_ok() {
                break;
            }
        }
        let listener = bound?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening
        .await
        .map_err(|error: io::Error| StartupError::new(format!("{flag} {address}: {error}")))
}

/// Listens where metrics are served, if they are, and starts to record them.
pub async fn listen_for_metrics(
    settings: &HttpArgs,
    now: DateTime<Utc>,
) -> Result<Option<TcpListener>, StartupError> {
    let Some(address) = &settings.metrics_listen else {
        return Ok(None);
    };
    let (listener, address) = listen("--metrics-listen", address).await?;
    metrics::enable(now);
    tracing::info!(%address, "serving metrics");
    Ok(Some(listener))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns the addresses of a host and port, those of IPv4 first: `localhost` is both, and not every client tries IPv6.
pub async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<_> = lookup_host(address).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}
