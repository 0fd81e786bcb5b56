//! Headers and members of requests that are read strictly: media types, entity tags, `extensions`.

use reqwest::Method;
use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    a_media_type_with_weight_0_is_not_accepted
    an_entity_tag_is_compared_as_rfc_9110_says
    extensions_are_an_object
}

const JSON: (&str, &str) = ("content-type", "application/json");

async fn a_media_type_with_weight_0_is_not_accepted(server: &Server) {
    let client = server.anonymous();
    let query = "{ __typename }";
    let subscription = "subscription { activity { id } }";
    for (accept, document, status, kind) in [
        ("text/event-stream;q=0", query, 406, "application/json"),
        (
            "text/event-stream;q=0, application/json",
            subscription,
            400,
            "application/json",
        ),
        ("text/*", query, 200, "text/event-stream"),
        ("text/*", subscription, 200, "text/event-stream"),
    ] {
        let body = json!({ "query": document }).to_string();
        let headers = [JSON, ("accept", accept)];
        // A subscription has no end.
        let answer = client.begin(Method::POST, "/graphql", &headers, body).await;
        assert_eq!(answer.status(), status, "{accept} {document}");
        let given = answer.headers()["content-type"].to_str().unwrap();
        assert!(given.starts_with(kind), "{accept} {document}: {given}");
    }
}

async fn an_entity_tag_is_compared_as_rfc_9110_says(server: &Server) {
    let client = server.anonymous();
    for path in [
        "/graphql?query=%7B__typename%7D",
        "/schema.graphql",
        "/graphiql",
    ] {
        let first = client.send(Method::GET, path, &[], "").await;
        let tag = first.headers["etag"].to_str().unwrap().to_owned();
        let opaque = tag.trim_start_matches("W/");
        for (sent, status) in [
            (tag.clone(), 304),
            // The comparison is weak.
            (opaque.to_owned(), 304),
            (format!("W/{opaque}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            // What is no entity tag matches none.
            (format!("W/W/{opaque}"), 200),
            (format!("w/{opaque}"), 200),
            (opaque.replace('"', ""), 200),
            (opaque.trim_end_matches('"').to_owned(), 200),
            (opaque.replace('"', "'"), 200),
        ] {
            let headers = [("if-none-match", sent.as_str())];
            let again = client.send(Method::GET, path, &headers, "").await;
            assert_eq!(again.status, status, "{path} {sent}");
        }
    }
}

async fn extensions_are_an_object(server: &Server) {
    let client = server.anonymous();
    for extensions in [
        json!([null]),
        json!([{ "version": 1 }]),
        json!({ "persistedQuery": [1, "ab"] }),
    ] {
        let body = json!({ "query": "{ __typename }", "extensions": extensions }).to_string();
        let answer = client.send(Method::POST, "/graphql", &[JSON], body).await;
        assert_eq!(answer.status, 400, "{extensions}");
    }
}
