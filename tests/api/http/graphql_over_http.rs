//! GraphQL over HTTP: methods, media types, limits, and the other endpoints.

use std::io::Write;

use reqwest::Method;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::support::harness::{Client, Server, TestResponse};
use crate::support::raw_http::{self, Reply};

on_both_databases! {
    queries_are_accepted_by_post_and_get
    mutations_are_accepted_only_by_post
    unknown_paths_and_methods_get_a_helpful_error
    only_json_bodies_are_accepted
    malformed_requests_get_an_error_with_the_reason
    a_request_has_exactly_one_host
    a_body_over_the_limit_is_refused
    a_rejected_document_has_no_data_entry
    graphql_response_json_uses_the_status_codes_of_graphql_over_http
    the_response_has_the_most_preferred_media_type
    the_schema_is_served_as_sdl
    livez_and_readyz_report_liveness_and_readiness
    graphiql_loads_nothing_from_another_origin
    introspection_of_common_tools_succeeds
    every_response_has_a_request_id_and_a_code_for_each_error
}

const JSON: (&str, &str) = ("content-type", "application/json");
const MODERN: (&str, &str) = ("accept", "application/graphql-response+json");

async fn send(client: &Client<'_>, headers: &[(&str, &str)], body: &str) -> TestResponse {
    client
        .send(Method::POST, "/graphql", headers, body.to_owned())
        .await
}

/// Sends a GET request with these query parameters.
async fn get(client: &Client<'_>, pairs: &[(&str, &str)]) -> TestResponse {
    let mut address = url::form_urlencoded::Serializer::new("/graphql?".to_owned());
    let address = address.extend_pairs(pairs).finish();
    let address = address.replacen("?&", "?", 1);
    client.send(Method::GET, &address, &[], "").await
}

fn code(answer: &TestResponse) -> String {
    let json = answer.json();
    let code = json["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_else(|| panic!("{json}")).to_owned()
}

async fn queries_are_accepted_by_post_and_get(server: &Server) {
    let client = server.anonymous();
    let query = "query One($code: String!) { topic(by: { code: $code }) { code } } query Two { viewer { roles } }";
    let variables = json!({ "code": "T-1" });
    let body = json!({ "query": query, "operationName": "One", "variables": variables });
    let posted = send(&client, &[JSON], &body.to_string()).await;
    assert_eq!(posted.text, "{\"data\":{\"topic\":{\"code\":\"T-1\"}}}");
    assert_eq!(
        posted.headers["content-type"],
        "application/json; charset=utf-8"
    );
    let pairs = [
        ("query", query),
        ("operationName", "One"),
        ("variables", &variables.to_string()),
    ];
    let got = get(&client, &pairs).await;
    assert_eq!((got.status, got.text), (posted.status, posted.text));
}

async fn mutations_are_accepted_only_by_post(server: &Server) {
    let query = "mutation { organizationCreate(input: { acronym: \"ITU-R\", name: \"Radio\", kind: SECTOR, side: ITU }) { userErrors { message } } }";
    let refused = get(&server.itu(), &[("query", query)]).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.headers["allow"], "POST");
    assert_eq!(code(&refused), "BAD_USER_INPUT");
    let data = server
        .anonymous()
        .data(
            "{ organization(by: { acronym: \"ITU-R\" }) { id } }",
            json!({}),
        )
        .await;
    assert_eq!(data, json!({ "organization": null }));
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = server
            .anonymous()
            .send(method, "/graphql", &[JSON], "{}")
            .await;
        assert_eq!(answer.status, 405);
        assert!(answer.headers.contains_key("allow"));
    }
}

