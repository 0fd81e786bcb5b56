//! Search: what is found, in which order, and what is not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    a_record_is_found_by_the_request_after_its_mutation_from_every_instance
    removed_words_are_no_longer_found
    a_translation_is_found_and_names_its_language
    search_never_finds_retracted_notes_and_webhooks
    search_pages_have_every_result_once_during_writes
    search_counts_are_exact_and_follow_the_filters
    fragments_are_plain_text_and_together_the_text
    texts_that_cannot_be_searched_for_are_refused
    operators_and_quotes_are_searched_literally
    a_search_needs_one_statement_per_type_found
    a_cursor_is_valid_only_for_its_search
}

const SEARCH: &str = "query($text: String!, $types: [SearchType!], $side: [Side!], $first: Int, $after: String) {
    search(text: $text, types: $types, side: $side, first: $first, after: $after) {
        totalCount countsByType { type count } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        edges { cursor score node { ...Label } highlights { field language fragments { text isMatch } } } nodes { ...Label } } }
    fragment Label on SearchResult { __typename ... on Node { id } ... on Organization { acronym } ... on Committee { code period organization { acronym } }
        ... on Topic { code } ... on ActionItem { code } ... on Publication { number } ... on LiaisonStatement { code } ... on Note { body } }";

/// Returns the response of a search.
pub async fn search(client: &Client<'_>, variables: Value) -> Value {
    let data = client.data(SEARCH, variables).await;
    data["search"].clone()
}

/// Returns what people call a record that was found.
pub fn label(node: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match node["__typename"].as_str().unwrap() {
        "Organization" => text(&node["acronym"]),
        "Committee" => format!(
            "{} {} {}",
            text(&node["organization"]["acronym"]),
            text(&node["code"]),
            text(&node["period"])
        ),
        "Publication" => text(&node["number"]),
        "Note" => format!("note: {}", text(&node["body"])),
        _ => text(&node["code"]),
    }
}

/// Returns the labels of the first results.
pub async fn found(server: &Server, text: &str) -> Vec<String> {
    let results = search(&server.anonymous(), json!({ "text": text })).await;
    let nodes = results["nodes"].as_array().unwrap();
    nodes.iter().map(label).collect()
}

async fn a_record_is_found_by_the_request_after_its_mutation_from_every_instance(server: &Server) {
    let other = server.beside(|_| {}).await;
    // Both have an index from here on.
    assert_eq!(found(server, "zeppelin").await, [""; 0]);
    assert_eq!(found(&other, "zeppelin").await, [""; 0]);
    for (number, writer) in [server, &other, server].into_iter().enumerate() {
        let title = format!("Zeppelin mail of route {number}");
        let input = json!({ "title": title, "summary": "By air." });
        let topic = writer.tsb().change("topicPropose", input, "code").await;
        let code = topic["code"].as_str().unwrap();
        let text = format!("zeppelins route {number}");
        assert_eq!(found(server, &text).await, [code]);
        assert_eq!(found(&other, &text).await, [code]);
    }
    let late = server.beside(|_| {}).await;
    assert_eq!(found(&late, "zeppelin").await.len(), 3);
}

async fn removed_words_are_no_longer_found(server: &Server) {
    let title = "Airships over the Alps";
    let input = json!({ "title": title, "summary": "S" });
    let tsb = server.tsb();
    let topic = tsb.change("topicPropose", input, "id version code").await;
    assert_eq!(
        found(server, "airship").await,
        [topic["code"].as_str().unwrap()]
    );
    let input = json!({ "id": topic["id"], "version": topic["version"], "title": "Balloons" });
    tsb.change("topicUpdate", input, "id").await;
    assert_eq!(found(server, "airship").await, [""; 0]);
    assert_eq!(
        found(server, "balloon").await,
        [topic["code"].as_str().unwrap()]
    );
}

async fn a_translation_is_found_and_names_its_language(server: &Server) {
    let topic = server.topic("T-1").await;
    server
        .translate(&topic, "TITLE", "RU", "Дирижабли для почты")
        .await;
    let results = search(&server.anonymous(), json!({ "text": "дирижабль" })).await;
    assert_eq!(label(&results["nodes"][0]), "T-1");
    let highlights = json!([{ "field": "title", "language": "RU", "fragments": [
        { "text": "Дирижабли", "isMatch": true }, { "text": " для почты", "isMatch": false }] }]);
    assert_eq!(results["edges"][0]["highlights"], highlights);
}

