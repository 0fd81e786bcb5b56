//! Notes, reminders, and reaffirming topics.

use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    notes_can_be_added_to_five_types
    a_retracted_note_stays_listed_without_its_body
    notes_cannot_be_added_to_other_types
    the_tsb_can_remind_while_an_item_is_open
    the_sides_reaffirm_a_topic
}

async fn first_id(server: &Server, document: &str) -> String {
    let data = server.anonymous().data(document, json!({})).await;
    data["found"]["id"].as_str().unwrap().to_owned()
}

async fn notes_can_be_added_to_five_types(server: &Server) {
    let text = server.publication("UPU S52").await;
    let examination = server
        .upu()
        .change("examinationRequest", json!({ "publicationId": text }), "id")
        .await;
    let from = server.committee("POC", "C5").await;
    let to = server.committee("ITU-T", "SG17").await;
    let sent = json!({ "title": "T", "fromIds": [from], "addressees": [{ "committeeId": to, "purpose": "COMMENT" }] });
    let sent = server
        .upu()
        .change("liaisonStatementSend", sent, "id")
        .await;
    let item = first_id(
        server,
        "{ found: actionItem(by: { code: \"A-3\" }) { id } }",
    )
    .await;
    for (ty, id) in [
        ("Topic", json!(server.topic("T-2").await)),
        ("ActionItem", json!(item)),
        ("Publication", json!(text)),
        ("Examination", examination["id"].clone()),
        ("LiaisonStatement", sent["id"].clone()),
    ] {
        for (client, party) in [
            (server.itu(), "ITU"),
            (server.upu(), "UPU"),
            (server.tsb(), "TSB"),
        ] {
            let input = json!({ "subjectId": id, "body": format!(" A note of {party}.\r\n") });
            let read = format!(
                "body party retracted subject {{ __typename id ... on {ty} {{ notes(last: 1) {{ nodes {{ body party }} totalCount }} }} }}"
            );
            let note = client.change("noteAdd", input, &read).await;
            assert_eq!(note["body"], format!("A note of {party}."));
            assert_eq!(note["party"], party);
            assert_eq!(note["subject"]["__typename"], ty);
            assert_eq!(note["subject"]["id"], id);
            assert_eq!(note["subject"]["notes"]["nodes"][0]["party"], party);
        }
        let read = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {ty} {{ notes {{ nodes {{ party }} totalCount }} }} }} }}"
        );
        let data = server.anonymous().data(&read, json!({ "id": id })).await;
        let notes = &data["node"]["notes"];
        assert_eq!(notes["totalCount"], 3);
        let parties: Vec<&Value> = notes["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| &node["party"])
            .collect();
        assert_eq!(parties, ["ITU", "UPU", "TSB"], "oldest first");
    }
}

async fn a_retracted_note_stays_listed_without_its_body(server: &Server) {
    let topic = server.topic("T-1").await;
    let add = async |body: &str| {
        let input = json!({ "subjectId": topic, "body": body });
        server.upu().change("noteAdd", input, "id").await["id"].clone()
    };
    let (one, two, three) = (
        add("One.").await,
        add("A secret slip.").await,
        add("Three.").await,
    );
    let retract = json!({ "id": two });
    assert_eq!(
        server.itu().verdict("noteRetract", retract.clone()).await,
        "FORBIDDEN"
    );
    assert_eq!(
        server.tsb().verdict("noteRetract", retract.clone()).await,
        "FORBIDDEN"
    );
    let note = server
        .upu()
        .change("noteRetract", retract.clone(), "body retracted")
        .await;
    assert_eq!(note, json!({ "body": "", "retracted": true }));
    assert_eq!(
        server.upu().verdict("noteRetract", retract).await,
        "NOT_ALLOWED_NOW"
    );
    let data = server
        .anonymous()
        .data(
            "{ topic(by: { code: \"T-1\" }) { notes { nodes { id body retracted } }
               activities(last: 4) { nodes { verb subject { ... on Note { body } } changes { field before after } } } } }",
            json!({}),
        )
        .await;
    let notes = data["topic"]["notes"]["nodes"].as_array().unwrap();
    let ids: Vec<&Value> = notes.iter().map(|note| &note["id"]).collect();
    assert_eq!(ids, [&one, &two, &three]);
    let verbs = data["topic"]["activities"]["nodes"].as_array().unwrap();
    let verbs: Vec<&Value> = verbs.iter().map(|verb| &verb["verb"]).collect();
    assert_eq!(verbs, ["NOTED", "NOTED", "NOTED", "NOTE_RETRACTED"]);
    assert!(
        !data.to_string().contains("secret slip"),
        "the history does not keep it either"
    );
}

