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
use crate::support::identity_provider::{Mood, Provider, public};

on_both_databases! {
    readiness_lists_its_checks
    a_lock_that_is_held_for_a_moment_is_no_reason
    writes_that_fail_make_the_service_not_ready
}

on_both_backends! {
    keys_that_were_never_fetched_are_tried_again
}

async fn readyz(server: &Server) -> (u16, Value) {
    let answer = server
        .anonymous()
        .send(Method::GET, "/readyz", &[], "")
        .await;
    (answer.status.as_u16(), answer.json())
}

async fn readiness_lists_its_checks(server: &Server) {
    let checks =
        json!({ "shutdown": "ok", "databaseRead": "ok", "databaseWrite": "ok", "tokens": "ok" });
    assert_eq!(
        readyz(server).await,
        (200, json!({ "status": "ready", "checks": checks }))
    );
}

async fn a_lock_that_is_held_for_a_moment_is_no_reason(server: &Server) {
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
async fn a_restart_helps_where_another_file_stands_and_not_where_none_does() {
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
    let said = body["checks"]["databaseRead"].as_str().unwrap();
    assert!(said.contains("put it back"), "{said}");
    fs::copy(&moved, file).unwrap();
    assert_eq!(livez().await, 503);
    let (status, body) = readyz(&server).await;
    assert_eq!(status, 503);
    let said = body["checks"]["databaseRead"].as_str().unwrap();
    assert!(said.contains("restart"), "{said}");
    fs::rename(&moved, file).unwrap();
    assert_eq!(livez().await, 200);
    assert_eq!(readyz(&server).await.0, 200);
}

async fn keys_that_were_never_fetched_are_tried_again(backend: Backend) {
    let provider = Provider::start("", vec![public("RS256", "1")]).await;
    provider.becomes(Mood::Down);
    let place = JwksSource::key_set(&provider.key_set()).unwrap();
    let issuer = Issuer::publishing(rules("https://id.example.org"), place).unwrap();
    let verifier = Verifier::of(vec![issuer]).unwrap();
    let server = Server::start_with(backend, |app| app.verifier = verifier.into()).await;
    let (status, body) = readyz(&server).await;
    assert_eq!(status, 503);
    assert_ne!(body["checks"]["tokens"], "ok");
    assert_eq!(body["checks"]["databaseWrite"], "ok");
    provider.becomes(Mood::Well);
    // A service that is not ready receives no tokens.
    let begun = Instant::now();
    while readyz(&server).await.0 != 200 {
        assert!(begun.elapsed() < Duration::from_secs(30));
        server.pass_seconds(10);
    }
}
