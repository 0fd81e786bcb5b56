//! Topics on which neither side does anything, in the report.

use serde_json::json;

use crate::queries::report::report;
use crate::support::harness::Server;

on_both_databases! {
    a_topic_is_silent_while_neither_side_does_anything_on_it
}

async fn a_topic_is_silent_while_neither_side_does_anything_on_it(server: &Server) {
    server.set_clock("2026-08-01T10:00:00Z");
    let id = server.topic("T-2").await;
    let note = json!({ "subjectId": id, "body": "A note." });
    server.itu().change("noteAdd", note.clone(), "id").await;
    let is_silent = async |from: &str, to: &str| {
        let report = report(server, from, to).await;
        let topics = report["silentTopics"].as_array().unwrap();
        topics.contains(&json!({ "code": "T-2" }))
    };
    assert!(!is_silent("2026-08-01", "2026-08-01").await);
    assert!(is_silent("2026-08-02", "2026-09-30").await);
    // A reminder of the TSB is no answer of a side.
    server.set_clock("2026-09-01T10:00:00Z");
    server.tsb().change("noteAdd", note.clone(), "id").await;
    assert!(is_silent("2026-08-02", "2026-09-30").await);
    server.set_clock("2026-09-30T23:59:00Z");
    server.upu().change("noteAdd", note, "id").await;
    assert!(!is_silent("2026-08-02", "2026-09-30").await);
    assert!(is_silent("2026-08-02", "2026-09-29").await);
    assert!(is_silent("2026-10-01", "2026-10-31").await);
}
