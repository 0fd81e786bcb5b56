//! The errors of documents that are invalid.

use liaison::http::limits::Limits;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::harness::Server;
use crate::support::websocket_client::Socket;

on_both_databases! {
    the_first_error_names_what_is_wrong
    names_of_the_schema_are_suggested_while_introspection_is_on
    a_syntax_error_names_characters
    an_operation_that_is_not_there_is_named
    a_slash_at_the_end_of_an_address_makes_no_difference
    a_field_of_a_subscription_beside_a_fragment_is_one_field
}

async fn the_first_error_names_what_is_wrong(server: &Server) {
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
        let answer = server.anonymous().run(document, json!({})).await;
        let errors = answer["errors"].as_array().unwrap();
        let message = errors[0]["message"].as_str().unwrap();
        assert!(message.contains(name), "{document}: {message}");
        assert_eq!(errors[0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
        for error in errors {
            let message = error["message"].as_str().unwrap();
            assert!(!message.contains("subselection"), "{document}: {message}");
        }
    }
}

async fn names_of_the_schema_are_suggested_while_introspection_is_on(server: &Server) {
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
        let message = |answer: Value| answer["errors"][0]["message"].as_str().unwrap().to_owned();
        let answer = message(server.anonymous().run(document, json!({})).await);
        assert!(
            answer.ends_with(&format!(" Did you mean {similar}?")),
            "{answer}"
        );
        let answer = message(silent.anonymous().run(document, json!({})).await);
        assert!(!answer.contains("Did you mean"), "{answer}");
    }
    let document = "query($filter: TopicFilter) { topics(filter: $filter) { totalCount } }";
    let variables = json!({ "filter": { "statsu": "ACTIVE" } });
    let answer = server.anonymous().run(document, variables.clone()).await;
    assert!(answer.to_string().contains("it has status, "), "{answer}");
    let answer = silent.anonymous().run(document, variables).await;
    assert!(!answer.to_string().contains("it has"), "{answer}");
    let answer = server.anonymous().run("{ nothingLikeIt }", json!({})).await;
    assert!(!answer.to_string().contains("Did you mean"), "{answer}");
}

async fn a_syntax_error_names_characters(server: &Server) {
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
        let answer = server.anonymous().run(document, json!({})).await;
        let error = &answer["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "GRAPHQL_PARSE_FAILED",
            "{document}: {answer}"
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

async fn an_operation_that_is_not_there_is_named(server: &Server) {
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
    let message = |answer: Value| answer["errors"][0]["message"].as_str().unwrap().to_owned();
    let answer = message(ask(two, json!("C")).await);
    assert!(
        ["`C`", "`A`", "`B`"]
            .iter()
            .all(|name| answer.contains(name)),
        "{answer}"
    );
    let answer = message(ask("{ viewer { roles } }", json!("C")).await);
    assert!(answer.contains("`C`"), "{answer}");
    for none in [json!(null), json!("")] {
        let answer = message(ask(two, none.clone()).await);
        assert!(answer.contains("`A`, `B`"), "{answer}");
        let answer = ask("query A { viewer { party } }", none).await;
        assert_eq!(answer["data"], json!({ "viewer": { "party": null } }));
    }
    let path = "/graphql?query=%7Bviewer%7Bparty%7D%7D&operationName=";
    let answer = server.anonymous().send(Method::GET, path, &[], "").await;
    assert_eq!(answer.json()["data"]["viewer"]["party"], json!(null));
}

async fn a_slash_at_the_end_of_an_address_makes_no_difference(server: &Server) {
    let client = server.anonymous();
    let headers = [("content-type", "application/json")];
    let body = json!({ "query": "{ viewer { party } }" }).to_string();
    let answer = client.send(Method::POST, "/graphql/", &headers, body).await;
    assert_eq!(answer.text, "{\"data\":{\"viewer\":{\"party\":null}}}");
    let path = "/graphql/?query=%7Bviewer%7Bparty%7D%7D";
    let answer = client.send(Method::GET, path, &[], "").await;
    assert_eq!(answer.text, "{\"data\":{\"viewer\":{\"party\":null}}}");
    let page = client.send(Method::GET, "/graphiql", &[], "").await;
    let slash = client
        .send(Method::GET, "/graphiql/?query=x", &[], "")
        .await;
    assert_eq!((slash.status, slash.text), (page.status, page.text));
}

async fn a_field_of_a_subscription_beside_a_fragment_is_one_field(server: &Server) {
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
