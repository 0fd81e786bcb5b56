//! The document cache, automatic persisted queries, and trusted documents.

use std::fmt::Write;
use std::sync::Arc;

use entity::party::Role;
use liaison::config::DOCUMENT_CACHE;
use liaison::http::validation::Documents;
use liaison::http::validation::trusted_documents::TrustedDocuments;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::harness::{Client, Server, TestResponse};

on_both_databases! {
    a_cached_document_is_neither_parsed_nor_validated_again
    rejected_documents_are_not_cached
    a_persisted_document_is_found_by_its_hash
    a_malformed_document_hash_is_refused
    only_trusted_documents_run_except_for_exempt_viewers
}

const DOCUMENT: &str = "query Known($code: String!) { topic(by: { code: $code }) { code } }";

fn hash(document: &str) -> String {
    Sha256::digest(document)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

fn persisted(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn post(client: &Client<'_>, body: &Value) -> TestResponse {
    let headers = [("content-type", "application/json")];
    client
        .send(Method::POST, "/graphql", &headers, body.to_string())
        .await
}

async fn get(client: &Client<'_>, pairs: &[(&str, &str)]) -> TestResponse {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let path = format!("/graphql?{}", query.extend_pairs(pairs).finish());
    client.send(Method::GET, &path, &[], "").await
}

fn code(response: &TestResponse) -> String {
    let json = response.json();
    let code = json["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{json}")).to_owned()
}

async fn a_cached_document_is_neither_parsed_nor_validated_again(server: &Server) {
    let before = server.documents.validated();
    for code in ["T-1", "T-2", "T-3"] {
        for client in [server.anonymous(), server.itu()] {
            let data = client.data(DOCUMENT, json!({ "code": code })).await;
            assert_eq!(data["topic"]["code"], code);
        }
    }
    assert_eq!(server.documents.validated(), before + 1);
    // Variables are checked on each request.
    let response = server.anonymous().run(DOCUMENT, json!({ "code": 7 })).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"],
        "BAD_USER_INPUT"
    );
    // An additional space makes a different document.
    server
        .anonymous()
        .data(&format!("{DOCUMENT} "), json!({ "code": "T-1" }))
        .await;
    assert_eq!(server.documents.validated(), before + 2);
}

async fn rejected_documents_are_not_cached(server: &Server) {
    let before = server.documents.validated();
    for _ in 0..3 {
        let response = server.anonymous().run("{ nothing }", json!({})).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"],
            "GRAPHQL_VALIDATION_FAILED"
        );
    }
    assert_eq!(server.documents.validated(), before + 3);
    let by_hash = json!({ "extensions": persisted(&hash("{ nothing }")) });
    let response = post(&server.anonymous(), &by_hash).await;
    assert_eq!(code(&response), "PERSISTED_QUERY_NOT_FOUND");
}

async fn a_persisted_document_is_found_by_its_hash(server: &Server) {
    let client = server.anonymous();
    let extensions = persisted(&hash(DOCUMENT));
    let variables = json!({ "code": "T-1" });
    let by_hash = json!({ "extensions": extensions, "variables": variables });
    let unknown = post(&client, &by_hash).await;
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.headers["cache-control"], "no-store");
    assert_eq!(
        unknown.json()["errors"][0]["message"],
        "PersistedQueryNotFound"
    );
    assert_eq!(code(&unknown), "PERSISTED_QUERY_NOT_FOUND");

    let with_text = json!({ "query": DOCUMENT, "extensions": extensions, "variables": variables });
    let response_text = post(&client, &with_text).await.text;
    assert_eq!(response_text, "{\"data\":{\"topic\":{\"code\":\"T-1\"}}}");
    let before = server.documents.validated();
    assert_eq!(post(&client, &by_hash).await.text, response_text);
    let pairs = [
        ("extensions", &*extensions.to_string()),
        ("variables", &*variables.to_string()),
    ];
    assert_eq!(get(&client, &pairs).await.text, response_text);
    let prefixed = persisted(&format!("sha256:{}", hash(DOCUMENT)));
    let by_hash = json!({ "extensions": prefixed, "variables": variables });
    assert_eq!(post(&client, &by_hash).await.text, response_text);
    assert_eq!(server.documents.validated(), before);

    // A mutation by hash is still a mutation: GET rejects it.
    let change =
        "mutation { topicPropose(input: { title: \"T\", summary: \"S\" }) { topic { code } } }";
    let extensions = persisted(&hash(change));
    let body = json!({ "query": change, "extensions": extensions });
    let made = post(&server.tsb(), &body).await.json();
    assert_eq!(made["data"]["topicPropose"]["topic"]["code"], "T-9");
    let refused = get(&server.tsb(), &[("extensions", &*extensions.to_string())]).await;
    assert_eq!(refused.status, 405);
}

