//! The errors of documents that are invalid.

use liaison::http::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::websocket_client::Socket;

on_both_databases! {
    validation_errors_name_the_wrong_part
    suggestions_are_given_only_with_introspection_enabled
    a_syntax_error_names_the_expected_token
    an_unknown_operation_name_is_reported
    trailing_slashes_are_ignored
    a_subscription_field_repeated_by_a_fragment_is_one_root_field
}

async fn validation_errors_name_the_wrong_part(server: &Server) {
    for (document, name) in [
        ("{topics{nodes{titel}}}", "titel"),
        ("subscription{activity{nothing}}", "nothing"),
        ("{topics{totalCount{x}}}", "totalCount"),
        (
            "query($x:Strng){topics(filter:{text:$x}){totalCount}}",
            "Strng",
        ),
        ("{topics{nodes{...on Topc{id}}}}", "Topc"),
        ("query($n:Int){topics{nothing(first:$n)}}", "nothing"),
        ("{viewer{roles}...F} fragment F on Topc{id}", "Topc"),
        ("{viewer}", "viewer"),
        (
            "{topics{nodes{a:title a:status}}}",
            "`a`. Give one of them an alias",
        ),
        (
            "{activities{nodes{subject{...on Organization{kind}...on Committee{kind}}}}}",
            "`kind`. Give one of them an alias",
        ),
        ("{t:topics(first:1)}", "`t`"),
        ("{topics{nodes{nothing{a b}}}}", "nothing"),
    ] {
        let response = server.anonymous().run(document, json!({})).await;
        let errors = response["errors"].as_array().unwrap();
        let message = errors[0]["message"].as_str().unwrap();
        assert!(message.contains(name), "{document}: {message}");
        assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        for error in errors {
            let message = error["message"].as_str().unwrap();
            assert!(!message.contains("subselection"), "{document}: {message}");
        }
    }
}

