//! GraphQL over WebSocket: the subprotocol `graphql-transport-ws`.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use async_graphql::ServerError;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use axum::response::Response;
use futures_util::stream::{BoxStream, Stream, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_stream::StreamMap;
use tokio_tungstenite::tungstenite::Error as Fault;
use tracing::{Instrument, Span};

use crate::domain::viewer::Viewer;
use crate::http::AppState;
use crate::http::auth::{ACTING_AS, AuthError};
use crate::http::error::RequestError;
use crate::http::graphql::event_stream::{StreamItem, begin, response_stream, slow_consumer};
use crate::http::graphql::handler::{check_rate_limit, count_refusal};
use crate::http::graphql::operation_metrics::record_refused;
use crate::http::graphql::request::GraphqlRequest;
use crate::http::graphql::response::respond;
use crate::http::middleware::cors;
use crate::http::middleware::request_context::RequestContext;
use crate::http::server::shutdown::{ShutdownSignal, token_expired};
use crate::http::server::stream_limit::{ConcurrencyPermit, LimitedClient};
use crate::http::validation::prepare_operation;

mod close;

use self::close::{
    CloseReason, EXPIRED, IDLE, INIT_TIMEOUT, KEYS_UNAVAILABLE, NO_SUCH_PROTOCOL, NORMAL,
    PING_TIMEOUT, REFUSED_OFTEN, SLOW_CONSUMER, STOPPING, TOO_MANY, TOO_MANY_INIT, UNAUTHORIZED,
    bad_message, end, forbidden, truncate_reason,
};

const PROTOCOL: &str = "graphql-transport-ws";

/// Size of the read buffer in bytes. Each connection holds it for its lifetime.
const READ_AHEAD: usize = 4096;

/// Maximum length of an operation id in bytes.
const MAX_OPERATION_ID_LENGTH: usize = 200;

/// Timeout for the client's close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A message of the client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ClientMessage {
    ConnectionInit {
        payload: Option<Map<String, Value>>,
    },
    Ping {
        payload: Option<Map<String, Value>>,
    },
    Pong {
        #[serde(rename = "payload")]
        _payload: Option<Map<String, Value>>,
    },
    Subscribe {
        id: String,
        payload: Map<String, Value>,
    },
    Complete {
        id: String,
    },
}

/// The `type` values of [`ClientMessage`].
const MESSAGE_TYPES: [&str; 5] = ["connection_init", "ping", "pong", "subscribe", "complete"];

/// Handles the handshake.
pub async fn open(
    State(app): State<Arc<AppState>>,
    context: RequestContext,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let refuse = |refused| {
        let refused = count_refusal(&app, &context, refused, (app.clock)());
        respond(&headers, Err(refused))
    };
    if !cors::may_open_socket(&app.http.allowed_origins, &headers) {
        let message = "Pages of this origin may not call the service: add it to the setting `allowed-origins`.";
        return refuse(RequestError::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            message,
        ));
    }
    let Ok(upgrade) = upgrade else {
        return refuse(RequestError::bad_request(
            "Here is a WebSocket with the subprotocol graphql-transport-ws: open it with a client for that.",
        ));
    };
    let limited_client = LimitedClient::unknown(context.client());
    let permit = match app.http.streams.acquire(limited_client, 1) {
        Ok(permit) => permit,
        Err(refused) => return refuse(refused),
    };
    let stopping = app.shutdown.track();
    // Log events of the connection's task belong to the span of the handshake.
    let span = Span::current();
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(READ_AHEAD)
        .write_buffer_size(0)
        .max_message_size(app.limits.body_bytes)
        .max_frame_size(app.limits.body_bytes)
        .on_upgrade(move |socket| {
            let connection = Connection {
                app,
                context,
                headers,
                socket,
                stopping,
                permit: Some(permit),
                viewer: None,
                expired: Box::pin(pending()),
                running: StreamMap::new(),
            };
            connection.run().instrument(span)
        })
}

