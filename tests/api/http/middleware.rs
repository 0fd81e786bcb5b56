//! Middleware: CORS, request ids, security headers, rate limits, access log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;
use liaison::http::HttpState;
use liaison::http::middleware::client_ip::{ProxyHeader, TrustedProxies};
use liaison::http::middleware::cors::origin;
use liaison::http::middleware::rate_limit::RateLimiter;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::binary::Workspace;
use crate::support::harness::{Backend, Client, Server, TestResponse};
use crate::support::raw_http;

on_both_databases! {
    cors_blocks_origins_that_are_not_listed
    a_well_formed_request_id_is_kept_and_others_are_replaced
    every_response_has_security_headers
}

on_both_backends! {
    cors_allows_listed_origins
    rate_limits_apply_per_address_and_per_subject
    forwarded_addresses_are_accepted_only_from_trusted_proxies
}

on_both_empty_databases! {
    the_access_log_has_one_line_per_request_and_no_secret
}

const JSON: (&str, &str) = ("content-type", "application/json");
const QUERY: &str = r#"{"query":"{ viewer { roles } }"}"#;

async fn preflight(client: &Client<'_>, origin: &str) -> TestResponse {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization,content-type,acting-as,x-request-id,graphql-cost,traceparent,sentry-trace,apollographql-client-name",
        ),
    ];
    client.send(Method::OPTIONS, "/graphql", &headers, "").await
}

async fn cors_blocks_origins_that_are_not_listed(server: &Server) {
    let client = server.anonymous();
    let preflight_response = preflight(&client, "https://app.example.org").await;
    let headers = [JSON, ("origin", "https://app.example.org")];
    let called = client.send(Method::POST, "/graphql", &headers, QUERY).await;
    for response in [preflight_response, called] {
        assert!(!response.headers.contains_key("access-control-allow-origin"));
    }
}

async fn cors_allows_listed_origins(backend: Backend) {
    let listed = "https://app.example.org";
    let http = |origins: &[&str]| HttpState {
        allowed_origins: origins.iter().map(|text| origin(text).unwrap()).collect(),
        rate_limiter: RateLimiter::new(0, 0),
        ..HttpState::default()
    };
    let some = http(&[listed, "http://localhost:3000"]);
    let server = Server::start_with(backend, |app| app.http = Arc::new(some)).await;
    let client = server.anonymous();
    let allowed = preflight(&client, listed).await;
    assert_eq!(allowed.status, 200);
    assert_eq!(allowed.headers["access-control-allow-origin"], listed);
    let named = allowed.headers["access-control-allow-headers"]
        .to_str()
        .unwrap();
    for header in [
        "authorization",
        "content-type",
        "acting-as",
        "x-request-id",
        "graphql-cost",
        "traceparent",
        "sentry-trace",
        "apollographql-client-name",
    ] {
        assert!(named.contains(header), "{named}");
    }
    assert!(allowed.headers.contains_key("access-control-max-age"));

    let call = async |origin: &str, token: &str| {
        let headers = [JSON, ("origin", origin)];
        let client = match token {
            "" => server.anonymous(),
            token => server.anonymous().with_token(token),
        };
        client.send(Method::POST, "/graphql", &headers, QUERY).await
    };
    // Error responses carry CORS headers, too.
    for token in ["", "a.b.c"] {
        let response = call(listed, token).await;
        assert_eq!(response.headers["access-control-allow-origin"], listed);
        let exposed = response.headers["access-control-expose-headers"]
            .to_str()
            .unwrap();
        for header in ["x-request-id", "etag", "retry-after", "ratelimit"] {
            assert!(exposed.contains(header), "{exposed}");
        }
        let varies = response.headers.get_all("vary");
        assert!(
            varies
                .iter()
                .any(|vary| vary.to_str().unwrap().contains("origin"))
        );
        assert!(
            !response
                .headers
                .contains_key("access-control-allow-credentials")
        );
    }
    for other_origin in [
        "https://evil.example",
        "https://app.example.org.evil.example",
        "http://app.example.org",
        "null",
    ] {
        let preflight_response = preflight(&client, other_origin).await;
        let called = call(other_origin, "").await;
        for response in [preflight_response, called] {
            assert!(
                !response.headers.contains_key("access-control-allow-origin"),
                "{other_origin}"
            );
        }
    }

    let all = http(&["*"]);
    let server = Server::start_with(backend, |app| app.http = Arc::new(all)).await;
    let response = preflight(&server.anonymous(), "https://anything.example").await;
    assert_eq!(response.headers["access-control-allow-origin"], "*");
}

