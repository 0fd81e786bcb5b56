//! The example in the planner's README.

use serde_json::Value;

use crate::support::databases::Backend;
use crate::support::harness::Server;

const README: &str = include_str!("../../../src/planner/README.md");

/// Returns the text without line breaks and indentation.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_planner_example_sends_the_documented_statements() {
    let server = Server::start(Backend::Sqlite).await;
    server.fill().await;
    let query = "{ topics(first: 2) { nodes { code committees { role committee { code } } } } }";
    server.statements.take();
    let response = server.anonymous().post(query, Value::Null).await;
    assert_eq!(response.json()["errors"], Value::Null);
    assert!(README.contains(query));
    let readme = on_one_line(README);
    let statements = server.statements.take();
    assert_eq!(statements.len(), 2);
    for statement in statements {
        assert!(readme.contains(&statement.sql), "{}", statement.sql);
    }
}
