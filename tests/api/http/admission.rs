//! Heavy queries leave room for others.

use std::sync::Arc;

use liaison::http::HttpConfig;
use liaison::http::limits::Limits;
use liaison::http::server::stream_limit::LimitedClient;
use serde_json::json;

use crate::support::databases::Backend;
use crate::support::harness::Server;

on_both_backends! {
    heavy_queries_wait_for_each_other_and_no_ordinary_one_for_them
}

async fn heavy_queries_wait_for_each_other_and_no_ordinary_one_for_them(backend: Backend) {
    let around = Arc::new(HttpConfig::default());
    let server = Server::start_with(backend, |app| {
        app.http = around.clone();
        app.limits = Limits {
            request_timeout: std::time::Duration::from_secs(1),
            ..Limits::default()
        };
    })
    .await;
    let client = server.anonymous();
    let heavy = "{ topics(filter: { text: \"postal\" }) { nodes { code } } }";
    client.data(heavy, json!({})).await;

    let connections = server.db.read_pool.connections();
    let mut running = Vec::new();
    for number in 1..=connections.div_ceil(4) {
        let other = LimitedClient::Subject(format!("client {number}"));
        running.push(around.admission.acquire(other, connections).await);
    }
    let answer = client.post(heavy, json!({})).await.json();
    assert_eq!(
        answer["errors"][0]["extensions"]["code"], "TIMEOUT",
        "{answer}"
    );
    let ordinary = "{ topics(first: 20) { nodes { code title } } }";
    client.data(ordinary, json!({})).await;
    drop(running);
    client.data(heavy, json!({})).await;
}