async fn a_well_formed_request_id_is_kept_and_others_are_replaced(server: &Server) {
    let client = server.anonymous();
    let id = async |given: &[&str]| {
        let mut headers = vec![JSON];
        headers.extend(given.iter().map(|given| ("x-request-id", *given)));
        let response = client.send(Method::POST, "/graphql", &headers, QUERY).await;
        response.headers["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    let long = "x".repeat(64);
    for sane in [
        "7",
        "0190a2f0-7b1c-7000-8000-000000000000",
        "a/b+c=:_.-",
        &long,
    ] {
        assert_eq!(id(&[sane]).await, sane);
    }
    let longer = "x".repeat(65);
    for given in [
        &["a b"][..],
        &["a\"b"],
        &["a\tb"],
        &["{}"],
        &[""],
        &["é"],
        &[&longer],
        &["a", "b"],
    ] {
        let new = id(given).await;
        assert_eq!(new.len(), 32, "{given:?}: {new}");
        assert!(
            new.chars().all(|character| character.is_ascii_hexdigit()),
            "{new}"
        );
    }
}

async fn every_response_has_security_headers(server: &Server) {
    let client = server.anonymous();
    let other_origin = server.anonymous().with_token("a.b.c");
    let large = " ".repeat(1_000_001);
    let responses = [
        (
            "query",
            client.send(Method::POST, "/graphql", &[JSON], QUERY).await,
            200,
        ),
        (
            "bad",
            client.send(Method::POST, "/graphql", &[JSON], "{").await,
            400,
        ),
        (
            "no token",
            other_origin
                .send(Method::POST, "/graphql", &[JSON], QUERY)
                .await,
            401,
        ),
        (
            "another method",
            client.send(Method::DELETE, "/graphql", &[], "").await,
            405,
        ),
        (
            "large",
            client.send(Method::POST, "/graphql", &[JSON], large).await,
            413,
        ),
        (
            "nothing",
            client.send(Method::GET, "/nothing", &[], "").await,
            404,
        ),
        (
            "schema",
            client.send(Method::GET, "/schema.graphql", &[], "").await,
            200,
        ),
        (
            "alive",
            client.send(Method::GET, "/livez", &[], "").await,
            200,
        ),
        (
            "explorer",
            client.send(Method::GET, "/graphiql", &[], "").await,
            200,
        ),
        (
            "preflight",
            preflight(&client, "https://app.example.org").await,
            200,
        ),
    ];
    for (what, response, status) in responses {
        assert_eq!(response.status, status, "{what}");
        let header = |name: &str| response.headers[name].to_str().unwrap().to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{what}");
        assert!(
            header("content-security-policy").contains("default-src '"),
            "{what}"
        );
        assert!(header("x-request-id").len() >= 32, "{what}");
    }
}

/// Starts a service with these limits and a clock that only the test advances.
async fn limited(backend: Backend, http: HttpState) -> (Server, Arc<AtomicI64>) {
    let clock = Arc::new(AtomicI64::new(1_800_000_000));
    let time = clock.clone();
    let server = Server::start_with(backend, |app| {
        app.http = Arc::new(http);
        app.clock =
            Arc::new(move || DateTime::from_timestamp(time.load(Ordering::Relaxed), 0).unwrap());
    });
    (server.await, clock)
}

/// Sends requests until one is rejected; returns the number of accepted ones and the rejection.
async fn exhaust(client: &Client<'_>, headers: &[(&str, &str)]) -> (usize, TestResponse) {
    let headers = [&[JSON], headers].concat();
    for answered in 0..100 {
        let response = client.send(Method::POST, "/graphql", &headers, QUERY).await;
        if response.status != 200 {
            return (answered, response);
        }
    }
    panic!("no end to it");
}

async fn rate_limits_apply_per_address_and_per_subject(backend: Backend) {
    let http = HttpState {
        rate_limiter: RateLimiter::new(20, 60),
        ..HttpState::default()
    };
    let (server, clock) = limited(backend, http).await;
    let client = server.anonymous();
    let (answered, refused) = exhaust(&client, &[]).await;
    assert!((5..=20).contains(&answered), "{answered}");
    assert_eq!(refused.status, 429);
    let seconds: i64 = refused.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let json = refused.json();
    let error = &json["errors"][0];
    assert_eq!(error["extensions"]["code"], "RATE_LIMITED");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(" 20 per minute"), "{message}");
    assert!(
        message.contains(&format!("in {seconds} seconds")),
        "{message}"
    );
    assert_eq!(json.get("data"), None);
    let policy = &refused.headers["ratelimit-policy"];
    assert_eq!(policy, "\"address\";q=20;w=60;qu=\"cost\"");
    let state = refused.headers["ratelimit"].to_str().unwrap();
    assert!(state.starts_with("\"address\";r="), "{state}");
    // What is no operation is not limited.
    assert_eq!(
        client.send(Method::GET, "/readyz", &[], "").await.status,
        200
    );
    assert_eq!(
        client
            .send(Method::GET, "/schema.graphql", &[], "")
            .await
            .status,
        200
    );

    // A token holder has a limit of its own, whatever the address.
    let (more, refused) = exhaust(&server.itu(), &[]).await;
    assert!(more > 2 * answered, "{more} {answered}");
    assert_eq!(refused.status, 429);
    // A request after the announced wait is accepted, an earlier one is not.
    clock.fetch_add(seconds - 1, Ordering::Relaxed);
    assert_eq!(exhaust(&client, &[]).await.0, 0);
    clock.fetch_add(1, Ordering::Relaxed);
    assert_eq!(exhaust(&client, &[]).await.0, 1);
    clock.fetch_add(60, Ordering::Relaxed);
    let first = client.send(Method::POST, "/graphql", &[JSON], QUERY).await;
    let first = first.headers["ratelimit"].to_str().unwrap().to_owned();
    let (remaining, reset) = first.split_once(";t=").unwrap();
    let remaining = remaining.trim_start_matches("\"address\";r=");
    let [remaining, reset]: [i64; 2] = [remaining, reset].map(|header| header.parse().unwrap());
    assert!((1..20).contains(&remaining), "{first}");
    assert_eq!(reset, (20 - remaining) * 3, "{first}");
    assert_eq!(exhaust(&client, &[]).await.0, answered - 1);
}

async fn forwarded_addresses_are_accepted_only_from_trusted_proxies(backend: Backend) {
    let http = |trusted: &[&str], header| HttpState {
        rate_limiter: RateLimiter::new(20, 0),
        trusted_proxies: TrustedProxies {
            trusted: trusted
                .iter()
                .map(|trusted| trusted.parse().unwrap())
                .collect(),
            header,
        },
        ..HttpState::default()
    };
    let one = [("x-forwarded-for", "198.51.100.1")];
    let other = [("x-forwarded-for", "192.0.2.9, 198.51.100.2")];
    let (server, _) = limited(backend, http(&["127.0.0.0/8"], ProxyHeader::XForwardedFor)).await;
    let client = server.anonymous();
    let (answered, _) = exhaust(&client, &one).await;
    assert!(answered > 0);
    assert_eq!(exhaust(&client, &other).await.0, answered);
    // Entries that the client itself prepends do not matter.
    let moved = [("x-forwarded-for", "203.0.113.7, 198.51.100.1")];
    assert_eq!(exhaust(&client, &moved).await.0, 0);

    let (server, _) = limited(backend, http(&["10.0.0.0/8"], ProxyHeader::XForwardedFor)).await;
    let client = server.anonymous();
    assert_eq!(exhaust(&client, &one).await.0, answered);
    assert_eq!(exhaust(&client, &other).await.0, 0);

    let (server, _) = limited(backend, http(&["127.0.0.1/32"], ProxyHeader::Forwarded)).await;
    let client = server.anonymous();
    let forwarded = [("forwarded", "for=198.51.100.1;proto=https")];
    assert_eq!(exhaust(&client, &forwarded).await.0, answered);
    assert_eq!(
        exhaust(&client, &[("forwarded", "for=198.51.100.2")])
            .await
            .0,
        answered
    );
    assert_eq!(exhaust(&client, &[one[0], forwarded[0]]).await.0, 0);
}

const SECRET: &str = "a secret in a file, of 32 bytes and more";

#[expect(clippy::too_many_lines, reason = "one service and its log")]
async fn the_access_log_has_one_line_per_request_and_no_secret(url: &str) {
    let workspace = Workspace::new();
    workspace.write("secret", SECRET);
    workspace.done(&["seed", "--database-url", url]);
    let token = workspace.done(&[
        "token",
        "--role",
        "TSB_EDITOR",
        "--sub",
        "a.clerk",
        "--key",
        "secret",
    ]);
    let token = token.trim();
    let mut service = workspace.start(&[
        "serve",
        "--token-key",
        "secret",
        "--token-algorithms",
        "HS256",
        "--database-url",
        url,
        "--listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]);
    let log = service.logged(|log| log.contains("\"serving\""));
    let first: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let address = format!("http://{}", first["address"].as_str().unwrap());

    let read = "query Titles($text: String!) { topics(filter: { text: $text }) { nodes { code committees { role } } } }";
    let body = json!({ "query": read, "variables": { "text": "xyzzy variable" } });
    raw_http::post(&address, None, &body.to_string());
    let write = "mutation Enter($name: String!) { organizationCreate(input: { acronym: \"xyzzy text\", name: $name, kind: PARTNER }) { organization { id } userErrors { message } } }";
    let body = json!({ "query": write, "variables": { "name": "xyzzy name" } });
    let reply = raw_http::post(&address, Some(token), &body.to_string());
    assert_eq!(
        reply.json()["data"]["organizationCreate"]["userErrors"],
        json!([])
    );
    raw_http::post(&address, Some("xyzzy.token.xyzzy"), QUERY);
    raw_http::post(&address, None, "{ xyzzy");
    raw_http::get(&address, "/graphql?query=%7Bviewer%7Broles%7D%7D%23xyzzy");
    raw_http::get(&address, "/xyzzy");
    raw_http::get(&address, "/schema.graphql");
    let log = service.logged(|log| log.contains("/schema.graphql"));
    assert!(!log.contains("xyzzy"), "{log}");
    assert!(!log.contains(token.split('.').nth(2).unwrap()), "{log}");
    assert!(!log.contains("secret in a file"), "{log}");

    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lines: Vec<&Value> = lines
        .iter()
        .filter(|line| line["target"] == "liaison::request")
        .collect();
    assert_eq!(lines.len(), 7, "{log}");
    let shown = |line: &Value| json!({ "method": line["http.request.method"], "route": line["http.route"], "status": line["http.response.status_code"], "subject": line["enduser.id"], "operation": line["graphql.operation.name"] });
    for line in &lines {
        assert!(
            line["duration_ms"]
                .as_f64()
                .is_some_and(|duration| duration > 0.0),
            "{line}"
        );
        assert_eq!(line["request_id"].as_str().unwrap().len(), 32, "{line}");
        assert_eq!(
            [&line["level"], &line["client.address"]],
            ["INFO", "127.0.0.1"]
        );
    }
    assert_eq!(
        shown(lines[0]),
        json!({ "method": "POST", "route": "/graphql", "status": 200, "subject": null, "operation": "Titles" })
    );
    // One statement for the topics. None matches, so there are no committees to load.
    assert_eq!(lines[0]["statements"], 1);
    assert!(lines[0]["cost"].as_u64().is_some_and(|cost| cost >= 2));
    let hash = lines[0]["graphql.document.hash"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert_ne!(lines[1]["graphql.document.hash"], hash);
    assert_eq!(
        shown(lines[1]),
        json!({ "method": "POST", "route": "/graphql", "status": 200, "subject": "a.clerk", "operation": "Enter" })
    );
    assert!(
        lines[1]["statements"]
            .as_u64()
            .is_some_and(|count| count >= 3),
        "{}",
        lines[1]
    );
    let statuses: Vec<_> = lines[2..]
        .iter()
        .map(|line| {
            (
                &line["http.response.status_code"],
                &line["http.route"],
                &line["statements"],
            )
        })
        .collect();
    assert_eq!(
        json!(statuses),
        json!([
            [401, "/graphql", 0],
            [400, "/graphql", 0],
            [200, "/graphql", 0],
            [404, null, 0],
            [200, "/schema.graphql", 0]
        ])
    );
}
