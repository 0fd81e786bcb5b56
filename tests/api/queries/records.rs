//! Queries of the seed data: lookups, filters and orders.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    codes_are_in_natural_order
    records_are_found_by_their_external_keys
    every_filter_of_action_items_narrows
    every_filter_of_topics_narrows
    organizations_and_committees_are_filtered
    text_filters_ignore_case_and_accents
    ids_of_other_types_are_refused
    the_seeded_register_has_its_mandate_and_topics
    organizations_and_committees_list_parents_and_children
    filter_texts_with_invalid_characters_are_refused
}

/// Returns the values of `field` of the nodes of `list`.
async fn list(client: &Client<'_>, list: &str, field: &str, variables: Value) -> Vec<Value> {
    let mut letters = list.chars();
    let first = letters.next().unwrap().to_ascii_uppercase();
    let ty = format!("{first}{}", letters.as_str().strip_suffix('s').unwrap());
    let document = format!(
        "query($first: Int, $filter: {ty}Filter, $orderBy: {ty}Order) {{ {list}(first: $first, filter: $filter, orderBy: $orderBy) {{ nodes {{ value: {field} }} totalCount }} }}"
    );
    let data = client.data(&document, variables).await;
    let nodes = data[list]["nodes"].as_array().unwrap();
    nodes.iter().map(|node| node["value"].clone()).collect()
}

async fn codes_are_in_natural_order(server: &Server) {
    let reader = server.anonymous();
    let filter = json!({ "filter": { "period": "2013-2016", "kind": ["STUDY_GROUP"] } });
    assert_eq!(
        list(&reader, "committees", "code", filter).await,
        [
            "SG2", "SG3", "SG5", "SG9", "SG11", "SG12", "SG13", "SG15", "SG16", "SG17"
        ]
    );
    for number in 9..13 {
        let input = json!({ "title": format!("Topic {number}"), "summary": "S" });
        server.tsb().change("topicPropose", input, "id").await;
    }
    let descending = json!({ "first": 5, "orderBy": { "field": "CODE", "direction": "DESC" } });
    assert_eq!(
        list(&reader, "topics", "code", descending).await,
        ["T-12", "T-11", "T-10", "T-9", "T-8"]
    );
}