async fn unknown_paths_and_methods_get_a_helpful_error(server: &Server) {
    let client = server.anonymous();
    for (method, path, status, right) in [
        (Method::GET, "/nothing", 404, "the API is at /graphql"),
        (
            Method::POST,
            "/graphql/nothing",
            404,
            "the API is at /graphql",
        ),
        (Method::PUT, "/graphql", 405, "`Allow`"),
        (Method::POST, "/livez", 405, "`Allow`"),
        (Method::POST, "/schema.graphql", 405, "`Allow`"),
    ] {
        let answer = client.send(method, path, &[], "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(code(&answer), "BAD_USER_INPUT");
        let message = answer.json()["errors"][0]["message"].to_string();
        assert!(message.contains(right), "{path}: {message}");
    }
}

async fn only_json_bodies_are_accepted(server: &Server) {
    let client = server.anonymous();
    let body = json!({ "query": "{ viewer { roles } }" }).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "application/json; charset",
        "application/json; charset=utf-8; charset=latin1",
        "",
    ] {
        let answer = send(&client, &[("content-type", kind)], &body).await;
        assert_eq!(answer.status, 415, "{kind}");
        assert_eq!(code(&answer), "BAD_USER_INPUT");
    }
    assert_eq!(send(&client, &[], &body).await.status, 415);
    for kind in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
        "application/json; charset=utf8; profile=\"a;b\"",
    ] {
        let answer = send(&client, &[("content-type", kind)], &body).await;
        assert_eq!(answer.status, 200, "{kind}");
    }
    let latin = [("content-type", "application/json; charset=iso-8859-1")];
    assert_eq!(send(&client, &latin, &body).await.status, 415);
    let twice = [JSON, ("content-type", "text/plain")];
    assert_eq!(send(&client, &twice, &body).await.status, 415);
    for (encoding, status) in [("gzip", 415), ("br", 415), ("identity", 200)] {
        let headers = [JSON, ("content-encoding", encoding)];
        assert_eq!(send(&client, &headers, &body).await.status, status);
    }
}

async fn a_request_has_exactly_one_host(server: &Server) {
    let address = server.address.clone();
    let responses = tokio::task::spawn_blocking(move || {
        for (head, status) in [
            ("HTTP/1.1", 400),
            ("HTTP/1.1\r\nHost: a\r\nHost: b", 400),
            ("HTTP/1.1\r\nHost: a\r\nHost: a", 400),
            ("HTTP/1.1\r\nHost: a", 200),
            ("HTTP/1.0", 200),
        ] {
            let mut connection = raw_http::connect(&address);
            let request = format!("GET /livez {head}\r\nConnection: close\r\n\r\n");
            connection.write_all(request.as_bytes()).unwrap();
            let reply = raw_http::reply(connection);
            assert_eq!(reply.status, status, "{head}: {reply:?}");
        }
    });
    responses.await.unwrap();
}

async fn malformed_requests_get_an_error_with_the_reason(server: &Server) {
    let client = server.anonymous();
    for body in [
        "",
        "{",
        "\u{0}",
        "null",
        "7",
        "[]",
        "{}",
        "{\"query\": 7}",
        "{\"query\": null}",
        "{\"query\": \"{ viewer { roles } }\", \"variables\": [1]}",
        "{\"query\": \"{ viewer { roles } }\", \"variables\": \"x\"}",
        "{\"query\": \"{ viewer { roles } }\", \"extensions\": [null]}",
        "{\"query\": \"{ viewer { roles } }\", \"extensions\": {\"persistedQuery\": [1, \"ab\"]}}",
        "{\"query\": \"{ viewer { roles } }\", \"operationName\": 1}",
        "{\"query\": \"{ viewer { roles } }\", \"operationName\": \"Other\"}",
        "{\"query\": \"query A { viewer { roles } } query B { viewer { roles } }\"}",
    ] {
        let answer = send(&client, &[JSON], body).await;
        assert_eq!(answer.status, 400, "{body}: {}", answer.text);
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{body}");
        assert_eq!(answer.json().get("data"), None);
        assert!(!answer.text.contains("line 1 column"), "{}", answer.text);
    }
    // JSON is UTF-8.
    let answer = client
        .send(
            Method::POST,
            "/graphql",
            &[JSON],
            b"{\"query\":\"\xff\"}".to_vec(),
        )
        .await;
    assert_eq!(answer.status, 400);
    for pairs in [
        &[("variables", "{}")][..],
        &[("query", "{ viewer { roles } }"), ("variables", "{")],
        &[("query", "{ viewer { roles } }"), ("variables", "[]")],
        &[("query", "{ viewer { roles } }"), ("extensions", "[null]")],
        &[
            ("query", "{ viewer { roles } }"),
            ("query", "{ viewer { roles } }"),
        ],
    ] {
        assert_eq!(get(&client, pairs).await.status, 400, "{pairs:?}");
    }
}

