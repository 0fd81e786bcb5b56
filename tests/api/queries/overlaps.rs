//! Overlaps: texts of both sides on the same ground.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    a_pair_is_listed_until_it_is_related_or_dismissed
    a_topic_that_links_both_removes_the_pair
    the_tsb_cannot_dismiss_overlaps
    a_dismissal_names_a_text_of_each_side_and_a_reason
    pages_hold_each_pair_once
    texts_are_compared_in_each_language_that_both_have
    an_open_topic_is_a_text_of_the_side_that_proposed_it
    a_page_of_overlaps_has_a_constant_number_of_statements
    overlaps_can_be_read_during_concurrent_writes
}

const OVERLAPS: &str = "query($first: Int, $after: String, $minimum: Float) { overlaps(first: $first, after: $after, minimum: $minimum) {
    totalCount pageInfo { hasNextPage endCursor } nodes { score sharedTerms itu { ...Label } upu { ...Label } } edges { cursor node { score } } } }
    fragment Label on SearchResult { ... on Node { id } ... on Publication { number } ... on Topic { code } }";

const DISMISS: &str = "mutation($input: OverlapDismissInput!) { overlapDismiss(input: $input) {
    itu { ... on Publication { number } ... on Topic { code } } upu { ... on Publication { number } ... on Topic { code } } userErrors { code field message } } }";

pub async fn publish(server: &Server, number: &str, title: &str) -> Value {
    let (client, organization) = if number.starts_with("UPU") {
        (server.upu(), "UPU")
    } else {
        (server.itu(), "ITU-T")
    };
    let document = "query($acronym: String!) { organization(by: { acronym: $acronym }) { id } }";
    let data = client
        .data(document, json!({ "acronym": organization }))
        .await;
    let input = json!({ "number": number, "title": title, "kind": "OTHER", "organizationId": data["organization"]["id"] });
    let publication = client.change("publicationAdd", input, "id").await;
    publication["id"].clone()
}

/// Returns the pairs whose ITU text has this label.
pub async fn pairs_of(server: &Server, label: &str) -> Vec<(String, f64)> {
    let variables = json!({ "first": 100, "minimum": 0.5 });
    let data = server.anonymous().data(OVERLAPS, variables).await;
    let pairs = data["overlaps"]["nodes"].as_array().unwrap().iter();
    let name = |text: &Value| {
        let name = text["number"].as_str().or(text["code"].as_str());
        name.unwrap_or_default().to_owned()
    };
    let pairs = pairs.filter(|pair| name(&pair["itu"]) == label);
    pairs
        .map(|pair| (name(&pair["upu"]), pair["score"].as_f64().unwrap()))
        .collect()
}

pub async fn dismiss(client: &Client<'_>, itu: &Value, upu: &Value, reason: &str) -> Value {
    let input = json!({ "ituId": itu, "upuId": upu, "reason": reason });
    client.run(DISMISS, json!({ "input": input })).await
}

async fn a_pair_is_listed_until_it_is_related_or_dismissed(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let itu = publish(server, "ITU-T Z.900", title).await;
    let upu = publish(server, "UPU Z90", title).await;
    let other = publish(server, "UPU Z91", "Zeppelin docking of balloon parcels").await;
    let found = pairs_of(server, "ITU-T Z.900").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0], ("UPU Z90".to_owned(), 1.0));
    assert_eq!(found[1].0, "UPU Z91");
    let input = json!({ "id": itu, "relatedId": upu });
    server.itu().change("publicationRelate", input, "id").await;
    let found = pairs_of(server, "ITU-T Z.900").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let dismissed = dismiss(&server.upu(), &itu, &other, "Parcels differ.").await;
    let payload = json!({ "itu": { "number": "ITU-T Z.900" }, "upu": { "number": "UPU Z91" }, "userErrors": [] });
    assert_eq!(
        dismissed["data"]["overlapDismiss"], payload,
        "{dismissed:#}"
    );
    assert_eq!(pairs_of(server, "ITU-T Z.900").await, []);
    let late = server.beside(|_| {}).await;
    assert_eq!(pairs_of(&late, "ITU-T Z.900").await, []);
    let document = "query($id: ID!) { activities(last: 1, filter: { subject: $id }) { nodes { verb party changes { field after } } } }";
    for (id, label) in [(&itu, "UPU Z91"), (&other, "ITU-T Z.900")] {
        let data = server.anonymous().data(document, json!({ "id": id })).await;
        let entry = json!({ "verb": "OVERLAP_DISMISSED", "party": "UPU", "changes": [
            { "field": "overlap", "after": label }, { "field": "reason", "after": "Parcels differ." }] });
        assert_eq!(data["activities"]["nodes"][0], entry);
    }
    // Relating the two later is still possible, and a second dismissal changes nothing.
    let newest = server.newest().await;
    let again = dismiss(&server.itu(), &itu, &other, "Again.").await;
    assert_eq!(again["data"]["overlapDismiss"], payload);
    assert_eq!(server.newest().await, newest);
    let input = json!({ "id": itu, "relatedId": other });
    server.itu().change("publicationRelate", input, "id").await;
}

