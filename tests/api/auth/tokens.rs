//! Tokens over HTTP: which are accepted, and the role in which a request acts.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::party::Role;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::harness::{Client, SECRET, Server, TestResponse};

on_both_databases! {
    a_valid_token_identifies_the_viewer
    a_forged_or_expired_token_is_rejected
    a_malformed_authorization_header_is_rejected
    a_token_expires
    nobody_speaks_for_both_sides
    a_token_with_several_roles_acts_as_the_one_in_the_header
    acting_as_a_role_that_the_token_lacks_is_refused
}

const VIEWER: &str = "{ viewer { subject roles party expiresAt } }";

/// Valid claims, to be modified.
fn claims(server: &Server) -> Value {
    let now = server.now().timestamp();
    json!({
        "iss": "liaison tests",
        "aud": "liaison tests",
        "sub": "somebody",
        "exp": now + 600,
        "roles": ["ITU_EDITOR"],
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name).unwrap();
    claims
}

/// Signs a token with HMAC-SHA256, whatever algorithm its header names.
fn signed(claims: &Value, algorithm: &str) -> String {
    let header = json!({ "typ": "JWT", "alg": algorithm });
    let parts = [&header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let text = parts.join(".");
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(hmac(text.as_bytes())))
}

/// Implemented by hand, because libraries refuse to sign invalid tokens.
fn hmac(text: &[u8]) -> Vec<u8> {
    let mut key = [0; 64];
    key[..SECRET.len()].copy_from_slice(SECRET);
    let keyed = |pad: u8, text: &[u8]| {
        let key = key.map(|byte| byte ^ pad);
        Sha256::new()
            .chain_update(key)
            .chain_update(text)
            .finalize()
    };
    keyed(0x5c, &keyed(0x36, text)).to_vec()
}

async fn query_viewer(client: &Client<'_>) -> TestResponse {
    client.post(VIEWER, json!({})).await
}

/// Checks that a request was rejected for its token.
fn refused(response: &TestResponse, what: &str) {
    assert_eq!(response.status, 401, "{what}: {}", response.text);
    let challenge = response.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer"), "{what}: {challenge}");
    let kind = response.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/json"), "{what}: {kind}");
    let json = response.json();
    assert_eq!(
        json["errors"][0]["extensions"]["code"], "UNAUTHENTICATED",
        "{what}"
    );
    assert_eq!(json.get("data"), None, "{what}");
}

async fn a_valid_token_identifies_the_viewer(server: &Server) {
    let claims = claims(server);
    let now = server.now().timestamp();
    for claims in [
        claims.clone(),
        with(claims.clone(), "aud", json!(["another", "liaison tests"])),
        with(claims.clone(), "nbf", json!(now - 5)),
        with(claims.clone(), "roles", json!("ITU_EDITOR")),
        with(
            claims.clone(),
            "roles",
            json!(["offline_access", "ITU_EDITOR"]),
        ),
        with(claims.clone(), "scope", json!({ "anything": ["else"] })),
    ] {
        let token = signed(&claims, "HS256");
        let data = server
            .anonymous()
            .with_token(&token)
            .data(VIEWER, json!({}))
            .await;
        assert_eq!(data["viewer"]["subject"], "somebody", "{claims}");
        assert_eq!(data["viewer"]["roles"], json!(["ITU_EDITOR"]), "{claims}");
        assert_eq!(data["viewer"]["party"], "ITU");
    }
    let nobody = server.anonymous().data(VIEWER, json!({})).await;
    assert_eq!(
        nobody["viewer"],
        json!({ "subject": null, "roles": [], "party": null, "expiresAt": null })
    );
    let reader = signed(&without(claims, "roles"), "HS256");
    let data = server
        .anonymous()
        .with_token(&reader)
        .data(VIEWER, json!({}))
        .await;
    assert_eq!(data["viewer"]["roles"], json!([]));
    assert_eq!(data["viewer"]["subject"], "somebody");
}

async fn a_forged_or_expired_token_is_rejected(server: &Server) {
    let good = claims(server);
    let now = server.now().timestamp();
    let token = signed(&good, "HS256");
    let parts: Vec<&str> = token.split('.').collect();
    let other_claims = signed(&with(good.clone(), "sub", json!("root")), "HS256");
    let other_claims = other_claims.split('.').nth(1).unwrap();
    let mut forged = vec![
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        (
            "algorithm none",
            format!("{}.", signed(&good, "none").rsplit_once('.').unwrap().0),
        ),
        ("algorithm none, signed", signed(&good, "none")),
        ("another algorithm", signed(&good, "HS512")),
        ("an algorithm of public keys", signed(&good, "RS256")),
        (
            "other claims",
            format!("{}.{other_claims}.{}", parts[0], parts[2]),
        ),
        (
            "another's signature",
            format!("{}x", &token[..token.len() - 1]),
        ),
        ("cut short", token[..token.len() - 4].to_owned()),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{token}.x")),
        ("no token at all", "hello".to_owned()),
        ("too long", "x".repeat(9_000)),
    ];
    for (what, claims) in [
        ("expired", with(good.clone(), "exp", json!(now - 3600))),
        ("to come", with(good.clone(), "nbf", json!(now + 3600))),
        ("nbf is a word", with(good.clone(), "nbf", json!("soon"))),
        ("exp is a word", with(good.clone(), "exp", json!("never"))),
        (
            "exp is beyond all time",
            with(good.clone(), "exp", json!(1e300)),
        ),
        (
            "another issuer",
            with(good.clone(), "iss", json!("https://example.org")),
        ),
        (
            "another audience",
            with(good.clone(), "aud", json!("another")),
        ),
        (
            "no audience in the list",
            with(good.clone(), "aud", json!([])),
        ),
        ("a blank subject", with(good.clone(), "sub", json!(" "))),
        ("a number as subject", with(good.clone(), "sub", json!(7))),
        ("no iss", without(good.clone(), "iss")),
        ("no aud", without(good.clone(), "aud")),
        ("no exp", without(good.clone(), "exp")),
        ("no sub", without(good.clone(), "sub")),
        ("roles are numbers", with(good.clone(), "roles", json!([1]))),
    ] {
        forged.push((what, signed(&claims, "HS256")));
    }
    for (what, token) in &forged {
        let client = server.anonymous().with_token(token);
        refused(&query_viewer(&client).await, what);
        let by_get = client
            .send(Method::GET, "/graphql?query=%7B__typename%7D", &[], "")
            .await;
        refused(&by_get, what);
    }
    // Before anything else of the request is checked.
    let client = server.anonymous().with_token(&forged[0].1);
    refused(
        &client.send(Method::POST, "/graphql", &[], "{").await,
        "bad JSON",
    );
}

async fn a_malformed_authorization_header_is_rejected(server: &Server) {
    let body = json!({ "query": VIEWER }).to_string();
    for value in ["Bearer", "Bearer ", "Basic dTpw", "bearer", "Token x", ""] {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", value),
        ];
        let client = server.anonymous();
        let response = client
            .send(Method::POST, "/graphql", &headers, body.clone())
            .await;
        refused(&response, value);
    }
    let token = signed(&claims(server), "HS256");
    let twice = format!("Bearer {token}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", &*twice),
        ("authorization", &*twice),
    ];
    let client = server.anonymous();
    refused(
        &client.send(Method::POST, "/graphql", &headers, body).await,
        "twice",
    );
}

