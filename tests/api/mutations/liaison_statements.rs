//! Liaison statements: sending and replying.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    a_statement_is_sent_and_replied_to
    only_purpose_action_awaits_a_reply
    statements_are_filtered
    all_errors_of_a_statement_are_reported_at_once
    only_addressees_can_reply
    statement_numbers_are_consecutive
    the_tsb_sends_statements_from_its_secretariat
    a_statement_may_be_entered_after_it_was_sent
    a_statement_is_never_sent_in_the_future
}

const READ: &str = "id code title body contact sentBy sentAt awaitingReply viewerPermissions from { code }
    addressees { committee { code } purpose replyBy repliedAt overdue } inReplyTo { code } replies { code }
    topics { code } attachments { name url }";

async fn read(client: &Client<'_>, code: &str) -> Value {
    let document =
        format!("query($code: String!) {{ liaisonStatement(by: {{ code: $code }}) {{ {READ} }} }}");
    let data = client.data(&document, json!({ "code": code })).await;
    data["liaisonStatement"].clone()
}

fn to(committee: &str, purpose: &str, reply_by: Option<&str>) -> Value {
    json!({ "committeeId": committee, "purpose": purpose, "replyBy": reply_by })
}

fn statement(from: &str, addressees: &[Value]) -> Value {
    json!({ "title": "On secure postal electronic mail", "fromIds": [from], "addressees": addressees })
}

const SEND: &str = "liaisonStatementSend";

async fn a_statement_is_sent_and_replied_to(server: &Server) {
    let (itu, upu) = (server.itu(), server.upu());
    let sg17 = server.committee("ITU-T", "SG17").await;
    let sg2 = server.committee("ITU-T", "SG2").await;
    let c5 = server.committee("POC", "C5").await;
    let psi = server.committee("POC", "PSI").await;
    let mut input = statement(
        &sg17,
        &[
            to(&c5, "ACTION", Some("2026-07-01")),
            to(&psi, "INFORMATION", None),
        ],
    );
    input["fromIds"] = json!([sg17, sg2]);
    input["body"] = json!("Please tell us\r\nwhat you think.");
    input["contact"] = json!("tsbsg17@example.org");
    input["topicIds"] = json!([server.topic("T-3").await, server.topic("T-2").await]);
    input["attachments"] = json!([{ "name": "TD 12", "url": "https://example.org/td12" }, { "name": "TD 3", "url": "http://example.org/td3" }]);
    let sent = itu.change(SEND, input, READ).await;
    assert_eq!(sent["code"], "LS-1");
    assert_eq!(sent["from"], json!([{ "code": "SG17" }, { "code": "SG2" }]));
    assert_eq!(sent["body"], "Please tell us\nwhat you think.");
    assert_eq!(
        sent["topics"],
        json!([{ "code": "T-2" }, { "code": "T-3" }])
    );
    assert_eq!(sent["attachments"][0]["name"], "TD 12");
    assert_eq!(sent["sentBy"], "ITU");
    assert_eq!(sent["awaitingReply"], true);
    assert_eq!(
        sent["addressees"],
        json!([
            { "committee": { "code": "C5" }, "purpose": "ACTION", "replyBy": "2026-07-01", "repliedAt": null, "overdue": false },
            { "committee": { "code": "PSI" }, "purpose": "INFORMATION", "replyBy": null, "repliedAt": null, "overdue": false },
        ])
    );
    assert_eq!(sent["viewerPermissions"], json!(["ADD_NOTE"]));
    assert_eq!(
        read(&upu, "LS-1").await["viewerPermissions"],
        json!(["ADD_NOTE", "REPLY"])
    );

    server.pass_days(20);
    let reader = server.anonymous();
    assert_eq!(
        read(&reader, "LS-1").await["addressees"][0]["overdue"],
        true
    );
    let mut reply = statement(&c5, &[to(&sg17, "INFORMATION", None)]);
    reply["inReplyToId"] = sent["id"].clone();
    let reply = upu.change(SEND, reply, READ).await;
    assert_eq!(reply["inReplyTo"]["code"], "LS-1");
    let settled = read(&reader, "LS-1").await;
    assert_eq!(settled["awaitingReply"], false);
    assert_eq!(settled["replies"], json!([{ "code": "LS-2" }]));
    assert_eq!(settled["addressees"][0]["repliedAt"], reply["sentAt"]);
    assert_eq!(settled["addressees"][0]["overdue"], false);
    assert_eq!(settled["addressees"][1]["repliedAt"], Value::Null);

    // A second reply keeps the time of the first.
    let mut more = statement(&c5, &[to(&sg17, "INFORMATION", None)]);
    more["inReplyToId"] = sent["id"].clone();
    upu.change(SEND, more, "id").await;
    let after = read(&reader, "LS-1").await;
    assert_eq!(after["addressees"][0]["repliedAt"], reply["sentAt"]);
    assert_eq!(
        after["replies"],
        json!([{ "code": "LS-2" }, { "code": "LS-3" }])
    );
    assert_eq!(read(&reader, "LS-01").await, Value::Null);
}