async fn search_never_finds_retracted_notes_and_webhooks(server: &Server) {
    let itu = server.itu();
    let note = json!({ "subjectId": server.topic("T-1").await, "body": "Quetzal feathers" });
    let note = itu.change("noteAdd", note, "id").await;
    assert_eq!(found(server, "quetzal").await, ["note: Quetzal feathers"]);
    itu.change("noteRetract", json!({ "id": note["id"] }), "id")
        .await;
    let webhook = json!({ "url": "https://quetzal.example/hook" });
    itu.change("webhookCreate", webhook, "id").await;
    assert_eq!(found(server, "quetzal").await, [""; 0]);
    let late = server.beside(|_| {}).await;
    assert_eq!(found(&late, "quetzal").await, [""; 0]);
}

async fn search_pages_have_every_result_once_during_writes(server: &Server) {
    let tsb = server.tsb();
    let propose = async |title: String| {
        let input = json!({ "title": title, "summary": "S" });
        tsb.change("topicPropose", input, "id").await;
    };
    let mut before = BTreeSet::new();
    for number in 0..23 {
        // Titles of different lengths have different scores.
        let title = format!("Dragonfly {}", "lake ".repeat(number % 7));
        let input = json!({ "title": title, "summary": "S" });
        let topic = tsb.change("topicPropose", input, "code").await;
        before.insert(topic["code"].as_str().unwrap().to_owned());
    }
    let (mut found_ids, mut after) = (Vec::new(), Value::Null);
    for page in 0.. {
        let variables = json!({ "text": "dragonfly", "first": 4, "after": after });
        let results = search(&server.anonymous(), variables).await;
        let info = &results["pageInfo"];
        assert_eq!(info["hasPreviousPage"], page > 0);
        found_ids.extend(results["nodes"].as_array().unwrap().iter().map(label));
        let count = results["totalCount"].as_u64().unwrap();
        assert_eq!(count, 23 + 2 * page, "{results:#}");
        if info["hasNextPage"] == false {
            break;
        }
        after = info["endCursor"].clone();
        // One result comes before all others, one after them; the word becomes less rare with each.
        propose("Dragonfly".to_owned()).await;
        propose(format!("Dragonfly {}", "pond ".repeat(40))).await;
    }
    let distinct: BTreeSet<String> = found_ids.iter().cloned().collect();
    assert_eq!(distinct.len(), found_ids.len(), "{found_ids:?}");
    assert!(before.is_subset(&distinct), "{found_ids:?}");
}

async fn search_counts_are_exact_and_follow_the_filters(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let count = async |variables: Value| {
        let results = search(&reader, variables).await;
        let counts = results["countsByType"].as_array().unwrap().clone();
        let types: Vec<_> = counts
            .iter()
            .map(|count| count["type"].as_str().unwrap())
            .collect();
        let all = [
            "ORGANIZATION",
            "COMMITTEE",
            "TOPIC",
            "ACTION_ITEM",
            "PUBLICATION",
            "LIAISON_STATEMENT",
            "NOTE",
        ];
        assert_eq!(types, all);
        let sum: u64 = counts
            .iter()
            .map(|count| count["count"].as_u64().unwrap())
            .sum();
        assert_eq!(results["totalCount"], sum);
        let shown = results["nodes"].as_array().unwrap().len() as u64;
        assert_eq!(shown, sum.min(100), "{results:#}");
        sum
    };
    let text = "postal";
    let all = count(json!({ "text": text, "first": 100 })).await;
    assert!(all > 3, "{all}");
    let mut by_type = 0;
    for ty in [
        "ORGANIZATION",
        "COMMITTEE",
        "TOPIC",
        "ACTION_ITEM",
        "PUBLICATION",
        "LIAISON_STATEMENT",
        "NOTE",
    ] {
        by_type += count(json!({ "text": text, "first": 100, "types": [ty] })).await;
    }
    assert_eq!(by_type, all);
    assert_eq!(count(json!({ "text": text, "types": [] })).await, 0);
    assert_eq!(count(json!({ "text": text, "side": [] })).await, 0);
    let many = vec!["TOPIC"; 100];
    let topics = count(json!({ "text": text, "types": ["TOPIC"] })).await;
    assert_eq!(count(json!({ "text": text, "types": many })).await, topics);
    // A topic is of both sides.
    for side in ["ITU", "UPU"] {
        let variables = json!({ "text": text, "types": ["TOPIC"], "side": [side] });
        assert_eq!(count(variables).await, topics);
    }
    let of_upu = json!({ "text": "poc", "types": ["COMMITTEE"], "side": ["UPU"], "first": 100 });
    assert!(count(of_upu).await > 0);
    let of_itu = json!({ "text": "poc", "types": ["COMMITTEE"], "side": ["ITU"] });
    assert_eq!(count(of_itu).await, 0);
    let none = search(&reader, json!({ "text": text, "first": 0 })).await;
    assert_eq!(
        (&none["nodes"], &none["totalCount"]),
        (&json!([]), &json!(all))
    );
}

