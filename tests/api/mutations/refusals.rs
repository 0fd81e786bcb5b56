//! A refused write returns the right code and changes nothing.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    a_refused_write_leaves_the_database_as_it_was
}

#[expect(clippy::too_many_lines, reason = "one table of all that is refused")]
async fn a_refused_write_leaves_the_database_as_it_was(server: &Server) {
    let t1 = server.topic("T-1").await;
    let t2 = server.topic("T-2").await;
    let t3 = server.topic("T-3").await;
    let sg17 = server.committee("ITU-T", "SG17").await;
    let sg2 = server.committee("ITU-T", "SG2").await;
    let c5 = server.committee("POC", "C5").await;
    let poc = server.organization("POC").await;
    let itu_t = server.organization("ITU-T").await;
    let data = server.anonymous().data("{ a: actionItem(by: { code: \"A-5\" }) { id version } b: actionItem(by: { code: \"A-7\" }) { id } }", json!({})).await;
    let (open, confirmed) = (&data["a"]["id"], &data["b"]["id"]);
    let long = "x".repeat(501);
    let longer = "x".repeat(8001);
    let unknown_id = "topic_01h455vb4pex5vsknk084sn02q";
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let anonymous = server.anonymous();
    let without_role = server.editor(&[]);
    let cases: Vec<Case<'_>> = vec![
        (
            &anonymous,
            "topicPropose",
            json!({ "title": "T", "summary": "S" }),
            "UNAUTHENTICATED",
        ),
        (
            &without_role,
            "topicPropose",
            json!({ "title": "T", "summary": "S" }),
            "FORBIDDEN",
        ),
        (
            &tsb,
            "topicTakePosition",
            json!({ "id": t1, "position": "AGREED" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": " ", "summary": "S", "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": long, "summary": "S", "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "T", "summary": longer, "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "a\u{0}b", "summary": "S", "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "a\u{7}b", "summary": "S", "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": c5 }),
            "INVALID",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": t1 }),
            "NOT_FOUND",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": "SG17" }),
            "NOT_FOUND",
        ),
        (
            &itu,
            "topicPropose",
            json!({ "title": "T", "summary": "S", "leadCommitteeId": sg17, "reviewOn": "2020-01-01" }),
            "INVALID",
        ),
        (
            &itu,
            "topicUpdate",
            json!({ "id": unknown_id, "version": 1 }),
            "NOT_FOUND",
        ),
        (
            &itu,
            "topicUpdate",
            json!({ "id": t1, "version": 7, "title": "T" }),
            "STALE",
        ),
        (
            &upu,
            "topicUpdate",
            json!({ "id": t1, "version": 1, "title": "T" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "topicUpdate",
            json!({ "id": t1, "version": 1, "title": null }),
            "INVALID",
        ),
        (
            &itu,
            "topicTakePosition",
            json!({ "id": t1, "position": "AGREED" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "topicTakePosition",
            json!({ "id": t2, "position": "DECLINED", "reason": "No." }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &upu,
            "topicTakePosition",
            json!({ "id": t1, "position": "DECLINED" }),
            "INVALID",
        ),
        (
            &upu,
            "topicTakePosition",
            json!({ "id": t1, "position": "AGREED", "leadCommitteeId": sg17 }),
            "INVALID",
        ),
        (
            &upu,
            "topicLinkCommittee",
            json!({ "id": t2, "committeeId": sg2, "role": "INFORMED" }),
            "INVALID",
        ),
        (
            &itu,
            "topicUnlinkCommittee",
            json!({ "id": t3, "committeeId": sg17 }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "topicUnlinkCommittee",
            json!({ "id": t3, "committeeId": sg2 }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "actionItemCreate",
            json!({ "topicId": t1, "committeeId": sg17, "title": "T" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "actionItemCreate",
            json!({ "topicId": t3, "committeeId": itu_t, "title": "T" }),
            "NOT_FOUND",
        ),
        (
            &itu,
            "actionItemCreate",
            json!({ "topicId": t3, "committeeId": sg17, "title": "\n" }),
            "INVALID",
        ),
        (
            &itu,
            "actionItemMove",
            json!({ "id": open, "version": 1, "to": "CONFIRMED" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &itu,
            "actionItemMove",
            json!({ "id": open, "version": 2, "to": "IN_PROGRESS" }),
            "STALE",
        ),
        (
            &itu,
            "actionItemMove",
            json!({ "id": open, "version": 1, "to": "DONE", "note": " " }),
            "INVALID",
        ),
        (
            &upu,
            "actionItemMove",
            json!({ "id": open, "version": 1, "to": "IN_PROGRESS" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "actionItemMove",
            json!({ "id": confirmed, "version": 5, "to": "IN_PROGRESS", "note": "n" }),
            "NOT_ALLOWED_NOW",
        ),
        (
            &upu,
            "actionItemUpdate",
            json!({ "id": open, "version": 1, "title": "T" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "organizationCreate",
            json!({ "acronym": "ITU-T", "name": "N", "kind": "SECTOR", "side": "ITU" }),
            "TAKEN",
        ),
        (
            &itu,
            "organizationCreate",
            json!({ "acronym": "N", "name": "N", "kind": "PARTNER", "side": "ITU" }),
            "INVALID",
        ),
        (
            &itu,
            "organizationCreate",
            json!({ "acronym": "N", "name": "N", "kind": "SECTOR", "side": "UPU" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "organizationUpdate",
            json!({ "id": poc, "version": 1, "name": "N" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "committeeCreate",
            json!({ "organizationId": itu_t, "code": "SG17", "period": "2013-2016", "name": "N", "kind": "STUDY_GROUP" }),
            "TAKEN",
        ),
        (
            &itu,
            "committeeCreate",
            json!({ "organizationId": itu_t, "code": "SG0", "period": "p", "name": "N", "kind": "STUDY_GROUP", "startsOn": "2026-01-02", "endsOn": "2026-01-01" }),
            "INVALID",
        ),
        (
            &upu,
            "committeeUpdate",
            json!({ "id": sg17, "version": 1, "name": "N" }),
            "FORBIDDEN",
        ),
        (
            &itu,
            "committeeUpdate",
            json!({ "id": sg17, "version": 1, "predecessorIds": [sg17] }),
            "INVALID",
        ),
        (
            &itu,
            "committeeConclude",
            json!({ "id": sg17, "version": 1 }),
            "NOT_ALLOWED_NOW",
        ),
    ];
    all_are_refused(server, &cases).await;
}

/// Cases: the client, the mutation, its input, and the code of the refusal.
pub type Case<'a> = (&'a Client<'a>, &'static str, Value, &'static str);

/// Tries each case and checks that nothing changed.
pub async fn all_are_refused(server: &Server, cases: &[Case<'_>]) {
    let before = dump(server).await;
    for (client, mutation, input, code) in cases {
        let verdict = client.verdict(mutation, input.clone()).await;
        assert_eq!(verdict, *code, "{mutation} {input}");
        assert!(
            dump(server).await == before,
            "{mutation} {input} left a trace"
        );
    }
}

/// Returns every row of every table.
async fn dump(server: &Server) -> String {
    let db = &server.db.orm_read;
    let mut dump = String::new();
    for table in [
        "organization",
        "committee",
        "committee_predecessor",
        "mandate",
        "provision",
        "topic",
        "topic_committee",
        "topic_provision",
        "action_item",
        "publication",
        "publication_relation",
        "topic_publication",
        "examination",
        "finding",
        "liaison_statement",
        "sender",
        "addressee",
        "attachment",
        "statement_topic",
        "note",
        "overlap_dismissal",
        "activity",
        "counter",
    ] {
        let sql = if db.get_database_backend() == DbBackend::Postgres {
            format!("select coalesce(json_agg(t order by t::text)::text, '') from {table} t")
        } else {
            let columns = format!(
                "select group_concat('quote(\"' || name || '\")', ' || ') from pragma_table_xinfo('{table}')"
            );
            let columns = one(db, columns).await;
            format!(
                "select coalesce(group_concat(line, char(10)), '') from (select {columns} as line from {table} order by 1)"
            )
        };
        dump += &one(db, sql).await;
    }
    assert!(dump.len() > 10_000, "there is something to compare");
    dump
}

async fn one(db: &impl ConnectionTrait, sql: String) -> String {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}
