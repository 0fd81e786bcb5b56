//! Languages: which one a text comes in.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};
use crate::support::websocket_client::Socket;

on_both_databases! {
    a_text_has_the_requested_language_or_names_its_own
    the_languages_of_an_operation_can_be_variables
    invalid_languages_are_refused_with_the_valid_form
    languages_cost_no_statement
    a_payload_is_in_the_languages_of_its_mutation
    subscription_events_are_in_the_languages_of_the_operation
}

/// T-1 in French and Russian, T-2 in French alone, T-3 not translated.
pub async fn translated(server: &Server) {
    let (t1, t2) = (server.topic("T-1").await, server.topic("T-2").await);
    server
        .translate(&t1, "TITLE", "FR", "Réseaux postaux")
        .await;
    server.translate(&t1, "TITLE", "RU", "Почтовые сети").await;
    server
        .translate(&t2, "TITLE", "FR", "Économie numérique")
        .await;
    server
        .translate(&t2, "SUMMARY", "FR", "Un résumé en français.")
        .await;
}

pub async fn title(
    client: &Client<'_>,
    code: &str,
    context: &str,
    argument: &str,
) -> (String, String) {
    let document = format!(
        "query {context} {{ topic(by: {{ code: \"{code}\" }}) {{ title {argument} titleLanguage {argument} }} }}"
    );
    let data = client.data(&document, json!({})).await;
    let text = |name: &str| data["topic"][name].as_str().unwrap().to_owned();
    (text("title"), text("titleLanguage"))
}

