//! The HTTP server: routes, startup and shutdown.

pub mod admission;
mod answer;
mod asked;
pub mod auth;
mod body;
mod bounded;
mod conditional;
pub mod cors;
pub mod document;
pub mod duration;
mod explorer;
mod failure;
mod front;
mod health;
mod host;
pub mod limits;
mod media;
pub mod memory;
pub mod open;
mod places;
pub mod proxies;
pub mod rate;
pub mod redact;
mod refused;
pub mod server;
mod sse;
mod stream;
pub mod streams;
mod visit;
mod wire;
pub mod ws;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate, SizeAbove};

use self::admission::Admission;
use self::auth::Verifier;
use self::body::Room;
use self::conditional::{shows, weak_tag};
use self::document::Documents;
use self::limits::Limits;
use self::memory::Memory;
use self::open::Open;
use self::proxies::Proxies;
use self::rate::{Failures, Rates};
use self::server::Bounds;
use self::streams::Shares;
use crate::feed::Feed;
use crate::graphql::Schema;
use crate::graphql::request::Clock;
pub use crate::graphql::request::ResponseBudget;
use crate::store::Database;

/// The state of the service.
pub struct App {
    pub db: Database,
    pub schema: Schema,
    pub verifier: Arc<Verifier>,
    pub clock: Clock,
    pub documents: Arc<Documents>,
    /// `None` if responses are not cached.
    pub memory: Option<Memory>,
    pub limits: Limits,
    pub feed: Feed,
    pub open: Open,
    pub around: Arc<Around>,
}

/// Time for long-lived connections to close after all others.
const GOODBYE: Duration = Duration::from_secs(2);

/// What surrounds the requests.
#[derive(Debug)]
pub struct Around {
    pub bounds: Bounds,
    pub proxies: Proxies,
    pub rates: Rates,
    /// Requests that fail before they run.
    pub failures: Failures,
    /// Heavy queries under way.
    pub admission: Admission,
    /// The origins whose pages may call from a browser; `*` is all.
    pub origins: Vec<HeaderValue>,
    pub room: Room,
    /// Whether mutations are refused.
    pub read_only: bool,
    /// WebSockets and event streams: connections that stay open.
    pub streams: Shares,
    /// Subscriptions under way; one with a large document or large variables counts as several.
    pub subscriptions: Shares,
    /// For the bytes of responses.
    pub responses: ResponseBudget,
    /// How long the service goes on when it is told to stop, so that nobody is sent any more when it does.
    pub drain: Duration,
}

impl Default for Around {
    fn default() -> Self {
        Self {
            bounds: Bounds::default(),
            proxies: Proxies::default(),
            rates: Rates::default(),
            failures: Failures::default(),
            admission: Admission::default(),
            origins: Vec::new(),
            room: Room::default(),
            streams: Shares::new(STREAMS, 1000, 0),
            subscriptions: Shares::new(SUBSCRIPTIONS, 4000, 0),
            read_only: false,
            responses: ResponseBudget::default(),
            drain: Duration::ZERO,
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
pub fn router(app: App) -> Router {
    let schema = SchemaDocument::new(&app);
    let app = Arc::new(app);
    Router::new()
        .route("/", get(|| async { Redirect::to(START) }))
        .route("/graphql", get(front::get).post(front::post))
        .route("/graphql/", get(front::get).post(front::post))
        .route("/graphql/ws", get(ws::open))
        .route("/graphql/ws/", get(ws::open))
        .route(
            "/schema.graphql",
            get(async move |headers: HeaderMap| schema.respond(&headers)),
        )
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(explorer::routes())
        .layer(
            CompressionLayer::new()
                .quality(CompressionLevel::Fastest)
                // Event streams and what is compressed already stay as they are.
                .compress_when(DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_FROM))),
        )
        .layer(from_fn_with_state(app.clone(), body::bounded))
        .layer(from_fn(host::require_host))
        .layer(from_fn(visit::caught))
        .layer(cors::layer(&app.around.origins))
        .layer(from_fn_with_state(app.clone(), visit::welcome))
        .with_state(app)
}

/// The schema as a document, made once.
#[derive(Clone)]
struct SchemaDocument(Option<(Bytes, String)>);

impl SchemaDocument {
    fn new(app: &App) -> Self {
        let is_public = !app.limits.no_introspection;
        Self(is_public.then(|| {
            let text = app.documents.sdl.clone();
            let tag = weak_tag(&text);
            (text, tag)
        }))
    }

    fn respond(self, headers: &HeaderMap) -> Response {
        let Some((text, tag)) = self.0 else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let is_known = shows(headers, &tag);
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
    app: App,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let (around, open) = (app.around.clone(), app.open.clone());
    let drain = around.drain;
    let stop = async {
        stop.await;
        open.drain();
        sleep(drain).await;
        // The accept loop does not track upgraded connections.
        open.stop();
    };
    server::run(listener, router(app), around, stop).await?;
    // Connections that have not closed by then are aborted.
    let _ = tokio::time::timeout(GOODBYE, open.empty()).await;
    Ok(())
}