async fn a_topic_that_links_both_removes_the_pair(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let itu = publish(server, "ITU-T Z.900", title).await;
    let upu = publish(server, "UPU Z90", title).await;
    assert_eq!(pairs_of(server, "ITU-T Z.900").await.len(), 1);
    let document = "{ topic(by: { code: \"T-2\" }) { id version } }";
    let topic = server.anonymous().data(document, json!({})).await["topic"].clone();
    let input =
        json!({ "id": topic["id"], "version": topic["version"], "publicationIds": [itu, upu] });
    server.tsb().change("topicUpdate", input, "id").await;
    assert_eq!(pairs_of(server, "ITU-T Z.900").await, []);
}

async fn the_tsb_cannot_dismiss_overlaps(server: &Server) {
    let itu = publish(server, "ITU-T Z.900", "Balloons").await;
    let upu = publish(server, "UPU Z90", "Balloons").await;
    let before = server.newest().await;
    for (client, code) in [
        (server.tsb(), "FORBIDDEN"),
        (server.anonymous(), "UNAUTHENTICATED"),
    ] {
        let input = json!({ "ituId": itu, "upuId": upu, "reason": "No." });
        let response = client.post(DISMISS, json!({ "input": input })).await.json();
        assert_eq!(
            response["errors"][0]["extensions"]["code"], code,
            "{response:#}"
        );
    }
    assert_eq!(server.newest().await, before);
}

async fn a_dismissal_names_a_text_of_each_side_and_a_reason(server: &Server) {
    let itu = publish(server, "ITU-T Z.900", "Balloons").await;
    let upu = publish(server, "UPU Z90", "Balloons").await;
    let committee = json!(server.committee("POC", "C5").await);
    for (one, other, reason, field) in [
        (&upu, &itu, "No.", "ituId"),
        (&itu, &committee, "No.", "upuId"),
        (&itu, &upu, "  ", "reason"),
    ] {
        let payload = dismiss(&server.itu(), one, other, reason).await;
        let payload = &payload["data"]["overlapDismiss"];
        assert_eq!(
            payload["userErrors"][0]["field"],
            json!([field]),
            "{payload:#}"
        );
        assert_eq!(
            (&payload["itu"], &payload["upu"]),
            (&Value::Null, &Value::Null)
        );
    }
}

