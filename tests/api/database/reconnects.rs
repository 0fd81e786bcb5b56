//! A read does not fail because an idle connection was lost.

use futures_util::future::join_all;
use serde_json::json;

use crate::subscriptions::activity::CUT_OFF;
use crate::support::databases::Backend;
use crate::support::harness::Server;

// SQLite has no network connection.
#[tokio::test]
async fn queries_succeed_after_the_database_server_dropped_its_connections() {
    let server = Server::start(Backend::Postgres).await;
    let reader = server.anonymous();
    let document = "{ topics { totalCount nodes { code committees { role } } } }";
    let expected = reader.data(document, json!({})).await;
    for _ in 0..5 {
        // As many at once as there are connections, and more.
        let responses = (0..8).map(|_| reader.data(document, json!({})));
        for response in join_all(responses).await {
            assert_eq!(response, expected);
        }
        server.sql(CUT_OFF).await;
    }
}
