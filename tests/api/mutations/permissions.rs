//! Permissions: for every role and state, `viewerPermissions` matches what the mutations allow.

use entity::word::all;
use serde_json::{Value, json};

use crate::queries::overlaps::publish;
use crate::support::harness::{Client, Server};

on_both_databases! {
    permissions_of_topics_in_every_state
    permissions_of_topics_with_only_leads
    permissions_of_action_items_in_every_state
    permissions_of_committees_and_organizations
    permissions_of_publications
    permissions_of_liaison_statements
    of_overlaps
}

/// All viewers by name.
fn everybody(server: &Server) -> [(&'static str, Client<'_>); 5] {
    [
        ("anonymous", server.anonymous()),
        ("without a role", server.editor(&[])),
        ("ITU", server.itu()),
        ("UPU", server.upu()),
        ("TSB", server.tsb()),
    ]
}

/// Returns whether the viewer may do this at all, whatever else is wrong with the input.
async fn may(client: &Client<'_>, mutation: &str, input: Value) -> bool {
    let code = client.verdict(mutation, input).await;
    !["UNAUTHENTICATED", "FORBIDDEN", "NOT_ALLOWED_NOW"].contains(&code.as_str())
}

/// Returns the input that translates a text of a record at version 1.
fn translation(id: &str, field: &str) -> Value {
    json!({ "subjectId": id, "version": 1, "field": field, "language": "PT", "text": "T", "kind": "MACHINE" })
}

async fn announced(client: &Client<'_>, document: &str, id: &str, field: &str) -> Vec<String> {
    let data = client
        .data(
            &format!("query($id: ID!) {{ node(id: $id) {{ ... on {document} {{ {field} }} }} }}"),
            json!({ "id": id }),
        )
        .await;
    let list = data["node"][field].as_array().unwrap().iter();
    list.map(|list| list.as_str().unwrap().to_owned()).collect()
}

async fn permissions_of_topics_in_every_state(server: &Server) {
    let topic = server.topic("T-3").await;
    let of_itu = server.committee("ITU-T", "SG13").await;
    let of_upu = server.committee("POC", "PSI").await;
    let of_tsb = server.committee("TSB", "TSB").await;
    let link = json!({ "id": topic, "committeeId": of_upu, "role": "CONTRIBUTING" });
    server.upu().change("topicLinkCommittee", link, "id").await;
    server
        .sql("create table kept as select * from topic_committee")
        .await;

    for open_items in [true, false] {
        if !open_items {
            server.sql("update action_item set status = 'DECLINED' where status not in ('DONE', 'CONFIRMED')").await;
        }
        for itu in all::<entity::topic::Position>() {
            for upu in all::<entity::topic::Position>() {
                let reset = format!(
                    "update topic set itu_position = '{}', upu_position = '{}', version = 1 where number = 3",
                    entity::word::enum_name(itu),
                    entity::word::enum_name(upu)
                );
                for (name, client) in everybody(server) {
                    let (lead, other) = match name {
                        "UPU" => (server.committee("POC", "C5").await, &of_upu),
                        "TSB" => (of_tsb.clone(), &of_tsb),
                        _ => (server.committee("ITU-T", "SG17").await, &of_itu),
                    };
                    let position = |position: &str, lead: Option<&String>| json!({ "id": topic, "position": position, "leadCommitteeId": lead, "reason": "Because." });
                    let acts = [
                        (
                            "UPDATE",
                            "topicUpdate",
                            json!({ "id": topic, "version": 1, "summary": "Changed." }),
                        ),
                        (
                            "LINK_COMMITTEE",
                            "topicLinkCommittee",
                            json!({ "id": topic, "committeeId": other, "role": "INFORMED" }),
                        ),
                        (
                            "UNLINK_COMMITTEE",
                            "topicUnlinkCommittee",
                            json!({ "id": topic, "committeeId": other }),
                        ),
                        (
                            "AGREE",
                            "topicTakePosition",
                            position("AGREED", Some(&lead)),
                        ),
                        ("DECLINE", "topicTakePosition", position("DECLINED", None)),
                        ("RELEASE", "topicTakePosition", position("RELEASED", None)),
                        (
                            "REAFFIRM",
                            "topicReaffirm",
                            json!({ "id": topic, "reviewOn": "2030-01-01" }),
                        ),
                        (
                            "ADD_NOTE",
                            "noteAdd",
                            json!({ "subjectId": topic, "body": "A note." }),
                        ),
                        ("TRANSLATE", "translationSet", translation(&topic, "TITLE")),
                    ];
                    server.sql(&reset).await;
                    let announced = announced(&client, "Topic", &topic, "viewerPermissions").await;
                    for (permission, mutation, input) in acts {
                        server.sql(&reset).await;
                        server.sql("delete from topic_committee").await;
                        server
                            .sql("insert into topic_committee select * from kept")
                            .await;
                        assert_eq!(
                            announced.iter().any(|given| given == permission),
                            may(&client, mutation, input).await,
                            "{permission} for {name} at {itu:?} and {upu:?}, open items: {open_items}"
                        );
                    }
                    server.sql("delete from topic_committee").await;
                    server
                        .sql("insert into topic_committee select * from kept")
                        .await;
                }
            }
        }
    }
}