async fn a_text_has_the_requested_language_or_names_its_own(server: &Server) {
    translated(server).await;
    let reader = server.anonymous();
    let original = title(&reader, "T-1", "", "").await;
    assert_eq!(original.1, "EN");
    let french = ("Réseaux postaux".to_owned(), "FR".to_owned());
    let russian = ("Почтовые сети".to_owned(), "RU".to_owned());
    for (context, argument, expected) in [
        ("", "(language: FR)", &french),
        ("", "(language: RU)", &russian),
        ("", "(language: EN)", &original),
        ("", "(language: ZH)", &original),
        ("", "(language: null)", &original),
        ("@inContext", "", &original),
        ("@inContext(languages: null)", "", &original),
        ("@inContext(languages: [])", "", &original),
        ("@inContext(languages: FR)", "", &french),
        ("@inContext(languages: [FR, RU])", "", &french),
        ("@inContext(languages: [RU, FR])", "", &russian),
        ("@inContext(languages: [ZH, ZH, RU])", "", &russian),
        ("@inContext(languages: [ZH, DE])", "", &original),
        ("@inContext(languages: [EN, FR])", "", &original),
        ("@inContext(languages: [ZH, EN, FR])", "", &original),
        ("@inContext(languages: [RU])", "(language: FR)", &french),
        ("@inContext(languages: [RU])", "(language: ZH)", &russian),
        ("@inContext(languages: [RU])", "(language: EN)", &original),
    ] {
        let reported = title(&reader, "T-1", context, argument).await;
        assert_eq!(reported, *expected, "{context} {argument}");
    }
    let data = reader
        .data(
            "query @inContext(languages: [RU, FR]) { topics(first: 3) { nodes { title titleLanguage summaryLanguage fr: title(language: FR) translations { language } originalLanguage } } }",
            json!({}),
        )
        .await;
    let languages = |name: &str| -> Vec<String> {
        let nodes = data["topics"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| node[name].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(languages("titleLanguage"), ["RU", "FR", "EN"]);
    assert_eq!(languages("summaryLanguage"), ["EN", "FR", "EN"]);
    assert_eq!(languages("originalLanguage"), ["EN", "EN", "EN"]);
    assert_eq!(languages("fr")[1], "Économie numérique");
}

async fn the_languages_of_an_operation_can_be_variables(server: &Server) {
    translated(server).await;
    let reader = server.anonymous();
    for (document, variables) in [
        (
            "query($l: [Language!]) @inContext(languages: $l)",
            json!({ "l": ["FR"] }),
        ),
        (
            "query($l: [Language!]!) @inContext(languages: $l)",
            json!({ "l": "FR" }),
        ),
        (
            "query($l: Language!) @inContext(languages: [ZH, $l])",
            json!({ "l": "FR" }),
        ),
        (
            "query($l: [Language!] = [FR]) @inContext(languages: $l)",
            json!({}),
        ),
    ] {
        let document = format!("{document} {{ topic(by: {{ code: \"T-2\" }}) {{ title }} }}");
        let data = reader.data(&document, variables).await;
        assert_eq!(data["topic"]["title"], "Économie numérique", "{document}");
    }
    let document = "query($l: [Language!], $one: Language) @inContext(languages: $l) { topic(by: { code: \"T-2\" }) { title(language: $one) } }";
    let original = title(&reader, "T-2", "", "").await.0;
    for (variables, expected) in [
        (json!({}), original.as_str()),
        (json!({ "l": null, "one": null }), original.as_str()),
        (json!({ "one": "FR" }), "Économie numérique"),
        (json!({ "l": ["FR"], "one": null }), "Économie numérique"),
    ] {
        let data = reader.data(document, variables).await;
        assert_eq!(data["topic"]["title"], expected);
    }
}

async fn invalid_languages_are_refused_with_the_valid_form(server: &Server) {
    let reader = server.anonymous();
    let code = |response: &Value| response["errors"][0]["extensions"]["code"].clone();
    for document in [
        "query @inContext(languages: [XX]) { topics { nodes { title } } }",
        "query @inContext(languages: [\"FR\"]) { topics { nodes { title } } }",
        "query @inContext(languages: [null]) { topics { nodes { title } } }",
        "query @inContext(language: FR) { topics { nodes { title } } }",
        "query @inContext(languages: [FR]) @inContext(languages: [EN]) { topics { nodes { title } } }",
        "query { topics @inContext(languages: [FR]) { nodes { title } } }",
        "query($l: String) @inContext(languages: $l) { topics { nodes { title } } }",
        "query($l: [Language]) @inContext(languages: $l) { topics { nodes { title } } }",
        "query @inContext(languages: $l) { topics { nodes { title } } }",
        "{ topics { nodes { title(language: XX) } } }",
        "{ topics { nodes { titleLanguage(language: [FR, RU]) } } }",
        "{ topics { nodes { title(languages: FR) } } }",
    ] {
        let response = reader.post(document, json!({})).await.json();
        assert!(
            response["errors"][0]["message"].is_string(),
            "{document}: {response}"
        );
        assert_eq!(response.get("data"), None, "{document}");
    }
    let document = "query($l: [Language!], $one: Language) @inContext(languages: $l) { topics { nodes { title(language: $one) } } }";
    for variables in [
        json!({ "l": ["XX"] }),
        json!({ "l": [null] }),
        json!({ "l": "fr" }),
        json!({ "l": [["FR"]] }),
        json!({ "l": { "languages": ["FR"] } }),
        json!({ "one": "FRENCH" }),
        json!({ "one": ["FR"] }),
        json!({ "one": 1 }),
    ] {
        let response = reader.post(document, variables.clone()).await.json();
        assert_eq!(code(&response), "BAD_USER_INPUT", "{variables}: {response}");
        let message = response["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("Language") || message.contains("AR"),
            "{message}"
        );
    }
}

const DOCUMENTS: [&str; 4] = [
    "{ topics { nodes { title summary committees { committee { name mandate organization { name } } } actionItems { nodes { title description } } } } }",
    "{ publications(orderBy: { field: TITLE }, filter: { text: \"a\" }) { totalCount nodes { title organization { name } } pageInfo { endCursor } } }",
    "{ committees(orderBy: { field: NAME }) { nodes { name mandate children { name } organization { name parent { name } } } } }",
    "{ actionItems(orderBy: { field: TITLE }) { nodes { title topic { title } committee { name } } } }",
];

async fn languages_cost_no_statement(server: &Server) {
    translated(server).await;
    server.fill().await;
    let reader = server.anonymous();
    let count = async |document: &str| {
        server.statements.take();
        reader.data(document, json!({})).await;
        server.statements.take().len()
    };
    for document in DOCUMENTS {
        let plain = count(document).await;
        for languages in ["FR", "FR, RU, AR", "AR, ZH, EN, FR, RU, ES, DE, PT"] {
            let document = format!("query @inContext(languages: [{languages}]) {document}");
            assert_eq!(count(&document).await, plain, "{document}");
        }
    }
    let document = "{ topics { nodes { title(language: FR) titleLanguage(language: FR) summaryLanguage(language: RU) } } }";
    assert_eq!(count(document).await, 1);
    assert_eq!(
        count("{ topics { nodes { translations { text } } } }").await,
        2
    );
}

async fn a_payload_is_in_the_languages_of_its_mutation(server: &Server) {
    translated(server).await;
    let topic = server.topic("T-2").await;
    let document = "mutation($input: TopicUpdateInput!, $l: [Language!]) @inContext(languages: $l) { topicUpdate(input: $input) { topic { title titleLanguage } userErrors { message } } }";
    let input =
        json!({ "id": topic, "version": server.version(&topic).await, "reviewOn": "2030-01-01" });
    let data = server
        .upu()
        .data(document, json!({ "input": input, "l": ["RU", "FR"] }))
        .await;
    let expected = json!({ "title": "Économie numérique", "titleLanguage": "FR" });
    assert_eq!(data["topicUpdate"]["topic"], expected, "{data}");
}

async fn subscription_events_are_in_the_languages_of_the_operation(server: &Server) {
    translated(server).await;
    let document = "subscription($l: [Language!]) @inContext(languages: $l) { activity { id subject { ... on Topic { title } } } }";
    let mut sockets = Vec::new();
    for languages in [json!(["FR"]), json!(["RU"]), json!(["FR"]), Value::Null] {
        let mut socket = Socket::anonymous(&server.address).await;
        socket
            .subscribe("a", document, json!({ "l": languages }))
            .await;
        // What has begun answers what comes after it.
        socket.run("{ __typename }", json!({})).await;
        sockets.push(socket);
    }
    let topic = server.topic("T-1").await;
    server.translate(&topic, "SUMMARY", "PT", "Um resumo").await;
    let original = title(&server.anonymous(), "T-1", "", "").await.0;
    for (socket, expected) in sockets.iter_mut().zip([
        "Réseaux postaux",
        "Почтовые сети",
        "Réseaux postaux",
        &original,
    ]) {
        let activity = socket.activity("a").await;
        assert_eq!(activity["subject"]["title"], expected);
    }
}
