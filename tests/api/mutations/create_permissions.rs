//! What a viewer may create, and which committees it may name: what is announced is what is not refused.

use entity::party::Role;
use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    viewer_permissions_agree_with_what_can_be_created
    the_webhook_quota_removes_the_create_permission
    committees_listed_for_the_viewer_are_accepted
    the_committees_of_the_viewer_are_paginated
    findings_are_permitted_until_both_sides_recorded_theirs
}

const VIEWER: &str =
    "{ viewer { party permissions committees(first: 100) { totalCount nodes { id code } } } }";

/// An input of each mutation that creates something, which nothing is wrong with.
async fn inputs(server: &Server, party: &str) -> Vec<(&'static str, &'static str, Value)> {
    let (organization, committee, lead) = match party {
        "UPU" => ("POC", ("POC", "C5"), Some(("POC", "C5"))),
        "TSB" => ("TSB", ("TSB", "TSB"), None),
        _ => ("ITU-T", ("ITU-T", "SG17"), Some(("ITU-T", "SG17"))),
    };
    let side = if party == "UPU" { "UPU" } else { "ITU" };
    let organization = server.organization(organization).await;
    let committee = server.committee(committee.0, committee.1).await;
    let lead = match lead {
        Some((organization, code)) => Some(server.committee(organization, code).await),
        None => None,
    };
    let topic = server.topic("T-3").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;
    server.sql("update examination set complete = true").await;
    vec![
        (
            "CREATE_ORGANIZATION",
            "organizationCreate",
            json!({ "acronym": format!("{party}-NEW"), "name": "New", "kind": "BUREAU", "side": side }),
        ),
        (
            "CREATE_COMMITTEE",
            "committeeCreate",
            json!({ "organizationId": organization, "code": "NEW", "period": party, "name": "New", "kind": "GROUP" }),
        ),
        (
            "PROPOSE_TOPIC",
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": lead }),
        ),
        (
            "CREATE_ACTION_ITEM",
            "actionItemCreate",
            json!({ "topicId": topic, "committeeId": committee, "title": "T" }),
        ),
        (
            "ADD_PUBLICATION",
            "publicationAdd",
            json!({ "organizationId": organization, "number": format!("{party} 1"), "title": "T", "kind": "OTHER" }),
        ),
        (
            "REQUEST_EXAMINATION",
            "examinationRequest",
            json!({ "publicationId": text }),
        ),
        (
            "SEND_LIAISON_STATEMENT",
            "liaisonStatementSend",
            json!({ "title": "T", "fromIds": [committee], "addressees": [{ "committeeId": committee, "purpose": "INFORMATION" }] }),
        ),
        (
            "ADD_NOTE",
            "noteAdd",
            json!({ "subjectId": topic, "body": "B" }),
        ),
        (
            "CREATE_WEBHOOK",
            "webhookCreate",
            json!({ "url": "https://example.com/hook" }),
        ),
    ]
}

async fn permissions(client: &Client<'_>) -> Vec<Value> {
    let data = client.data(VIEWER, json!({})).await;
    data["viewer"]["permissions"].as_array().unwrap().clone()
}

async fn viewer_permissions_agree_with_what_can_be_created(server: &Server) {
    let several = [Role::ItuEditor, Role::TsbEditor];
    for (party, client) in [
        ("nobody", server.anonymous()),
        ("no role", server.editor(&[])),
        ("several roles", server.editor(&several)),
        ("ITU", server.itu()),
        ("UPU", server.upu()),
        ("TSB", server.tsb()),
        ("TSB", server.editor(&several).acting_as("TSB_EDITOR")),
    ] {
        let announced = permissions(&client).await;
        for (permission, mutation, mut input) in inputs(server, party).await {
            if let Some(key) = ["acronym", "number", "period"]
                .into_iter()
                .find(|key| input.get(key).is_some())
            {
                let unique = format!("{party} {}", announced.len() + mutation.len());
                input[key] = unique.replace(' ', "-").into();
            }
            let verdict = client.verdict(mutation, input).await;
            assert_eq!(
                announced.contains(&json!(permission)),
                ["OK", "TAKEN"].contains(&verdict.as_str()),
                "{permission} for {party}: {verdict}"
            );
        }
    }
}