async fn records_are_found_by_their_external_keys(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ newest: committee(by: { key: { organization: \"POC\", code: \"C4\" } }) { name period }
               older: committee(by: { key: { organization: \"POC\", code: \"C4\", period: \"2013-2016\" } }) { name }
               none: committee(by: { key: { organization: \"ITU-T\", code: \"C4\" } }) { name }
               item: actionItem(by: { code: \"a-7\" }) { title status outcome }
               noItem: actionItem(by: { code: \"A-99\" }) { title }
               noTopic: topic(by: { code: \"T-02\" }) { title }
               mandate(code: \"RES-11-DUBAI-2012\") { edition adoptedOn history }
               noMandate: mandate(code: \"RES-12\") { edition } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["newest"],
        json!({ "name": "Postal financial services", "period": "2022-2025" })
    );
    assert_eq!(data["older"]["name"], "Electronic services");
    assert_eq!(data["item"]["status"], "CONFIRMED");
    assert_eq!(data["mandate"]["history"].as_array().unwrap().len(), 7);
    assert_eq!(data["mandate"]["history"][0], "Malaga-Torremolinos, 1984");
    for name in ["none", "noItem", "noTopic", "noMandate"] {
        assert_eq!(data[name], Value::Null, "{name}");
    }
}

async fn every_filter_of_action_items_narrows(server: &Server) {
    let reader = server.anonymous();
    let sg17 = server.committee("ITU-T", "SG17").await;
    let topic = server.topic("T-2").await;
    let items = async |filter: Value| {
        list(&reader, "actionItems", "code", json!({ "filter": filter })).await
    };
    assert_eq!(
        items(json!({ "status": ["DONE", "CONFIRMED"] })).await,
        ["A-6", "A-7"]
    );
    assert_eq!(items(json!({ "status": [] })).await, Vec::<Value>::new());
    assert_eq!(
        items(json!({ "open": true })).await,
        ["A-1", "A-2", "A-3", "A-4", "A-5", "A-8", "A-9"]
    );
    assert_eq!(
        items(json!({ "open": false })).await,
        ["A-6", "A-7", "A-10"]
    );
    assert_eq!(items(json!({ "overdue": true })).await, ["A-3", "A-4"]);
    assert_eq!(items(json!({ "overdue": false })).await.len(), 8);
    assert_eq!(
        items(json!({ "side": ["UPU"] })).await,
        ["A-2", "A-3", "A-4", "A-6", "A-8"]
    );
    assert_eq!(items(json!({ "committee": sg17 })).await, ["A-5", "A-7"]);
    assert_eq!(items(json!({ "counterpart": sg17 })).await, ["A-6", "A-8"]);
    assert_eq!(
        items(json!({ "topic": topic })).await,
        ["A-1", "A-2", "A-3", "A-4"]
    );
    assert_eq!(items(json!({ "priority": ["HIGH"] })).await, ["A-1", "A-4"]);
    assert_eq!(
        items(json!({ "dueFrom": "2026-06-29", "dueTo": "2026-07-15" })).await,
        ["A-1", "A-2", "A-10"]
    );
    assert_eq!(
        items(json!({ "illustrative": false })).await,
        Vec::<Value>::new()
    );
    assert_eq!(items(json!({ "text": "threats" })).await, ["A-5"]);
    assert_eq!(
        items(json!({ "updatedSince": "2026-06-15T12:00:00Z" }))
            .await
            .len(),
        10
    );
    assert_eq!(
        items(json!({ "updatedSince": "2026-06-15T12:00:01Z" }))
            .await
            .len(),
        0
    );
    assert_eq!(
        items(json!({ "topic": topic, "open": true, "side": ["ITU"] })).await,
        ["A-1"]
    );
}

async fn every_filter_of_topics_narrows(server: &Server) {
    let reader = server.anonymous();
    let sg17 = server.committee("ITU-T", "SG17").await;
    let provisions = "{ mandate(code: \"RES-11-DUBAI-2012\") { provisions { id section } } }";
    let data = reader.data(provisions, json!({})).await;
    let provisions = data["mandate"]["provisions"].as_array().unwrap();
    let resolves = provisions
        .iter()
        .find(|provision| provision["section"] == "RESOLVES")
        .unwrap();
    let topics =
        async |filter: Value| list(&reader, "topics", "code", json!({ "filter": filter })).await;
    assert_eq!(
        topics(json!({ "status": ["ACTIVE"] })).await,
        ["T-2", "T-3"]
    );
    assert_eq!(
        topics(json!({ "proposedBy": ["TSB"] })).await,
        ["T-4", "T-5", "T-7", "T-8"]
    );
    assert_eq!(topics(json!({ "committee": sg17 })).await, ["T-3", "T-6"]);
    assert_eq!(
        topics(json!({ "provision": resolves["id"] })).await,
        ["T-1", "T-2", "T-3"]
    );
    assert_eq!(
        topics(json!({ "needsReview": true })).await,
        Vec::<Value>::new()
    );
    assert_eq!(topics(json!({ "needsReview": false })).await.len(), 8);
    assert_eq!(
        topics(json!({ "illustrative": false, "text": "t-7" })).await,
        ["T-7"]
    );
}

async fn organizations_and_committees_are_filtered(server: &Server) {
    let reader = server.anonymous();
    let poc = server.organization("POC").await;
    let organizations = json!({ "filter": { "kind": ["UNION", "PARTNER"] } });
    assert_eq!(
        list(&reader, "organizations", "acronym", organizations).await,
        ["IEC", "ISO", "ITU", "UPU"]
    );
    let bureaus = json!({ "filter": { "kind": ["BUREAU"], "side": ["UPU"] } });
    assert_eq!(
        list(&reader, "organizations", "acronym", bureaus).await,
        ["IB"]
    );
    let committees = json!({ "filter": { "organization": poc, "code": "C4" } });
    assert_eq!(
        list(&reader, "committees", "period", committees).await,
        ["2009-2012", "2013-2016", "2022-2025"]
    );
    let secretariats =
        json!({ "filter": { "kind": ["SECRETARIAT"], "status": ["ACTIVE"], "side": ["ITU"] } });
    assert_eq!(
        list(&reader, "committees", "code", secretariats).await,
        ["TSB"]
    );
    let names = json!({ "first": 2, "orderBy": { "field": "NAME", "direction": "DESC" } });
    assert_eq!(
        list(&reader, "organizations", "acronym", names).await,
        ["WTSA", "CONGRESS"]
    );
}

async fn text_filters_ignore_case_and_accents(server: &Server) {
    let reader = server.anonymous();
    let input = json!({ "title": "Économie & 100%_sûr", "summary": "S" });
    server.tsb().change("topicPropose", input, "id").await;
    let found = async |text: &str| {
        list(
            &reader,
            "topics",
            "code",
            json!({ "filter": { "text": text } }),
        )
        .await
    };
    for text in [
        "economie",
        "ÉCONOMIE",
        "  éCoNoMiE ",
        "100%_SUR",
        "conom",
        "%_",
    ] {
        assert_eq!(found(text).await, ["T-9"], "{text}");
    }
    for text in ["100_%", "econ%", "_conomie"] {
        assert_eq!(found(text).await, Vec::<Value>::new(), "{text}");
    }
    assert_eq!(found("  ").await.len(), 9, "blank text narrows nothing");
}

async fn refused(client: &Client<'_>, document: &str, variables: Value) -> String {
    let response = client.run(document, variables).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{document}: {response}"
    );
    response["errors"][0]["message"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn ids_of_other_types_are_refused(server: &Server) {
    let reader = server.anonymous();
    let topic = server.topic("T-1").await;
    for document in [
        "query($id: ID!) { committee(by: { id: $id }) { code } }",
        "query($id: ID!) { topics(filter: { committee: $id }) { totalCount } }",
        "query($id: ID!) { topics(filter: { provision: $id }) { totalCount } }",
        "query($id: ID!) { actionItems(filter: { counterpart: $id }) { totalCount } }",
        "query($id: ID!) { committees(filter: { organization: $id }) { totalCount } }",
    ] {
        let message = refused(&reader, document, json!({ "id": topic })).await;
        assert!(message.contains("the id of a Topic"), "{message}");
    }
    let document = "query($id: ID!) { node(id: $id) { id } }";
    for wrong in [
        "",
        "7",
        "topic_",
        "topic_1",
        "TOPIC_01h455vb4pex5vsknk084sn02q",
        "topic_01h455vb4pex5vsknk084sn02i",
    ] {
        let message = refused(&reader, document, json!({ "id": wrong })).await;
        assert!(
            message.contains("topic_01h455vb4pex5vsknk084sn02q"),
            "it shows what an id looks like: {message}"
        );
    }
    let none = json!({ "id": "topic_01h455vb4pex5vsknk084sn02q" });
    assert_eq!(reader.data(document, none).await["node"], Value::Null);
    let many: Vec<&str> = std::iter::repeat_n(topic.as_str(), 101).collect();
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let message = refused(&reader, document, json!({ "ids": many })).await;
    assert!(
        message.contains("101") && message.contains("100"),
        "{message}"
    );
}

async fn the_seeded_register_has_its_mandate_and_topics(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ organizations { totalCount } committees { totalCount } topics { totalCount nodes { title illustrative } }
               items: actionItems(filter: { illustrative: true }) { totalCount } all: actionItems { totalCount }
               mandates { code title provisions { section letter summary mandate { code } topics { totalCount } } }
               t3: topic(by: { code: \"T-3\" }) { positions { side position } committees(role: LEAD) { committee { code organization { acronym } } } provisions { section } } }",
            json!({}),
        )
        .await;
    assert_eq!(data["organizations"]["totalCount"], 11);
    assert_eq!(data["committees"]["totalCount"], 45);
    assert_eq!(data["topics"]["totalCount"], 8);
    assert_eq!(
        data["items"], data["all"],
        "no public source tells the real ones"
    );
    let topics = data["topics"]["nodes"].as_array().unwrap();
    assert!(topics.iter().all(|topic| topic["illustrative"] == false));
    let mandate = &data["mandates"][0];
    assert_eq!(mandate["provisions"].as_array().unwrap().len(), 9);
    assert_eq!(mandate["provisions"][2]["letter"], "c");
    assert_eq!(mandate["provisions"][7]["section"], "RESOLVES");
    assert_eq!(mandate["provisions"][7]["topics"]["totalCount"], 3);
    assert_eq!(
        data["t3"]["positions"],
        json!([{ "side": "ITU", "position": "AGREED" }, { "side": "UPU", "position": "AGREED" }])
    );
    assert_eq!(
        data["t3"]["committees"],
        json!([{ "committee": { "code": "C5", "organization": { "acronym": "POC" } } },
            { "committee": { "code": "SG17", "organization": { "acronym": "ITU-T" } } }])
    );
}

async fn organizations_and_committees_list_parents_and_children(server: &Server) {
    let data = server
        .anonymous()
        .data(
            "{ itu: organization(by: { acronym: \"ITU\" }) { parent { acronym } children { acronym children { acronym } } side kind }
               upu: organization(by: { acronym: \"UPU\" }) { name originalLanguage committees { nodes { code } } }
               iso: organization(by: { acronym: \"ISO\" }) { side kind website committees { totalCount } }
               wco: committee(by: { key: { organization: \"POC\", code: \"C1-CUST-WCO\" } }) { kind parent { code parent { code parent { code } } } side period status } }",
            json!({}),
        )
        .await;
    assert_eq!(
        data["itu"],
        json!({ "parent": null, "children": [{ "acronym": "ITU-T", "children": [{ "acronym": "TSB" }, { "acronym": "WTSA" }] }], "side": "ITU", "kind": "UNION" })
    );
    assert_eq!(
        data["upu"],
        json!({ "name": "Union postale universelle", "originalLanguage": "FR", "committees": { "nodes": [{ "code": "DPG" }] } })
    );
    assert_eq!(
        data["iso"],
        json!({ "side": null, "kind": "PARTNER", "website": null, "committees": { "totalCount": 0 } })
    );
    assert_eq!(
        data["wco"],
        json!({ "kind": "CONTACT_COMMITTEE", "parent": { "code": "C1-CUST", "parent": { "code": "C1", "parent": null } }, "side": "UPU", "period": "2013-2016", "status": "ACTIVE" })
    );
}

async fn filter_texts_with_invalid_characters_are_refused(server: &Server) {
    let reader = server.anonymous();
    let nul = json!({ "text": "a\u{0}b" });
    for document in [
        "query($text: String!) { topics(filter: { text: $text }) { totalCount } }",
        "query($text: String!) { committees(filter: { code: $text }) { totalCount } }",
        "query($text: String!) { committees(filter: { period: $text }) { totalCount } }",
        "query($text: String!) { organization(by: { acronym: $text }) { id } }",
        "query($text: String!) { committee(by: { key: { organization: $text, code: $text } }) { id } }",
        "query($text: String!) { mandate(code: $text) { id } }",
    ] {
        refused(&reader, document, nul.clone()).await;
    }
    let long = json!({ "text": "x".repeat(501) });
    let document = "query($text: String!) { topics(filter: { text: $text }) { totalCount } }";
    let message = refused(&reader, document, long).await;
    assert!(message.contains("500"), "{message}");
}
