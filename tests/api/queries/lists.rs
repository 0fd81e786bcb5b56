//! Lists that answer the daily questions: what they are filtered and counted by.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    records_are_counted_in_every_status_by_the_same_filter
    a_page_of_size_zero_returns_only_counts
    contradicting_filters_match_nothing
    topics_await_the_side_that_has_to_take_its_position
    topics_are_silent_since_the_last_activity_of_a_side
    items_of_the_tsb_are_not_items_of_itu
    examinations_await_the_side_without_a_finding
    records_can_be_looked_up_by_many_keys
    any_part_of_any_filter_may_be_null_empty_or_unknown
}

/// The values of `field` of the nodes of `list`.
pub async fn nodes(client: &Client<'_>, list: &str, field: &str, arguments: &str) -> Vec<Value> {
    let document = format!("{{ {list}({arguments}) {{ nodes {{ value: {field} }} totalCount }} }}");
    let data = client.data(&document, json!({})).await;
    let nodes = data[list]["nodes"].as_array().unwrap();
    assert_eq!(data[list]["totalCount"], nodes.len(), "{document}");
    nodes.iter().map(|node| node["value"].clone()).collect()
}

async fn records_are_counted_in_every_status_by_the_same_filter(server: &Server) {
    let reader = server.anonymous();
    let data = reader
        .data(
            "{ topics(filter: { proposedBy: [TSB] }) { totalCount countsByStatus { status count } }
               actionItems(first: 1) { nodes { id } countsByStatus { count s: status __typename } totalCount } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["topics"]["countsByStatus"],
        json!([{ "status": "PROPOSED", "count": 4 }, { "status": "ACTIVE", "count": 0 }, { "status": "CLOSING", "count": 0 },
            { "status": "RETIRED", "count": 0 }, { "status": "DECLINED", "count": 0 }])
    );
    assert_eq!(data["topics"]["totalCount"], 4);
    let counts = data["actionItems"]["countsByStatus"].as_array().unwrap();
    let statuses: Vec<&str> = counts
        .iter()
        .map(|count| count["s"].as_str().unwrap())
        .collect();
    assert_eq!(
        statuses,
        [
            "REQUESTED",
            "OPEN",
            "IN_PROGRESS",
            "POSTPONED",
            "DONE",
            "CONFIRMED",
            "DECLINED",
            "WITHDRAWN"
        ]
    );
    assert_eq!(counts[0]["__typename"], "ActionItemStatusCount");
    let sum: i64 = counts
        .iter()
        .map(|count| count["count"].as_i64().unwrap())
        .sum();
    assert_eq!(data["actionItems"]["totalCount"], sum);
    for count in counts {
        let filter = format!("filter: {{ status: [{}] }}", count["s"].as_str().unwrap());
        let found = nodes(&reader, "actionItems", "id", &filter).await;
        assert_eq!(count["count"], found.len(), "{count}");
    }
    // Of each parent by itself, also of one that has none.
    let data = reader
        .data(
            "{ topics { nodes { all: actionItems { totalCount } actionItems(first: 0, filter: { open: true }) { totalCount countsByStatus { count } } } } }",
            json!({}),
        )
        .await;
    let topics = data["topics"]["nodes"].as_array().unwrap();
    assert!(topics.iter().any(|topic| topic["all"]["totalCount"] == 0));
    for topic in topics {
        let items = &topic["actionItems"];
        let counts = items["countsByStatus"].as_array().unwrap();
        assert_eq!(counts.len(), 8, "{topic}");
        let sum: i64 = counts
            .iter()
            .map(|count| count["count"].as_i64().unwrap())
            .sum();
        assert_eq!(items["totalCount"], sum, "{topic}");
        assert!(
            counts[4..].iter().all(|count| count["count"] == 0),
            "{topic}"
        );
    }
}