async fn the_webhook_quota_removes_the_create_permission(server: &Server) {
    let upu = server.upu();
    let may = json!("CREATE_WEBHOOK");
    for _ in 0..20 {
        assert!(permissions(&upu).await.contains(&may));
        let input = json!({ "url": "https://example.com/hook" });
        assert_eq!(upu.verdict("webhookCreate", input).await, "OK");
    }
    assert!(!permissions(&upu).await.contains(&may));
    assert!(permissions(&server.itu()).await.contains(&may));
    let input = json!({ "url": "https://example.com/hook" });
    assert_eq!(upu.verdict("webhookCreate", input).await, "NOT_ALLOWED_NOW");
}

async fn committees_listed_for_the_viewer_are_accepted(server: &Server) {
    let concluded = json!({ "id": server.committee("POC", "PSI").await, "version": 1 });
    server
        .upu()
        .change("committeeConclude", concluded, "id")
        .await;
    let all = "{ committees(first: 100) { nodes { id code period } } }";
    let all = server.anonymous().data(all, json!({})).await;
    let all = all["committees"]["nodes"].as_array().unwrap();
    let to = server.committee("IB", "IB").await;
    for client in [server.anonymous(), server.itu(), server.upu(), server.tsb()] {
        let data = client.data(VIEWER, json!({})).await;
        let listed = &data["viewer"]["committees"];
        let own = listed["nodes"].as_array().unwrap();
        assert_eq!(listed["totalCount"], own.len());
        assert_eq!(own.is_empty(), data["viewer"]["party"].is_null());
        for committee in all {
            let listed = own.iter().any(|own| own["id"] == committee["id"]);
            let from = json!({ "title": "T", "fromIds": [committee["id"]], "addressees": [{ "committeeId": to, "purpose": "INFORMATION" }] });
            let verdict = client.verdict("liaisonStatementSend", from).await;
            assert_eq!(listed, verdict == "OK", "{committee}: {verdict}");
        }
    }
}

async fn the_committees_of_the_viewer_are_paginated(server: &Server) {
    let document = "query($first: Int, $after: String) { viewer { committees(first: $first, after: $after) { nodes { code } pageInfo { hasNextPage endCursor } } } }";
    let upu = server.upu();
    let (mut after, mut codes) = (Value::Null, Vec::new());
    loop {
        let page = upu
            .data(document, json!({ "first": 4, "after": after }))
            .await;
        let page = page["viewer"]["committees"].clone();
        codes.extend(page["nodes"].as_array().unwrap().clone());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let data = upu.data(VIEWER, json!({})).await;
    let all = data["viewer"]["committees"]["nodes"].as_array().unwrap();
    assert!(all.len() > 4);
    assert!(
        codes
            .iter()
            .zip(all)
            .all(|(page, whole)| page["code"] == whole["code"])
    );
    assert_eq!(codes.len(), all.len());
    for first in [json!(101), json!(-1)] {
        let response = upu.run(document, json!({ "first": first })).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"],
            "BAD_USER_INPUT"
        );
        assert_eq!(
            response["errors"][0]["path"],
            json!(["viewer", "committees"])
        );
    }
}

async fn findings_are_permitted_until_both_sides_recorded_theirs(server: &Server) {
    let filled = server.fill().await;
    let document =
        "query($id: ID!) { node(id: $id) { ... on Examination { complete viewerPermissions } } }";
    for (examination, complete) in [(&filled.examination, true), (&filled.under_way, false)] {
        for client in [
            server.anonymous(),
            server.editor(&[]),
            server.tsb(),
            server.itu(),
        ] {
            let data = client.data(document, json!({ "id": examination })).await;
            assert_eq!(data["node"]["complete"], complete);
            let announced = data["node"]["viewerPermissions"].as_array().unwrap();
            let finding = json!({ "id": examination, "impact": "NONE", "statement": "S" });
            let note = json!({ "subjectId": examination, "body": "B" });
            for (permission, mutation, input) in [
                ("RECORD_FINDING", "examinationRecordFinding", finding),
                ("ADD_NOTE", "noteAdd", note),
            ] {
                let verdict = client.verdict(mutation, input).await;
                let announced = announced.contains(&json!(permission));
                assert_eq!(announced, verdict == "OK", "{permission}: {verdict}");
            }
        }
    }
}