async fn a_malformed_document_hash_is_refused(server: &Server) {
    let other = hash("{ viewer { party } }");
    for (query, extensions) in [
        (Some(DOCUMENT), persisted(&other)),
        (Some(DOCUMENT), persisted("")),
        (None, persisted("é")),
        (None, persisted(&"g".repeat(64))),
        (None, persisted(&"é".repeat(32))),
        (
            None,
            json!({ "persistedQuery": { "version": 2, "sha256Hash": other } }),
        ),
        (None, json!({ "persistedQuery": { "version": 1 } })),
        (None, json!({ "persistedQuery": null })),
        (None, json!({})),
    ] {
        let body = json!({ "query": query, "extensions": extensions });
        let response = post(&server.anonymous(), &body).await;
        assert_eq!(response.status, 400, "{body}");
        assert_eq!(code(&response), "BAD_USER_INPUT", "{body}");
    }
    // Upper case digits are equivalent.
    let body =
        json!({ "query": "{ viewer { party } }", "extensions": persisted(&other.to_uppercase()) });
    assert_eq!(post(&server.anonymous(), &body).await.status, 200);
}

async fn only_trusted_documents_run_except_for_exempt_viewers(server: &Server) {
    let list = json!({ hash(DOCUMENT): DOCUMENT }).to_string();
    let trusted = TrustedDocuments::read(list.as_bytes(), Some(Role::TsbEditor)).unwrap();
    let closed = server.beside(|app| {
        let documents = Documents::new(&app.schema, &app.limits, DOCUMENT_CACHE, Some(trusted));
        app.documents = Arc::new(documents.unwrap());
    });
    let closed = closed.await;
    let variables = json!({ "code": "T-1" });
    let by_hash = json!({ "extensions": persisted(&hash(DOCUMENT)), "variables": variables });
    let by_text = json!({ "query": DOCUMENT, "variables": variables });
    let other = json!({ "query": "{ viewer { party } }" });
    for client in [closed.anonymous(), closed.itu()] {
        for body in [&by_hash, &by_text] {
            let response = post(&client, body).await;
            assert_eq!(response.text, "{\"data\":{\"topic\":{\"code\":\"T-1\"}}}");
        }
        let response = post(&client, &other).await;
        assert_eq!(response.status, 403, "{}", response.text);
        assert_eq!(code(&response), "FORBIDDEN");
    }
    // A document that an exempt viewer has executed is not allowed for others.
    assert_eq!(post(&closed.tsb(), &other).await.status, 200);
    assert_eq!(post(&closed.anonymous(), &other).await.status, 403);
    let unknown = json!({ "extensions": persisted(&hash("{ viewer { roles } }")) });
    assert_eq!(
        code(&post(&closed.tsb(), &unknown).await),
        "PERSISTED_QUERY_NOT_FOUND"
    );
}

#[test]
fn invalid_trusted_document_lists_are_refused() {
    let name = hash(DOCUMENT);
    let read = |list: &Value| TrustedDocuments::read(list.to_string().as_bytes(), None).map(|_| ());
    assert_eq!(read(&json!({ &name: DOCUMENT })), Ok(()));
    assert_eq!(read(&json!({ format!("sha256:{name}"): DOCUMENT })), Ok(()));
    for list in [
        json!([DOCUMENT]),
        json!({ &name: 7 }),
        json!({ &name: "{ viewer { party } }" }),
        json!({ "Known": DOCUMENT }),
    ] {
        assert!(read(&list).is_err(), "{list}");
    }
}
