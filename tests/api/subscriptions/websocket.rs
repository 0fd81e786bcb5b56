//! The subprotocol `graphql-transport-ws`: message order and close codes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use entity::party::Role;
use futures_util::future::join_all;
use liaison::http::limits::Limits;
use liaison::http::server::shutdown::StreamTimeouts;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::binary::Workspace;
use crate::support::harness::{Backend, Server, token};
use crate::support::websocket_client::{PROTOCOL, Socket};

on_both_databases! {
    queries_and_mutations_run_over_websocket
    an_invalid_operation_gets_an_error_message
    protocol_errors_close_the_websocket_with_their_code
    an_invalid_token_closes_the_websocket
    a_token_is_accepted_in_connection_init_or_the_handshake
    operations_run_concurrently_and_end_on_complete
    pings_get_a_pong
    a_message_over_the_limit_closes_the_websocket
    a_close_frame_gets_a_close_frame
    an_id_can_be_used_again_once_its_operation_is_complete
}

const ACTIVITIES: &str = "subscription($after: String) { activity(after: $after) { cursor verb } }";

async fn queries_and_mutations_run_over_websocket(server: &Server) {
    let bearer = format!("Bearer {}", server.upu().token.unwrap());
    let mut socket = Socket::open(&server.address, json!({ "Authorization": bearer })).await;
    let query = "query($code: String!) { topic(by: { code: $code }) { code } viewer { party } }";
    let response = socket.run(query, json!({ "code": "T-1" })).await;
    let data = json!({ "topic": { "code": "T-1" }, "viewer": { "party": "UPU" } });
    assert_eq!(response, json!({ "data": data }));

    let mutation = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { party body } userErrors { code } } }";
    let input = json!({ "subjectId": server.topic("T-1").await, "body": "Over a socket." });
    let response = socket.run(mutation, json!({ "input": input })).await;
    let note = json!({ "party": "UPU", "body": "Over a socket." });
    assert_eq!(response["data"]["noteAdd"]["note"], note);

    let mut nobody = Socket::anonymous(&server.address).await;
    let response = nobody.run(mutation, json!({ "input": input })).await;
    assert_eq!(response["data"], json!({ "noteAdd": null }));
    let code = &response["errors"][0]["extensions"]["code"];
    assert_eq!(code, "UNAUTHENTICATED");
}

