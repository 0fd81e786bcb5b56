//! Serves the API over HTTP: routes, and how the service starts and stops.

pub mod auth;
mod body;
pub mod cors;
mod explorer;
mod failure;
mod front;
mod health;
mod places;
pub mod proxies;
pub mod rate;
pub mod server;
mod visit;
mod wire;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use chrono::{DateTime, Utc};
use tokio::net::TcpListener;

use self::auth::Verifier;
use self::body::Room;
use self::proxies::Proxies;
use self::rate::Rates;
use self::server::Bounds;
use crate::graphql::{Schema, sdl};
use crate::store::Database;

/// What the service holds for as long as it runs.
#[derive(Clone)]
pub struct App {
    pub db: Database,
    pub schema: Schema,
    pub verifier: Arc<Verifier>,
    pub clock: Clock,
    pub limits: Limits,
    pub around: Arc<Around>,
}

/// Tells the time: each request asks once.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// What a request may ask for at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a body.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: 1_000_000 }
    }
}

/// What surrounds the requests.
#[derive(Debug, Default)]
pub struct Around {
    pub bounds: Bounds,
    pub proxies: Proxies,
    pub rates: Rates,
    /// The origins whose pages may call from a browser; `*` is all.
    pub origins: Vec<HeaderValue>,
    pub room: Room,
}

/// All addresses of the service.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/graphiql") }))
        .route("/graphql", get(front::get).post(front::post))
        .route("/schema.graphql", get(schema))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(explorer::routes())
        .layer(from_fn_with_state(app.clone(), body::bounded))
        .layer(from_fn(visit::caught))
        .layer(cors::layer(&app.around.origins))
        .layer(from_fn_with_state(app.clone(), visit::welcome))
        .with_state(app)
}

async fn schema(axum::extract::State(app): axum::extract::State<App>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/graphql; charset=utf-8")];
    (kind, sdl(&app.schema))
}

/// Serves until `stop` is done; then takes no more connections, and finishes what runs.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()> + Send,
) -> std::io::Result<()> {
    let around = app.around.clone();
    server::run(listener, router(app), around, stop).await
}
