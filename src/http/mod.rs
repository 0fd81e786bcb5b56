//! The HTTP server: routes, startup and shutdown.

pub mod auth;
mod cache;
pub mod duration;
mod error;
mod error_response;
mod graphiql;
pub mod graphql;
mod health;
pub mod limits;
pub mod metrics;
pub mod middleware;
pub mod number;
pub mod redact;
pub mod server;
pub mod suggestion;
pub mod validation;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_request};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

use self::auth::Verifier;
use self::limits::Limits;
use crate::events::Feed;
use crate::graphql::Schema;
use crate::graphql::request::Clock;
pub use crate::graphql::request::ResponseBudget;
use crate::http::error::RequestError;
use crate::http::graphql::admission::Admission;
use crate::http::graphql::etag::{if_none_match, weak_tag};
use crate::http::graphql::response::respond;
use crate::http::graphql::response_cache::ResponseCache;
use crate::http::health::ReadinessLog;
use crate::http::middleware::body_limit::BodyMemory;
use crate::http::middleware::client_ip::TrustedProxies;
use crate::http::middleware::rate_limit::{Failures, RateLimiter};
use crate::http::server::accept::ServerLimits;
use crate::http::server::shutdown::Shutdown;
use crate::http::server::stream_limit::ConcurrencyLimiter;
use crate::http::validation::Documents;
use crate::search::Search;
use crate::store::Database;

/// The state of the service.
pub struct AppState {
    pub db: Database,
    pub search: Search,
    pub schema: Schema,
    pub verifier: Arc<Verifier>,
    pub clock: Clock,
    pub documents: Arc<Documents>,
    /// `None` if responses are not cached.
    pub response_cache: Option<ResponseCache>,
    pub limits: Limits,
    pub feed: Feed,
    pub shutdown: Shutdown,
    pub http: Arc<HttpState>,
}

/// Time for long-lived connections to close after all others.
const STREAM_CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The settings and the shared state of the HTTP server.
#[derive(Debug)]
pub struct HttpState {
    pub server_limits: ServerLimits,
    pub trusted_proxies: TrustedProxies,
    pub rate_limiter: RateLimiter,
    /// Requests that fail before they run.
    pub failures: Failures,
    /// Heavy operations under way.
    pub heavy: Admission,
    /// Ordinary queries under way.
    pub ordinary: Admission,
    /// The origins whose pages may call from a browser; `*` is all.
    pub allowed_origins: Vec<HeaderValue>,
    pub body_memory: BodyMemory,
    /// Whether mutations are refused.
    pub read_only: bool,
    /// WebSockets and event streams: connections that stay open.
    pub streams: ConcurrencyLimiter,
    /// Subscriptions under way; one with a large document or large variables counts as several.
    pub subscriptions: ConcurrencyLimiter,
    /// For the bytes of responses.
    pub responses: ResponseBudget,
    /// The last readiness that was logged.
    pub readiness: ReadinessLog,
    /// How long the service keeps serving after the signal to stop, so that load balancers can take it out.
    pub shutdown_delay: Duration,
}

impl Default for HttpState {
    fn default() -> Self {
        Self {
            server_limits: ServerLimits::default(),
            trusted_proxies: TrustedProxies::default(),
            rate_limiter: RateLimiter::default(),
            failures: Failures::default(),
            heavy: Admission::default(),
            ordinary: Admission::default(),
            allowed_origins: Vec::new(),
            body_memory: BodyMemory::default(),
            streams: ConcurrencyLimiter::new(STREAMS, 1000, 0),
            subscriptions: ConcurrencyLimiter::new(SUBSCRIPTIONS, 4000, 0),
            read_only: false,
            responses: ResponseBudget::default(),
            readiness: ReadinessLog::default(),
            shutdown_delay: Duration::ZERO,
        }
    }
}

/// The names of the limits to what clients share.
pub const STREAMS: &str = "streams";
pub const SUBSCRIPTIONS: &str = "subscriptions";

