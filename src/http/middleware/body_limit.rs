//! Limits of request bodies: a read timeout, and the memory of all bodies together.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Body as Frames, Frame, SizeHint};
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::http::AppState;
use crate::http::error_response::error_response;

/// Maximum size of all request bodies in memory together in bytes, apart from each body's own allowance.
const TOTAL_BYTES: usize = 64 * 1024 * 1024;

/// Allowance of each body in bytes: more than an ordinary request sends, so that large bodies cannot lock out other
/// clients.
const FREE_BYTES: usize = 32 * 1024;

/// The remaining shared memory.
#[derive(Clone, Debug)]
pub struct BodyMemory(Arc<Semaphore>);

impl Default for BodyMemory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(TOTAL_BYTES)))
    }
}

/// Middleware that responds with an error if the body of a request times out or exceeds the shared memory.
pub async fn limit_bodies(
    State(app): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let body_timeout = app.http.server_limits.body_timeout;
    let (full, cut) = oneshot::channel();
    // The memory stays allocated until the response, because the parsed body lives as long.
    let held = Arc::new(Mutex::new(None));
    let request = request.map(|body| {
        Body::new(MeteredBody {
            body,
            memory: app.http.body_memory.clone(),
            own: FREE_BYTES,
            held: held.clone(),
            full: Some(full),
        })
    });
    let mut response = tokio::select! {
        response = next.run(request) => return response,
        cut = rejection(cut, body_timeout) => match cut {
            BodyRejection::Timeout => error_response(
                StatusCode::REQUEST_TIMEOUT,
                "TIMEOUT",
                &format!("The body was not received within {} seconds.", body_timeout.as_secs()),
                &Value::Null,
            ),
            BodyRejection::OutOfMemory => error_response(
                StatusCode::SERVICE_UNAVAILABLE,
                "SERVICE_UNAVAILABLE",
                "The service is receiving too much data. Try again later.",
                &Value::Null,
            ),
        },
    };
    let headers = response.headers_mut();
    // The rest of the connection's input belongs to this body.
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

enum BodyRejection {
    Timeout,
    OutOfMemory,
}

/// Waits for the reason to reject a body; for ever once it is read or dropped.
async fn rejection(full: oneshot::Receiver<()>, body_timeout: Duration) -> BodyRejection {
    match timeout(body_timeout, full).await {
        Err(_) => BodyRejection::Timeout,
        Ok(Ok(())) => BodyRejection::OutOfMemory,
        Ok(Err(_)) => std::future::pending().await,
    }
}

/// A body that allocates shared memory as it is read.
struct MeteredBody {
    body: Body,
    memory: BodyMemory,
    /// Remaining allowance of this body.
    own: usize,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
    /// Signals that memory is exhausted; dropped with the body.
    full: Option<oneshot::Sender<()>>,
}

impl MeteredBody {
    fn take(&mut self, bytes: usize) -> bool {
        let beyond = bytes.saturating_sub(self.own);
        self.own = self.own.saturating_sub(bytes);
        let permits = u32::try_from(beyond).unwrap_or(u32::MAX);
        let Ok(taken) = self.memory.0.clone().try_acquire_many_owned(permits) else {
            return false;
        };
        let Ok(mut held) = self.held.lock() else {
            return false;
        };
        match held.as_mut() {
            Some(held) => held.merge(taken),
            None => *held = Some(taken),
        }
        true
    }
}

impl Frames for MeteredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(data)) = &frame
            && let Some(bytes) = data.data_ref()
            && !self.take(bytes.len())
        {
            if let Some(full) = self.full.take() {
                // Fails if the response is no longer awaited.
                let _ = full.send(());
            }
            // The reader is dropped together with the request.
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
