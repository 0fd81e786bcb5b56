//! A webhook endpoint that records requests and responds as specified.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use futures_util::stream::repeat_with;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The response to the next request; later ones get 204.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    With(u16, &'static str, String),
    /// 204 after a delay.
    Late(Duration),
    /// No response.
    Never,
    /// 200 with an endless body.
    Endless,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Received {
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Received {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The id of the activity.
    pub fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

#[derive(Clone, Default)]
struct RecordedRequests {
    received: Arc<Mutex<Vec<Received>>>,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    /// Pings are apart, so that only deliveries count.
    pings: Arc<Mutex<Vec<Received>>>,
    ping_status: Arc<Mutex<Option<u16>>>,
    /// Pings are answered while nothing writes to this lock.
    pings_held: Arc<RwLock<()>>,
}

/// The endpoint, which stops on drop.
pub struct Endpoint {
    pub url: String,
    book: RecordedRequests,
    _serves: JoinSet<()>,
}

impl Endpoint {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let book = RecordedRequests::default();
        let router = Router::new().fallback(take).with_state(book.clone());
        let mut serves = JoinSet::new();
        serves.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            book,
            _serves: serves,
        }
    }

    /// Specifies the responses to the next requests.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.book.replies.lock().unwrap().extend(replies);
    }

    /// Sets the status of responses to pings; 204 by default.
    pub fn reply_to_pings(&self, status: u16) {
        *self.book.ping_status.lock().unwrap() = Some(status);
    }

    /// Delays responses to pings until the guard is dropped.
    pub async fn delay_pings(&self) -> OwnedRwLockWriteGuard<()> {
        self.book.pings_held.clone().write_owned().await
    }

    pub fn pings(&self) -> Vec<Received> {
        self.book.pings.lock().unwrap().clone()
    }

    /// Waits until a ping has come.
    pub async fn wait_for_ping(&self) -> Received {
        self.wait_for_pings(1).await.remove(0)
    }

    /// Waits until this many pings have come.
    pub async fn wait_for_pings(&self, count: usize) -> Vec<Received> {
        let come = async {
            while self.pings().len() < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_mins(1), come).await.expect("a ping");
        self.pings()
    }

    pub fn received(&self) -> Vec<Received> {
        self.book.received.lock().unwrap().clone()
    }

    pub fn ids(&self) -> Vec<String> {
        self.received().iter().map(Received::id).collect()
    }

    /// Waits until this many requests have been received.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let come = async {
            while self.received().len() < count {
                sleep(Duration::from_millis(10)).await;
            }
        };
        let in_time = timeout(Duration::from_mins(1), come).await;
        let received = self.received();
        assert!(in_time.is_ok(), "{} of {count} have come", received.len());
        received
    }
}

async fn take(
    State(book): State<RecordedRequests>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received { uri, headers, body };
    if received.json()["type"] == "liaison.ping" {
        book.pings.lock().unwrap().push(received);
        drop(book.pings_held.read().await);
        let status = book.ping_status.lock().unwrap().unwrap_or(204);
        let answer = Response::builder().status(status);
        return answer.body(Body::empty()).unwrap();
    }
    book.received.lock().unwrap().push(received);
    let reply = book.replies.lock().unwrap().pop_front();
    let answer = Response::builder();
    let answer = match reply.unwrap_or(Reply::Status(204)) {
        Reply::Status(status) => answer.status(status).body(Body::from("So it is.")),
        Reply::With(status, name, value) => answer
            .status(status)
            .header(name, value)
            .body(Body::empty()),
        Reply::Late(time) => {
            sleep(time).await;
            answer.status(204).body(Body::empty())
        }
        Reply::Never => {
            sleep(Duration::from_mins(10)).await;
            answer.body(Body::empty())
        }
        Reply::Endless => {
            let chunks = repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1 << 16])));
            answer.body(Body::from_stream(chunks))
        }
    };
    answer.unwrap()
}