async fn only_purpose_action_awaits_a_reply(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let c5 = server.committee("POC", "C5").await;
    for (purpose, awaited) in [("ACTION", true), ("COMMENT", false), ("INFORMATION", false)] {
        let input = statement(&sg17, &[to(&c5, purpose, None)]);
        let sent = server.itu().change(SEND, input, READ).await;
        assert_eq!(sent["awaitingReply"], awaited, "{purpose}");
    }
}

async fn statements_are_filtered(server: &Server) {
    let (itu, upu) = (server.itu(), server.upu());
    let sg17 = server.committee("ITU-T", "SG17").await;
    let sg2 = server.committee("ITU-T", "SG2").await;
    let c5 = server.committee("POC", "C5").await;
    let topic = server.topic("T-2").await;
    let mut first = statement(&sg17, &[to(&c5, "ACTION", None)]);
    first["topicIds"] = json!([topic]);
    itu.change(SEND, first, "id").await;
    itu.change(SEND, statement(&sg2, &[to(&sg17, "COMMENT", None)]), "id")
        .await;
    let mut third = statement(&c5, &[to(&sg2, "ACTION", None)]);
    third["title"] = json!("Adressage électronique");
    let third = upu.change(SEND, third, "sentAt").await;
    let numbers = async |filter: Value| -> Vec<Value> {
        let document = "query($filter: LiaisonStatementFilter) { liaisonStatements(filter: $filter) { nodes { code } totalCount } }";
        let data = server
            .anonymous()
            .data(document, json!({ "filter": filter }))
            .await;
        let nodes = data["liaisonStatements"]["nodes"].as_array().unwrap();
        assert_eq!(data["liaisonStatements"]["totalCount"], nodes.len());
        nodes.iter().map(|node| node["code"].clone()).collect()
    };
    assert_eq!(numbers(json!(null)).await, ["LS-1", "LS-2", "LS-3"]);
    assert_eq!(numbers(json!({ "from": sg17 })).await, ["LS-1"]);
    assert_eq!(numbers(json!({ "to": sg2 })).await, ["LS-3"]);
    assert_eq!(numbers(json!({ "side": ["ITU"] })).await, ["LS-1", "LS-2"]);
    assert_eq!(numbers(json!({ "side": [] })).await, Vec::<Value>::new());
    assert_eq!(numbers(json!({ "topic": topic })).await, ["LS-1"]);
    assert_eq!(
        numbers(json!({ "awaitingReply": true })).await,
        ["LS-1", "LS-3"]
    );
    assert_eq!(numbers(json!({ "awaitingReply": false })).await, ["LS-2"]);
    assert_eq!(
        numbers(json!({ "sentSince": third["sentAt"] })).await,
        ["LS-3"]
    );
    assert_eq!(numbers(json!({ "text": "ELECTRONIQUE" })).await, ["LS-3"]);
    assert_eq!(numbers(json!({ "text": "ls-2" })).await, ["LS-2"]);
}