async fn suggestions_are_given_only_with_introspection_enabled(server: &Server) {
    let limits = Limits {
        no_introspection: true,
        ..Limits::default()
    };
    let silent = server.beside(|app| app.limits = limits).await;
    for (document, similar) in [
        ("{topics{nodes{titel}}}", "`title`"),
        ("{topcis{totalCount}}", "`topics`"),
        ("{topics(frist:1){totalCount}}", "`first`"),
        ("{topics(filter:{statsu:ACTIVE}){totalCount}}", "`status`"),
        ("{topics(filter:{status:ACTVE}){totalCount}}", "`ACTIVE`"),
        (
            "query($x:Strng){topics(filter:{text:$x}){totalCount}}",
            "`String`",
        ),
        ("{topics{nodes{...on Topc{id}}}}", "`Topic`"),
    ] {
        let message = |response: Value| {
            response["errors"][0]["message"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let response = message(server.anonymous().run(document, json!({})).await);
        assert!(
            response.ends_with(&format!(" Did you mean {similar}?")),
            "{response}"
        );
        let response = message(silent.anonymous().run(document, json!({})).await);
        assert!(!response.contains("Did you mean"), "{response}");
    }
    let document = "query($filter: TopicFilter) { topics(filter: $filter) { totalCount } }";
    let variables = json!({ "filter": { "statsu": "ACTIVE" } });
    let response = server.anonymous().run(document, variables.clone()).await;
    assert!(
        response.to_string().contains("it has status, "),
        "{response}"
    );
    let response = silent.anonymous().run(document, variables).await;
    assert!(!response.to_string().contains("it has"), "{response}");
    let response = server.anonymous().run("{ nothingLikeIt }", json!({})).await;
    assert!(!response.to_string().contains("Did you mean"), "{response}");
}

async fn a_syntax_error_names_the_expected_token(server: &Server) {
    for (document, text) in [
        ("{viewer{roles}", "`}`"),
        ("{viewer{roles", "`}`"),
        ("{topics(first:1{totalCount}}", "`)`"),
        ("query($a:[Int){viewer{roles}}", "`]`"),
        ("", "end of the document"),
        ("{viewer{roles}}}", "`{`, got `}`"),
        ("{topics(first:){totalCount}}", "expected a value, got `)`"),
        ("{viewer{}}", "expected a field, got `}`"),
        (
            "mutation",
            "expected `{` and fields, got the end of the document",
        ),
        ("{a:}", "expected a name, got `}`"),
        ("{topics(filter:{text:\"\na\"}){totalCount}}", "line break"),
        ("{topics(filter:{text:\"\ra\"}){totalCount}}", "line break"),
        ("{topics(filter:{text:\"\r\na\"}){totalCount}}", "line "),
    ] {
        let response = server.anonymous().run(document, json!({})).await;
        let error = &response["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_PARSE_FAILED",
            "{document}: {response}"
        );
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(text), "{document}: {message}");
        for inner in ["R_", "L_", "EOF", "CURLY", "PAREN"] {
            assert!(!message.contains(inner), "{document}: {message}");
        }
    }
    // Block strings can contain line breaks.
    let block = "{topics(filter:{text:\"\"\"\na\n\"\"\"}){totalCount}}";
    server.anonymous().data(block, json!({})).await;
}

async fn an_unknown_operation_name_is_reported(server: &Server) {
    let two = "query A { viewer { roles } } query B { viewer { party } }";
    let ask = async |document: &str, name: Value| {
        let body = json!({ "query": document, "operationName": name });
        let headers = [("content-type", "application/json")];
        let client = server.anonymous();
        client
            .send(Method::POST, "/graphql", &headers, body.to_string())
            .await
            .json()
    };
    let message = |response: Value| {
        response["errors"][0]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let response = message(ask(two, json!("C")).await);
    assert!(
        ["`C`", "`A`", "`B`"]
            .iter()
            .all(|name| response.contains(name)),
        "{response}"
    );
    let response = message(ask("{ viewer { roles } }", json!("C")).await);
    assert!(response.contains("`C`"), "{response}");
    for none in [json!(null), json!("")] {
        let response = message(ask(two, none.clone()).await);
        assert!(response.contains("`A`, `B`"), "{response}");
        let response = ask("query A { viewer { party } }", none).await;
        assert_eq!(response["data"], json!({ "viewer": { "party": null } }));
    }
    let path = "/graphql?query=%7Bviewer%7Bparty%7D%7D&operationName=";
    let response = server.anonymous().send(Method::GET, path, &[], "").await;
    assert_eq!(response.json()["data"]["viewer"]["party"], json!(null));
}

async fn trailing_slashes_are_ignored(server: &Server) {
    let client = server.anonymous();
    let headers = [("content-type", "application/json")];
    let body = json!({ "query": "{ viewer { party } }" }).to_string();
    let response = client.send(Method::POST, "/graphql/", &headers, body).await;
    assert_eq!(response.text, "{\"data\":{\"viewer\":{\"party\":null}}}");
    let path = "/graphql/?query=%7Bviewer%7Bparty%7D%7D";
    let response = client.send(Method::GET, path, &[], "").await;
    assert_eq!(response.text, "{\"data\":{\"viewer\":{\"party\":null}}}");
    let page = client.send(Method::GET, "/graphiql", &[], "").await;
    let slash = client
        .send(Method::GET, "/graphiql/?query=x", &[], "")
        .await;
    assert_eq!((slash.status, slash.text), (page.status, page.text));
}

async fn a_subscription_field_repeated_by_a_fragment_is_one_root_field(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    let document = "subscription { ...F ...F activity { verb } } fragment F on Subscription { activity { subjectType } }";
    let after = server.newest().await;
    let document = document.replace("activity", &format!("activity(after: {after:?})"));
    socket.subscribe("a", &document, json!({})).await;
    let input = json!({ "title": "T", "summary": "S" });
    server.tsb().change("topicPropose", input, "id").await;
    let next = socket.next("a").await;
    assert_eq!(
        next["data"]["activity"],
        json!({ "subjectType": "TOPIC", "verb": "CREATED" })
    );
}
