//! Serves the API over HTTP: routes, and how the service starts and stops.

mod answer;
mod asked;
pub mod auth;
pub mod document;
mod explorer;
mod front;
mod health;
pub mod limits;
mod media;
pub mod open;
mod refused;
mod sse;
mod stream;
pub mod ws;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio::net::TcpListener;

use self::auth::Verifier;
use self::document::Documents;
use self::limits::Limits;
use self::open::Open;
use crate::feed::Feed;
use crate::graphql::request::Clock;
use crate::graphql::{Schema, sdl};
use crate::store::Database;

/// What the service holds for as long as it runs.
#[derive(Clone)]
pub struct App {
    pub db: Database,
    pub schema: Schema,
    pub verifier: Arc<Verifier>,
    pub clock: Clock,
    pub documents: Arc<Documents>,
    pub limits: Limits,
    pub feed: Feed,
    pub open: Open,
}

/// How long requests that run may go on once the service is told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// All addresses of the service.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(|| async { Redirect::to("/graphiql") }))
        .route("/graphql", get(front::get).post(front::post))
        .route("/graphql/ws", get(ws::open))
        .route("/schema.graphql", get(schema))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(explorer::routes())
        .with_state(app)
}

async fn schema(State(app): State<App>) -> Response {
    if app.limits.no_introspection {
        return StatusCode::NOT_FOUND.into_response();
    }
    let kind = [(header::CONTENT_TYPE, "application/graphql; charset=utf-8")];
    (kind, sdl(&app.schema)).into_response()
}

/// Serves until `stop` is done; then takes no more connections, and finishes what runs.
///
/// # Errors
/// Where the listener fails.
pub async fn serve(
    listener: TcpListener,
    app: App,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (told, heard) = tokio::sync::oneshot::channel();
    let open = app.open.clone();
    let closing = open.clone();
    let stop = async move {
        stop.await;
        closing.stop();
        // Fails where serving has ended by itself: then nobody waits.
        let _ = told.send(());
    };
    let serving = axum::serve(listener, router(app)).with_graceful_shutdown(stop);
    let late = async {
        if heard.await.is_ok() {
            tokio::time::sleep(GRACE).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // What was upgraded is no longer axum's.
        served = async { serving.await?; open.empty().await; Ok(()) } => served,
        () = late => Ok(()),
    }
}