async fn pages_hold_each_pair_once(server: &Server) {
    for number in 0..6 {
        publish(
            server,
            &format!("ITU-T Z.{number}"),
            &format!("Zeppelin docking of balloons {number}"),
        )
        .await;
        publish(
            server,
            &format!("UPU Z{number}"),
            &format!("Zeppelin docking of kites {number}"),
        )
        .await;
    }
    let (mut listed_pairs, mut after, mut last) = (Vec::new(), Value::Null, 1.0);
    loop {
        let variables = json!({ "first": 5, "after": after, "minimum": 0.1 });
        let data = server.anonymous().data(OVERLAPS, variables).await;
        let page = &data["overlaps"];
        for pair in page["nodes"].as_array().unwrap() {
            let score = pair["score"].as_f64().unwrap();
            assert!((0.1..=last).contains(&score), "{page:#}");
            last = score;
            listed_pairs.push((pair["itu"]["id"].clone(), pair["upu"]["id"].clone()));
        }
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(page["totalCount"], listed_pairs.len(), "{page:#}");
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert!(listed_pairs.len() >= 36, "{}", listed_pairs.len());
    for (place, pair) in listed_pairs.iter().enumerate() {
        assert!(!listed_pairs[..place].contains(pair), "{pair:?}");
    }
    // Another instance has the same pairs in the same order, however its index was built.
    let late = server.beside(|_| {}).await;
    let variables = json!({ "first": 100, "minimum": 0.1 });
    let [one, other] = [server.anonymous(), late.anonymous()];
    let page = one.data(OVERLAPS, variables.clone()).await;
    assert_eq!(other.data(OVERLAPS, variables).await, page);
    let wrong = server
        .anonymous()
        .post(OVERLAPS, json!({ "minimum": 1.5 }))
        .await
        .json();
    assert_eq!(
        wrong["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
        "{wrong:#}"
    );
}

async fn texts_are_compared_in_each_language_that_both_have(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let itu = publish(server, "ITU-T Z.900", title).await;
    let upu = publish(server, "UPU Z90", "Amarrage des dirigeables").await;
    assert_eq!(pairs_of(server, "ITU-T Z.900").await, []);
    for (client, text, language, translation) in [
        (server.itu(), &itu, "FR", "L'amarrage d'un dirigeable"),
        (server.upu(), &upu, "ZH", "万国邮政联盟飞艇"),
        (server.itu(), &itu, "ZH", "飞艇"),
    ] {
        let text = text.as_str().unwrap();
        let input = server.translation(text, "TITLE", language, translation);
        client.change("translationSet", input.await, "id").await;
    }
    // The UPU text is French by mistake: its language is that of the record, EN.
    assert_eq!(pairs_of(server, "ITU-T Z.900").await.len(), 0);
    let text = upu.as_str().unwrap();
    let input = server.translation(text, "TITLE", "FR", "Amarrage des dirigeables");
    server
        .upu()
        .change("translationSet", input.await, "id")
        .await;
    let pairs = pairs_of(server, "ITU-T Z.900").await;
    assert_eq!(pairs, [("UPU Z90".to_owned(), 1.0)]);
    let variables = json!({ "first": 1, "minimum": 1.0 });
    let data = server.anonymous().data(OVERLAPS, variables).await;
    let terms = data["overlaps"]["nodes"][0]["sharedTerms"].as_array();
    let mut terms: Vec<&str> = terms
        .unwrap()
        .iter()
        .map(|term| term.as_str().unwrap())
        .collect();
    terms.sort_unstable();
    assert_eq!(terms, ["amarrage", "dirigeable", "飞艇"]);
}

async fn an_open_topic_is_a_text_of_the_side_that_proposed_it(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let sg17 = server.committee("ITU-T", "SG17").await;
    publish(server, "UPU Z90", title).await;
    let input = json!({ "title": title, "summary": "Docking.", "leadCommitteeId": sg17 });
    let topic = server.itu().change("topicPropose", input, "id code").await;
    let code = topic["code"].as_str().unwrap();
    let pairs = pairs_of(server, code).await;
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    assert_eq!(pairs[0].0, "UPU Z90");
    let input = json!({ "id": topic["id"], "position": "DECLINED", "reason": "No." });
    server.upu().change("topicTakePosition", input, "id").await;
    assert_eq!(pairs_of(server, code).await, []);
}

async fn a_page_of_overlaps_has_a_constant_number_of_statements(server: &Server) {
    let title = "Zeppelin docking of certified balloon parcels";
    let document = "{ overlaps(first: 100, minimum: 0.9) { nodes { itu { ... on Publication { number } } upu { ... on Publication { number } } } } }";
    let mut counts = Vec::new();
    for number in 0..3 {
        publish(server, &format!("ITU-T Z.90{number}"), title).await;
        publish(server, &format!("UPU Z9{number}"), title).await;
        // The first request reads what has changed.
        server.anonymous().data(document, json!({})).await;
        server.statements.take();
        let data = server.anonymous().data(document, json!({})).await;
        let pairs = data["overlaps"]["nodes"].as_array().unwrap().len();
        assert_eq!(pairs, (number + 1) * (number + 1), "{data:#}");
        counts.push(server.statements.take().len());
    }
    // The head of the log, the ITU texts, the UPU texts.
    assert_eq!(counts, [3, 3, 3]);
}

async fn overlaps_can_be_read_during_concurrent_writes(server: &Server) {
    let list = async |server: &Server| {
        let variables = json!({ "first": 100, "minimum": 0.2 });
        let data = server.anonymous().data(OVERLAPS, variables).await;
        data["overlaps"].clone()
    };
    let write = async |publisher: &str| {
        for number in 0..6 {
            let title = format!("Zeppelin docking of balloons {number}");
            publish(server, &format!("{publisher} Z{number}"), &title).await;
        }
    };
    let read = async || {
        let mut before = 0;
        while before < 36 {
            let pairs = pairs_of(server, "ITU-T Z0").await.len();
            let data = list(server).await;
            let total = data["totalCount"].as_u64().unwrap();
            assert!(total >= before && pairs <= 6, "{before} {pairs} {data:#}");
            before = total;
        }
    };
    let writes = futures_util::future::join(write("ITU-T"), write("UPU"));
    let reads = futures_util::future::join_all((0..6).map(|_| read()));
    futures_util::future::join(writes, reads).await;
    let late = server.beside(|_| {}).await;
    assert_eq!(list(server).await, list(&late).await);
}