async fn notes_cannot_be_added_to_other_types(server: &Server) {
    let committee = server.committee("ITU-T", "SG17").await;
    let topic = server.topic("T-1").await;
    let itu = server.itu();
    for (id, body, code, field) in [
        (committee.as_str(), "B", "NOT_FOUND", "subjectId"),
        ("T-1", "B", "NOT_FOUND", "subjectId"),
        (
            "topic_01h455vb4pex5vsknk084sn02q",
            "B",
            "NOT_FOUND",
            "subjectId",
        ),
        (&topic, " ", "INVALID", "body"),
        (&topic, &"x".repeat(20_001), "INVALID", "body"),
        (&topic, "a\u{0}b", "INVALID", "body"),
    ] {
        let input = json!({ "subjectId": id, "body": body });
        let payload = itu.attempt("noteAdd", input, "id").await;
        assert_eq!(payload["userErrors"][0]["code"], code, "{id}");
        assert_eq!(payload["userErrors"][0]["field"], json!([field]), "{id}");
    }
    let payload = itu
        .attempt(
            "noteAdd",
            json!({ "subjectId": committee, "body": "B" }),
            "id",
        )
        .await;
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("Committee") && message.contains("liaison statements"),
        "{message}"
    );
}

async fn the_tsb_can_remind_while_an_item_is_open(server: &Server) {
    let read = "id reminders version activities(last: 1) { nodes { verb party changes { field before after } } }";
    let item = first_id(
        server,
        "{ found: actionItem(by: { code: \"A-3\" }) { id } }",
    )
    .await;
    let remind = |message: &str| json!({ "id": item, "message": message });
    for side in [server.itu(), server.upu()] {
        assert_eq!(
            side.verdict("actionItemRemind", remind("Please.")).await,
            "FORBIDDEN"
        );
    }
    let tsb = server.tsb();
    assert_eq!(
        tsb.verdict("actionItemRemind", remind(" ")).await,
        "INVALID"
    );
    let once = tsb
        .change("actionItemRemind", remind("Please."), read)
        .await;
    let twice = tsb
        .change("actionItemRemind", remind("Please do."), read)
        .await;
    assert_eq!(
        (&once["reminders"], &twice["reminders"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(
        twice["activities"]["nodes"],
        json!([{ "verb": "REMINDED", "party": "TSB", "changes": [
            { "field": "reminders", "before": "1", "after": "2" },
            { "field": "message", "before": null, "after": "Please do." },
        ] }])
    );
    let done = first_id(
        server,
        "{ found: actionItem(by: { code: \"A-7\" }) { id } }",
    )
    .await;
    let late = json!({ "id": done, "message": "Please." });
    assert_eq!(
        tsb.verdict("actionItemRemind", late).await,
        "NOT_ALLOWED_NOW"
    );
}

async fn the_sides_reaffirm_a_topic(server: &Server) {
    let topic = server.topic("T-2").await;
    let reaffirm = |day: &str| json!({ "id": topic, "reviewOn": day });
    let read = "reviewOn needsReview version activities(last: 1) { nodes { verb changes { field before after } } }";
    assert_eq!(
        server
            .tsb()
            .verdict("topicReaffirm", reaffirm("2027-01-01"))
            .await,
        "FORBIDDEN"
    );
    assert_eq!(
        server
            .itu()
            .verdict("topicReaffirm", reaffirm("2026-06-15"))
            .await,
        "INVALID"
    );
    let first = server
        .itu()
        .change("topicReaffirm", reaffirm("2026-07-01"), read)
        .await;
    assert_eq!(first["reviewOn"], "2026-07-01");
    server.pass_days(30);
    let stale = "{ topics(filter: { needsReview: true }) { nodes { code needsReview } } }";
    let data = server.anonymous().data(stale, json!({})).await;
    assert_eq!(
        data["topics"]["nodes"],
        json!([{ "code": "T-2", "needsReview": true }])
    );
    let again = server
        .upu()
        .change("topicReaffirm", reaffirm("2027-07-01"), read)
        .await;
    assert_eq!(again["needsReview"], false);
    assert_eq!(
        again["activities"]["nodes"],
        json!([{ "verb": "REAFFIRMED", "changes": [{ "field": "reviewOn", "before": "2026-07-01", "after": "2027-07-01" }] }])
    );
    let same = server
        .upu()
        .change("topicReaffirm", reaffirm("2027-07-01"), read)
        .await;
    assert_eq!(
        same["activities"]["nodes"],
        json!([{ "verb": "REAFFIRMED", "changes": [] }]),
        "it is an act of its own"
    );
    let proposed = json!({ "id": server.topic("T-1").await, "reviewOn": "2027-07-01" });
    assert_eq!(
        server.itu().verdict("topicReaffirm", proposed).await,
        "NOT_ALLOWED_NOW"
    );
}