/// Smaller responses are sent as they are, in bytes: compressed they fill a packet, too.
const COMPRESSED_FROM: u16 = 1024;

/// Where a browser that opens the service is sent.
const START: &str = if cfg!(feature = "explorer") {
    "/graphiql"
} else {
    "/schema.graphql"
};

/// All addresses of the service.
pub fn router(app: Arc<AppState>) -> Router {
    let schema = SchemaDocument::new(&app);
    Router::new()
        .route("/", get(|| async { Redirect::to(START) }))
        .route(
            "/graphql",
            get(crate::http::graphql::handler::get).post(crate::http::graphql::handler::post),
        )
        .route(
            "/graphql/",
            get(crate::http::graphql::handler::get).post(crate::http::graphql::handler::post),
        )
        .route("/graphql/ws", get(crate::http::graphql::websocket::open))
        .route("/graphql/ws/", get(crate::http::graphql::websocket::open))
        .route(
            "/schema.graphql",
            get(async move |headers: HeaderMap| schema.respond(&headers)),
        )
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(graphiql::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                // Event streams and what is compressed already stay as they are.
                .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM))),
        )
        .layer(map_request(
            crate::http::middleware::accept_encoding::prefer_gzip,
        ))
        .layer(from_fn_with_state(
            app.clone(),
            crate::http::middleware::body_limit::limit_bodies,
        ))
        .layer(from_fn(crate::http::middleware::host::require_host))
        .layer(from_fn(
            crate::http::middleware::request_context::catch_panic,
        ))
        .layer(crate::http::middleware::cors::layer(
            &app.http.allowed_origins,
        ))
        .layer(from_fn_with_state(
            app.clone(),
            crate::http::middleware::request_context::log_requests,
        ))
        .with_state(app)
}

async fn not_found(headers: HeaderMap) -> Response {
    let message = "There is nothing at this address: the API is at /graphql.";
    let refused = RequestError::new(StatusCode::NOT_FOUND, "BAD_USER_INPUT", message);
    respond(&headers, Err(refused))
}

/// The header `Allow` is added by the router.
async fn method_not_allowed(headers: HeaderMap) -> Response {
    let message = "This method is not allowed here: use one that the header `Allow` names.";
    let refused = RequestError::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_USER_INPUT", message);
    respond(&headers, Err(refused))
}

/// The schema as a document, made once.
#[derive(Clone)]
struct SchemaDocument(Option<(Bytes, String)>);

impl SchemaDocument {
    fn new(app: &AppState) -> Self {
        let is_public = !app.limits.no_introspection;
        Self(is_public.then(|| {
            let text = app.documents.sdl.clone();
            let tag = weak_tag(&text);
            (text, tag)
        }))
    }

    fn respond(self, headers: &HeaderMap) -> Response {
        let Some((text, tag)) = self.0 else {
            let message = "The schema is not served here: introspection is switched off.";
            let refused = RequestError::new(StatusCode::NOT_FOUND, "BAD_USER_INPUT", message);
            return respond(headers, Err(refused));
        };
        let is_known = if_none_match(headers, &tag);
        let common = [
            (header::CACHE_CONTROL, "no-cache".to_owned()),
            (header::ETAG, tag),
        ];
        if is_known {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, "application/graphql; charset=utf-8")];
        (common, kind, text).into_response()
    }
}

/// Serves until `stop` completes and the shutdown delay has passed; then accepts no more connections and finishes
/// running requests.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: impl Into<Arc<AppState>>,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let app = app.into();
    let (http, open) = (app.http.clone(), app.shutdown.clone());
    let drain = http.shutdown_delay;
    let stop = async {
        stop.await;
        open.drain();
        sleep(drain).await;
        // The accept loop does not track upgraded connections.
        open.stop();
    };
    crate::http::server::accept::run(listener, router(app), http, stop).await?;
    // Connections that have not closed by then are aborted.
    let _ = tokio::time::timeout(STREAM_CLOSE_TIMEOUT, open.all_closed()).await;
    Ok(())
}