async fn a_token_expires(server: &Server) {
    let token = signed(&claims(server), "HS256");
    let client = server.anonymous().with_token(&token);
    assert_eq!(query_viewer(&client).await.status, 200);
    server.pass_days(1);
    refused(&query_viewer(&client).await, "a day later");
    // Half a minute of clock skew is allowed.
    let lately = server.now() - Duration::from_secs(15);
    let claims = with(claims(server), "exp", json!(lately.timestamp()));
    let client = server.anonymous().with_token(&signed(&claims, "HS256"));
    assert_eq!(query_viewer(&client).await.status, 200);
}

async fn nobody_speaks_for_both_sides(server: &Server) {
    let roles = json!(["ITU_EDITOR", "UPU_EDITOR"]);
    let token = signed(&with(claims(server), "roles", roles), "HS256");
    let client = server.anonymous().with_token(&token);
    refused(&query_viewer(&client).await, "both sides");
    refused(
        &query_viewer(&client.acting_as("ITU_EDITOR")).await,
        "both sides",
    );
}

fn organization(acronym: &str) -> Value {
    json!({ "acronym": acronym, "name": "Partner", "kind": "PARTNER" })
}

async fn a_token_with_several_roles_acts_as_the_one_in_the_header(server: &Server) {
    let client = server.editor(&[Role::TsbEditor, Role::UpuEditor]);
    let data = client.data(VIEWER, json!({})).await;
    assert_eq!(data["viewer"]["party"], Value::Null);
    assert_eq!(data["viewer"]["roles"], json!(["UPU_EDITOR", "TSB_EDITOR"]));
    let create = "organizationCreate";
    assert_eq!(
        client.verdict(create, organization("P1")).await,
        "FORBIDDEN"
    );
    let response = client
        .run(
            "mutation($input: OrganizationCreateInput!) { organizationCreate(input: $input) { userErrors { code } } }",
            json!({ "input": organization("P1") }),
        )
        .await;
    let message = response["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("Acting-As"), "{message}");

    let tsb = client.clone().acting_as("TSB_EDITOR");
    assert_eq!(tsb.data(VIEWER, json!({})).await["viewer"]["party"], "TSB");
    assert_eq!(tsb.verdict(create, organization("P1")).await, "OK");
    let upu = client.acting_as("UPU_EDITOR");
    assert_eq!(upu.data(VIEWER, json!({})).await["viewer"]["party"], "UPU");
    assert_eq!(upu.verdict(create, organization("P2")).await, "FORBIDDEN");
    // Naming the only role is allowed.
    let itu = server.itu().acting_as("ITU_EDITOR");
    assert_eq!(itu.data(VIEWER, json!({})).await["viewer"]["party"], "ITU");
}

async fn acting_as_a_role_that_the_token_lacks_is_refused(server: &Server) {
    for client in [
        server.itu().acting_as("UPU_EDITOR"),
        server.itu().acting_as("itu_editor"),
        server.itu().acting_as("ADMIN"),
        server.itu().acting_as(""),
        server.anonymous().acting_as("ITU_EDITOR"),
    ] {
        let response = query_viewer(&client).await;
        assert_eq!(response.status, 403, "{}", response.text);
        let json = response.json();
        assert_eq!(json["errors"][0]["extensions"]["code"], "FORBIDDEN");
        assert_eq!(json.get("data"), None);
    }
}