async fn all_errors_of_a_statement_are_reported_at_once(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let concluded = server.committee("ITU-T", "SG9").await;
    let c5 = server.committee("POC", "C5").await;
    let version = json!({ "id": concluded, "version": 1 });
    server
        .itu()
        .change("committeeConclude", version, "id")
        .await;
    let input = json!({
        "title": " ", "fromIds": [sg17, concluded, "committee_01h455vb4pex5vsknk084sn02q"], "body": "x".repeat(20_001), "contact": "a\u{7}b",
        "addressees": [to(&c5, "INFORMATION", Some("2026-07-01")), to(&c5, "ACTION", None), to(&server.topic("T-1").await, "ACTION", None)],
        "inReplyToId": c5, "topicIds": [c5], "attachments": [{ "name": "", "url": "https://example.org" }],
    });
    let payload = server.itu().attempt(SEND, input, "id").await;
    let errors = payload["userErrors"].as_array().unwrap();
    let mut found: Vec<String> = errors
        .iter()
        .map(|error| {
            let path = error["field"].as_array().unwrap().iter();
            let path: Vec<&str> = path.map(|error| error.as_str().unwrap()).collect();
            format!("{} {}", path.join("."), error["code"].as_str().unwrap())
        })
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "addressees.0.replyBy INVALID",
            "addressees.1.committeeId INVALID",
            "addressees.2.committeeId NOT_FOUND",
            "attachments.0.name INVALID",
            "body INVALID",
            "contact INVALID",
            "fromIds.1 INVALID",
            "fromIds.2 NOT_FOUND",
            "inReplyToId NOT_FOUND",
            "title INVALID",
            "topicIds.0 NOT_FOUND",
        ],
        "{errors:#?}"
    );
    let nobody = json!({ "title": "T", "fromIds": [], "addressees": [] });
    let payload = server.itu().attempt(SEND, nobody, "id").await;
    assert_eq!(payload["userErrors"].as_array().unwrap().len(), 2);
    let strangers = statement(&c5, &[to(&sg17, "COMMENT", None)]);
    assert_eq!(server.itu().verdict(SEND, strangers).await, "INVALID");
    for address in [
        "javascript:alert(1)",
        "example.org/td12",
        "//example.org",
        "data:text/html,hi",
        "ftp://example.org",
        "https://",
    ] {
        let mut input = statement(&sg17, &[to(&c5, "COMMENT", None)]);
        input["attachments"] = json!([{ "name": "TD", "url": address }]);
        let document = "mutation($input: LiaisonStatementSendInput!) { liaisonStatementSend(input: $input) { liaisonStatement { id } } }";
        let response = server
            .itu()
            .post(document, json!({ "input": input }))
            .await
            .json();
        let message = response["errors"][0]["message"].as_str().unwrap();
        assert!(message.contains("http://"), "{address}: {response}");
    }
    let data = server
        .anonymous()
        .data("{ liaisonStatements { totalCount } }", json!({}))
        .await;
    assert_eq!(data["liaisonStatements"]["totalCount"], 0);
}

async fn only_addressees_can_reply(server: &Server) {
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let sg17 = server.committee("ITU-T", "SG17").await;
    let c5 = server.committee("POC", "C5").await;
    let psi = server.committee("POC", "PSI").await;
    let bureau = server.committee("TSB", "TSB").await;
    let sent = itu
        .change(SEND, statement(&sg17, &[to(&c5, "ACTION", None)]), "id")
        .await;
    let reply = |from: &[&String]| {
        let mut input = statement(from[0], &[to(&sg17, "INFORMATION", None)]);
        input["fromIds"] = json!(from);
        input["inReplyToId"] = sent["id"].clone();
        input
    };
    let refusal = async |client: &Client<'_>, from: &[&String]| -> Value {
        let payload = client.attempt(SEND, reply(from), "id").await;
        payload["userErrors"][0].clone()
    };
    let never = refusal(&tsb, &[&bureau]).await;
    assert_eq!(
        (&never["code"], &never["field"]),
        (&json!("INVALID"), &json!(["inReplyToId"]))
    );
    let own = refusal(&itu, &[&sg17]).await;
    assert_eq!(
        (&own["code"], &own["field"]),
        (&json!("INVALID"), &json!(["inReplyToId"]))
    );
    let wrong = refusal(&upu, &[&psi]).await;
    assert_eq!(
        (&wrong["code"], &wrong["field"]),
        (&json!("INVALID"), &json!(["fromIds"]))
    );
    // Other committees may send together with an addressee.
    upu.change(SEND, reply(&[&psi, &c5]), "id").await;

    // A concluded committee cannot reply.
    let sent = itu
        .change(SEND, statement(&sg17, &[to(&psi, "ACTION", None)]), "id")
        .await;
    let leads = json!({ "id": psi, "version": 1 });
    let verdict = upu.verdict("committeeConclude", leads).await;
    if verdict == "OK" {
        let late = refusal_of(&upu, &c5, &sg17, &sent["id"]).await;
        assert_eq!(late["field"], json!(["inReplyToId"]));
        assert!(
            late["message"].as_str().unwrap().contains("CONCLUDED"),
            "{late}"
        );
    }
    assert_eq!(verdict, "OK");
}

async fn refusal_of(client: &Client<'_>, from: &str, addressee: &str, original: &Value) -> Value {
    let mut input = statement(from, &[to(addressee, "INFORMATION", None)]);
    input["inReplyToId"] = original.clone();
    let payload = client.attempt(SEND, input, "id").await;
    payload["userErrors"][0].clone()
}

async fn statement_numbers_are_consecutive(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let c5 = server.committee("POC", "C5").await;
    let (itu, upu) = (server.itu(), server.upu());
    let good = statement(&sg17, &[to(&c5, "COMMENT", None)]);
    let bad = statement(&sg17, &[to(&c5, "COMMENT", Some("2026-07-01"))]);
    let across = statement(&c5, &[to(&sg17, "COMMENT", None)]);
    let rounds = (0..8).map(|_| async {
        let (one, two, three) = tokio::join!(
            itu.verdict(SEND, good.clone()),
            itu.verdict(SEND, bad.clone()),
            upu.verdict(SEND, across.clone())
        );
        assert_eq!(
            [one.as_str(), two.as_str(), three.as_str()],
            ["OK", "INVALID", "OK"]
        );
    });
    futures_util::future::join_all(rounds).await;
    let data = server
        .anonymous()
        .data(
            "{ liaisonStatements(first: 100) { nodes { code } } }",
            json!({}),
        )
        .await;
    let numbers: Vec<&Value> = data["liaisonStatements"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|statement| &statement["code"])
        .collect();
    let expected: Vec<String> = (1..=16).map(|number| format!("LS-{number}")).collect();
    assert_eq!(numbers, expected.iter().collect::<Vec<_>>());
}

