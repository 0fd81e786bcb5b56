//! A connection with a write timeout, which closes in a way that lets the client read the last response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep, timeout};

use crate::http::server::connection_limit::ConnectionPermit;

/// Maximum time for reading the input of a client after the service has sent its last byte.
const LINGER: Duration = Duration::from_secs(5);
/// Maximum time without input from such a client.
const IDLE: Duration = Duration::from_secs(1);
/// Maximum number of bytes read from it: a client may send all of a long message before it reads.
const DISCARDED: u64 = 64 * 1024 * 1024;

/// A TCP stream with a write timeout. Read timeouts depend on the protocol state and are handled elsewhere.
pub struct WriteTimeoutStream {
    /// `None` once it is dropped.
    stream: Option<TcpStream>,
    /// Whether the client has closed its side.
    ended: bool,
    /// The write timeout.
    write_timeout: Duration,
    /// The timer while a write is pending.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Held for as long as the connection is open, also after an upgrade to another protocol.
    permit: Option<Arc<ConnectionPermit>>,
}

impl WriteTimeoutStream {
    pub fn new(stream: TcpStream, write_timeout: Duration, permit: Arc<ConnectionPermit>) -> Self {
        // Fails where the connection is gone, which shows soon enough.
        let _ = stream.set_nodelay(true);
        Self {
            stream: Some(stream),
            ended: false,
            write_timeout,
            stalled: None,
            permit: Some(permit),
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.stream.as_mut().map(Pin::new);
        stream.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Returns the result of a write, or an error if it has been pending for too long.
    fn timed<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let write_timeout = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WriteTimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let room = buffer.remaining() > 0;
        let read = ready!(self.stream()?.poll_read(cx, buffer));
        self.ended |= read.is_err() || (room && buffer.filled().len() == before);
        Poll::Ready(read)
    }
}

impl AsyncWrite for WriteTimeoutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, bytes);
        self.timed(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, slices);
        self.timed(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(TcpStream::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

impl Drop for WriteTimeoutStream {
    /// Closes the connection gracefully. Closing a socket with unread input resets the connection, and the client loses
    /// what it has not read yet: a close frame, or the response to a body that is too large.
    fn drop(&mut self) {
        let (stream, permit) = (self.stream.take(), self.permit.take());
        if let Some(stream) = stream
            && !self.ended
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // Fails or times out if the client does not close; the connection is then reset.
                let _ = timeout(LINGER, discard(stream)).await;
                drop(permit);
            });
        }
    }
}

/// Shuts down the sending side, and reads until the client closes.
async fn discard(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut buffer = vec![0; 16 * 1024];
    let mut rest = stream.take(DISCARDED);
    while timeout(IDLE, rest.read(&mut buffer)).await?? > 0 {}
    Ok(())
}