async fn a_page_of_size_zero_returns_only_counts(server: &Server) {
    let reader = server.anonymous();
    let document =
        "{ topics(first: 0) { totalCount nodes { code committees { role } } edges { cursor }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let data = reader.data(document, json!({})).await;
    assert_eq!(
        data["topics"],
        json!({ "totalCount": 8, "nodes": [], "edges": [],
            "pageInfo": { "hasNextPage": true, "hasPreviousPage": false, "startCursor": null, "endCursor": null } })
    );
    let last = "{ topics(last: 0) { nodes { code } pageInfo { hasNextPage hasPreviousPage } } }";
    let data = reader.data(last, json!({})).await;
    assert_eq!(
        data["topics"],
        json!({ "nodes": [], "pageInfo": { "hasNextPage": false, "hasPreviousPage": true } })
    );
    server.statements.take();
    let counts = "{ topics(first: 0) { totalCount nodes { code committees { role } } countsByStatus { count } } }";
    reader.data(counts, json!({})).await;
    assert_eq!(server.statements.take().len(), 1);
}

async fn contradicting_filters_match_nothing(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    for (list, filter) in [
        ("actionItems", "open: false, overdue: true"),
        ("actionItems", "open: true, status: [DONE]"),
        ("actionItems", "open: false, status: [OPEN, REQUESTED]"),
        ("actionItems", "overdue: true, status: [CONFIRMED]"),
        (
            "actionItems",
            "dueFrom: \"2026-02-01\", dueTo: \"2026-01-31\"",
        ),
        ("topics", "needsReview: true, status: [PROPOSED]"),
        ("topics", "awaiting: [ITU, UPU], status: [ACTIVE]"),
        (
            "publications",
            "approvedFrom: \"2026-02-01\", approvedTo: \"2026-01-31\"",
        ),
        ("publications", "side: [ITU], number: [\"UPU S52\"]"),
        (
            "examinations",
            "dueFrom: \"2026-09-02\", dueTo: \"2026-09-01\"",
        ),
        ("examinations", "complete: true, awaiting: [ITU, UPU]"),
        ("examinations", "complete: true, overdue: true"),
    ] {
        let filter = format!("filter: {{ {filter} }}");
        let found = nodes(&reader, list, "id", &filter).await;
        assert_eq!(found, Vec::<Value>::new(), "{list} {filter}");
    }
}

async fn topics_await_the_side_that_has_to_take_its_position(server: &Server) {
    let reader = server.anonymous();
    let topics = async |filter: &str| {
        let arguments = format!("filter: {{ {filter} }}");
        nodes(&reader, "topics", "code", &arguments).await
    };
    let both = ["T-4", "T-5", "T-7", "T-8"];
    let sg17 = server.committee("ITU-T", "SG17").await;
    let input = json!({ "title": "T", "summary": "S", "leadCommitteeId": sg17 });
    let proposed = server.itu().change("topicPropose", input, "id code").await;
    let pending: Vec<Value> = topics("status: [PROPOSED]").await;
    let awaiting = async |side: &str| topics(&format!("awaiting: [{side}]")).await;
    let (itu, upu) = (awaiting("ITU").await, awaiting("UPU").await);
    for code in both {
        assert!(
            itu.contains(&json!(code)) && upu.contains(&json!(code)),
            "{code}"
        );
    }
    assert!(!itu.contains(&proposed["code"]) && upu.contains(&proposed["code"]));
    assert_eq!(awaiting("ITU, UPU").await, pending);
    let document = "{ topics(first: 100) { nodes { code status awaiting } } }";
    let data = reader.data(document, json!({})).await;
    for topic in data["topics"]["nodes"].as_array().unwrap() {
        let sides = [("ITU", &itu), ("UPU", &upu)].into_iter();
        let sides = sides.filter(|(_, awaited)| awaited.contains(&topic["code"]));
        let sides: Vec<&str> = sides.map(|(side, _)| side).collect();
        assert_eq!(topic["awaiting"], json!(sides), "{topic}");
    }
    assert_eq!(awaiting("").await, Vec::<Value>::new());
    // Once the other side has declined, nothing is to be decided.
    let input = json!({ "id": proposed["id"], "position": "DECLINED", "reason": "R" });
    server
        .itu()
        .change("topicTakePosition", input, "status")
        .await;
    assert!(!awaiting("UPU").await.contains(&proposed["code"]));
}