async fn the_tsb_sends_statements_from_its_secretariat(server: &Server) {
    let bureau = server.committee("TSB", "TSB").await;
    let c5 = server.committee("POC", "C5").await;
    let input = statement(&bureau, &[to(&c5, "ACTION", None)]);
    assert_eq!(server.itu().verdict(SEND, input.clone()).await, "INVALID");
    let sent = server.tsb().change(SEND, input, READ).await;
    assert_eq!(sent["sentBy"], "TSB");
    assert_eq!(sent["awaitingReply"], true);
}

async fn sent_in(server: &Server, from: &str, to: &str) -> Value {
    let document = "query($from: Date!, $to: Date!) { report(from: $from, to: $to) { sides { liaisonStatementsSent } } }";
    let period = json!({ "from": from, "to": to });
    let data = server.anonymous().data(document, period).await;
    data["report"]["sides"][0]["liaisonStatementsSent"].clone()
}

async fn a_statement_may_be_entered_after_it_was_sent(server: &Server) {
    let (sg17, c5) = (
        server.committee("ITU-T", "SG17").await,
        server.committee("POC", "C5").await,
    );
    let mut input = statement(&sg17, &[to(&c5, "ACTION", None)]);
    input["sentAt"] = json!("2025-03-04T10:00:00Z");
    let sent = server.itu().change(SEND, input, READ).await;
    assert_eq!(sent["sentAt"], "2025-03-04T10:00:00Z");
    assert_eq!(sent_in(server, "2025-03-01", "2025-03-31").await, 1);
    assert_eq!(sent_in(server, "2026-01-01", "2026-12-31").await, 0);

    // The history has the day of entry, and says when it was sent.
    let document = "query($id: ID!) { activities(filter: { subject: $id, verb: [SENT] }) { nodes { at changes { field after } } } }";
    let data = server
        .anonymous()
        .data(document, json!({ "id": sent["id"] }))
        .await;
    let activity = &data["activities"]["nodes"][0];
    assert!(activity["at"].as_str().unwrap().starts_with("2026-"));
    let change = json!({ "field": "sentAt", "after": "2025-03-04T10:00:00Z" });
    assert!(activity["changes"].as_array().unwrap().contains(&change));

    // A reply that was sent later is entered first; what counts is when they were sent.
    let mut reply = statement(&c5, &[to(&sg17, "INFORMATION", None)]);
    reply["inReplyToId"] = sent["id"].clone();
    for (sent_at, replied_at) in [
        ("2025-06-01T00:00:00Z", "2025-06-01T00:00:00Z"),
        ("2025-05-01T00:00:00Z", "2025-05-01T00:00:00Z"),
        ("2025-07-01T00:00:00Z", "2025-05-01T00:00:00Z"),
    ] {
        reply["sentAt"] = json!(sent_at);
        server.upu().change(SEND, reply.clone(), "id").await;
        let read = read(&server.anonymous(), "LS-1").await;
        assert_eq!(read["addressees"][0]["repliedAt"], replied_at);
    }
    reply["sentAt"] = json!("2025-03-04T09:59:59Z");
    let payload = server.upu().attempt(SEND, reply, "id").await;
    let error = &payload["userErrors"][0];
    assert_eq!(error["field"], json!(["sentAt"]));
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("2025-03-04T10:00:00Z")
    );
}

async fn a_statement_is_never_sent_in_the_future(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let mut input = statement(&sg17, &[to(&sg17, "INFORMATION", None)]);
    for (sent_at, verdict) in [
        (json!("2099-01-01T00:00:00Z"), "INVALID"),
        (
            json!((server.now() + chrono::TimeDelta::hours(1)).to_rfc3339()),
            "INVALID",
        ),
        (json!("yesterday"), "BAD_USER_INPUT"),
        (json!("2025-01-01"), "BAD_USER_INPUT"),
        (json!(null), "OK"),
        (json!("2025-01-01T00:00:00+01:00"), "OK"),
    ] {
        input["sentAt"] = sent_at.clone();
        assert_eq!(
            server.itu().verdict(SEND, input.clone()).await,
            verdict,
            "{sent_at}"
        );
    }
}
