//! Health checks report problems by component.

use std::fs;
use std::time::{Duration, Instant};

use liaison::http::auth::Verifier;
use liaison::http::auth::issuer::Issuer;
use liaison::http::auth::jwks::JwksSource;
use reqwest::Method;
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};

use crate::auth::identity::rules;
use crate::support::harness::{Backend, Server};
use crate::support::identity_provider::{Provider, ProviderBehavior, public};

on_both_databases! {
    readiness_lists_its_checks
    a_short_lock_does_not_fail_readiness
    writes_that_fail_make_the_service_not_ready
}

on_both_backends! {
    the_jwks_fetch_is_retried_until_it_succeeds
}

async fn readyz(server: &Server) -> (u16, Value) {
    let response = server
        .anonymous()
        .send(Method::GET, "/readyz", &[], "")
        .await;
    (response.status.as_u16(), response.json())
}

async fn readiness_lists_its_checks(server: &Server) {
    let checks =
        json!({ "shutdown": "ok", "databaseRead": "ok", "databaseWrite": "ok", "tokens": "ok" });
    assert_eq!(
        readyz(server).await,
        (200, json!({ "status": "ready", "checks": checks }))
    );
}

async fn a_short_lock_does_not_fail_readiness(server: &Server) {
    let writing = server.db.orm_write.begin().await.unwrap();
    let lock = "update counter set value = value";
    writing.execute_unprepared(lock).await.unwrap();
    assert_eq!(readyz(server).await.0, 200);
    writing.rollback().await.unwrap();
    assert_eq!(readyz(server).await.0, 200);
}

async fn writes_that_fail_make_the_service_not_ready(server: &Server) {
    let (broken, mended) = match server.db.orm_write.get_database_backend() {
        DbBackend::Sqlite => (
            "create trigger broken before update on counter begin select raise(abort, 'broken'); end",
            "drop trigger broken",
        ),
        _ => (
            "create function broken() returns trigger language plpgsql as $$
                begin raise exception 'no room' using errcode = '53100'; end $$;
            create trigger broken before update on counter for each row execute function broken()",
            "drop trigger broken on counter",
        ),
    };
    server.sql(broken).await;
    let (status, body) = readyz(server).await;
    assert_eq!((status, &body["status"]), (503, &json!("unavailable")));
    assert_eq!(body["checks"]["databaseRead"], "ok");
    assert_ne!(body["checks"]["databaseWrite"], "ok");
    server.sql(mended).await;
    assert_eq!(readyz(server).await.0, 200);
}

#[tokio::test]
async fn liveness_fails_when_the_database_file_was_replaced() {
    let server = Server::start(Backend::Sqlite).await;
    let livez = async || {
        let client = server.anonymous();
        client.send(Method::GET, "/livez", &[], "").await.status
    };
    assert_eq!(livez().await, 200);
    let file = server.database_url().trim_start_matches("sqlite://");
    let moved = format!("{file}.moved");
    fs::rename(file, &moved).unwrap();
    // A restart would begin with an empty register.
    assert_eq!(livez().await, 200);
    let (status, body) = readyz(&server).await;
    assert_eq!(status, 503);
    let problem = body["checks"]["databaseRead"].as_str().unwrap();
    assert!(problem.contains("put it back"), "{problem}");
    fs::copy(&moved, file).unwrap();
    assert_eq!(livez().await, 503);
    let (status, body) = readyz(&server).await;
    assert_eq!(status, 503);
    let problem = body["checks"]["databaseRead"].as_str().unwrap();
    assert!(problem.contains("restart"), "{problem}");
    fs::rename(&moved, file).unwrap();
    assert_eq!(livez().await, 200);
    assert_eq!(readyz(&server).await.0, 200);
}

async fn the_jwks_fetch_is_retried_until_it_succeeds(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "1")]).await;
    provider.becomes(ProviderBehavior::Down);
    let jwks_source = JwksSource::key_set(&provider.key_set()).unwrap();
    let issuer = Issuer::publishing(rules("https://id.example.org"), jwks_source).unwrap();
    let verifier = Verifier::of(vec![issuer]).unwrap();
    let server = Server::start_with(backend, |app| app.verifier = verifier.into()).await;
    let (status, body) = readyz(&server).await;
    assert_eq!(status, 503);
    assert_ne!(body["checks"]["tokens"], "ok");
    assert_eq!(body["checks"]["databaseWrite"], "ok");
    provider.becomes(ProviderBehavior::Well);
    // A service that is not ready receives no tokens.
    let started_at = Instant::now();
    while readyz(&server).await.0 != 200 {
        assert!(started_at.elapsed() < Duration::from_secs(30));
        server.pass_seconds(10);
    }
}
