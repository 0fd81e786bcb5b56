//! Action items: status transitions, creation and updates.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    one_side_requests_an_item_and_the_other_completes_it
    a_upu_token_cannot_move_itus_items
    the_tsb_owns_action_items
    a_partner_cannot_own_an_item
    an_external_key_is_unique_per_party
    an_item_is_found_by_the_external_key_of_its_requester
    every_change_is_in_the_log
    moves_announce_the_required_note_and_store_the_reason
}

const READ: &str = "id code status version outcome completedAt ownedBy requestedBy overdue";

async fn ask(server: &Server, client: &Client<'_>, owner: &str) -> Value {
    let input = json!({ "topicId": server.topic("T-2").await, "committeeId": owner, "title": "Send the list", "dueOn": "2026-07-01" });
    client.change("actionItemCreate", input, READ).await
}

async fn step(client: &Client<'_>, item: &Value, to: &str, note: Option<&str>) -> Value {
    let input = json!({ "id": item["id"], "version": item["version"], "to": to, "note": note });
    client.change("actionItemMove", input, READ).await
}

/// The same scenario for each combination of parties.
async fn one_side_requests_an_item_and_the_other_completes_it(server: &Server) {
    let of_itu = server.committee("ITU-T", "SG2").await;
    let of_upu = server.committee("POC", "PSI").await;
    for (asker, owner, committee) in [
        (server.itu(), server.upu(), of_upu),
        (server.upu(), server.itu(), of_itu),
    ] {
        let item = ask(server, &asker, &committee).await;
        assert_eq!(item["status"], "REQUESTED");
        let linked = "{ topic(by: { code: \"T-2\" }) { committees { committee { id } role } } }";
        let link = json!({ "committee": { "id": committee }, "role": "CONTRIBUTING" });
        let data = server.anonymous().data(linked, json!({})).await;
        assert!(
            !data["topic"]["committees"]
                .as_array()
                .unwrap()
                .contains(&link)
        );

        let item = step(&owner, &item, "OPEN", None).await;
        let data = server.anonymous().data(linked, json!({})).await;
        assert!(
            data["topic"]["committees"]
                .as_array()
                .unwrap()
                .contains(&link),
            "who works on it is linked"
        );

        let item = step(&owner, &item, "IN_PROGRESS", None).await;
        let silent = json!({ "id": item["id"], "version": item["version"], "to": "DONE" });
        let payload = owner.attempt("actionItemMove", silent, "id").await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["note"]));
        let item = step(&owner, &item, "POSTPONED", Some("Holidays.")).await;
        let item = step(&owner, &item, "IN_PROGRESS", None).await;
        let item = step(&owner, &item, "DONE", Some("The list is sent.")).await;
        assert_eq!(item["outcome"], "The list is sent.");
        assert!(item["completedAt"].is_string());
        let own_work = json!({ "id": item["id"], "version": item["version"], "to": "CONFIRMED" });
        assert_eq!(owner.verdict("actionItemMove", own_work).await, "FORBIDDEN");
        let item = step(&asker, &item, "IN_PROGRESS", Some("A page is missing.")).await;
        assert_eq!(
            (&item["completedAt"], &item["outcome"]),
            (&Value::Null, &Value::Null)
        );
        let item = step(&owner, &item, "DONE", Some("Now it is whole.")).await;
        let item = step(&server.tsb(), &item, "CONFIRMED", None).await;
        let late = json!({ "id": item["id"], "version": item["version"], "title": "Other" });
        assert_eq!(
            owner.verdict("actionItemUpdate", late).await,
            "NOT_ALLOWED_NOW"
        );
    }
}