async fn topics_are_silent_since_the_last_activity_of_a_side(server: &Server) {
    let reader = server.anonymous();
    let silent = async |day: &str| {
        let arguments = format!("filter: {{ silentSince: \"{day}\" }}");
        nodes(&reader, "topics", "code", &arguments).await
    };
    let all = silent("2026-06-16").await;
    assert_eq!(all.len(), 8);
    server.set_clock("2026-06-20T23:59:50Z");
    let note = |subject: &str| json!({ "subjectId": subject, "body": "B" });
    let (t2, t3) = (server.topic("T-2").await, server.topic("T-3").await);
    server.itu().change("noteAdd", note(&t2), "id").await;
    server.tsb().change("noteAdd", note(&t3), "id").await;
    // An act on an item of a topic is one on the topic.
    let data = reader
        .data("{ actionItems(first: 100, filter: { ownedBy: [UPU], status: [OPEN, IN_PROGRESS] }) { nodes { id topic { code } } } }", json!({}))
        .await;
    let nodes = data["actionItems"]["nodes"].as_array().unwrap();
    let item = nodes.iter().find(|item| item["topic"]["code"] != "T-2");
    let touched = item.map(|item| item["topic"]["code"].clone());
    if let Some(item) = item {
        let id = item["id"].as_str().unwrap();
        server.upu().change("noteAdd", note(id), "id").await;
    }
    server.set_clock("2026-06-22T00:00:00Z");
    let silent_since = silent("2026-06-20").await;
    let expected: Vec<Value> = all
        .iter()
        .filter(|code| **code != "T-2" && Some(*code) != touched.as_ref())
        .cloned()
        .collect();
    assert_eq!(silent_since, expected);
    assert_eq!(silent("2026-06-21").await, all);
}

async fn items_of_the_tsb_are_not_items_of_itu(server: &Server) {
    let reader = server.anonymous();
    let tsb = server.committee("TSB", "TSB").await;
    let topic = server.topic("T-2").await;
    let input =
        json!({ "topicId": topic, "committeeId": tsb, "title": "Ask", "externalKey": "K-1" });
    server.upu().change("actionItemCreate", input, "id").await;
    let titles = async |filter: &str| {
        let arguments = format!("filter: {{ {filter} }}");
        nodes(&reader, "actionItems", "title", &arguments).await
    };
    let ask = json!("Ask");
    assert!(titles("ownedBy: [TSB]").await.contains(&ask));
    assert!(!titles("ownedBy: [ITU]").await.contains(&ask));
    assert!(titles("side: [ITU]").await.contains(&ask));
    assert!(titles("requestedBy: [UPU]").await.contains(&ask));
    assert!(!titles("requestedBy: [ITU, TSB]").await.contains(&ask));
    assert_eq!(titles("ownedBy: []").await, Vec::<Value>::new());
    let parties = nodes(
        &reader,
        "actionItems",
        "ownedBy",
        "filter: { ownedBy: [ITU, UPU] }",
    )
    .await;
    assert!(!parties.is_empty() && !parties.contains(&json!("TSB")));
}