async fn a_body_over_the_limit_is_refused(server: &Server) {
    const TEN_MB: usize = 10_000_000;
    let address = server.address.clone();
    let replies: Vec<Reply> = spawn_blocking(move || {
        let body = vec![b' '; TEN_MB];
        let length = format!("Content-Length: {TEN_MB}");
        let post = "POST /graphql HTTP/1.1";
        let kind = "Content-Type: application/json";
        let error_reply = raw_http::exchange(&address, &[post, kind, &length], &body);
        let mut chunks = Vec::new();
        for chunk in body.chunks(64 * 1024) {
            chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            chunks.extend_from_slice(chunk);
            chunks.extend_from_slice(b"\r\n");
        }
        chunks.extend_from_slice(b"0\r\n\r\n");
        let untold = [post, kind, "Transfer-Encoding: chunked"];
        let untold = raw_http::exchange(&address, &untold, &chunks);
        vec![error_reply, untold]
    })
    .await
    .unwrap();
    for reply in replies {
        assert_eq!(reply.status, 413, "{reply:?}");
        let code = &reply.json()["errors"][0]["extensions"]["code"];
        assert_eq!(code, "REQUEST_TOO_LARGE");
    }
    // A body of exactly the limit is accepted.
    let mut body = json!({ "query": "{ viewer { roles } }" }).to_string();
    body.push_str(&" ".repeat(1_000_000 - body.len()));
    assert_eq!(send(&server.anonymous(), &[JSON], &body).await.status, 200);
    body.push(' ');
    assert_eq!(send(&server.anonymous(), &[JSON], &body).await.status, 413);
}

const INVALID: [(&str, &str); 7] = [
    ("{", "GRAPHQL_PARSE_FAILED"),
    ("", "GRAPHQL_PARSE_FAILED"),
    ("query { viewer { roles }", "GRAPHQL_PARSE_FAILED"),
    ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ("{ viewer }", "GRAPHQL_VALIDATION_FAILED"),
    (
        "{ topics(first: \"x\") { totalCount } }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
    (
        "{ ...F } fragment F on Nothing { id }",
        "GRAPHQL_VALIDATION_FAILED",
    ),
];

async fn a_rejected_document_has_no_data_entry(server: &Server) {
    for (document, expected) in INVALID {
        let body = json!({ "query": document }).to_string();
        let answer = send(&server.anonymous(), &[JSON], &body).await;
        assert_eq!(answer.status, 200, "{document}: {}", answer.text);
        assert_eq!(code(&answer), expected, "{document}: {}", answer.text);
        assert_eq!(answer.json().get("data"), None, "{document}");
    }
}

async fn graphql_response_json_uses_the_status_codes_of_graphql_over_http(server: &Server) {
    let client = server.anonymous();
    for (document, _) in INVALID {
        let body = json!({ "query": document }).to_string();
        let answer = send(&client, &[JSON, MODERN], &body).await;
        assert_eq!(answer.status, 400, "{document}: {}", answer.text);
        let kind = answer.headers["content-type"].to_str().unwrap();
        assert!(kind.starts_with(MODERN.1), "{kind}");
    }
    // A partially executed request has status 200 in both media types.
    for document in [
        "{ viewer { roles } }",
        "{ topics(first: 101) { totalCount } }",
    ] {
        let body = json!({ "query": document }).to_string();
        assert_eq!(send(&client, &[JSON, MODERN], &body).await.status, 200);
        assert_eq!(send(&client, &[JSON], &body).await.status, 200);
    }
}

async fn the_response_has_the_most_preferred_media_type(server: &Server) {
    let client = server.anonymous();
    let query = "{ viewer { roles } }";
    let body = json!({ "query": query }).to_string();
    for (accept, status, kind) in [
        ("*/*", 200, "application/json"),
        ("application/*", 200, "application/json"),
        ("text/html, */*;q=0.1", 200, "application/json"),
        (
            "application/graphql-response+json;q=0.3, application/json;q=0.9",
            200,
            "application/json",
        ),
        (
            "application/graphql-response+json, application/json;q=0.9",
            200,
            MODERN.1,
        ),
        ("text/html", 406, "application/json"),
        ("application/json;q=0", 406, "application/json"),
    ] {
        let headers = [("accept", accept)];
        let posted = send(&client, &[JSON, headers[0]], &body).await;
        let path = "/graphql?query=%7B%20viewer%20%7B%20roles%20%7D%20%7D";
        let got = client.send(Method::GET, path, &headers, "").await;
        for answer in [posted, got] {
            assert_eq!(answer.status, status, "{accept}");
            let expected = format!("{kind}; charset=utf-8");
            assert_eq!(answer.headers["content-type"], *expected, "{accept}");
            assert_eq!(answer.headers["vary"], "accept, authorization, acting-as");
            assert_eq!(answer.json().get("data").is_some(), status == 200);
        }
    }
}

async fn the_schema_is_served_as_sdl(server: &Server) {
    let client = server.anonymous();
    let answer = client.send(Method::GET, "/schema.graphql", &[], "").await;
    assert_eq!(answer.status, 200);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "application/graphql; charset=utf-8");
    let tag = answer.headers["etag"].to_str().unwrap();
    let known = [("if-none-match", tag)];
    let again = client
        .send(Method::GET, "/schema.graphql", &known, "")
        .await;
    assert_eq!(again.status, 304);
    assert_eq!(
        (again.text.as_str(), &again.headers["etag"]),
        ("", &answer.headers["etag"])
    );
    assert!(
        answer.text
            == liaison::graphql::sdl(&liaison::graphql::schema(
                liaison::webhooks::WebhookTargets::default()
            ))
    );
}

