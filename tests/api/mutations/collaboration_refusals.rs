//! Refused writes of topics, action items, statements and examinations return the right code and change nothing.

use serde_json::{Value, json};

use crate::mutations::refusals::{Case, all_are_refused};
use crate::support::harness::Server;

on_both_databases! {
    refused_collaboration_mutations_store_nothing
}

#[expect(clippy::too_many_lines, reason = "one table of all refusals")]
async fn refused_collaboration_mutations_store_nothing(server: &Server) {
    let t1 = server.topic("T-1").await;
    let t2 = server.topic("T-2").await;
    let sg17 = server.committee("ITU-T", "SG17").await;
    let c5 = server.committee("POC", "C5").await;
    let itu_t = server.organization("ITU-T").await;
    let data = server.anonymous().data("{ a: actionItem(by: { code: \"A-5\" }) { id } b: actionItem(by: { code: \"A-7\" }) { id } p: publication(by: { number: \"ITU-T X.1341 (09/2015)\" }) { version } }", json!({})).await;
    let (open, confirmed) = (&data["a"]["id"], &data["b"]["id"]);
    let version = &data["p"]["version"];
    let psi = server.committee("POC", "PSI").await;
    let filled = server.fill().await;
    let (examined, standard) = (&filled.examined, &filled.under_examination);
    let upu_organization = server.organization("UPU").await;
    let send =
        |from: &str, to: Value| json!({ "title": "T", "fromIds": [from], "addressees": [to] });
    let with = |mut input: Value, field: &str, value: Value| {
        input[field] = value;
        input
    };
    let informed = |committee: &str| json!({ "committeeId": committee, "purpose": "INFORMATION" });
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let cases: Vec<Case<'_>> = vec![
        (
            &tsb,
            "topicReaffirm",
            json!({ "id": t2, "reviewOn": "2030-01-01" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "topicReaffirm",
            json!({ "id": t1, "reviewOn": "2030-01-01" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "topicReaffirm",
            json!({ "id": t2, "reviewOn": "2020-01-01" }),
            "INVALID",
        ),
        (
            &itu,
            "actionItemRemind",
            json!({ "id": open, "message": "Please." }),
            "FORBIDDEN",
        ),
        (
            &tsb,
            "actionItemRemind",
            json!({ "id": confirmed, "message": "Please." }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "publicationAdd",
            json!({ "number": "UPU S1", "title": "T", "kind": "UPU_STANDARD", "organizationId": upu_organization }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "publicationAdd",
            json!({ "number": "ITU-T X.1341 (09/2015)", "title": "T", "kind": "RECOMMENDATION", "organizationId": itu_t }),
            "TAKEN",
        ),
        (
            &itu,
            "publicationAdd",
            json!({ "number": "ITU-T X.1 (01/2026)", "title": "T", "kind": "RECOMMENDATION", "organizationId": itu_t, "committeeId": c5 }),
            "INVALID",
        ),
        (
            &itu,
            "publicationAdd",
            json!({ "number": "x".repeat(101), "title": " ", "kind": "RECOMMENDATION", "organizationId": itu_t }),
            "INVALID",
        ),
        (
            &itu,
            "publicationUpdate",
            json!({ "id": examined, "version": 99, "title": "T" }),
            "STALE",
        ),
        (
            &itu,
            "publicationUpdate",
            json!({ "id": examined, "version": version, "supersedesId": examined }),
            "INVALID",
        ),
        (
            &upu,
            "publicationUpdate",
            json!({ "id": examined, "version": version, "title": "T" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "publicationRelate",
            json!({ "id": examined, "relatedId": examined }),
            "INVALID",
        ),
        (
            &itu,
            "publicationRelate",
            json!({ "id": examined, "relatedId": sg17 }),
            "NOT_FOUND",
        ),
        (
            &itu,
            "examinationRequest",
            json!({ "publicationId": standard }),
            "TAKEN",
        ),
        (
            &tsb,
            "examinationRecordFinding",
            json!({ "id": filled.under_way, "impact": "NONE", "statement": "S" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "examinationRecordFinding",
            json!({ "id": filled.examination, "impact": "NONE", "statement": "S" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &upu,
            "examinationRecordFinding",
            json!({ "id": filled.under_way, "impact": "NONE", "statement": "S", "committeeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "liaisonStatementSend",
            send(&c5, informed(&sg17)),
            "INVALID",
        ),
        (
            &itu,
            "liaisonStatementSend",
            send(
                &sg17,
                json!({ "committeeId": c5, "purpose": "INFORMATION", "replyBy": "2030-01-01" }),
            ),
            "INVALID",
        ),
        (
            &itu,
            "liaisonStatementSend",
            send(&sg17, informed(&t1)),
            "NOT_FOUND",
        ),
        (
            &itu,
            "liaisonStatementSend",
            with(
                send(&sg17, informed(&c5)),
                "inReplyToId",
                filled.statement.clone(),
            ),
            "INVALID",
        ),
        (
            &upu,
            "liaisonStatementSend",
            with(send(&psi, informed(&sg17)), "addressees", json!([])),
            "INVALID",
        ),
        (
            &upu,
            "noteAdd",
            json!({ "subjectId": sg17, "body": "A note." }),
            "NOT_FOUND",
        ),
        (
            &upu,
            "noteAdd",
            json!({ "subjectId": t1, "body": "x".repeat(20_001) }),
            "INVALID",
        ),
        (
            &upu,
            "noteRetract",
            json!({ "id": filled.note }),
            "FORBIDDEN",
        ),
    ];
    all_are_refused(server, &cases).await;
}