async fn an_invalid_operation_gets_an_error_message(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    let damaged = json!({ "after": "AAAA" });
    let strange = json!({ "filter": { "subjectType": ["Planet"] } });
    let filtered = "subscription($filter: ActivityFilter) { activity(filter: $filter) { verb } }";
    let committee = json!({ "filter": { "topic": server.committee("ITU-T", "SG17").await } });
    for (document, variables, code) in [
        ("{", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { activity { nothing } }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (ACTIVITIES, damaged, "INVALID_CURSOR"),
        (filtered, strange, "BAD_USER_INPUT"),
        (filtered, committee, "BAD_USER_INPUT"),
    ] {
        socket.subscribe("a", document, variables).await;
        let response = socket.receive_json().await;
        assert_eq!(response["type"], "error", "{document}: {response}");
        assert_eq!(response["id"], "a");
        let error = &response["payload"][0];
        assert_eq!(error["extensions"]["code"], code, "{document}: {response}");
        assert!(error["message"].is_string());
    }
    // Nothing follows an error, and the connection stays usable.
    let response = socket.run("{ viewer { roles } }", json!({})).await;
    assert_eq!(response, json!({ "data": { "viewer": { "roles": [] } } }));
}

/// What a client sends, and the code and reason of the close frame.
const BREACHES: &[(&[&str], u16, &str)] = &[
    (&["no JSON"], 4400, "Invalid message"),
    (&["[]"], 4400, "Invalid message"),
    (&["\"connection_init\""], 4400, "Invalid message"),
    (&[r#"{"payload":{}}"#], 4400, "Invalid message"),
    (
        &[r#"{"type":"start"}"#],
        4400,
        r#"Invalid message: graphql-transport-ws has no type "start""#,
    ),
    (
        &[r#"["connection_init",{}]"#],
        4400,
        "Invalid message: it is not a JSON object",
    ),
    (
        &[INIT, r#"["subscribe","a",{"query":"{ __typename }"}]"#],
        4400,
        "Invalid message: it is not a JSON object",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":["{ __typename }",null,null,null]}"#,
        ],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":{"query":"{ __typename }","extensions":[null]}}"#,
        ],
        4400,
        "Invalid message: its `payload` is not a request",
    ),
    (&[r#"{"type":"connection_ack"}"#], 4400, "Invalid message"),
    (
        &[r#"{"type":"connection_init","payload":"token"}"#],
        4400,
        "Invalid message",
    ),
    (
        &[r#"{"type":"connection_init","payload":[]}"#],
        4400,
        "Invalid message",
    ),
    (&[r#"{"type":"ping","payload":1}"#], 4400, "Invalid message"),
    (
        &[r#"{"type":"ping","payload":[]}"#],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":{"extensions":{"persistedQuery":[1,"ab"]}}}"#,
        ],
        4400,
        "Invalid message: its `payload` is not a request",
    ),
    (
        &[INIT, r#"{"type":"subscribe","payload":{"query":"{a}"}}"#],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":1,"type":"subscribe","payload":{"query":"{a}"}}"#,
        ],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"","type":"subscribe","payload":{"query":"{a}"}}"#,
        ],
        4400,
        "Invalid message",
    ),
    (
        &[INIT, r#"{"id":"a","type":"subscribe"}"#],
        4400,
        "Invalid message",
    ),
    (
        &[INIT, r#"{"id":"a","type":"subscribe","payload":{}}"#],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":{"query":1}}"#,
        ],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":{"query":"{a}","variables":[]}}"#,
        ],
        4400,
        "Invalid message",
    ),
    (
        &[
            INIT,
            r#"{"id":"a","type":"subscribe","payload":{"query":"{a}","operationName":1}}"#,
        ],
        4400,
        "Invalid message",
    ),
    (&[INIT, r#"{"type":"complete"}"#], 4400, "Invalid message"),
    (&[SUBSCRIBE], 4401, "Unauthorized"),
    (&[QUERY, INIT], 4401, "Unauthorized"),
    (&[INIT, INIT], 4429, "Too many initialisation requests"),
    (
        &[INIT, SUBSCRIBE, SUBSCRIBE],
        4409,
        "Subscriber for a already exists",
    ),
];

const INIT: &str = r#"{"type":"connection_init"}"#;
const SUBSCRIBE: &str =
    r#"{"id":"a","type":"subscribe","payload":{"query":"subscription { activity { id } }"}}"#;
const QUERY: &str = r#"{"id":"a","type":"subscribe","payload":{"query":"{ viewer { roles } }"}}"#;

async fn protocol_errors_close_the_websocket_with_their_code(server: &Server) {
    for (messages, code, reason) in BREACHES {
        let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
        for message in *messages {
            socket.send(Message::text(*message)).await;
        }
        let ended = socket.end().await;
        assert_eq!(ended.0, *code, "{messages:?}: {ended:?}");
        assert!(ended.1.starts_with(reason), "{messages:?}: {ended:?}");
    }

    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
    socket.send(Message::binary(INIT.as_bytes().to_vec())).await;
    assert_eq!(socket.end().await.0, 4400);

    let mut socket = Socket::connect_without_init(&server.address, None, None).await;
    let ended = socket.end().await;
    assert_eq!(ended.0, 4406);
    let reason = "Subprotocol not acceptable";
    assert!(ended.1.starts_with(reason), "{ended:?}");
}

async fn an_invalid_token_closes_the_websocket(server: &Server) {
    for payload in [
        json!({ "Authorization": "Bearer nonsense" }),
        json!({ "authorization": "nonsense" }),
        json!({ "token": "nonsense" }),
        json!({ "token": 1 }),
        json!({ "token": server.upu().token, "actingAs": "ITU_EDITOR" }),
    ] {
        let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
        let init = json!({ "type": "connection_init", "payload": payload });
        socket.say(&init).await;
        let ended = socket.end().await;
        assert_eq!(ended.0, 4403, "{payload}: {ended:?}");
        assert!(ended.1.starts_with("Forbidden: "), "{ended:?}");
    }
    let header = Some(("authorization", "Bearer nonsense"));
    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), header).await;
    socket.say(&json!({ "type": "connection_init" })).await;
    assert_eq!(socket.end().await.0, 4403);
}

async fn a_token_is_accepted_in_connection_init_or_the_handshake(server: &Server) {
    let viewer = "{ viewer { party } }";
    let token = server.editor(&[Role::ItuEditor, Role::TsbEditor]).token;
    for (payload, party) in [
        (
            json!({ "token": token, "Acting-As": "TSB_EDITOR" }),
            json!("TSB"),
        ),
        (
            json!({ "token": token, "actingAs": "ITU_EDITOR" }),
            json!("ITU"),
        ),
        (json!({ "token": token }), Value::Null),
        (json!({ "token": null, "locale": "fr" }), Value::Null),
    ] {
        let mut socket = Socket::open(&server.address, payload).await;
        let response = socket.run(viewer, json!({})).await;
        assert_eq!(response["data"]["viewer"]["party"], party);
    }
    let bearer = format!("Bearer {}", server.itu().token.unwrap());
    let header = Some(("authorization", bearer.as_str()));
    let upu = json!({ "token": server.upu().token });
    for (payload, party) in [(Value::Null, "ITU"), (upu, "UPU")] {
        let mut socket =
            Socket::connect_without_init(&server.address, Some(PROTOCOL), header).await;
        let init = json!({ "type": "connection_init", "payload": payload });
        socket.say(&init).await;
        assert_eq!(socket.receive_json().await["type"], "connection_ack");
        let response = socket.run(viewer, json!({})).await;
        assert_eq!(response["data"]["viewer"]["party"], party);
    }
}

async fn operations_run_concurrently_and_end_on_complete(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    let most = Limits::default().operations;
    for operation in 0..most {
        let id = operation.to_string();
        socket.subscribe(&id, ACTIVITIES, json!({})).await;
    }
    socket
        .subscribe("more", "{ viewer { roles } }", json!({}))
        .await;
    let response = socket.receive_json().await;
    assert_eq!(response["type"], "error", "{response}");
    assert_eq!(response["id"], "more");
    let code = &response["payload"][0]["extensions"]["code"];
    assert_eq!(code, "RATE_LIMITED");

    // An id is free again after its operation has ended, and unknown ids may be completed.
    for id in ["0", "0", "never"] {
        socket.say(&json!({ "id": id, "type": "complete" })).await;
    }
    socket
        .subscribe("0", "{ viewer { roles } }", json!({}))
        .await;
    socket.next("0").await;
    assert_eq!(
        socket.receive_json().await,
        json!({ "id": "0", "type": "complete" })
    );

    for operation in 1..most {
        let id = operation.to_string();
        socket.say(&json!({ "id": id, "type": "complete" })).await;
    }
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await, json!({ "type": "pong" }));
    let input = json!({ "subjectId": server.topic("T-1").await, "body": "For nobody." });
    server.itu().change("noteAdd", input, "id").await;
    // A completed operation sends no further messages.
    let response = socket.run("{ viewer { roles } }", json!({})).await;
    assert_eq!(response, json!({ "data": { "viewer": { "roles": [] } } }));
}

async fn pings_get_a_pong(server: &Server) {
    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
    // Also before `connection_init`.
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.receive_json().await, json!({ "type": "pong" }));
    let ping = json!({ "type": "ping", "payload": { "at": 7 } });
    socket.say(&ping).await;
    let pong = json!({ "type": "pong", "payload": { "at": 7 } });
    assert_eq!(socket.receive_json().await, pong);
    socket.say(&json!({ "type": "pong" })).await;
    socket.send(Message::Ping(vec![1, 2].into())).await;
    assert_eq!(socket.receive().await, Message::Pong(vec![1, 2].into()));
}

async fn a_message_over_the_limit_closes_the_websocket(server: &Server) {
    let mut socket = Socket::anonymous(&server.address).await;
    let long = format!("{{ viewer {{ roles }} }}{}", " ".repeat(900_000));
    let response = socket.run(&long, json!({})).await;
    assert_eq!(response["data"]["viewer"]["roles"], json!([]));
    // A client may send everything before it reads: much more than the buffers of a connection.
    for length in [1_000_001, 20_000_000] {
        let mut socket = Socket::anonymous(&server.address).await;
        socket.send(Message::text(" ".repeat(length))).await;
        let ended = socket.end().await;
        let reason = "A message has 1000000 bytes at most".to_owned();
        assert_eq!(ended, (1009, reason), "{length}");
    }
}

async fn a_close_frame_gets_a_close_frame(server: &Server) {
    for code in [1000, 1001, 4321] {
        let mut socket = Socket::anonymous(&server.address).await;
        let follow = "subscription { activity { id } }";
        socket.subscribe("a", follow, json!({})).await;
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        socket.send(Message::Close(Some(frame))).await;
        assert_eq!(socket.end().await.0, code);
    }
}

/// With hundreds of operations on a socket, one that has ended is not polled again for a while.
async fn an_id_can_be_used_again_once_its_operation_is_complete(server: &Server) {
    let instance = server.beside(|app| app.limits.operations = 1000).await;
    let mut socket = Socket::anonymous(&instance.address).await;
    let mut left = HashMap::new();
    for id in (0..500).map(|number| number.to_string()) {
        socket.subscribe(&id, "{ __typename }", json!({})).await;
        left.insert(id, 2);
    }
    while !left.is_empty() {
        let message = socket.receive_json().await;
        let id = message["id"].as_str().unwrap();
        if message["type"] == "next" {
            assert_eq!(message["payload"]["data"]["__typename"], "Query");
            continue;
        }
        assert_eq!(message["type"], "complete", "{message}");
        let uses = left.get_mut(id).unwrap();
        if *uses == 0 {
            left.remove(id);
        } else {
            *uses -= 1;
            socket.subscribe(id, "{ __typename }", json!({})).await;
        }
    }
}

/// Limits with short timeouts.
fn short_timeouts() -> Limits {
    Limits {
        stream_timeouts: StreamTimeouts {
            init: Duration::from_millis(300),
            keep_alive: Duration::from_millis(300),
            ..StreamTimeouts::default()
        },
        ..Limits::default()
    }
}

#[tokio::test]
async fn connection_init_times_out() {
    let server = Server::start_with(Backend::Sqlite, |app| app.limits = short_timeouts()).await;
    let mut socket = Socket::connect_without_init(&server.address, Some(PROTOCOL), None).await;
    let late = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(socket.end().await, late);
}

#[tokio::test]
async fn a_client_without_pongs_is_disconnected() {
    let server = Server::start_with(Backend::Sqlite, |app| app.limits = short_timeouts()).await;
    let mut alive = Socket::anonymous(&server.address).await;
    let mut dead = Socket::anonymous(&server.address).await;
    let started_at = Instant::now();
    let silent = async {
        assert_eq!(dead.end().await.0, 1001);
    };
    let answering = async {
        for _ in 0..5 {
            let Message::Text(ping) = alive.receive().await else {
                panic!("a ping")
            };
            assert_eq!(ping.as_str(), r#"{"type":"ping"}"#);
            alive.say(&json!({ "type": "pong" })).await;
        }
    };
    futures_util::future::join(silent, answering).await;
    assert!(started_at.elapsed() > Duration::from_millis(1200));
    let response = alive.run("{ viewer { roles } }", json!({})).await;
    assert_eq!(response["data"]["viewer"]["roles"], json!([]));
}

#[tokio::test]
async fn a_websocket_is_closed_when_its_token_expires() {
    let server = Server::start(Backend::Sqlite).await;
    let brief = token(&[Role::UpuEditor], 3, server.now());
    let mut socket = Socket::open(&server.address, json!({ "token": brief })).await;
    socket.subscribe("a", ACTIVITIES, json!({})).await;
    // Past the expiry and the allowed clock skew; the clock of the tests runs fast.
    server.pass_days(1);
    let expired = (4403, "Forbidden: the token has expired".to_owned());
    assert_eq!(socket.end().await, expired);
}

#[tokio::test]
async fn websockets_are_closed_at_shutdown() {
    let workspace = Workspace::new();
    let mut running = workspace.start(&["dev", "--listen", "127.0.0.1:0"]);
    let address = running.dev_address();
    let mut sockets = join_all((0..20).map(|_| Socket::anonymous(&address))).await;
    for socket in &mut sockets {
        socket.subscribe("a", ACTIVITIES, json!({})).await;
    }
    let started_at = Instant::now();
    running.terminate();
    for socket in &mut sockets {
        let (code, reason) = socket.end().await;
        assert_eq!(
            (code, reason.as_str()),
            (1012, "The service stops: come back")
        );
    }
    drop(sockets);
    let ended = tokio::task::spawn_blocking(|| running.ended())
        .await
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(
        started_at.elapsed() < Duration::from_secs(8),
        "well below its grace"
    );
}