async fn livez_and_readyz_report_liveness_and_readiness(server: &Server) {
    let client = server.anonymous();
    let status = async |path: &str| client.send(Method::GET, path, &[], "").await.status;
    assert_eq!(status("/livez").await, 200);
    assert_eq!(status("/readyz").await, 200);
    assert_eq!(status("/nothing").await, 404);
    server.db.close().await.unwrap();
    assert_eq!(status("/readyz").await, 503);
    assert_eq!(status("/livez").await, 200);
    let response = client.post("{ topics { totalCount } }", json!({})).await;
    assert_eq!(response.status, 503);
    assert_eq!(response.headers["retry-after"], "5");
    let code = &response.json()["errors"][0]["extensions"]["code"];
    assert_eq!(code, "SERVICE_UNAVAILABLE");
}

async fn graphiql_loads_nothing_from_another_origin(server: &Server) {
    let client = server.anonymous();
    let address = server.address.clone();
    let root = spawn_blocking(move || raw_http::get(&address, "/"))
        .await
        .unwrap();
    assert_eq!(root.status, 303, "{root:?}");
    assert!(root.head.contains("location: /graphiql"), "{root:?}");

    let page = client.send(Method::GET, "/graphiql", &[], "").await;
    assert_eq!(page.status, 200);
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    assert!(!page.text.contains("<style"), "nothing inline");
    let mut named = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.text.split(attribute).skip(1) {
            let path = rest.split('"').next().unwrap();
            assert!(!path.contains("//"), "{path}");
            let path = format!("/{}", path.trim_start_matches(['.', '/']));
            let asset = client.send(Method::GET, &path, &[], "").await;
            assert_eq!(asset.status, 200, "{path}");
            assert!(
                asset.headers.contains_key("content-security-policy"),
                "{path}"
            );
            assert_eq!(asset.headers["x-content-type-options"], "nosniff");
            named += 1;
        }
    }
    assert!(named >= 3, "style, script and icon");
}

async fn introspection_of_common_tools_succeeds(server: &Server) {
    let client = server.anonymous();
    let data = client
        .data(include_str!("../introspection.graphql"), json!({}))
        .await;
    let schema = &data["__schema"];
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["mutationType"]["name"], "Mutation");
    assert_eq!(schema["subscriptionType"]["name"], "Subscription");
    let types = schema["types"].as_array().unwrap();
    let find = |name: &str| types.iter().find(|ty| ty["name"] == name).unwrap();
    assert_eq!(find("TopicBy")["isOneOf"], true);
    assert_eq!(find("TopicFilter")["isOneOf"], false);
    let url = find("Date")["specifiedByURL"].as_str().unwrap();
    assert!(url.contains("local-date"), "{url}");
    let by_get = get(
        &client,
        &[("query", include_str!("../introspection.graphql"))],
    )
    .await;
    assert_eq!(by_get.json()["data"], data);
}

async fn every_response_has_a_request_id_and_a_code_for_each_error(server: &Server) {
    let mut request_ids = Vec::new();
    for document in [
        "{ viewer { roles } }",
        "{",
        "{ nothing }",
        "{ topics(last: -1) { totalCount } }",
    ] {
        let answer = server.anonymous().post(document, json!({})).await;
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(!request_ids.contains(&id));
        request_ids.push(id);
        for error in answer.json()["errors"].as_array().into_iter().flatten() {
            assert!(error["extensions"]["code"].is_string(), "{error}");
        }
    }
}
