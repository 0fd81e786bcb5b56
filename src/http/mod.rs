//! Serves the API over HTTP: routes, and how the service starts and stops.

mod answer;
mod asked;
pub mod auth;
mod body;
mod bounded;
mod conditional;
pub mod cors;
pub mod document;
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
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::sleep;

use self::auth::Verifier;
use self::body::Room;
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

/// What the service holds for as long as it runs.
pub struct App {
    pub db: Database,
    pub schema: Schema,
    pub verifier: Arc<Verifier>,
    pub clock: Clock,
    pub documents: Arc<Documents>,
    /// None where each answer is read anew.
    pub memory: Option<Memory>,
    pub limits: Limits,
    pub feed: Feed,
    pub open: Open,
    pub around: Arc<Around>,
}

/// How long connections that stay open have to end once all others have.
const GOODBYE: Duration = Duration::from_secs(2);

/// What surrounds the requests.
#[derive(Debug)]
pub struct Around {
    pub bounds: Bounds,
    pub proxies: Proxies,
    pub rates: Rates,
    /// Requests that fail before they run.
    pub failures: Failures,
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

/// Where a browser that opens the service is sent.
const START: &str = if cfg!(feature = "explorer") {
    "/graphiql"
} else {
    "/schema.graphql"
};

/// All addresses of the service.
pub fn router(app: App) -> Router {
    let app = Arc::new(app);
    Router::new()
        .route("/", get(|| async { Redirect::to(START) }))
        .route("/graphql", get(front::get).post(front::post))
        .route("/graphql/", get(front::get).post(front::post))
        .route("/graphql/ws", get(ws::open))
        .route("/graphql/ws/", get(ws::open))
        .route("/schema.graphql", get(schema))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .merge(explorer::routes())
        .layer(from_fn_with_state(app.clone(), body::bounded))
        .layer(from_fn(host::require_host))
        .layer(from_fn(visit::caught))
        .layer(cors::layer(&app.around.origins))
        .layer(from_fn_with_state(app.clone(), visit::welcome))
        .with_state(app)
}

async fn schema(State(app): State<Arc<App>>) -> Response {
    if app.limits.no_introspection {
        return StatusCode::NOT_FOUND.into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/graphql; charset=utf-8")];
    (kind, app.documents.sdl.clone()).into_response()
}

/// Serves until `stop` is done, and while it drains; then takes no more connections, and finishes what runs.
///
/// # Errors
/// Where the listener fails.
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
        // What was upgraded is no longer the loop's.
        open.stop();
    };
    server::run(listener, router(app), around, stop).await?;
    // Each has said goodbye by now, or is too slow to.
    let _ = tokio::time::timeout(GOODBYE, open.empty()).await;
    Ok(())
}
