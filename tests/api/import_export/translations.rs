//! Import of translations.

use serde_json::{Value, json};

use crate::import_export::imports::{import, jsonl, log, refused, with};
use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    translations_are_imported_and_unchanged_the_second_time
    a_translation_may_precede_the_record_it_translates
    all_errors_of_translations_are_reported_at_once
}

fn translation(subject: &str, name: &str, field: &str) -> Value {
    json!({ "type": "Translation", subject: name, "field": field, "language": "DE", "text": "Übersetzt", "kind": "COURTESY" })
}

/// Imports records for the UPU and returns the output.
fn entered(server: &Server, records: &[Value]) -> String {
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(records));
    import(&workspace, server, "UPU", &["records.jsonl"])
}

/// Returns the German translations of the topic T-2.
async fn translations(server: &Server) -> Value {
    let document = "{ topic(by: { code: \"T-2\" }) { translations(language: DE) { field text kind outdated } } }";
    let data = server.anonymous().data(document, json!({})).await;
    data["topic"]["translations"].clone()
}

async fn translations_are_imported_and_unchanged_the_second_time(server: &Server) {
    let title = translation("topic", "T-2", "TITLE");
    let records = [
        title.clone(),
        translation("topic", "T-2", "SUMMARY"),
        translation("organization", "POC", "NAME"),
        translation("committee", "POC C5 (2013-2016)", "NAME"),
        translation("publication", "UPU S52", "TITLE"),
    ];
    assert_eq!(
        entered(server, &records),
        "5 lines: 5 Translation created\n"
    );
    let shown = |field: &str, text: &str, kind: &str, outdated: bool| json!({ "field": field, "text": text, "kind": kind, "outdated": outdated });
    let summary = shown("SUMMARY", "Übersetzt", "COURTESY", false);
    let first = shown("TITLE", "Übersetzt", "COURTESY", false);
    assert_eq!(translations(server).await, json!([summary, first]));

    // Importing them again changes nothing, not even the log, also after the original has changed.
    let id = server.topic("T-2").await;
    let update = json!({ "id": id, "version": server.version(&id).await, "title": "Another" });
    server.upu().change("topicUpdate", update, "id").await;
    let before = log(server).await;
    assert_eq!(
        entered(server, &records),
        "5 lines: 5 Translation unchanged\n"
    );
    assert_eq!(log(server).await, before);
    let outdated = shown("TITLE", "Übersetzt", "COURTESY", true);
    assert_eq!(translations(server).await, json!([summary, outdated]));

    let another = with(with(title.clone(), "text", "Anders"), "kind", "OFFICIAL");
    let without = json!({ "type": "Translation", "topic": "T-2", "field": "SUMMARY", "language": "DE", "text": null });
    let output = entered(server, &[another, without]);
    assert_eq!(output, "2 lines: 2 Translation updated\n");
    let another = shown("TITLE", "Anders", "OFFICIAL", false);
    assert_eq!(translations(server).await, json!([another]));
    // Lines about the same translation are applied in their order.
    let texts = ["Eins", "Zwei"].map(|text| with(title.clone(), "text", text));
    entered(server, &texts);
    assert_eq!(translations(server).await[0]["text"], "Zwei");
}

async fn a_translation_may_precede_the_record_it_translates(server: &Server) {
    let records = [
        translation("publication", "UPU Z1", "TITLE"),
        json!({ "type": "Publication", "number": "UPU Z1", "title": "Translated", "kind": "UPU_STANDARD", "organization": "POC" }),
    ];
    let output = entered(server, &records);
    assert_eq!(
        output,
        "2 lines: 1 Publication created, 1 Translation created\n"
    );
    let document = "{ publication(by: { number: \"UPU Z1\" }) { title(language: DE) titleLanguage(language: DE) } }";
    let data = server.anonymous().data(document, json!({})).await;
    let expected = json!({ "title": "Übersetzt", "titleLanguage": "DE" });
    assert_eq!(data["publication"], expected);
}

async fn all_errors_of_translations_are_reported_at_once(server: &Server) {
    let before = log(server).await;
    let title = || translation("topic", "T-2", "TITLE");
    let without = |field: &str| {
        let mut record = title();
        record.as_object_mut().unwrap().remove(field);
        record
    };
    let cases = [
        (without("topic"), "Say what it is about in one of"),
        (
            with(title(), "organization", "UPU"),
            "Say what it is about in one of",
        ),
        (with(title(), "topic", "T-99"), "T-99"),
        (
            translation("actionItem", "K", "TITLE"),
            "no action item with the key `K`",
        ),
        (translation("publication", "UPU Z1", "TITLE"), "UPU Z1"),
        (without("field"), "field"),
        (
            with(title(), "field", "BODY"),
            "Must be one of NAME, MANDATE",
        ),
        (translation("topic", "T-2", "NAME"), "field"),
        (with(title(), "language", "EN"), "language"),
        (with(title(), "language", "LA"), "Must be one of AR"),
        (without("text"), "A new translation needs its text."),
        (without("kind"), "kind"),
        (with(title(), "text", "x".repeat(501)), "text"),
        (with(title(), "colour", "red"), "its fields are"),
        (
            translation("publication", "ITU-T X.1341 (09/2015)", "TITLE"),
            "ITU",
        ),
    ];
    let workspace = Workspace::new();
    for (record, says) in &cases {
        workspace.write("records.jsonl", jsonl(std::slice::from_ref(record)));
        let report = refused(&workspace, server, "UPU", &["records.jsonl"]).0;
        assert!(report.contains(says), "{record}: {report}");
    }
    let all: Vec<Value> = cases.iter().map(|(record, _)| record.clone()).collect();
    workspace.write("records.jsonl", jsonl(&all));
    let report = refused(&workspace, server, "UPU", &["records.jsonl"]).0;
    for line in 1..=cases.len() {
        assert!(
            report.contains(&format!("records.jsonl:{line}:")),
            "{report}"
        );
    }
    assert_eq!(log(server).await, before);
}