async fn examinations_await_the_side_without_a_finding(server: &Server) {
    let filled = server.fill().await;
    let reader = server.anonymous();
    let found = async |filter: &str| {
        let arguments = format!("filter: {{ {filter} }}");
        nodes(&reader, "examinations", "id", &arguments).await
    };
    let (complete, under_way) = ([filled.examination], [filled.under_way]);
    assert_eq!(found("awaiting: [UPU]").await, under_way);
    assert_eq!(found("awaiting: [ITU, UPU]").await, under_way);
    let awaited = nodes(&reader, "examinations", "awaiting", "first: 10").await;
    assert_eq!(awaited, [json!([]), json!(["UPU"])]);
    assert_eq!(found("complete: true").await, complete);
    assert_eq!(found("complete: false").await, under_way);
    for nothing in ["awaiting: [ITU]", "awaiting: []", "overdue: true"] {
        assert_eq!(found(nothing).await, Vec::<Value>::new(), "{nothing}");
    }
    assert_eq!(found("overdue: false").await.len(), 2);
    assert_eq!(found("requestedBy: [UPU]").await, under_way);
    assert_eq!(
        found("dueFrom: \"2026-09-01\", dueTo: \"2026-09-01\"")
            .await
            .len(),
        2
    );
    let publication = format!("publication: \"{}\"", filled.examined);
    assert_eq!(found(&publication).await, complete);
    let data = reader
        .data(
            "{ examinations { nodes { createdAt updatedAt } } }",
            json!({}),
        )
        .await;
    let first = &data["examinations"]["nodes"][0];
    assert!(
        first["createdAt"].as_str() < first["updatedAt"].as_str(),
        "{first}"
    );
    let since = format!(
        "updatedSince: {}",
        data["examinations"]["nodes"][1]["updatedAt"]
    );
    assert_eq!(found(&since).await, under_way);
    let sorted = nodes(
        &reader,
        "examinations",
        "id",
        "orderBy: { field: UPDATED_AT, direction: DESC }",
    )
    .await;
    assert_eq!(sorted, [under_way, complete].concat());
    server.set_clock("2026-09-02T00:00:00Z");
    let reader = server.anonymous();
    let overdue = nodes(
        &reader,
        "examinations",
        "overdue",
        "filter: { overdue: true }",
    )
    .await;
    assert_eq!(overdue, [true]);
}

async fn records_can_be_looked_up_by_many_keys(server: &Server) {
    let reader = server.anonymous();
    let document = "query($numbers: [String!]) { publications(first: 100, filter: { number: $numbers }) { totalCount nodes { number } } }";
    let numbers = async |numbers: Value| {
        reader.data(document, json!({ "numbers": numbers })).await["publications"]["totalCount"]
            .clone()
    };
    assert_eq!(
        numbers(json!(["upu  s52", "ITU-T X.1341 (09/2015)", "none"])).await,
        2
    );
    assert_eq!(numbers(json!(["UPU S52", "upu s52"])).await, 1);
    assert_eq!(numbers(json!("UPU S52")).await, 1);
    assert_eq!(numbers(json!([])).await, 0);
    assert_eq!(numbers(Value::Null).await, 73);
    let hundred = |count: usize| {
        json!(
            (0..count)
                .map(|number| format!("ITU-T Z.{number}"))
                .collect::<Vec<_>>()
        )
    };
    assert_eq!(numbers(hundred(100)).await, 0);
    let refused = async |value: Value| {
        let answer = reader.run(document, json!({ "numbers": value })).await;
        answer["errors"][0].clone()
    };
    let many = refused(hundred(101)).await;
    assert_eq!(many["extensions"]["code"], "BAD_USER_INPUT");
    let message = many["message"].as_str().unwrap();
    assert!(
        message.contains("101") && message.contains("100"),
        "{message}"
    );
    assert_eq!(
        refused(json!(["a\0"])).await["extensions"]["code"],
        "BAD_USER_INPUT"
    );

    let topic = server.topic("T-2").await;
    let sg17 = server.committee("ITU-T", "SG17").await;
    for key in ["K-1", "K-2", "K-3"] {
        let input =
            json!({ "topicId": topic, "committeeId": sg17, "title": key, "externalKey": key });
        server
            .itu()
            .change("actionItemCreate", input.clone(), "id")
            .await;
        if key == "K-1" {
            server.upu().change("actionItemCreate", input, "id").await;
        }
    }
    let keys = async |filter: &str| {
        nodes(
            &reader,
            "actionItems",
            "externalKey",
            &format!("filter: {{ {filter} }}"),
        )
        .await
    };
    assert_eq!(
        keys("externalKey: [\"K-1\", \"K-2\", \"k-3\"]").await,
        ["K-1", "K-1", "K-2"]
    );
    assert_eq!(
        keys("externalKey: [\"K-1\", \"K-2\"], requestedBy: [UPU]").await,
        ["K-1"]
    );
}

