//! Per-request middleware: request id, access log, security headers, and recovery from panics.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use sea_orm::prelude::Uuid;
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::error::INTERNAL;
use crate::http::AppState;
use crate::http::error_response::error_response;
use crate::http::middleware::rate_limit::Quota;
use crate::http::server::accept::PeerAddr;
use crate::metrics;
use crate::store::request_work::{RequestWork, count_statements};
use crate::trace::{SPANS, TraceParent, continue_trace};

/// The header with the request id, in requests and responses.
pub const REQUEST_ID: &str = "x-request-id";

const MAX_REQUEST_ID_LENGTH: usize = 64;
/// Maximum number of characters of a user agent in the log.
const MAX_USER_AGENT_LENGTH: usize = 256;

/// The context of a request: its id, its client, and what is logged about it. Tokens, variables and texts are never logged.
#[derive(Clone, Debug)]
pub struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: HeaderValue,
    client: IpAddr,
    user_agent: Option<String>,
    work: Arc<RequestWork>,
    subject: OnceLock<String>,
    operation: OnceLock<OperationInfo>,
    quota: Mutex<Option<Quota>>,
}

/// The operation of a request for the log.
#[derive(Debug)]
pub struct OperationInfo {
    /// The name of the operation, if it has one.
    pub operation: Option<String>,
    /// SHA-256 of the document in hexadecimal.
    pub document: Arc<str>,
    pub cost: u64,
}

impl RequestContext {
    /// Returns the id of the request, which clients can report to the operators.
    pub fn id(&self) -> &str {
        self.0.id.to_str().unwrap_or_default()
    }

    /// Returns the client's address, as far as it is known.
    pub fn client(&self) -> IpAddr {
        self.0.client
    }

    /// Records the subject of the token.
    pub fn set_subject(&self, subject: Option<&str>) {
        if let Some(subject) = subject {
            // The first of several operations on a connection counts.
            let _ = self.0.subject.set(subject.to_owned());
        }
    }

    /// Returns the number of SQL statements so far.
    pub fn statements(&self) -> u32 {
        self.0.work.statements()
    }

    /// Records the remaining quota of the client for the response headers.
    pub fn set_quota(&self, quota: Option<Quota>) {
        if quota.is_some() {
            *self.quota() = quota;
        }
    }

    fn quota(&self) -> MutexGuard<'_, Option<Quota>> {
        self.0.quota.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the operation. The first of several counts.
    pub fn set_operation(&self, operation: OperationInfo) {
        let _ = self.0.operation.set(operation);
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Ok(known.unwrap_or_else(|| Self::new(&parts.headers, unknown, None)))
    }
}

impl RequestContext {
    fn new(headers: &HeaderMap, client: IpAddr, trace: Option<TraceParent>) -> Self {
        Self(Arc::new(Inner {
            id: request_id(headers),
            client,
            user_agent: user_agent(headers),
            work: Arc::new(RequestWork::new(trace)),
            subject: OnceLock::new(),
            operation: OnceLock::new(),
            quota: Mutex::default(),
        }))
    }
}

/// Middleware that assigns a request id, counts SQL statements, and writes an access log entry at the end of the
/// request.
pub async fn log_requests(
    State(app): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<PeerAddr>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let client = app.http.trusted_proxies.client_ip(peer, request.headers());
    let route: Option<MatchedPath> = request.extensions().get().cloned();
    let server_span = server_span(&request, route.as_ref(), client);
    let trace = continue_trace(&server_span, trace_parent(request.headers()));
    // Without it the spans within the request are not created either.
    let is_sampled = trace.as_ref().is_some_and(TraceParent::is_sampled);
    let server_span = if is_sampled {
        server_span
    } else {
        Span::none()
    };
    let context = RequestContext::new(request.headers(), client, trace.clone());
    server_span.record("user_agent.original", context.0.user_agent.as_deref());
    let mut line = AccessLogEntry {
        started_at: Instant::now(),
        method: request.method().clone(),
        route,
        context: context.clone(),
        span: server_span.clone(),
        status: None,
    };
    // Enabled at every log level, so that all events of a request have these.
    let span = tracing::error_span!(
        "request",
        request_id = context.id(),
        client.address = %client,
        trace_id = trace.as_ref().map(TraceParent::trace_id),
    );
    request.extensions_mut().insert(context.clone());
    let mut response = count_statements(context.0.work.clone(), next.run(request))
        .instrument(span)
        .instrument(server_span)
        .await;
    line.status = Some(response.status());
    add_security_headers(response.headers_mut(), context.0.id.clone());
    let quota = *context.quota();
    for (name, value) in quota.iter().flat_map(Quota::headers) {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Middleware that responds with an internal error if a handler panics.
pub async fn catch_panic(context: RequestContext, request: Request, next: Next) -> Response {
    // State that the panic left inconsistent is dropped with the request.
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref().copied());
        tracing::error!(request_id = context.id(), panic = text, "handler panicked");
        metrics::record(|metrics| {
            metrics.panics.with(&[]).inc();
        });
        error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            INTERNAL,
            &json!({ "requestId": context.id() }),
        )
    })
}