async fn permissions_of_topics_with_only_leads(server: &Server) {
    let topic = server.topic("T-3").await;
    server
        .sql("delete from topic_committee where role <> 'LEAD'")
        .await;
    server
        .sql("create table kept as select * from topic_committee")
        .await;
    for itu in all::<entity::topic::Position>() {
        let reset = format!(
            "update topic set itu_position = '{}', version = 1 where number = 3",
            entity::word::enum_name(itu)
        );
        server.sql(&reset).await;
        for (name, client) in everybody(server) {
            let lead = match name {
                "UPU" => server.committee("POC", "C5").await,
                _ => server.committee("ITU-T", "SG17").await,
            };
            let announced = announced(&client, "Topic", &topic, "viewerPermissions").await;
            let input = json!({ "id": topic, "committeeId": lead });
            assert_eq!(
                announced.contains(&"UNLINK_COMMITTEE".to_owned()),
                client.verdict("topicUnlinkCommittee", input).await == "OK",
                "{name} at {itu:?}"
            );
            server.sql("delete from topic_committee").await;
            server
                .sql("insert into topic_committee select * from kept")
                .await;
        }
    }
}

async fn permissions_of_action_items_in_every_state(server: &Server) {
    let data = server
        .anonymous()
        .data("{ actionItem(by: { code: \"A-5\" }) { id } }", json!({}))
        .await;
    let item = data["actionItem"]["id"].as_str().unwrap();
    for (owner, side) in [("ITU", "ITU"), ("TSB", "ITU")] {
        for asker in ["ITU", "UPU", "TSB"] {
            for status in
                all::<entity::action_item::ActionItemStatus>().map(entity::word::enum_name)
            {
                let completed = match status.as_str() {
                    "DONE" | "CONFIRMED" => "created_at",
                    _ => "null",
                };
                let reset = format!(
                    "update action_item set owned_by = '{owner}', side = '{side}', requested_by = '{asker}', status = '{status}',
                     completed_at = {completed}, version = 1 where number = 5"
                );
                for (name, client) in everybody(server) {
                    // A viewer without a party is the same for every owner and requester.
                    if owner != "ITU" && ["anonymous", "without a role"].contains(&name) {
                        continue;
                    }
                    server.sql(&reset).await;
                    let next = next_moves(&client, item).await;
                    let told_may =
                        announced(&client, "ActionItem", item, "viewerPermissions").await;
                    let case = format!("{name} on one of {owner}, asked by {asker}, {status}");
                    for to in
                        all::<entity::action_item::ActionItemStatus>().map(entity::word::enum_name)
                    {
                        let input =
                            json!({ "id": item, "version": 1, "to": to, "note": "Because." });
                        let allowed = may(&client, "actionItemMove", input).await;
                        let offered = next.iter().find(|next| next["to"] == to.as_str());
                        assert_eq!(offered.is_some(), allowed, "{case}: to {to}");
                        if let Some(permission) = permission(&status, &to) {
                            let named = offered.map(|next| &next["permission"]);
                            assert!(
                                named.is_none_or(|named| named == permission),
                                "{case}: to {to}"
                            );
                            assert_eq!(
                                told_may.iter().any(|given| given == permission),
                                allowed,
                                "{case}: {permission}"
                            );
                        }
                        if allowed {
                            server.sql(&reset).await;
                        }
                    }
                    let acts = [
                        (
                            "UPDATE",
                            "actionItemUpdate",
                            json!({ "id": item, "version": 1, "title": "Changed" }),
                        ),
                        (
                            "REMIND",
                            "actionItemRemind",
                            json!({ "id": item, "message": "Please." }),
                        ),
                        (
                            "ADD_NOTE",
                            "noteAdd",
                            json!({ "subjectId": item, "body": "A note." }),
                        ),
                        ("TRANSLATE", "translationSet", translation(item, "TITLE")),
                    ];
                    for (permission, mutation, input) in acts {
                        let allowed = may(&client, mutation, input).await;
                        assert_eq!(
                            told_may.iter().any(|given| given == permission),
                            allowed,
                            "{case}: {permission}"
                        );
                    }
                }
            }
        }
    }
}