async fn a_upu_token_cannot_move_itus_items(server: &Server) {
    let item = ask(
        server,
        &server.itu(),
        &server.committee("ITU-T", "SG16").await,
    )
    .await;
    assert_eq!(item["status"], "OPEN");
    for to in ["IN_PROGRESS", "POSTPONED", "DONE", "WITHDRAWN"] {
        let input = json!({ "id": item["id"], "version": 1, "to": to, "note": "Because." });
        assert_eq!(
            server.upu().verdict("actionItemMove", input).await,
            "FORBIDDEN",
            "{to}"
        );
    }
    let data = server
        .upu()
        .data(
            "query($id: ID!) { actionItem(by: { id: $id }) { nextMoves { to } status version } }",
            json!({ "id": item["id"] }),
        )
        .await;
    assert_eq!(
        data["actionItem"],
        json!({ "nextMoves": [], "status": "OPEN", "version": 1 })
    );
}

async fn the_tsb_owns_action_items(server: &Server) {
    let of_tsb = server.committee("TSB", "TSB").await;
    let item = ask(server, &server.itu(), &of_tsb).await;
    assert_eq!(
        (&item["status"], &item["ownedBy"]),
        (&json!("REQUESTED"), &json!("TSB"))
    );
    let input = json!({ "id": item["id"], "version": 1, "to": "OPEN" });
    assert_eq!(
        server.itu().verdict("actionItemMove", input).await,
        "FORBIDDEN"
    );
    assert_eq!(
        step(&server.tsb(), &item, "OPEN", None).await["status"],
        "OPEN"
    );
}

async fn a_partner_cannot_own_an_item(server: &Server) {
    let iso = server.organization("ISO").await;
    let input = json!({ "organizationId": iso, "code": "TC1", "period": "standing", "name": "One", "kind": "COMMITTEE" });
    let partner = server.tsb().change("committeeCreate", input, "id").await;
    let input =
        json!({ "topicId": server.topic("T-2").await, "committeeId": partner["id"], "title": "T" });
    let payload = server.tsb().attempt("actionItemCreate", input, "id").await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["committeeId"]));
    let on_a_proposal = json!({ "topicId": server.topic("T-1").await, "committeeId": server.committee("ITU-T", "SG2").await, "title": "T" });
    assert_eq!(
        server
            .itu()
            .verdict("actionItemCreate", on_a_proposal)
            .await,
        "NOT_ALLOWED_NOW"
    );
}

async fn an_external_key_is_unique_per_party(server: &Server) {
    let input = json!({ "topicId": server.topic("T-2").await, "committeeId": server.committee("ITU-T", "SG16").await,
        "title": "T", "externalKey": "LIAISON-7" });
    server
        .itu()
        .change("actionItemCreate", input.clone(), "id")
        .await;
    let payload = server
        .itu()
        .attempt("actionItemCreate", input.clone(), "id")
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "TAKEN");
    assert_eq!(payload["userErrors"][0]["field"], json!(["externalKey"]));
    server.upu().change("actionItemCreate", input, "id").await;
}

async fn an_item_is_found_by_the_external_key_of_its_requester(server: &Server) {
    let input = json!({ "topicId": server.topic("T-2").await, "committeeId": server.committee("ITU-T", "SG16").await,
        "title": "T", "externalKey": "JIRA-7" });
    let (itu, upu) = (server.itu(), server.upu());
    let itu = itu.change("actionItemCreate", input.clone(), "id").await;
    let upu = upu.change("actionItemCreate", input, "id").await;
    assert_ne!(itu, upu);
    let document = "query($by: ActionItemBy!) { actionItem(by: $by) { id externalKey } }";
    for (party, key, expected) in [
        ("ITU", "JIRA-7", &itu["id"]),
        ("UPU", "JIRA-7", &upu["id"]),
        ("TSB", "JIRA-7", &Value::Null),
        ("ITU", "jira-7", &Value::Null),
        ("ITU", "", &Value::Null),
    ] {
        let by = json!({ "by": { "externalKey": { "requestedBy": party, "key": key } } });
        let data = server.anonymous().data(document, by).await;
        assert_eq!(data["actionItem"]["id"], *expected, "{party} {key}");
    }
}

