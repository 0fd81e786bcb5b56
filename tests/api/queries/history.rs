//! The history: one append-only order of all changes, by which clients synchronize.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    a_mirror_catches_up_with_only_the_last_cursor
    the_history_is_filtered
    every_kind_of_change_has_a_display_text
    a_record_has_its_own_history
    the_database_rejects_changes_of_the_history
    the_history_accepts_only_its_next_position
    subjects_are_read_by_their_type
    only_the_own_party_sees_the_actor
}

async fn page(server: &Server, variables: Value) -> Value {
    let document = "query($first: Int, $after: String, $filter: ActivityFilter) {
        activities(first: $first, after: $after, filter: $filter) {
            nodes { id cursor at verb subjectType } edges { cursor } pageInfo { hasNextPage endCursor } totalCount } }";
    server.anonymous().data(document, variables).await["activities"].take()
}

fn cursors(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| node["cursor"].as_str().unwrap().to_owned())
        .collect()
}

async fn a_mirror_catches_up_with_only_the_last_cursor(server: &Server) {
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    let topic = server.topic("T-1").await;
    for round in 0..6 {
        loop {
            let page = page(server, json!({ "first": 40, "after": cursor })).await;
            let edges = page["edges"].as_array().unwrap().iter();
            let edges: Vec<String> = edges
                .map(|edge| edge["cursor"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(edges, cursors(&page), "an activity's cursor is its edge's");
            seen.extend(cursors(&page));
            if let Some(last) = cursors(&page).pop() {
                cursor = json!(last);
            }
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        let input = json!({ "subjectId": topic, "body": format!("Note {round}.") });
        server.upu().change("noteAdd", input, "id").await;
    }
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(distinct.len(), seen.len(), "nothing twice");
    let all = page(server, json!({})).await;
    assert_eq!(
        json!(seen.len() + 1),
        all["totalCount"],
        "nothing left out but the last note"
    );

    // The cursor of an activity is valid in every list of activities.
    let notes = json!({ "after": seen[3], "filter": { "verb": ["NOTED"] } });
    assert_eq!(
        page(server, notes).await["nodes"].as_array().unwrap().len(),
        6
    );
    let of_topic = "query($after: String) { topic(by: { code: \"T-1\" }) { activities(after: $after) { nodes { verb } } } }";
    let data = server
        .anonymous()
        .data(of_topic, json!({ "after": seen[seen.len() - 2] }))
        .await;
    assert_eq!(
        data["topic"]["activities"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let damaged = json!({ "after": format!("{}A", &seen[0][..seen[0].len() - 1]) });
    let document = "query($after: String) { activities(after: $after) { totalCount } }";
    let response = server.anonymous().run(document, damaged).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"],
        "INVALID_CURSOR"
    );
    let of_topics = server
        .anonymous()
        .data("{ topics(first: 1) { pageInfo { endCursor } } }", json!({}))
        .await;
    let strange = json!({ "after": of_topics["topics"]["pageInfo"]["endCursor"] });
    let response = server.anonymous().run(document, strange).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"],
        "INVALID_CURSOR"
    );
}

async fn the_history_is_filtered(server: &Server) {
    let topic = server.topic("T-2").await;
    let reader = server.anonymous();
    let count = async |filter: Value| -> i64 {
        let document =
            "query($filter: ActivityFilter) { activities(filter: $filter) { totalCount } }";
        let data = reader.data(document, json!({ "filter": filter })).await;
        data["activities"]["totalCount"].as_i64().unwrap()
    };
    let all = count(json!({})).await;
    assert_eq!(count(json!({ "subjectType": ["PUBLICATION"] })).await, 77);
    assert_eq!(
        count(json!({ "subjectType": ["ORGANIZATION", "MANDATE"] })).await,
        12
    );
    assert_eq!(count(json!({ "subjectType": [] })).await, 0);
    let of_topic = count(json!({ "subject": topic })).await;
    let with_items = count(json!({ "topic": topic })).await;
    assert!(0 < of_topic && of_topic < with_items && with_items < all);
    let parties: Vec<i64> = vec![
        count(json!({ "party": ["ITU"] })).await,
        count(json!({ "party": ["UPU"] })).await,
        count(json!({ "party": ["TSB"] })).await,
    ];
    assert!(parties.iter().all(|party| *party > 0));
    assert_eq!(parties.iter().sum::<i64>(), all);
    let created = count(json!({ "verb": ["CREATED"] })).await;
    assert!(created < all && created > 100);
    let (itu, upu) = (
        count(json!({ "side": ["ITU"] })).await,
        count(json!({ "side": ["UPU"] })).await,
    );
    assert_eq!(count(json!({ "side": ["ITU", "UPU"] })).await, all);
    assert!(
        itu < all && upu < all && itu + upu > all,
        "some concern both"
    );
    assert_eq!(count(json!({ "side": [] })).await, 0);
    assert_eq!(
        count(json!({ "verb": ["CREATED"], "party": ["UPU"], "subjectType": ["PUBLICATION"] }))
            .await,
        12
    );
    for (filter, word) in [
        (json!({ "subjectType": ["Topik"] }), "ACTION_ITEM"),
        (json!({ "subject": "T-2" }), "id"),
        (
            json!({ "topic": server.committee("ITU-T", "SG17").await }),
            "Committee",
        ),
    ] {
        let document =
            "query($filter: ActivityFilter) { activities(filter: $filter) { totalCount } }";
        let response = reader.run(document, json!({ "filter": filter })).await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{filter}"
        );
        assert!(
            response["errors"][0]["message"]
                .as_str()
                .unwrap()
                .contains(word),
            "{response}"
        );
    }
}

async fn every_kind_of_change_has_a_display_text(server: &Server) {
    let document = "query($after: String) { activities(first: 100, after: $after) {
        nodes { subjectType verb changes { field before after } } pageInfo { hasNextPage endCursor } } }";
    let mut cursor = Value::Null;
    loop {
        let data = server
            .anonymous()
            .data(document, json!({ "after": cursor }))
            .await;
        let page = &data["activities"];
        for activity in page["nodes"].as_array().unwrap() {
            for change in activity["changes"].as_array().unwrap() {
                assert_ne!(change["before"], change["after"], "{activity}");
                for side in ["before", "after"] {
                    let text = change[side].as_str().unwrap_or_default();
                    let is_id = text
                        .rsplit_once('_')
                        .is_some_and(|(_, key)| key.len() == 26);
                    assert!(!is_id, "an id is no word for people: {activity}");
                }
            }
        }
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        cursor = page["pageInfo"]["endCursor"].clone();
    }
    let topic = server.topic("T-1").await;
    let input = json!({ "id": topic, "position": "AGREED", "leadCommitteeId": server.committee("POC", "C5").await });
    let read =
        "status activities(last: 1) { nodes { verb party sides changes { field before after } } }";
    let agreed = server.upu().change("topicTakePosition", input, read).await;
    assert_eq!(
        agreed["activities"]["nodes"][0],
        json!({ "verb": "POSITION_TAKEN", "party": "UPU", "sides": ["ITU", "UPU"], "changes": [
            { "field": "position", "before": "PENDING", "after": "AGREED" },
            { "field": "committees", "before": null, "after": "POC C5 (2013-2016): LEAD" },
            { "field": "status", "before": "PROPOSED", "after": "ACTIVE" },
        ] })
    );
}