async fn next_moves(client: &Client<'_>, item: &str) -> Vec<Value> {
    let document =
        "query($id: ID!) { actionItem(by: { id: $id }) { nextMoves { to permission note } } }";
    let data = client.data(document, json!({ "id": item })).await;
    data["actionItem"]["nextMoves"].as_array().unwrap().clone()
}

/// What a move is called.
fn permission(from: &str, to: &str) -> Option<&'static str> {
    Some(match (from, to) {
        ("REQUESTED", "OPEN") => "ACCEPT",
        ("OPEN", "IN_PROGRESS") => "START",
        ("POSTPONED", "IN_PROGRESS") => "RESUME",
        ("DONE", "IN_PROGRESS") => "REOPEN",
        ("OPEN" | "IN_PROGRESS", "POSTPONED") => "POSTPONE",
        ("OPEN" | "IN_PROGRESS", "DONE") => "COMPLETE",
        ("DONE", "CONFIRMED") => "CONFIRM",
        ("REQUESTED", "DECLINED") => "DECLINE",
        ("REQUESTED" | "OPEN" | "IN_PROGRESS" | "POSTPONED", "WITHDRAWN") => "WITHDRAW",
        _ => return None,
    })
}

async fn permissions_of_committees_and_organizations(server: &Server) {
    let iso = server
        .anonymous()
        .data(
            "{ organization(by: { acronym: \"ISO\" }) { id } }",
            json!({}),
        )
        .await;
    let of_a_partner = json!({ "organizationId": iso["organization"]["id"], "code": "TC1", "period": "standing", "name": "One of ISO's", "kind": "COMMITTEE" });
    server
        .tsb()
        .change("committeeCreate", of_a_partner, "id")
        .await;

    for status in ["ACTIVE", "CONCLUDED"] {
        let reset = format!("update committee set status = '{status}', version = 1");
        for (organization, code) in [
            ("ITU-T", "SG17"),
            ("ITU-T", "SG2"),
            ("POC", "C5"),
            ("POC", "PSI"),
            ("TSB", "TSB"),
            ("IB", "IB"),
            ("ISO", "TC1"),
        ] {
            let id = server.committee(organization, code).await;
            for (name, client) in everybody(server) {
                server.sql(&reset).await;
                let announced = announced(&client, "Committee", &id, "viewerPermissions").await;
                let case = format!("{name} on {organization} {code}, {status}");
                let input = json!({ "id": id, "version": 1, "name": format!("Renamed by {name}") });
                let allowed = may(&client, "committeeUpdate", input).await;
                assert_eq!(announced.contains(&"UPDATE".to_owned()), allowed, "{case}");
                server.sql(&reset).await;
                let input = json!({ "id": id, "version": 1 });
                let allowed = may(&client, "committeeConclude", input).await;
                assert_eq!(
                    announced.contains(&"CONCLUDE".to_owned()),
                    allowed,
                    "{case}"
                );
                server.sql(&reset).await;
                let allowed = may(&client, "translationSet", translation(&id, "NAME")).await;
                assert_eq!(
                    announced.contains(&"TRANSLATE".to_owned()),
                    allowed,
                    "{case}"
                );
            }
        }
    }
    for acronym in ["ITU", "ITU-T", "TSB", "UPU", "POC", "ISO"] {
        let data = server
            .anonymous()
            .data(
                "query($acronym: String!) { organization(by: { acronym: $acronym }) { id } }",
                json!({ "acronym": acronym }),
            )
            .await;
        let id = data["organization"]["id"].as_str().unwrap();
        for (name, client) in everybody(server) {
            server.sql("update organization set version = 1").await;
            let announced = announced(&client, "Organization", id, "viewerPermissions").await;
            let input = json!({ "id": id, "version": 1, "name": format!("Renamed by {name}") });
            let allowed = may(&client, "organizationUpdate", input).await;
            assert_eq!(
                announced.contains(&"UPDATE".to_owned()),
                allowed,
                "{name} on {acronym}"
            );
            server.sql("update organization set version = 1").await;
            let allowed = may(&client, "translationSet", translation(id, "NAME")).await;
            assert_eq!(
                announced.contains(&"TRANSLATE".to_owned()),
                allowed,
                "{name} translates {acronym}"
            );
        }
    }
}

