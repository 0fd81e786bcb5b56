//! The type `Exchange`: open matters between two committees.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    the_exchange_lists_open_work_of_both_committees
    the_exchange_is_symmetric
    completed_work_leaves_the_exchange
    an_exchange_has_a_constant_number_of_statements
    an_exchange_needs_two_committees
}

const READ: &str = "query($committee: ID!, $counterpart: ID!) { exchange(committee: $committee, counterpart: $counterpart) {
    committee { code } counterpart { code } sharedTopics { code } actionItems { code } unansweredStatements { code } lastActivityAt } }";

async fn between(server: &Server, committee: &str, counterpart: &str) -> Value {
    let variables = json!({ "committee": committee, "counterpart": counterpart });
    let data = server.anonymous().data(READ, variables).await;
    data["exchange"].clone()
}

async fn pair(server: &Server) -> (String, String) {
    (
        server.committee("ITU-T", "SG17").await,
        server.committee("POC", "C5").await,
    )
}

async fn the_exchange_lists_open_work_of_both_committees(server: &Server) {
    let (sg17, c5) = pair(server).await;
    let open = between(server, &sg17, &c5).await;
    assert_eq!(open["committee"]["code"], "SG17");
    assert_eq!(open["counterpart"]["code"], "C5");
    assert_eq!(open["sharedTopics"], json!([{ "code": "T-3" }]));
    // The items of T-3 that one of them owns and that are not done: 7 is confirmed, 6 and 8 are under way or postponed.
    let document = "{ topic(by: { code: \"T-3\" }) { actionItems(filter: { open: true }) { nodes { code committee { code } } } } }";
    let data = server.anonymous().data(document, json!({})).await;
    let theirs: Vec<Value> = data["topic"]["actionItems"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| ["SG17", "C5"].contains(&item["committee"]["code"].as_str().unwrap()))
        .map(|item| json!({ "code": item["code"] }))
        .collect();
    assert!(theirs.len() > 1);
    assert_eq!(open["actionItems"], json!(theirs));
    assert_eq!(open["unansweredStatements"], json!([]));

    let input = json!({ "title": "On payouts", "fromIds": [sg17], "addressees": [{ "committeeId": c5, "purpose": "ACTION" }] });
    let sent = server
        .itu()
        .change("liaisonStatementSend", input, "code sentAt")
        .await;
    let input = json!({ "title": "For your information", "fromIds": [c5], "addressees": [{ "committeeId": sg17, "purpose": "INFORMATION" }] });
    let reported = server
        .upu()
        .change("liaisonStatementSend", input, "sentAt")
        .await;
    let open = between(server, &sg17, &c5).await;
    assert_eq!(
        open["unansweredStatements"],
        json!([{ "code": sent["code"] }]),
        "only what asks for action"
    );
    assert_eq!(open["lastActivityAt"], reported["sentAt"]);
}

async fn the_exchange_is_symmetric(server: &Server) {
    server.fill().await;
    let (sg17, c5) = pair(server).await;
    let ours = between(server, &sg17, &c5).await;
    let theirs = between(server, &c5, &sg17).await;
    assert_eq!(
        (&ours["committee"], &ours["counterpart"]),
        (&theirs["counterpart"], &theirs["committee"])
    );
    for field in [
        "sharedTopics",
        "actionItems",
        "unansweredStatements",
        "lastActivityAt",
    ] {
        assert_eq!(ours[field], theirs[field], "{field}");
    }
    // Committees without common topics have nothing in common.
    let sg2 = server.committee("ITU-T", "SG2").await;
    let strangers = between(server, &sg2, &c5).await;
    for field in ["sharedTopics", "actionItems", "unansweredStatements"] {
        assert_eq!(strangers[field], json!([]), "{field}");
    }
    assert_eq!(strangers["lastActivityAt"], Value::Null);
}

async fn completed_work_leaves_the_exchange(server: &Server) {
    let (sg17, c5) = pair(server).await;
    let input = json!({ "title": "On payouts", "fromIds": [c5], "addressees": [{ "committeeId": sg17, "purpose": "ACTION" }] });
    let sent = server
        .upu()
        .change("liaisonStatementSend", input, "id")
        .await;
    assert_eq!(
        between(server, &sg17, &c5).await["unansweredStatements"],
        json!([{ "code": "LS-1" }])
    );
    let input = json!({ "inReplyToId": sent["id"], "title": "Re", "fromIds": [sg17], "addressees": [{ "committeeId": c5, "purpose": "INFORMATION" }] });
    server
        .itu()
        .change("liaisonStatementSend", input, "id")
        .await;
    assert_eq!(
        between(server, &sg17, &c5).await["unansweredStatements"],
        json!([])
    );

    server
        .sql(
            "update action_item set status = 'WITHDRAWN' where status not in ('DONE', 'CONFIRMED')",
        )
        .await;
    assert_eq!(between(server, &sg17, &c5).await["actionItems"], json!([]));
    for client in [server.itu(), server.upu()] {
        let topic = server.topic("T-3").await;
        let input = json!({ "id": topic, "position": "RELEASED", "reason": "All is done." });
        client.change("topicTakePosition", input, "status").await;
    }
    let open = between(server, &sg17, &c5).await;
    assert_eq!(open["sharedTopics"], json!([]));
    assert!(open["lastActivityAt"].is_string(), "what was stays known");
}

async fn an_exchange_has_a_constant_number_of_statements(server: &Server) {
    let (sg17, c5) = pair(server).await;
    server.statements.take();
    between(server, &sg17, &c5).await;
    let few = server.statements.take();
    // The two committees with the last activity, the counterpart, topics, items, statements.
    assert_eq!(few.len(), 5, "{few:#?}");
    server.fill().await;
    for number in 0..10 {
        let input = json!({ "topicId": server.topic("T-3").await, "committeeId": sg17, "counterpartId": c5, "title": format!("Task {number}") });
        server.itu().change("actionItemCreate", input, "id").await;
    }
    server.statements.take();
    let open = between(server, &sg17, &c5).await;
    assert!(open["actionItems"].as_array().unwrap().len() > 10);
    assert_eq!(server.statements.take().len(), few.len());
}

async fn an_exchange_needs_two_committees(server: &Server) {
    let (sg17, c5) = pair(server).await;
    let topic = server.topic("T-3").await;
    let nobody = "committee_01h455vb4pex5vsknk084sn02q";
    for (committee, counterpart, words) in [
        (sg17.as_str(), sg17.as_str(), "name two committees"),
        (&topic, &c5, "`committee`"),
        (&sg17, &topic, "`counterpart`"),
        (&sg17, "C5", "`counterpart`"),
        (&sg17, nobody, "no committee"),
        (nobody, &c5, "no committee"),
    ] {
        let variables = json!({ "committee": committee, "counterpart": counterpart });
        let response = server.anonymous().run(READ, variables.clone()).await;
        let error = &response["errors"][0];
        assert_eq!(
            error["extensions"]["code"], "BAD_USER_INPUT",
            "{variables}: {response}"
        );
        assert!(
            error["message"].as_str().unwrap().contains(words),
            "{variables}: {error}"
        );
    }
}