/// The prefix of the ids that a part of a filter takes, and the id of a record of another type.
fn prefix(part: &str) -> &'static str {
    match part {
        "organization" => "org",
        "committee" | "counterpart" | "from" | "to" => "committee",
        "provision" => "provision",
        "topic" => "topic",
        "publication" => "publication",
        part => panic!("what does {part} name?"),
    }
}

/// Null is as good as absent, an empty list and an unknown id match nothing, and the id of something else is refused.
async fn any_part_of_any_filter_may_be_null_empty_or_unknown(server: &Server) {
    server.fill().await;
    let reader = server.anonymous();
    let lists = [
        ("organizations", "Organization"),
        ("committees", "Committee"),
        ("topics", "Topic"),
        ("actionItems", "ActionItem"),
        ("publications", "Publication"),
        ("examinations", "Examination"),
        ("liaisonStatements", "LiaisonStatement"),
    ];
    let note = reader
        .data(
            "{ activities(last: 1, filter: { verb: [NOTED] }) { nodes { subject { id } } } }",
            json!({}),
        )
        .await;
    let note = &note["activities"]["nodes"][0]["subject"]["id"];
    for (list, ty) in lists {
        let document = format!(
            "query($filter: {ty}Filter) {{ {list}(first: 0, filter: $filter) {{ totalCount }} }}"
        );
        let count = async |filter: Value| {
            let answer = reader.run(&document, json!({ "filter": filter })).await;
            (
                answer["data"][list]["totalCount"].clone(),
                answer["errors"][0].clone(),
            )
        };
        let all = count(json!({})).await.0;
        assert_ne!(all, json!(0), "{list}");
        assert_eq!(count(Value::Null).await.0, all);
        let fields = format!(
            "{{ __type(name: \"{ty}Filter\") {{ inputFields {{ name type {{ kind name ofType {{ ofType {{ enumValues {{ name }} }} }} }} }} }} }}"
        );
        let data = reader.data(&fields, json!({})).await;
        for field in data["__type"]["inputFields"].as_array().unwrap() {
            let name = field["name"].as_str().unwrap();
            let with = |value: Value| count(json!({ name: value }));
            assert_eq!(with(Value::Null).await.0, all, "{ty}Filter.{name}");
            if field["type"]["kind"] == "LIST" {
                assert_eq!(with(json!([])).await.0, 0, "{ty}Filter.{name}");
                let null = with(json!([null])).await.1;
                let message = null["message"].as_str().unwrap();
                assert!(message.contains("must not be null"), "{message}");
                let value = &field["type"]["ofType"]["ofType"]["enumValues"][0]["name"];
                if value.is_string() {
                    let hundred = with(json!(vec![value; 100])).await;
                    assert_eq!(hundred, with(json!([value])).await, "{ty}Filter.{name}");
                    assert!(hundred.0.is_number(), "{hundred:?}");
                }
            }
            if field["type"]["name"] == "ID" {
                let unknown = format!("{}_01h455vb4pex5vsknk084sn02q", prefix(name));
                assert_eq!(with(json!(unknown)).await.0, 0, "{ty}Filter.{name}");
                for wrong in [note.clone(), json!(""), json!("7")] {
                    let error = with(wrong).await.1;
                    assert_eq!(
                        error["extensions"]["code"], "BAD_USER_INPUT",
                        "{ty}Filter.{name}"
                    );
                    let message = error["message"].as_str().unwrap();
                    let right = format!("starts with `{}_`", prefix(name));
                    assert!(
                        message.contains(name) && message.contains(&right),
                        "{message}"
                    );
                }
            }
        }
    }
}