async fn a_record_has_its_own_history(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ actionItem(by: { code: \"A-7\" }) { id activities { nodes { verb subject { id } changes { field after } } } }
               topic(by: { code: \"T-3\" }) { activities { totalCount nodes { subjectType } } } }",
            json!({}),
        )
        .await;
    let item = &data["actionItem"];
    let history = item["activities"]["nodes"].as_array().unwrap();
    assert!(
        history
            .iter()
            .all(|activity| activity["subject"]["id"] == item["id"])
    );
    assert_eq!(history[0]["verb"], "CREATED");
    let last = history.last().unwrap();
    assert_eq!(
        last["changes"][0],
        json!({ "field": "status", "after": "CONFIRMED" })
    );
    let types = data["topic"]["activities"]["nodes"].as_array().unwrap();
    let types: BTreeSet<&str> = types
        .iter()
        .map(|activity| activity["subjectType"].as_str().unwrap())
        .collect();
    assert_eq!(types, BTreeSet::from(["ACTION_ITEM", "TOPIC"]));
}

async fn the_database_rejects_changes_of_the_history(server: &Server) {
    let db = &server.db.orm_write;
    let mut attempts = vec![
        "update activity set party = 'TSB' where position = 1",
        "delete from activity where position = 1",
        "delete from activity",
    ];
    if db.get_database_backend() == DbBackend::Postgres {
        attempts.push("truncate activity cascade");
    }
    for attempt in attempts {
        let error = db.execute_unprepared(attempt).await.expect_err(attempt);
        assert!(error.to_string().contains("only ever added to"), "{error}");
    }
    let first = page(server, json!({ "first": 1 })).await;
    assert_eq!(first["nodes"][0]["verb"], "CREATED");
}

async fn the_history_accepts_only_its_next_position(server: &Server) {
    const COLUMNS: &str =
        "actor, party, verb, subject_type, subject_id, topic_id, itu, upu, changes";
    let db = &server.db.orm_write;
    let sqlite = db.get_database_backend() == DbBackend::Sqlite;
    let new_id = if sqlite {
        "randomblob(16)"
    } else {
        "gen_random_uuid()"
    };
    let next = "(select max(position) + 1 from activity)";
    // A copy of the first entry with another id and position.
    let copy = |insert: &str, id: &str, position: &str| {
        format!(
            "insert {insert} (id, position, at, {COLUMNS}) select {id}, {position}, at, {COLUMNS} from activity where position = 1"
        )
    };
    let insert = "into activity";
    let mut attempts = vec![
        copy(insert, new_id, "0"),
        copy(insert, new_id, "-5"),
        copy(insert, new_id, "position"),
        copy(insert, new_id, next),
        copy(insert, new_id, &format!("{next} + 1")),
        copy(insert, "id", next),
        // Of several rows in one statement, the first is before the newest.
        format!(
            "insert into activity (id, position, at, {COLUMNS}) select {new_id}, n + (select max(position) from activity), at, {COLUMNS} from activity, (select -1 as n union all select 1) as numbers where position = 1"
        ),
    ];
    if sqlite {
        let replace = "or replace into activity";
        attempts.extend([
            copy(replace, "id", "position"),
            copy(replace, "id", next),
            copy(replace, new_id, "position"),
            format!(
                "insert or replace into activity (rowid, id, position, at, {COLUMNS}) select rowid, {new_id}, {next}, at, {COLUMNS} from activity where position = 1"
            ),
        ]);
    } else {
        for key in ["id", "position"] {
            let upsert = copy(insert, "id", "position");
            attempts.push(format!(
                "{upsert} on conflict ({key}) do update set actor = 'someone else'"
            ));
        }
    }
    let before = server.history(None, json!({})).await;
    for attempt in attempts {
        let error = db.execute_unprepared(&attempt).await.expect_err(&attempt);
        let error = error.to_string();
        let refused = error.contains("only ever added to") || error.contains("duplicate key");
        assert!(refused, "{attempt}: {error}");
    }
    assert_eq!(server.history(None, json!({})).await, before);

    let topic = server.topic("T-1").await;
    let input = json!({ "subjectId": topic, "body": "As ever." });
    server.itu().change("noteAdd", input, "id").await;
    // As the service writes it.
    server
        .sql("update counter set value = value + 1 where name = 'activity'")
        .await;
    server.sql(&copy(insert, new_id, next)).await;
    let after = server.history(None, json!({})).await;
    assert_eq!(after.len(), before.len() + 2);
}

async fn subjects_are_read_by_their_type(server: &Server) {
    let text = server.publication("UPU S52").await;
    let asked = server
        .upu()
        .change("examinationRequest", json!({ "publicationId": text }), "id")
        .await;
    server
        .itu()
        .change(
            "noteAdd",
            json!({ "subjectId": asked["id"], "body": "Soon." }),
            "id",
        )
        .await;
    let document = "query($types: [SubjectType!]) { activities(first: 100, filter: { subjectType: $types }) { nodes { subjectType subject {
        __typename id ... on Topic { code } ... on ActionItem { code topic { code } } ... on Examination { publication { number } }
        ... on Note { body subject { ... on Examination { requestedBy publication { number } } } } ...Named } } } }
        fragment Named on Node { ... on Publication { text: number committee { code } } ... on Committee { code } ... on Organization { acronym } ... on Mandate { code } }";
    let types = json!({ "types": ["TOPIC", "ACTION_ITEM", "EXAMINATION", "NOTE", "PUBLICATION", "MANDATE"] });
    let mut seen = BTreeSet::new();
    let data = server
        .anonymous()
        .data(&document.replace("first: 100", "last: 100"), types)
        .await;
    for activity in data["activities"]["nodes"].as_array().unwrap() {
        let subject = &activity["subject"];
        let ty = subject["__typename"].as_str().unwrap();
        let word = activity["subjectType"].as_str().unwrap();
        assert_eq!(ty.to_uppercase(), word.replace('_', ""));
        seen.insert(activity["subjectType"].as_str().unwrap().to_owned());
        let found = match subject["__typename"].as_str().unwrap() {
            "Topic" => subject["code"].as_str().unwrap().starts_with("T-"),
            "ActionItem" => subject["topic"]["code"].is_string(),
            "Examination" => subject["publication"]["number"] == "UPU S52",
            "Note" => {
                subject["subject"]
                    == json!({ "requestedBy": "UPU", "publication": { "number": "UPU S52" } })
            }
            "Publication" => subject["text"].is_string(),
            other => panic!("{other}"),
        };
        assert!(found, "{activity}");
    }
    assert!(
        seen.contains("NOTE") && seen.contains("PUBLICATION"),
        "{seen:?}"
    );

    // Activities and notes implement `Node`.
    let last = "{ activities(last: 1) { nodes { id } } }";
    let last =
        server.anonymous().data(last, json!({})).await["activities"]["nodes"][0]["id"].clone();
    let node = "query($id: ID!) { node(id: $id) { ... on Activity { verb subject { ... on Note { body } } } } }";
    let data = server.anonymous().data(node, json!({ "id": last })).await;
    assert_eq!(
        data["node"],
        json!({ "verb": "NOTED", "subject": { "body": "Soon." } })
    );
}

async fn only_the_own_party_sees_the_actor(server: &Server) {
    let input = json!({ "title": "T", "summary": "S" });
    server.tsb().change("topicPropose", input, "id").await;
    let document = "{ activities(last: 1) { nodes { party actor } } }";
    for (client, sees) in [
        (server.tsb(), true),
        (server.itu(), false),
        (server.upu(), false),
        (server.editor(&[]), false),
        (server.anonymous(), false),
    ] {
        let data = client.data(document, json!({})).await;
        let activity = &data["activities"]["nodes"][0];
        assert_eq!(activity["party"], "TSB");
        assert_eq!(activity["actor"].is_string(), sees, "{activity}");
    }
}
