//! A TCP proxy whose network can fail silently: connections stay open, but nothing is transmitted.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

/// Forwards a TCP port to a Unix socket.
pub struct SilentProxy {
    pub port: u16,
    breaks: watch::Sender<u64>,
    frozen: Arc<AtomicBool>,
}

impl SilentProxy {
    /// Listens on a free port, for the PostgreSQL whose socket is in this directory.
    ///
    /// # Errors
    /// Returns an error if there is no free port.
    pub async fn start(directory: &Path) -> std::io::Result<Self> {
        let socket = directory.join(".s.PGSQL.5432");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let breaks = watch::Sender::new(0);
        let subscribe = breaks.clone();
        let frozen = Arc::new(AtomicBool::new(false));
        let is_frozen = frozen.clone();
        tokio::spawn(async move {
            let mut unserved = Vec::new();
            while let Ok((client, _)) = listener.accept().await {
                if is_frozen.load(Ordering::Relaxed) {
                    // Keeps the connection open.
                    unserved.push(client);
                    continue;
                }
                tokio::spawn(forward(client, socket.clone(), subscribe.subscribe()));
            }
        });
        Ok(Self {
            port,
            breaks,
            frozen,
        })
    }

    /// Transmits nothing at all, like a stopped server; or serves new connections again.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.store(frozen, Ordering::Relaxed);
        self.break_connections();
    }

    /// Stops transmitting on current connections without closing them; new ones are served.
    pub fn break_connections(&self) {
        self.breaks.send_modify(|count| *count += 1);
    }
}

async fn forward(client: TcpStream, socket: PathBuf, mut breaks: watch::Receiver<u64>) {
    let Ok(server) = UnixStream::connect(socket).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let open = async {
        tokio::select! {
            () = copy(&mut from_client, &mut to_server) => {}
            () = copy(&mut from_server, &mut to_client) => {}
        }
    };
    let broken = tokio::select! {
        () = open => false,
        changed = breaks.changed() => changed.is_ok(),
    };
    if broken {
        // Both ends stay open: neither side notices that the other one is gone.
        std::future::pending::<()>().await;
    }
}

async fn copy(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read) = from.read(&mut buffer).await {
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
