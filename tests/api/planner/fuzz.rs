//! Every valid document can be planned and executed, with at most one statement per selection.

use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::planner::reference_executor::{Shapes, Writer};
use crate::support::harness::Server;

on_both_databases! {
    any_valid_document_is_planned_with_any_arguments
}

const DOCUMENTS: usize = 200;

/// Page arguments, valid and invalid ones. `CURSOR` stands for a cursor of another list.
const PAGES: [&str; 22] = [
    "first: 2147483647",
    "first: -2147483648",
    "last: 2147483647",
    "first: 101",
    "first: 0",
    "first: -1",
    "first: 2, last: 2",
    "first: null, last: null",
    "last: 3",
    "first: 2",
    "first: 3, after: null",
    "after: \"\"",
    "after: \"x\"",
    "after: \"\\u0000\"",
    "before: \"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"",
    "before: \"\u{1F600}\"",
    "after: \"=====\"",
    "after: \"CURSOR\"",
    "before: \"CURSOR\", last: 1",
    "first: 1, after: \"CURSOR\", before: \"CURSOR\"",
    "first: $some",
    "after: $text",
];

const IDS: [&str; 8] = [
    "REAL",
    "",
    "topic_",
    "topic_01h455vb4pex5vsknk084sn02q",
    "nothing_01h455vb4pex5vsknk084sn02q",
    "item_zzzzzzzzzzzzzzzzzzzzzzzzzz",
    "\u{0}",
    "committee_01h455vb4pex5vsknk084sn02q_01h455vb4pex5vsknk084sn02q",
];

async fn any_valid_document_is_planned_with_any_arguments(server: &Server) {
    server.fill().await;
    let reader = server.itu();
    let shapes = Shapes::of(&reader).await;
    let found = "{ topics { pageInfo { startCursor } nodes { id } } }";
    let data = reader.data(found, json!({})).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cursor = text(&data["topics"]["pageInfo"]["startCursor"]);
    let topic = text(&data["topics"]["nodes"][0]["id"]);
    let mut pages = PAGES.map(|page| page.replace("CURSOR", &cursor)).to_vec();
    // An invalid root field leaves nothing to plan.
    pages.extend((0..40).map(|number| format!("first: {}", 1 + number % 4)));
    let ids = IDS.map(|id| id.replace("REAL", &topic));

    let mut runner = TestRunner::deterministic();
    let (mut read, mut answered, mut most) = (0, 0, 0);
    for number in 0..DOCUMENTS {
        let mut writer = Writer::new(&shapes, &pages, runner.rng());
        (writer.always, writer.never) = ("$always", "$never");
        let document = format!(
            "query($always: Boolean = true, $never: Boolean!, $some: Int, $text: String, $id: ID!, $ids: [ID!]!) {{
                s: topics(first: $some, after: $text) {{ totalCount }} n: node(id: $id) {{ id }} ns: nodes(ids: $ids) {{ __typename }}
                {}",
            writer.document().trim_start_matches('{')
        );
        let id = &ids[number % ids.len()];
        let other = if number % 8 == 1 { id } else { &topic };
        let variables = json!({ "never": false, "some": number % 9, "text": null, "id": id, "ids": [other, topic] });
        server.statements.take();
        let response = reader.run(&document, variables).await;
        let statements = server.statements.take().len();
        assert!(
            statements <= document.matches('{').count(),
            "{statements}: {document}"
        );
        for error in response["errors"].as_array().into_iter().flatten() {
            let code = error["extensions"]["code"].as_str().unwrap_or_default();
            let known = ["BAD_USER_INPUT", "INVALID_CURSOR", "QUERY_TOO_COMPLEX"];
            assert!(known.contains(&code), "{document}: {error}");
        }
        read += usize::from(statements > 0);
        answered += usize::from(response["data"].is_object());
        most = most.max(statements);
    }
    println!(
        "of {DOCUMENTS} documents {read} were read with {most} statements at most, {answered} without an error"
    );
    assert!(read > DOCUMENTS / 2, "{read}");
    assert!(answered > DOCUMENTS / 4, "{answered}");
}
