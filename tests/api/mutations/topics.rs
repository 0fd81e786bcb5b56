//! Topics: each side speaks only for itself, and the status results from both positions.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    both_sides_agree_and_release
    a_side_declines_and_agrees_again
    the_tsb_proposes_and_takes_no_position
    a_new_lead_replaces_the_old_one
    a_topic_with_open_action_items_cannot_be_retired
    texts_are_updated_only_by_permitted_parties
    a_topic_lists_its_provisions
}

const READ: &str = "id code status version proposedBy positions { side position reason takenAt }
    committees { role committee { code } }";

async fn propose(client: &Client<'_>, lead: Option<&str>) -> Value {
    let input = json!({ "title": "Trusted delivery", "summary": "Who is at the door.", "leadCommitteeId": lead });
    client.change("topicPropose", input, READ).await
}

fn position(topic: &Value, position: &str, lead: Option<&str>, reason: Option<&str>) -> Value {
    json!({ "id": topic["id"], "position": position, "leadCommitteeId": lead, "reason": reason })
}

/// The same scenario, whichever side proposes.
async fn both_sides_agree_and_release(server: &Server) {
    let of_itu = server.committee("ITU-T", "SG17").await;
    let of_upu = server.committee("POC", "PSI").await;
    let (itu, upu) = (server.itu(), server.upu());
    for (first, its_lead, second, other_lead) in [
        (&itu, &of_itu, &upu, &of_upu),
        (&upu, &of_upu, &itu, &of_itu),
    ] {
        let topic = propose(first, Some(its_lead)).await;
        assert_eq!(topic["status"], "PROPOSED");
        let without_lead = position(&topic, "AGREED", None, None);
        let payload = second
            .attempt("topicTakePosition", without_lead, READ)
            .await;
        assert_eq!(
            payload["userErrors"][0]["field"],
            json!(["leadCommitteeId"])
        );
        let with_a_strangers_lead = position(&topic, "AGREED", Some(its_lead), None);
        assert_eq!(
            second
                .verdict("topicTakePosition", with_a_strangers_lead)
                .await,
            "INVALID"
        );

        let agreed = position(&topic, "AGREED", Some(other_lead), None);
        let active = second.change("topicTakePosition", agreed, READ).await;
        assert_eq!(
            (&active["status"], &active["version"]),
            (&json!("ACTIVE"), &json!(2))
        );
        assert_eq!(active["committees"].as_array().unwrap().len(), 2);
        assert_eq!(
            second
                .verdict(
                    "topicTakePosition",
                    position(&topic, "DECLINED", None, Some("No."))
                )
                .await,
            "NOT_ALLOWED_NOW"
        );

        let silent = position(&topic, "RELEASED", None, None);
        let payload = first.attempt("topicTakePosition", silent, READ).await;
        assert_eq!(payload["userErrors"][0]["field"], json!(["reason"]));
        let released = position(&topic, "RELEASED", None, Some("Done."));
        assert_eq!(
            first
                .change("topicTakePosition", released.clone(), READ)
                .await["status"],
            "CLOSING"
        );
        let back = position(&topic, "AGREED", None, None);
        assert_eq!(
            first.change("topicTakePosition", back, READ).await["status"],
            "ACTIVE"
        );
        first
            .change("topicTakePosition", released.clone(), READ)
            .await;
        let retired = second.change("topicTakePosition", released, READ).await;
        assert_eq!(retired["status"], "RETIRED");
        assert_eq!(retired["positions"][0]["reason"], "Done.");
        let update = json!({ "id": topic["id"], "version": retired["version"], "title": "Again" });
        assert_eq!(
            first.verdict("topicUpdate", update).await,
            "NOT_ALLOWED_NOW"
        );
    }
}

async fn a_side_declines_and_agrees_again(server: &Server) {
    let of_itu = server.committee("ITU-T", "SG17").await;
    let of_upu = server.committee("POC", "PSI").await;
    let topic = propose(&server.itu(), Some(&of_itu)).await;
    let declined = position(&topic, "DECLINED", None, Some("Not ours."));
    let declined = server
        .upu()
        .change("topicTakePosition", declined, READ)
        .await;
    assert_eq!(declined["status"], "DECLINED");
    assert_eq!(declined["positions"][1]["reason"], "Not ours.");
    let agreed = position(&topic, "AGREED", Some(&of_upu), None);
    let active = server.upu().change("topicTakePosition", agreed, READ).await;
    assert_eq!(active["status"], "ACTIVE");
    assert_eq!(active["positions"][1]["reason"], Value::Null);

    let topic = propose(&server.itu(), Some(&of_itu)).await;
    let back = position(&topic, "DECLINED", None, Some("A mistake."));
    assert_eq!(
        server.itu().change("topicTakePosition", back, READ).await["status"],
        "DECLINED"
    );
}

async fn the_tsb_proposes_and_takes_no_position(server: &Server) {
    let topic = propose(&server.tsb(), None).await;
    let positions = topic["positions"].as_array().unwrap();
    assert!(
        positions
            .iter()
            .all(|position| position["position"] == "PENDING" && position["takenAt"].is_null())
    );
    assert_eq!(
        (&positions[0]["side"], &positions[1]["side"]),
        (&json!("ITU"), &json!("UPU"))
    );
    let of_tsb = server.committee("TSB", "TSB").await;
    let agreed = position(&topic, "AGREED", Some(&of_tsb), None);
    assert_eq!(
        server.tsb().verdict("topicTakePosition", agreed).await,
        "FORBIDDEN"
    );
    let named = json!({ "title": "T", "summary": "S", "leadCommitteeId": of_tsb });
    assert_eq!(server.tsb().verdict("topicPropose", named).await, "INVALID");
    let unnamed = json!({ "title": "T", "summary": "S" });
    assert_eq!(
        server.itu().verdict("topicPropose", unnamed).await,
        "INVALID"
    );
}

