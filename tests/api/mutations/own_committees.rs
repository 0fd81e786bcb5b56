//! A committee of another party is refused alike wherever it is named as one's own, together with all else that is wrong.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    another_partys_committee_is_forbidden_in_every_mutation
    a_forbidden_committee_hides_no_other_error
    the_tsb_links_committees_of_partners
}

async fn another_partys_committee_is_forbidden_in_every_mutation(server: &Server) {
    let filled = server.fill().await;
    let (itu, upu, tsb) = (
        server.committee("ITU-T", "SG17").await,
        server.committee("POC", "C5").await,
        server.committee("TSB", "TSB").await,
    );
    let (proposed, active) = (server.topic("T-1").await, server.topic("T-3").await);
    for (client, party, others) in [
        (server.itu(), "ITU", [&upu, &tsb]),
        (server.upu(), "UPU", [&itu, &tsb]),
        (server.tsb(), "TSB", [&itu, &upu]),
    ] {
        for other in others {
            let to = json!([{ "committeeId": itu, "purpose": "INFORMATION" }]);
            let mut cases = vec![
                (
                    "topicLinkCommittee",
                    "committeeId",
                    json!({ "id": active, "committeeId": other, "role": "INFORMED" }),
                ),
                (
                    "topicUnlinkCommittee",
                    "committeeId",
                    json!({ "id": active, "committeeId": other }),
                ),
                (
                    "liaisonStatementSend",
                    "fromIds.0",
                    json!({ "title": "T", "fromIds": [other], "addressees": to }),
                ),
            ];
            // The TSB takes no position, names no lead and finds nothing.
            if party != "TSB" {
                cases.extend([
                    (
                        "topicPropose",
                        "leadCommitteeId",
                        json!({ "title": "T", "summary": "S", "leadCommitteeId": other }),
                    ),
                    (
                        "examinationRecordFinding",
                        "committeeId",
                        json!({ "id": filled.under_way, "impact": "NONE", "statement": "S", "committeeId": other }),
                    ),
                ]);
            }
            if party == "UPU" {
                cases.push((
                    "topicTakePosition",
                    "leadCommitteeId",
                    json!({ "id": proposed, "position": "AGREED", "leadCommitteeId": other }),
                ));
            }
            for (mutation, field, input) in cases {
                if mutation == "topicUnlinkCommittee" && *other == tsb {
                    continue; // which is not linked
                }
                let payload = client.attempt(mutation, input, "id").await;
                let errors = payload["userErrors"].as_array().unwrap();
                assert_eq!(errors[0]["code"], "INVALID", "{party}: {mutation}");
                let path: Vec<&str> = field.split('.').collect();
                assert_eq!(errors[0]["field"], json!(path), "{party}: {mutation}");
                let expected = format!("This committee is not one of {party}");
                let message = errors[0]["message"].as_str().unwrap();
                assert!(message.starts_with(&expected), "{mutation}: {message}");
            }
        }
    }
}

async fn a_forbidden_committee_hides_no_other_error(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let input = json!({ "title": " ", "fromIds": [sg17], "sentAt": "2099-01-01T00:00:00Z",
        "addressees": [{ "committeeId": sg17, "purpose": "INFORMATION", "replyBy": "2099-01-01" }] });
    let payload = server
        .upu()
        .attempt("liaisonStatementSend", input, "id")
        .await;
    let fields = payload["userErrors"].as_array().unwrap().iter();
    let fields: Vec<&Value> = fields.map(|error| &error["field"][0]).collect();
    assert_eq!(fields, ["fromIds", "title", "addressees", "sentAt"]);
}

async fn the_tsb_links_committees_of_partners(server: &Server) {
    let partner = json!({ "organizationId": server.organization("ISO").await, "code": "TC1", "period": "standing", "name": "One of ISO's", "kind": "COMMITTEE" });
    let partner = server.tsb().change("committeeCreate", partner, "id").await["id"].clone();
    let link =
        json!({ "id": server.topic("T-3").await, "committeeId": partner, "role": "INFORMED" });
    for (client, verdict) in [
        (server.itu(), "INVALID"),
        (server.upu(), "INVALID"),
        (server.tsb(), "OK"),
    ] {
        assert_eq!(
            client.verdict("topicLinkCommittee", link.clone()).await,
            verdict
        );
    }
}