/// A connection and its operations.
struct Connection {
    app: Arc<AppState>,
    context: RequestContext,
    /// Headers of the handshake; `connection_init` replaces the credentials.
    headers: HeaderMap,
    socket: WebSocket,
    stopping: ShutdownSignal,
    /// The permit of a connection that stays open.
    permit: Option<ConcurrencyPermit>,
    /// None until the first message has come.
    viewer: Option<Viewer>,
    expired: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// The active operations by the client's ids. They pause while the client does not read.
    running: StreamMap<String, ActiveOperation>,
}

/// An active operation.
struct ActiveOperation {
    parts: BoxStream<'static, StreamItem>,
    /// Cursor of the last event that was sent.
    cursor: Option<String>,
    over: bool,
}

impl Stream for ActiveOperation {
    /// `None` means that the operation is complete.
    type Item = Option<StreamItem>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let polled = self.parts.poll_next_unpin(cx);
        if let Poll::Ready(part) = &polled {
            match part {
                Some(StreamItem::Next {
                    cursor: Some(cursor),
                    ..
                }) => self.cursor = Some(cursor.clone()),
                Some(StreamItem::Next { .. }) => {}
                Some(StreamItem::Refused(_)) | None => self.over = true,
            }
        }
        polled.map(Some)
    }
}

