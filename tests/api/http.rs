//! The service over HTTP: methods, media types, bodies, and the pages beside the API.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

on_both_databases! {
    queries_come_by_post_and_get
    a_mutation_by_get_is_not_allowed
    only_json_is_taken
    bodies_have_a_limit
    what_is_invalid_has_no_data
    the_service_tells_whether_it_can_answer
    the_explorer_asks_nobody_else
    the_tools_introspection_passes
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn code(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!(json.get("data"), None, "{json}");
    json["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn queries_come_by_post_and_get(server: &Server) {
    let reader = server.anonymous();
    let path = "/graphql?query=query%20Q(%24first:Int)%7Btopics(first:%24first)%7Bnodes%7Bcode%7D%7D%7D&operationName=Q&variables=%7B%22first%22:2%7D";
    let answer = reader.send(Method::GET, path, &[], "").await;
    assert_eq!(
        answer.text,
        "{\"data\":{\"topics\":{\"nodes\":[{\"code\":\"T-1\"},{\"code\":\"T-2\"}]}}}"
    );
    let body = json!({ "query": "query A { viewer { roles } } query B { mandates { code } }", "operationName": "B" });
    let answer = reader
        .send(Method::POST, "/graphql", &[JSON], body.to_string())
        .await;
    assert_eq!(
        answer.json()["data"]["mandates"][0]["code"],
        "RES-11-DUBAI-2012"
    );
    assert_eq!(
        answer.headers["content-type"],
        "application/json; charset=utf-8"
    );
    assert!(answer.headers.contains_key("x-request-id"));

    let unclear = json!({ "query": "query A { viewer { roles } } query B { mandates { code } }" });
    let answer = reader
        .send(Method::POST, "/graphql", &[JSON], unclear.to_string())
        .await;
    assert_eq!(
        (answer.status.as_u16(), code(&answer).as_str()),
        (400, "BAD_USER_INPUT")
    );
}

async fn a_mutation_by_get_is_not_allowed(server: &Server) {
    let path = "/graphql?query=mutation%7BtopicPropose(input:%7Btitle:%22T%22,summary:%22S%22%7D)%7Btopic%7Bid%7D%7D%7D";
    let answer = server.tsb().send(Method::GET, path, &[], "").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers["allow"], "POST");
    let data = server
        .anonymous()
        .data("{ topics { totalCount } }", json!({}))
        .await;
    assert_eq!(data["topics"]["totalCount"], 8);
}

async fn only_json_is_taken(server: &Server) {
    let reader = server.anonymous();
    let body = json!({ "query": "{ viewer { roles } }" }).to_string();
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/graphql",
    ] {
        let answer = reader
            .send(
                Method::POST,
                "/graphql",
                &[("content-type", kind)],
                body.clone(),
            )
            .await;
        assert_eq!(answer.status, 415, "{kind}");
    }
    assert_eq!(
        reader
            .send(Method::POST, "/graphql", &[], body.clone())
            .await
            .status,
        415
    );
    for wrong in [
        "",
        "{",
        "[]",
        "7",
        "{\"query\": 7}",
        "{\"variables\": {}}",
        "{\"query\": \"{ viewer { roles } }\", \"variables\": []}",
    ] {
        let answer = reader.send(Method::POST, "/graphql", &[JSON], wrong).await;
        assert_eq!(
            (answer.status.as_u16(), code(&answer).as_str()),
            (400, "BAD_USER_INPUT"),
            "{wrong}"
        );
    }
    let with_charset = ("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(
        reader
            .send(Method::POST, "/graphql", &[with_charset], body)
            .await
            .status,
        200
    );
    assert_eq!(
        reader.send(Method::GET, "/graphql", &[], "").await.status,
        400
    );
    assert_eq!(
        reader
            .send(Method::PUT, "/graphql", &[JSON], "{}")
            .await
            .status,
        405
    );
}