async fn fragments_are_plain_text_and_together_the_text(server: &Server) {
    let long = "Nothing to see. ".repeat(60);
    let body = format!("{long}The <b>axolotl</b> & \"friends\" swim. {long}");
    let subject = server.topic("T-1").await;
    for body in [&body, "Axolotl axolotls: AXOLOTL"] {
        let note = json!({ "subjectId": subject, "body": body });
        server.itu().change("noteAdd", note, "id").await;
    }
    let results = search(&server.anonymous(), json!({ "text": "axolotl" })).await;
    let fragments = |place: usize| {
        let fragments = &results["edges"][place]["highlights"][0]["fragments"];
        let fragments = fragments.as_array().unwrap().iter();
        fragments
            .map(|part| (part["text"].as_str().unwrap(), part["isMatch"] == true))
            .collect::<Vec<_>>()
    };
    let short = [
        ("Axolotl", true),
        (" ", false),
        ("axolotls", true),
        (": ", false),
        ("AXOLOTL", true),
    ];
    assert_eq!(fragments(0), short);
    let part: String = fragments(1).iter().map(|part| part.0).collect();
    assert!(body.contains(&part), "{part}");
    assert!((100..=300).contains(&part.len()), "{part}");
    assert!(
        part.contains("<b>axolotl</b> & \"friends\" swim."),
        "{part}"
    );
    let matches = fragments(1).into_iter().filter(|part| part.1);
    assert_eq!(matches.collect::<Vec<_>>(), [("axolotl", true)]);
}

async fn texts_that_cannot_be_searched_for_are_refused(server: &Server) {
    let refused = async |variables: Value| {
        let response = server.anonymous().post(SEARCH, variables).await.json();
        let error = &response["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{response:#}"
        );
        error["message"].as_str().unwrap().to_owned()
    };
    for text in [
        "", "   ", "\u{200b}", ".,;:!?", "\"\"", "\"", "*", "--", "\u{301}",
    ] {
        let message = refused(json!({ "text": text })).await;
        assert_eq!(
            message, "`text` has no word: give at least one letter or digit.",
            "{text:?}"
        );
    }
    let long = refused(json!({ "text": "post ".repeat(2000) })).await;
    assert_eq!(long, "`text` has more than 500 characters: look for less.");
    refused(json!({ "text": "post\u{0}al" })).await;
    refused(json!({ "text": "postal", "first": 101 })).await;
    refused(json!({ "text": "postal", "first": -1 })).await;
}

async fn operators_and_quotes_are_searched_literally(server: &Server) {
    let subject = server.topic("T-1").await;
    for body in [
        "The title x stands here",
        "Grey herons and egrets",
        "Herons grey as rain",
    ] {
        let note = json!({ "subjectId": subject, "body": body });
        server.itu().change("noteAdd", note, "id").await;
    }
    let grey = ["note: Grey herons and egrets"];
    for (text, expected) in [
        ("title:x AND *", vec!["note: The title x stands here"]),
        ("\"grey herons\"", grey.to_vec()),
        ("«grey herons» egret", grey.to_vec()),
        ("\"grey heron\"", vec![]),
        ("\"herons grey", vec!["note: Herons grey as rain", grey[0]]),
        ("egret -grey", grey.to_vec()),
        ("egrets OR nothing", vec![]),
    ] {
        let mut found = found(server, text).await;
        found.sort();
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

async fn a_search_needs_one_statement_per_type_found(server: &Server) {
    server.fill().await;
    found(server, "postal").await;
    server.statements.take();
    let one = "{ search(text: \"postal\", types: [TOPIC]) { totalCount nodes { ... on Topic { title } } } }";
    server.anonymous().data(one, json!({})).await;
    let statements = server.statements.take();
    // The head of the log, and the topics.
    assert_eq!(statements.len(), 2, "{statements:#?}");
    let all = "{ search(text: \"postal\", first: 100) { edges { highlights { field } node { ... on Node { id } } } } }";
    server.anonymous().data(all, json!({})).await;
    let statements = server.statements.take();
    assert!(statements.len() <= 8, "{statements:#?}");
}

async fn a_cursor_is_valid_only_for_its_search(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let page = search(&reader, json!({ "text": "postal", "first": 1 })).await;
    let after = page["pageInfo"]["endCursor"].clone();
    search(&reader, json!({ "text": "postal", "after": after })).await;
    for variables in [
        json!({ "text": "postal service", "after": after }),
        json!({ "text": "postal", "types": ["TOPIC"], "after": after }),
        json!({ "text": "postal", "side": ["ITU"], "after": after }),
        json!({ "text": "postal", "after": "x" }),
    ] {
        let response = reader.post(SEARCH, variables).await.json();
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "INVALID_CURSOR",
            "{response:#}"
        );
    }
}