impl Connection {
    async fn run(mut self) {
        let Err(end) = self.serve().await;
        let mut last = Vec::new();
        if end.code == SLOW_CONSUMER.code {
            for (id, running) in self.running.iter() {
                let error = slow_consumer(running.cursor.as_deref());
                last.push(message("error", Some(id), Some(&json!([error]))));
            }
        }
        let reason = truncate_reason(&end.reason);
        last.push(Message::Close(Some(CloseFrame {
            code: end.code,
            reason: reason.into(),
        })));
        for message in last {
            // Fails if the client has closed. Reading on responds to its close frame (RFC 6455, section 5.5.1).
            if self.send(message).await.is_err() {
                break;
            }
        }
        // Closing with unread input would reset the connection and discard the last messages.
        let read = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        let _ = timeout(CLOSE_TIMEOUT, read).await;
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, CloseReason> {
        if self.socket.protocol().is_none() {
            return Err(NO_SUCH_PROTOCOL);
        }
        let timeouts = self.app.limits.stream_timeouts;
        let mut late = Box::pin(sleep(timeouts.init));
        let mut pulse = interval(timeouts.keep_alive);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pulse.reset();
        let mut heard = true;
        let mut idle = Box::pin(sleep(timeouts.idle));
        loop {
            let is_idle = self.running.is_empty();
            tokio::select! {
                received = self.socket.recv() => {
                    heard = true;
                    self.receive(received).await.inspect_err(|end| self.count_fault(end))?;
                }
                Some((id, part)) = self.running.next() => self.send_next(&id, part).await?,
                () = &mut late, if self.viewer.is_none() => return Err(INIT_TIMEOUT),
                () = &mut self.expired => return Err(EXPIRED),
                () = &mut idle, if is_idle => return Err(IDLE),
                () = self.stopping.stopped() => return Err(STOPPING),
                _ = pulse.tick() => {
                    if !heard {
                        return Err(PING_TIMEOUT);
                    }
                    heard = false;
                    self.send(message("ping", None, None)).await?;
                }
            }
            if !is_idle {
                idle.as_mut().reset(Instant::now() + timeouts.idle);
            }
        }
    }

    async fn receive(
        &mut self,
        received: Option<Result<Message, axum::Error>>,
    ) -> Result<(), CloseReason> {
        let text = match received {
            None | Some(Ok(Message::Close(_))) => return Err(NORMAL),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(bad_message("it must be a text")),
            Some(Err(error)) => return Err(self.close_reason(error)),
        };
        match parse_message(&text)? {
            ClientMessage::ConnectionInit { payload } => {
                self.init(payload.unwrap_or_default()).await
            }
            ClientMessage::Ping { payload } => {
                let payload = payload.map(Value::Object);
                self.send(message("pong", None, payload.as_ref())).await
            }
            ClientMessage::Pong { _payload } => Ok(()),
            ClientMessage::Subscribe { id, payload } => {
                let request = GraphqlRequest::deserialize(Value::Object(payload));
                let request = request.map_err(|_| bad_message("its `payload` is not a request"))?;
                self.subscribe(id, request).await
            }
            ClientMessage::Complete { id } => {
                self.running.remove(&id);
                Ok(())
            }
        }
    }

    /// Counts a connection that is closed for what its client sent.
    fn count_fault(&self, end: &CloseReason) {
        if (4400..4500).contains(&end.code) {
            let (client, now) = (self.context.client(), (self.app.clock)());
            // The connection is closed in any case.
            let _ = self.app.http.failures.count(client, now);
        }
    }

    /// Returns the close reason for a read error.
    fn close_reason(&self, error: axum::Error) -> CloseReason {
        match error.into_inner().downcast_ref() {
            Some(Fault::Capacity(_)) => CloseReason {
                code: close_code::SIZE,
                reason: format!("A message has {} bytes at most", self.app.limits.body_bytes)
                    .into(),
            },
            Some(Fault::Utf8(_)) => end(close_code::INVALID, "Messages must be UTF-8 text"),
            Some(Fault::Protocol(_)) => end(close_code::PROTOCOL, "Invalid WebSocket frame"),
            _ => NORMAL,
        }
    }

    async fn init(&mut self, payload: Map<String, Value>) -> Result<(), CloseReason> {
        if self.viewer.is_some() {
            return Err(TOO_MANY_INIT);
        }
        apply_connection_params(&mut self.headers, &payload).map_err(forbidden)?;
        let now = (self.app.clock)();
        let (failures, client) = (&self.app.http.failures, self.context.client());
        if self.headers.contains_key(AUTHORIZATION) {
            failures.check(client, now).map_err(|_| REFUSED_OFTEN)?;
        }
        let viewer = self.app.verifier.viewer(&self.headers, now).await;
        let viewer = viewer.map_err(|denied| match denied {
            AuthError::InvalidToken(message) | AuthError::Forbidden(message) => forbidden(&message),
            AuthError::KeysUnavailable { .. } => KEYS_UNAVAILABLE,
        })?;
        if let Some(permit) = self.permit.take() {
            let given = permit.transfer_to(LimitedClient::of(&viewer, client));
            self.permit = Some(given.map_err(|_| TOO_MANY)?);
        }
        let (app, headers) = (self.app.clone(), self.headers.clone());
        if viewer.expires_at.is_some() {
            self.expired = Box::pin(token_expired(app, headers, viewer.clone()));
        }
        self.viewer = Some(viewer);
        self.send(message("connection_ack", None, None)).await
    }

    async fn subscribe(&mut self, id: String, request: GraphqlRequest) -> Result<(), CloseReason> {
        let Some(viewer) = self.viewer.clone() else {
            return Err(UNAUTHORIZED);
        };
        if id.is_empty() || id.len() > MAX_OPERATION_ID_LENGTH {
            return Err(bad_message("`id` is empty, or too long"));
        }
        let named = request.query.is_some() || request.extensions.is_some();
        if !named || !(request.variables.is_object() || request.variables.is_null()) {
            return Err(bad_message("`query` is a text, `variables` an object"));
        }
        if self.running.contains_key(&id) {
            return Err(CloseReason {
                code: 4409,
                reason: format!("Subscriber for {id} already exists").into(),
            });
        }
        let (app, now) = (&self.app, (self.app.clock)());
        let prepare = || {
            let most = app.limits.operations;
            if self.running.len() >= most {
                let why = format!(
                    "This socket has {most} operations under way, the most that it may have: complete one first."
                );
                return Err(RequestError::limit_exceeded(
                    "operations",
                    "RATE_LIMITED",
                    why,
                ));
            }
            let operation = prepare_operation(app, &self.context, &viewer, request, now)?;
            check_rate_limit(app, &self.context, &viewer, &operation, now)?;
            Ok(operation)
        };
        let prepared = prepare().map_err(|refused| count_refusal(app, &self.context, refused, now));
        // Before the next message is read: what that one changes is reported.
        let started = match prepared {
            Ok(operation) => {
                let limited_client = LimitedClient::of(&viewer, self.context.client());
                let started = begin(app, limited_client, &operation, None).await;
                started.map(|started| (operation, started))
            }
            Err(refused) => Err(refused),
        };
        match started {
            Ok((operation, started)) => {
                let running = ActiveOperation {
                    parts: response_stream(app, &self.context, viewer, operation, started),
                    cursor: None,
                    over: false,
                };
                self.running.insert(id, running);
                Ok(())
            }
            Err(refused) => {
                record_refused(&refused.errors);
                self.error(&id, &refused.errors).await
            }
        }
    }

    async fn send_next(&mut self, id: &str, part: Option<StreamItem>) -> Result<(), CloseReason> {
        if !matches!(part, Some(StreamItem::Next { .. })) {
            // Before the client is notified, because it may reuse the id at once.
            self.running.remove(id);
        }
        match part {
            Some(StreamItem::Next {
                json, reservation, ..
            }) => {
                // The result is JSON text already; the id is not.
                let id = Value::from(id);
                let text = format!("{{\"id\":{id},\"type\":\"next\",\"payload\":{json}}}");
                drop(json);
                let sent = self.send(Message::text(text)).await;
                drop(reservation);
                sent
            }
            Some(StreamItem::Refused(errors)) => self.error(id, &errors).await,
            None => self.send(message("complete", Some(id), None)).await,
        }
    }

    async fn error(&mut self, id: &str, errors: &[ServerError]) -> Result<(), CloseReason> {
        self.send(message("error", Some(id), Some(&json!(errors))))
            .await
    }

    /// Sends a message. The connection does nothing else until the client has accepted it.
    async fn send(&mut self, message: Message) -> Result<(), CloseReason> {
        match timeout(
            self.app.limits.stream_timeouts.write_timeout,
            self.socket.send(message),
        )
        .await
        {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NORMAL),
            Err(_) => Err(SLOW_CONSUMER),
        }
    }
}