async fn a_new_lead_replaces_the_old_one(server: &Server) {
    let topic = server.topic("T-3").await;
    let old = server.committee("ITU-T", "SG17").await;
    let new = server.committee("ITU-T", "SG2").await;
    let link = json!({ "id": topic, "committeeId": new, "role": "LEAD" });
    let linked = server.itu().change("topicLinkCommittee", link, READ).await;
    let role = |code: &str| {
        let links = linked["committees"].as_array().unwrap();
        let link = links.iter().find(|link| link["committee"]["code"] == code);
        link.map(|link| link["role"].clone())
    };
    assert_eq!(
        (role("SG2"), role("SG17")),
        (Some(json!("LEAD")), Some(json!("CONTRIBUTING")))
    );
    let lead = json!({ "id": topic, "committeeId": new });
    assert_eq!(
        server.itu().verdict("topicUnlinkCommittee", lead).await,
        "NOT_ALLOWED_NOW"
    );
    let demoted = json!({ "id": topic, "committeeId": new, "role": "INFORMED" });
    assert_eq!(
        server.itu().verdict("topicLinkCommittee", demoted).await,
        "NOT_ALLOWED_NOW"
    );
    let other = json!({ "id": topic, "committeeId": old });
    assert_eq!(
        server
            .upu()
            .verdict("topicUnlinkCommittee", other.clone())
            .await,
        "INVALID"
    );
    server
        .itu()
        .change("topicUnlinkCommittee", other, READ)
        .await;
}

async fn a_topic_with_open_action_items_cannot_be_retired(server: &Server) {
    let topic = json!({ "id": server.topic("T-3").await });
    let released = position(&topic, "RELEASED", None, Some("Done."));
    server
        .itu()
        .change("topicTakePosition", released.clone(), READ)
        .await;
    let payload = server
        .upu()
        .attempt("topicTakePosition", released, READ)
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "NOT_ALLOWED_NOW");
    let message = payload["userErrors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains('3'),
        "it says how many are open: {message}"
    );
}

async fn texts_are_updated_only_by_permitted_parties(server: &Server) {
    let of_itu = server.committee("ITU-T", "SG17").await;
    let topic = propose(&server.itu(), Some(&of_itu)).await;
    let update = json!({ "id": topic["id"], "version": 1, "title": "Re\u{301}sume\u{301}", "reviewOn": "2027-01-01" });
    for unauthorized in [server.upu(), server.tsb()] {
        assert_eq!(
            unauthorized.verdict("topicUpdate", update.clone()).await,
            "FORBIDDEN"
        );
    }
    let changed = server
        .itu()
        .change("topicUpdate", update, "title reviewOn needsReview version")
        .await;
    assert_eq!(
        changed,
        json!({ "title": "Résumé", "reviewOn": "2027-01-01", "needsReview": false, "version": 2 })
    );
    let past = json!({ "id": topic["id"], "version": 2, "reviewOn": "2026-06-15" });
    let payload = server.itu().attempt("topicUpdate", past, "id").await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["reviewOn"]));

    let active = json!({ "id": server.topic("T-2").await, "version": 1, "reviewOn": "2026-07-01" });
    let read = server
        .tsb()
        .attempt("topicUpdate", active.clone(), "id")
        .await;
    assert_eq!(read["userErrors"][0]["code"], "STALE");
    let data = server
        .anonymous()
        .data("{ topic(by: { code: \"T-2\" }) { id version } }", json!({}))
        .await;
    let fresh = json!({ "id": data["topic"]["id"], "version": data["topic"]["version"], "reviewOn": "2026-07-01" });
    server.tsb().change("topicUpdate", fresh, "id").await;
    server.pass_days(60);
    let stale = "{ topics(filter: { needsReview: true }) { nodes { code needsReview } } }";
    let stale = server.anonymous().data(stale, json!({})).await;
    assert_eq!(
        stale["topics"]["nodes"],
        json!([{ "code": "T-2", "needsReview": true }])
    );
}

async fn a_topic_lists_its_provisions(server: &Server) {
    let mandate = "{ mandate(code: \"RES-11-DUBAI-2012\") { provisions { id section letter } } }";
    let data = server.anonymous().data(mandate, json!({})).await;
    let provisions = data["mandate"]["provisions"].as_array().unwrap();
    let ids: Vec<&Value> = provisions
        .iter()
        .map(|provision| &provision["id"])
        .collect();
    let of_itu = server.committee("ITU-T", "SG17").await;
    let input = json!({ "title": "T", "summary": "S", "leadCommitteeId": of_itu, "provisionIds": [ids[8], ids[0]] });
    let topic = server
        .itu()
        .change("topicPropose", input, "id version provisions { section }")
        .await;
    assert_eq!(
        topic["provisions"],
        json!([{ "section": "CONSIDERING" }, { "section": "INSTRUCTS" }])
    );
    let update = json!({ "id": topic["id"], "version": 1, "provisionIds": null });
    let cleared = server
        .itu()
        .change("topicUpdate", update, "provisions { id }")
        .await;
    assert_eq!(cleared["provisions"], json!([]));
    let wrong = json!({ "title": "T", "summary": "S", "leadCommitteeId": of_itu, "provisionIds": [ids[0], of_itu] });
    let payload = server.itu().attempt("topicPropose", wrong, "id").await;
    assert_eq!(
        payload["userErrors"][0]["field"],
        json!(["provisionIds", "1"])
    );
    assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND");
}
