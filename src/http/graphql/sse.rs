//! GraphQL over Server-Sent Events in distinct connections mode: `next` events, then `complete`.

use std::sync::Arc;

use std::convert::Infallible;

use async_graphql::parser::types::OperationType;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{Stream, StreamExt, iter, unfold};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument;

use crate::domain::viewer::Viewer;
use crate::graphql::Operation;
use crate::graphql::request::Reservation;
use crate::http::AppState;
use crate::http::error::{RequestError, with_code};
use crate::http::graphql::content_negotiation::{Accept, ResponseFormat};
use crate::http::graphql::event_stream::{
    StartedStream, StreamItem, begin, response_stream, slow_consumer,
};
use crate::http::graphql::operation_metrics::record_refused;
use crate::http::graphql::response::{self, encode_errors};
use crate::http::middleware::request_context::RequestContext;
use crate::http::server::shutdown::{StreamTimeouts, token_expired};
use crate::http::server::stream_limit::LimitedClient;

/// Whether a client accepts an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventStreamSupport {
    Unsupported,
    /// Accepted beside JSON: used for subscriptions.
    Accepted,
    /// The only accepted media type.
    Required,
}

/// Capacity of the channel to the connection, in events.
const EVENT_BUFFER: usize = 4;

/// An event, and the bytes of the budget that it holds until it is sent.
type Waiting = (Event, Arc<Reservation>);

impl EventStreamSupport {
    /// Parses the header `Accept`.
    pub fn of(headers: &HeaderMap) -> Self {
        match (
            Accept::of(headers).takes_events(),
            ResponseFormat::accepted(headers),
        ) {
            (false, _) => Self::Unsupported,
            (true, Some(_)) => Self::Accepted,
            (true, None) => Self::Required,
        }
    }

    /// Returns whether the response to this operation is an event stream.
    pub fn for_operation(self, operation: &Operation) -> bool {
        match self {
            Self::Unsupported => false,
            Self::Accepted => operation.kind == OperationType::Subscription,
            Self::Required => true,
        }
    }
}

/// Responds with an event stream. The header `Last-Event-ID` resumes a subscription.
pub async fn stream(
    app: Arc<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    viewer: Viewer,
    operation: Operation,
) -> Response {
    let resume = headers.get("last-event-id");
    let resume = resume
        .and_then(|header| header.to_str().ok())
        .map(str::to_owned);
    let resume = resume.filter(|id| !id.is_empty());
    let timeouts = app.limits.stream_timeouts;
    let limited_client = LimitedClient::of(&viewer, context.client());
    // Queries and mutations have one response and end soon.
    let stays = operation.kind == OperationType::Subscription;
    let permit = stays.then(|| app.http.streams.acquire(limited_client.clone(), 1));
    let started = match permit.transpose() {
        // Before the head of the response: what is written after that is reported.
        Ok(permit) => {
            let started = begin(&app, limited_client, &operation, resume).await;
            started.map(|started| (permit, started))
        }
        Err(refused) => Err(refused),
    };
    let (permit, started) = match started {
        Ok(started) => started,
        Err(refused) => {
            record_refused(&refused.errors);
            return response::respond(&headers, Err(refused));
        }
    };
    // A browser that reconnects before the first event resumes from here.
    let first = started.cursor.clone().map(|id| Event::default().id(id));

    let (events, waiting) = mpsc::channel(EVENT_BUFFER);
    let (last, end) = oneshot::channel();
    let task = async move {
        let ended = forward(app, context, headers, viewer, operation, started, events).await;
        // Fails if the client has disconnected.
        let _ = last.send(ended);
        drop(permit);
    };
    tokio::spawn(task.in_current_span());
    let end = async { iter(end.await.unwrap_or_default()) };
    // The connection asks for the next event when it has sent most of the one before.
    let waiting = (ReceiverStream::new(waiting), None::<Arc<Reservation>>);
    let events = unfold(waiting, |(mut waiting, sent)| async move {
        drop(sent);
        let (event, reservation) = waiting.next().await?;
        Some((event, (waiting, Some(reservation))))
    });
    let events = events.chain(futures_util::stream::once(end).flatten());
    respond(iter(first).chain(events), timeouts)
}

/// Responds with an event stream that contains only the errors of a rejected operation.
pub fn error_stream(refused: &RequestError) -> Response {
    let event = Event::default()
        .event("next")
        .data(encode_errors(&refused.errors));
    let events = iter([event, complete()]);
    respond(events, StreamTimeouts::default())
}

fn respond(
    events: impl Stream<Item = Event> + Send + 'static,
    timeouts: StreamTimeouts,
) -> Response {
    let events = Sse::new(events.map(Ok::<_, Infallible>));
    let headers = [
        // Prevents proxies from buffering events.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let alive = KeepAlive::new().interval(timeouts.keep_alive);
    (headers, events.keep_alive(alive)).into_response()
}

/// Runs the operation while the client is connected. Returns the final events.
async fn forward(
    app: Arc<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    viewer: Viewer,
    operation: Operation,
    started: StartedStream,
    events: mpsc::Sender<Waiting>,
) -> Vec<Event> {
    let timeouts = app.limits.stream_timeouts;
    let mut stopping = app.shutdown.track();
    let mut cursor = started.cursor.clone();
    let mut parts = response_stream(&app, &context, viewer.clone(), operation, started);
    let mut expired = Box::pin(token_expired(app.clone(), headers, viewer));
    loop {
        let part = tokio::select! {
            part = parts.next() => part,
            () = &mut expired => {
                let error = "The token has expired: sign in again, and go on after the last event.";
                let error = async_graphql::ServerError::new(error, None);
                return refusal(&[with_code(error, "UNAUTHENTICATED")]);
            }
            // Without `complete`, so that the client reconnects.
            () = stopping.stopped() => return Vec::new(),
            () = events.closed() => return Vec::new(),
        };
        let (json, reservation, at) = match part {
            None => return vec![complete()],
            Some(StreamItem::Refused(errors)) => return refusal(&errors),
            Some(StreamItem::Next {
                json,
                reservation,
                cursor,
            }) => (json, reservation, cursor),
        };
        let mut event = Event::default().event("next").data(json);
        if let Some(at) = &at {
            event = event.id(at);
        }
        if timeout(timeouts.write_timeout, events.send((event, reservation)))
            .await
            .is_err()
        {
            return refusal(&[slow_consumer(cursor.as_deref())]);
        }
        cursor = at.or(cursor);
    }
}

fn refusal(errors: &[async_graphql::ServerError]) -> Vec<Event> {
    let why = Event::default().event("next").data(encode_errors(errors));
    vec![why, complete()]
}

fn complete() -> Event {
    // Browsers do not dispatch events without data.
    Event::default().event("complete").data("null")
}