/// Parses a message of the client: an object with a known `type`.
fn parse_message(text: &str) -> Result<ClientMessage, CloseReason> {
    let message: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| bad_message("it is not a JSON object"))?;
    let kind = message.get("type").cloned().unwrap_or_default();
    if !kind
        .as_str()
        .is_some_and(|kind| MESSAGE_TYPES.contains(&kind))
    {
        return Err(bad_message(&format!(
            "graphql-transport-ws has no type {kind}"
        )));
    }
    let parsed = ClientMessage::deserialize(Value::Object(message));
    parsed.map_err(|_| bad_message(&format!("a field of {kind} is missing or has a wrong type")))
}

/// Replaces the headers of the handshake by the payload of `connection_init`, because browsers cannot send headers.
fn apply_connection_params(
    headers: &mut HeaderMap,
    payload: &Map<String, Value>,
) -> Result<(), &'static str> {
    for (name, value) in payload {
        let (header, prefix) = match name.to_ascii_lowercase().as_str() {
            "authorization" => (AUTHORIZATION.as_str(), ""),
            "token" => (AUTHORIZATION.as_str(), "Bearer "),
            ACTING_AS | "actingas" => (ACTING_AS, ""),
            _ => continue,
        };
        let value = match value {
            // Null means that the client has no token.
            Value::Null => continue,
            Value::String(text) => HeaderValue::try_from(format!("{prefix}{text}")).ok(),
            _ => None,
        };
        headers.insert(header, value.ok_or("a token is a text")?);
    }
    Ok(())
}

fn message(kind: &str, id: Option<&str>, payload: Option<&Value>) -> Message {
    let mut object = Map::new();
    if let Some(id) = id {
        object.insert("id".to_owned(), id.into());
    }
    object.insert("type".to_owned(), kind.into());
    if let Some(payload) = payload {
        object.insert("payload".to_owned(), payload.clone());
    }
    Message::text(Value::Object(object).to_string())
}