/// Returns the client's request id if it is well-formed, or else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let bytes = value.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
        (1..=MAX_REQUEST_ID_LENGTH).contains(&bytes.len()) && bytes.iter().all(plain)
    };
    let mut given = headers.get_all(REQUEST_ID).iter();
    match given.next().filter(sane) {
        Some(id) if given.next().is_none() => id.clone(),
        _ => HeaderValue::try_from(Uuid::now_v7().simple().to_string())
            .unwrap_or(HeaderValue::from_static("none")),
    }
}

/// Returns the trace that the request is part of; `None` if it names none, or several.
fn trace_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut given = headers.get_all("traceparent").iter();
    let trace = TraceParent::parse(given.next()?.to_str().ok()?);
    trace.filter(|_| given.next().is_none())
}

/// Returns the span of a request for the export of traces.
fn server_span(request: &Request, route: Option<&MatchedPath>, client: IpAddr) -> Span {
    let method = request.method().as_str();
    let route = route.map(MatchedPath::as_str);
    tracing::debug_span!(
        target: SPANS,
        "request",
        otel.name = %format_args!("{method} {}", route.unwrap_or_default()),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        client.address = %client,
        user_agent.original = Empty,
        graphql.operation.name = Empty,
        graphql.document.hash = Empty,
    )
}

/// Returns the truncated header `User-Agent`, if it is ASCII text.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(value.chars().take(MAX_USER_AGENT_LENGTH).collect())
}

/// Adds the request id and the security headers to a response.
fn add_security_headers(headers: &mut HeaderMap, id: HeaderValue) {
    headers.insert(REQUEST_ID, id);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
}

/// The access log entry of a request. Written on drop, so that aborted requests are logged, too.
struct AccessLogEntry {
    started_at: Instant,
    method: Method,
    /// The matched route rather than the path, which may contain anything.
    route: Option<MatchedPath>,
    context: RequestContext,
    status: Option<StatusCode>,
    /// The span of the request, which ends with it.
    span: Span,
}

/// The route with a duration of its own.
const GRAPHQL: &str = "/graphql";

impl AccessLogEntry {
    /// Adds the attributes that are known at the end of the request to its span.
    fn end_span(&self) {
        if let Some(status) = self.status {
            // A signed number is exported as a number.
            let code = i64::from(status.as_u16());
            self.span.record("http.response.status_code", code);
            if status.is_server_error() {
                self.span.record("otel.status_code", "ERROR");
            }
        }
        if let Some(operation) = self.context.0.operation.get() {
            (self.span).record("graphql.document.hash", &*operation.document);
            if let Some(name) = &operation.operation {
                self.span.record("graphql.operation.name", name);
            }
        }
    }

    /// Returns whether this is a successful health check: they come every few seconds.
    fn is_successful_probe(&self) -> bool {
        let route = self.route.as_ref().map(MatchedPath::as_str);
        matches!(route, Some("/livez" | "/readyz"))
            && self.status.is_some_and(|status| status.is_success())
    }

    fn record(&self, seconds: f64) {
        metrics::record(|metrics| {
            let route = self
                .route
                .as_ref()
                .map_or(metrics::OTHER, MatchedPath::as_str);
            let route = match route.trim_end_matches('/') {
                "" => "/",
                route => route,
            };
            let status = self.status.map(|status| status.as_u16().to_string());
            let status = status.as_deref().unwrap_or("none");
            metrics.http_requests.with(&[route, status]).inc();
            let timed = if route == GRAPHQL {
                GRAPHQL
            } else {
                metrics::OTHER
            };
            metrics.http_duration.with(&[timed]).observe(seconds);
        });
    }
}

impl Drop for AccessLogEntry {
    fn drop(&mut self) {
        let context = &self.context.0;
        let operation = context.operation.get();
        let seconds = self.started_at.elapsed().as_secs_f64();
        let milliseconds = seconds * 1000.0;
        self.record(seconds);
        self.end_span();
        let line = if self.status.is_some() {
            "request completed"
        } else {
            "client disconnected"
        };
        // The level of an event is a constant.
        macro_rules! log {
            ($level:ident) => {
                tracing::$level!(
                    target: "liaison::request",
                    request_id = self.context.id(),
                    http.request.method = self.method.as_str(),
                    client.address = %context.client,
                    user_agent.original = context.user_agent.as_deref(),
                    http.route = self.route.as_ref().map(MatchedPath::as_str),
                    http.response.status_code = self.status.map(|status| status.as_u16()),
                    duration_ms = (milliseconds * 1000.0).round() / 1000.0,
                    trace_id = context.work.trace().map(TraceParent::trace_id),
                    statements = context.work.statements(),
                    enduser.id = context.subject.get(),
                    graphql.operation.name = operation.and_then(|operation| operation.operation.as_deref()),
                    graphql.document.hash = operation.map(|operation| &*operation.document),
                    cost = operation.map(|operation| operation.cost),
                    "{line}",
                )
            };
        }
        if self.is_successful_probe() {
            log!(debug);
        } else {
            log!(info);
        }
    }
}