/// Each change writes one activity, in consecutive positions, with values for display.
async fn every_change_is_in_the_log(server: &Server) {
    let before = log(server).await;
    let positions: Vec<i64> = before.iter().map(|activity| activity.position).collect();
    assert_eq!(
        positions,
        (1..=i64::try_from(before.len()).unwrap()).collect::<Vec<_>>()
    );

    let item = ask(
        server,
        &server.upu(),
        &server.committee("ITU-T", "SG2").await,
    )
    .await;
    step(&server.itu(), &item, "OPEN", None).await;
    let after = log(server).await;
    let [created, moved, linked] = &after[before.len()..] else {
        panic!("{:#?}", &after[before.len()..]);
    };
    let recorded = |activity: &entity::activity::Model| {
        (
            entity::word::enum_name(activity.verb),
            entity::word::enum_name(activity.party),
            activity.subject_type.clone(),
        )
    };
    assert_eq!(
        recorded(created),
        ("CREATED".into(), "UPU".into(), "ActionItem".into())
    );
    assert_eq!(
        recorded(moved),
        ("STATUS_CHANGED".into(), "ITU".into(), "ActionItem".into())
    );
    assert_eq!(
        recorded(linked),
        ("COMMITTEE_LINKED".into(), "ITU".into(), "Topic".into())
    );
    assert_eq!(
        moved.changes,
        json!([{ "field": "status", "before": "REQUESTED", "after": "OPEN" }])
    );
    let text = linked.changes.to_string();
    assert!(text.contains("ITU-T SG2 (2013-2016)"), "{text}");
    assert_eq!(moved.actor, "test:editor");
}

async fn log(server: &Server) -> Vec<entity::activity::Model> {
    use sea_orm::{EntityTrait, QueryOrder};
    entity::activity::Entity::find()
        .order_by_asc(entity::activity::Column::Position)
        .all(&server.db.orm_read)
        .await
        .unwrap()
}

async fn moves_announce_the_required_note_and_store_the_reason(server: &Server) {
    let document = "query($id: ID!) { actionItem(by: { id: $id }) { id status version statusReason nextMoves { __typename to permission note } } }";
    let (owner, asker) = (server.upu(), server.itu());
    let item = ask(server, &asker, &server.committee("POC", "PSI").await).await;
    for (client, to, note, reason) in [
        (&owner, "OPEN", None, Value::Null),
        (&owner, "POSTPONED", Some("Holidays."), json!("Holidays.")),
        (&owner, "IN_PROGRESS", Some("Back again."), Value::Null),
        (&owner, "DONE", Some("It is done."), Value::Null),
        (
            &asker,
            "IN_PROGRESS",
            Some("A page is missing."),
            json!("A page is missing."),
        ),
        (
            &asker,
            "WITHDRAWN",
            Some("No longer needed."),
            json!("No longer needed."),
        ),
    ] {
        let now = client.data(document, json!({ "id": item["id"] })).await;
        let now = &now["actionItem"];
        let next = now["nextMoves"].as_array().unwrap().iter();
        let next = next.clone().find(|next| next["to"] == to).unwrap();
        assert_eq!(next["__typename"], "ActionItemMoveOption");
        // What says that it needs a note is refused without one, and the other way round.
        let silent = json!({ "id": item["id"], "version": now["version"], "to": to });
        if next["note"] != "NONE" {
            let payload = client.attempt("actionItemMove", silent, "id").await;
            assert_eq!(payload["userErrors"][0]["field"], json!(["note"]), "{to}");
        }
        step(client, now, to, note).await;
        let moved = client.data(document, json!({ "id": item["id"] })).await;
        assert_eq!(moved["actionItem"]["statusReason"], reason, "{to}");
    }
    let reader = server
        .anonymous()
        .data(document, json!({ "id": item["id"] }))
        .await;
    assert_eq!(reader["actionItem"]["nextMoves"], json!([]));
}
