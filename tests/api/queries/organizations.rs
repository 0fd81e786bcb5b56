//! Organizations and committees.

use serde_json::json;

use crate::support::harness::Server;

on_both_databases! {
    a_side_creates_and_updates_its_own_organizations
    the_tsb_creates_partners_and_no_upu_organization
    a_committee_can_be_concluded_when_nothing_depends_on_it
    absent_fields_are_kept_and_null_clears
}

async fn a_side_creates_and_updates_its_own_organizations(server: &Server) {
    let upu = server.upu();
    let parent = server.organization("POC").await;
    let made = upu
        .change(
            "organizationCreate",
            json!({ "acronym": "EMS", "name": "  EMS Cooperative ", "kind": "COUNCIL", "side": "UPU", "parentId": parent }),
            "id acronym name side version parent { acronym } website",
        )
        .await;
    assert_eq!(made["name"], "EMS Cooperative");
    assert_eq!(made["parent"]["acronym"], "POC");
    let changed = upu
        .change(
            "organizationUpdate",
            json!({ "id": made["id"], "version": 1, "website": "https://www.ems.post" }),
            "name website version",
        )
        .await;
    assert_eq!(
        changed,
        json!({ "name": "EMS Cooperative", "website": "https://www.ems.post", "version": 2 })
    );

    let earlier = server.committee("POC", "C4").await;
    let committee = upu
        .change(
            "committeeCreate",
            json!({ "organizationId": made["id"], "code": "B10", "period": "2025-2028", "name": "Board", "kind": "COMMITTEE",
                "predecessorIds": [earlier], "startsOn": "2025-01-01" }),
            "code period side status predecessors { code } organization { acronym } startsOn endsOn",
        )
        .await;
    assert_eq!(
        committee,
        json!({ "code": "B10", "period": "2025-2028", "side": "UPU", "status": "ACTIVE", "predecessors": [{ "code": "C4" }],
            "organization": { "acronym": "EMS" }, "startsOn": "2025-01-01", "endsOn": null })
    );
    let input = json!({ "organizationId": made["id"], "code": "X", "period": "p", "name": "n", "kind": "GROUP" });
    for unauthorized in [server.itu(), server.tsb()] {
        assert_eq!(
            unauthorized.verdict("committeeCreate", input.clone()).await,
            "FORBIDDEN"
        );
    }
}

async fn the_tsb_creates_partners_and_no_upu_organization(server: &Server) {
    let tsb = server.tsb();
    let partner = json!({ "acronym": "ICAO", "name": "International Civil Aviation Organization", "kind": "PARTNER" });
    let made = tsb.change("organizationCreate", partner, "side kind").await;
    assert_eq!(made, json!({ "side": null, "kind": "PARTNER" }));
    let of_upu = json!({ "acronym": "X", "name": "X", "kind": "COUNCIL", "side": "UPU" });
    assert_eq!(tsb.verdict("organizationCreate", of_upu).await, "FORBIDDEN");
    let partner = json!({ "acronym": "Y", "name": "Y", "kind": "PARTNER" });
    for side in [server.itu(), server.upu()] {
        assert_eq!(
            side.verdict("organizationCreate", partner.clone()).await,
            "FORBIDDEN"
        );
    }
}

async fn a_committee_can_be_concluded_when_nothing_depends_on_it(server: &Server) {
    let itu = server.itu();
    let leads = server.committee("ITU-T", "SG17").await;
    let payload = itu
        .attempt(
            "committeeConclude",
            json!({ "id": leads, "version": 1 }),
            "id",
        )
        .await;
    assert_eq!(payload["userErrors"][0]["code"], "NOT_ALLOWED_NOW");
    let free = server.committee("ITU-T", "SG2").await;
    let concluded = itu
        .change(
            "committeeConclude",
            json!({ "id": free, "version": 1 }),
            "status endsOn version",
        )
        .await;
    assert_eq!(
        concluded,
        json!({ "status": "CONCLUDED", "endsOn": "2026-06-15", "version": 2 })
    );
    let topic = server.topic("T-3").await;
    let item = json!({ "topicId": topic, "committeeId": free, "title": "Too late" });
    let payload = itu.attempt("actionItemCreate", item, "id").await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["committeeId"]));
    let lead = json!({ "id": topic, "committeeId": free, "role": "LEAD" });
    assert_ne!(itu.verdict("topicLinkCommittee", lead).await, "OK");
}

async fn absent_fields_are_kept_and_null_clears(server: &Server) {
    let itu = server.itu();
    let id = server.committee("ITU-T", "SG2").await;
    let set = json!({ "id": id, "version": 1, "mandate": "Numbers and names", "startsOn": "2013-01-01", "endsOn": "2016-12-31" });
    itu.change("committeeUpdate", set, "id").await;
    let read = "mandate startsOn endsOn name version";
    let kept = itu
        .change(
            "committeeUpdate",
            json!({ "id": id, "version": 2, "endsOn": null }),
            read,
        )
        .await;
    assert_eq!(kept["mandate"], "Numbers and names");
    assert_eq!(
        (&kept["startsOn"], &kept["endsOn"]),
        (&json!("2013-01-01"), &json!(null))
    );
    let payload = itu
        .attempt(
            "committeeUpdate",
            json!({ "id": id, "version": 3, "name": null }),
            "id",
        )
        .await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["name"]));
    // An update without changes writes nothing.
    let same = itu
        .change(
            "committeeUpdate",
            json!({ "id": id, "version": 3, "mandate": "Numbers and names" }),
            read,
        )
        .await;
    assert_eq!(same["version"], 3);
}