async fn permissions_of_publications(server: &Server) {
    let filled = server.fill().await;
    let iso = json!({ "organizationId": server.organization("ISO").await, "number": "ISO 9001", "title": "Quality", "kind": "OTHER" });
    let of_a_partner = server.tsb().change("publicationAdd", iso, "id").await;
    let of_a_partner = of_a_partner["id"].as_str().unwrap();
    for publication in [
        filled.examined.as_str(),
        &filled.under_examination,
        of_a_partner,
    ] {
        for (name, client) in everybody(server) {
            let announced =
                announced(&client, "Publication", publication, "viewerPermissions").await;
            let acts = [
                (
                    "UPDATE",
                    "publicationUpdate",
                    json!({ "id": publication, "version": 1, "title": "Changed" }),
                ),
                (
                    "ADD_NOTE",
                    "noteAdd",
                    json!({ "subjectId": publication, "body": "A note." }),
                ),
                (
                    "EXAMINE",
                    "examinationRequest",
                    json!({ "publicationId": publication }),
                ),
                (
                    "TRANSLATE",
                    "translationSet",
                    translation(publication, "TITLE"),
                ),
            ];
            for (permission, mutation, input) in acts {
                let verdict = client.verdict(mutation, input).await;
                let refused = ["UNAUTHENTICATED", "FORBIDDEN", "TAKEN"];
                assert_eq!(
                    announced.iter().any(|given| given == permission),
                    !refused.contains(&verdict.as_str()),
                    "{permission} for {name} on {publication}: {verdict}"
                );
                server
                    .sql(&format!(
                        "update publication set version = 1; {}",
                        "update examination set complete = true where reason is null and due_on is null"
                    ))
                    .await;
            }
        }
    }
}

async fn permissions_of_liaison_statements(server: &Server) {
    let statement = server.fill().await.statement;
    let statement = statement.as_str().unwrap();
    for status in ["ACTIVE", "CONCLUDED"] {
        server
            .sql(&format!(
                "update committee set status = '{status}' where code = 'C5'"
            ))
            .await;
        // Another addressed committee of the UPU can still reply.
        for psi in ["ACTIVE", "CONCLUDED"] {
            server
                .sql(&format!(
                    "update committee set status = '{psi}' where code = 'PSI'"
                ))
                .await;
            for (name, client) in everybody(server) {
                let announced =
                    announced(&client, "LiaisonStatement", statement, "viewerPermissions").await;
                let from = match name {
                    "ITU" => server.committee("ITU-T", "SG17").await,
                    "UPU" if psi == "ACTIVE" => server.committee("POC", "PSI").await,
                    "UPU" => server.committee("POC", "C5").await,
                    _ => server.committee("TSB", "TSB").await,
                };
                let to = server.committee("ITU-T", "SG2").await;
                let reply = json!({ "inReplyToId": statement, "title": "Re", "fromIds": [from],
                    "addressees": [{ "committeeId": to, "purpose": "INFORMATION" }] });
                let note = json!({ "subjectId": statement, "body": "A note." });
                for (permission, mutation, input) in [
                    ("REPLY", "liaisonStatementSend", reply),
                    ("ADD_NOTE", "noteAdd", note),
                ] {
                    assert_eq!(
                        announced.iter().any(|given| given == permission),
                        client.verdict(mutation, input).await == "OK",
                        "{permission} for {name}, C5 {status}, PSI {psi}"
                    );
                }
            }
        }
    }
}

async fn of_overlaps(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let itu = publish(server, "ITU-T Z.900", title).await;
    let upu = publish(server, "UPU Z90", title).await;
    let document = "{ overlaps(first: 1, minimum: 1.0) { nodes { viewerPermissions } } }";
    let dismiss = "mutation($input: OverlapDismissInput!) { overlapDismiss(input: $input) { userErrors { code } } }";
    let mut announced = Vec::new();
    for (_, client) in everybody(server) {
        let data = client.data(document, json!({})).await;
        announced.push(data["overlaps"]["nodes"][0]["viewerPermissions"].clone());
    }
    for ((name, client), permissions) in everybody(server).into_iter().zip(announced) {
        let input = json!({ "ituId": itu, "upuId": upu, "reason": "Balloons differ." });
        let answer = client.post(dismiss, json!({ "input": input })).await.json();
        let expected = if answer["errors"].is_null() {
            json!(["DISMISS"])
        } else {
            json!([])
        };
        assert_eq!(permissions, expected, "{name}: {answer:#}");
    }
}