async fn bodies_have_a_limit(server: &Server) {
    let body =
        json!({ "query": "{ viewer { roles } }", "variables": { "x": "y".repeat(10_000_000) } });
    let answer = server
        .anonymous()
        .send(Method::POST, "/graphql", &[JSON], body.to_string())
        .await;
    assert_eq!(
        (answer.status.as_u16(), code(&answer).as_str()),
        (413, "REQUEST_TOO_LARGE")
    );
    assert!(
        answer.text.contains("1000000"),
        "the message tells the limit"
    );
    let answer = server
        .anonymous()
        .post("{ viewer { roles } }", json!({ "x": "y".repeat(900_000) }))
        .await;
    assert_eq!(answer.status, 200);
}

async fn what_is_invalid_has_no_data(server: &Server) {
    let reader = server.anonymous();
    for (query, expected) in [
        ("{ topics {", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let body = json!({ "query": query }).to_string();
        let of_old = reader
            .send(Method::POST, "/graphql", &[JSON], body.clone())
            .await;
        assert_eq!(
            (of_old.status.as_u16(), code(&of_old).as_str()),
            (200, expected)
        );
        let accept = (
            "accept",
            "application/graphql-response+json, application/json;q=0.9",
        );
        let modern = reader
            .send(Method::POST, "/graphql", &[JSON, accept], body)
            .await;
        assert_eq!(
            (modern.status.as_u16(), code(&modern).as_str()),
            (400, expected)
        );
        assert!(
            modern.headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("application/graphql-response+json")
        );
    }
}

async fn the_service_tells_whether_it_can_answer(server: &Server) {
    let reader = server.anonymous();
    assert_eq!(
        reader.send(Method::GET, "/livez", &[], "").await.status,
        200
    );
    assert_eq!(
        reader.send(Method::GET, "/readyz", &[], "").await.status,
        200
    );
    server.db.read.clone().close().await.unwrap();
    assert_eq!(
        reader.send(Method::GET, "/livez", &[], "").await.status,
        200
    );
    assert_eq!(
        reader.send(Method::GET, "/readyz", &[], "").await.status,
        503
    );
    let answer = reader.run("{ topics { totalCount } }", json!({})).await;
    let code = answer["errors"][0]["extensions"]["code"].as_str().unwrap();
    assert!(["SERVICE_UNAVAILABLE", "INTERNAL"].contains(&code));
    assert!(
        !answer.to_string().to_lowercase().contains("sql"),
        "{answer}"
    );
}

async fn the_explorer_asks_nobody_else(server: &Server) {
    let reader = server.anonymous();
    let page = reader.send(Method::GET, "/", &[], "").await;
    assert_eq!(page.status, 200, "led to the explorer");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    let named: Vec<&str> = page
        .text
        .split('"')
        .filter(|it| it.starts_with("graphiql/assets/"))
        .collect();
    assert!(named.len() >= 3, "{}", page.text);
    assert!(
        !page.text.contains("//"),
        "no address elsewhere: {}",
        page.text
    );
    for name in named {
        let asset = reader.send(Method::GET, &format!("/{name}"), &[], "").await;
        assert_eq!(asset.status, 200, "{name}");
        assert!(
            asset.headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
}

/// As deep as GraphiQL and code generators ask for types within lists within lists.
async fn the_tools_introspection_passes(server: &Server) {
    let types = "kind name ".to_owned() + &"ofType { kind name ".repeat(9) + &"}".repeat(9);
    let document = format!(
        "query IntrospectionQuery {{ __schema {{ queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
            types {{ kind name description specifiedByURL isOneOf
                fields(includeDeprecated: true) {{ name description args {{ name type {{ {types} }} defaultValue }} type {{ {types} }} isDeprecated deprecationReason }}
                inputFields {{ name type {{ {types} }} defaultValue }} interfaces {{ {types} }} enumValues(includeDeprecated: true) {{ name }} possibleTypes {{ {types} }} }}
            directives {{ name locations args {{ name type {{ {types} }} }} }} }} }}"
    );
    let data = server.anonymous().data(&document, json!({})).await;
    let types = data["__schema"]["types"].as_array().unwrap();
    let by = types.iter().find(|it| it["name"] == "TopicBy").unwrap();
    assert_eq!(by["isOneOf"], true);
    let date = types.iter().find(|it| it["name"] == "Date").unwrap();
    assert!(date["specifiedByURL"].is_string());
    assert_eq!(data["__schema"]["subscriptionType"], Value::Null);
}
