//! A small register that all stories start from: what it holds once it is loaded, and that loading doubles nothing.

use chrono::{DateTime, Utc};
use liaison::seed::facts::Facts;
use liaison::seed::{self, Loaded};
use liaison::store::Database;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    the_register_contains_the_seed_data
    seeded_organizations_have_their_parents
    seeded_topics_have_their_lead_committees
    the_mandate_has_its_adopted_text
    the_action_items_are_all_illustrative
    loading_the_seed_data_twice_adds_nothing
    loading_the_seed_data_again_keeps_later_changes
}

on_both_empty_databases! {
    a_failed_load_stores_nothing_and_can_be_repeated
    concurrent_loads_add_everything_once
}

async fn load(db: &Database, now: DateTime<Utc>) -> liaison::error::Result<Loaded> {
    let facts = Facts::parse(include_str!("../register.json")).unwrap();
    seed::load_facts(db, now, &facts).await
}

async fn all(server: &Server, document: &str) -> Value {
    server.anonymous().data(document, json!({})).await
}

const COUNTS: &str = "{ organizations { totalCount } committees { totalCount } topics { totalCount } actionItems { totalCount } mandates { provisions { id } } }";

async fn the_register_contains_the_seed_data(server: &Server) {
    let data = all(server, COUNTS).await;
    let count = |name: &str| data[name]["totalCount"].as_i64().unwrap();
    assert_eq!(count("organizations"), 11);
    assert_eq!(count("committees"), 45);
    assert_eq!(count("topics"), 8);
    let items = count("actionItems");
    assert!((5..=20).contains(&items), "a handful: {items}");
    assert_eq!(data["mandates"].as_array().unwrap().len(), 1);
}

async fn seeded_organizations_have_their_parents(server: &Server) {
    let data = all(
        server,
        r#"{
            upu: organization(by: { acronym: "UPU" }) { name originalLanguage kind side parent { acronym } children { acronym } }
            tsb: organization(by: { acronym: "TSB" }) { name kind side parent { acronym } }
            iso: organization(by: { acronym: "ISO" }) { kind side }
            group: committee(by: { key: { organization: "ITU-T", code: "SG17" } }) { period kind side organization { acronym } }
        }"#,
    )
    .await;
    assert_eq!(
        data["upu"],
        json!({
            "name": "Union postale universelle", "originalLanguage": "FR", "kind": "UNION", "side": "UPU", "parent": null,
            "children": [{ "acronym": "CA" }, { "acronym": "CONGRESS" }, { "acronym": "IB" }, { "acronym": "POC" }],
        })
    );
    assert_eq!(
        data["tsb"],
        json!({ "name": "Telecommunication Standardization Bureau", "kind": "BUREAU", "side": "ITU", "parent": { "acronym": "ITU-T" } })
    );
    assert_eq!(data["iso"], json!({ "kind": "PARTNER", "side": null }));
    assert_eq!(data["group"]["kind"], "STUDY_GROUP");
    assert_eq!(data["group"]["side"], "ITU");
    assert_eq!(data["group"]["organization"]["acronym"], "ITU-T");
}

async fn seeded_topics_have_their_lead_committees(server: &Server) {
    let facts: Value = serde_json::from_str(include_str!("../register.json")).unwrap();
    let data = all(
        server,
        "{ topics(orderBy: { field: CODE }) { nodes { title summary status illustrative
           committees(role: LEAD) { committee { code period side organization { acronym } } } } } }",
    )
    .await;
    let topics = data["topics"]["nodes"].as_array().unwrap();
    for (topic, fact) in topics.iter().zip(facts["topics"].as_array().unwrap()) {
        assert_eq!(topic["title"], fact["title"]);
        assert_eq!(topic["summary"], fact["summary"]);
        assert_eq!(topic["illustrative"], false, "{topic}");
        let led = topic["committees"].as_array().unwrap();
        for (side, lead) in [("ITU", "itu_lead"), ("UPU", "upu_lead")] {
            let found = led
                .iter()
                .map(|link| &link["committee"])
                .find(|link| link["side"] == side);
            let found = found.map(|committee| {
                let name = |value: &Value| value.as_str().unwrap().to_owned();
                let organization = name(&committee["organization"]["acronym"]);
                format!(
                    "{organization} {} {}",
                    name(&committee["code"]),
                    name(&committee["period"])
                )
            });
            assert_eq!(found.as_deref(), fact[lead].as_str(), "{topic}");
        }
        let both = fact["itu_lead"].is_string() && fact["upu_lead"].is_string();
        let status = if both { "ACTIVE" } else { "PROPOSED" };
        assert_eq!(topic["status"], status, "{topic}");
    }
}

async fn the_mandate_has_its_adopted_text(server: &Server) {
    let data = all(
        server,
        "{ mandate(code: \"RES-11-DUBAI-2012\") { edition history provisions { section letter summary } } }",
    )
    .await;
    let mandate = &data["mandate"];
    assert_eq!(mandate["edition"], "Rev. Dubai, 2012");
    assert_eq!(mandate["history"][0], "Malaga-Torremolinos, 1984");
    let provisions = mandate["provisions"].as_array().unwrap();
    assert_eq!(provisions[0]["section"], "CONSIDERING");
    assert_eq!(provisions[0]["letter"], "a");
    assert_eq!(provisions.last().unwrap()["section"], "INSTRUCTS");
}

async fn the_action_items_are_all_illustrative(server: &Server) {
    let data = all(
        server,
        "{ actionItems(first: 100) { nodes { illustrative status overdue } } facts: actionItems(filter: { illustrative: false }) { totalCount } }",
    )
    .await;
    let items = data["actionItems"]["nodes"].as_array().unwrap();
    assert!(items.iter().all(|item| item["illustrative"] == true));
    assert_eq!(data["facts"]["totalCount"], 0);
    // Enough to demonstrate the register.
    assert!(items.iter().any(|item| item["overdue"] == true));
    assert!(items.iter().any(|item| item["status"] == "DONE"));
}

/// Returns the number of rows of each table.
async fn rows(db: &Database) -> Vec<i64> {
    let mut counts = Vec::new();
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
        "activity",
    ] {
        let count = format!("select count(*) from {table}");
        let count = Statement::from_string(db.orm_read.get_database_backend(), count);
        let row = db.orm_read.query_one_raw(count).await.unwrap().unwrap();
        counts.push(row.try_get_by_index(0).unwrap());
    }
    counts
}

async fn loading_the_seed_data_twice_adds_nothing(server: &Server) {
    let before = rows(&server.db).await;
    let loaded = load(&server.db, server.now()).await.unwrap();
    assert_eq!(loaded, Loaded::default());
    assert_eq!(rows(&server.db).await, before);
}

async fn loading_the_seed_data_again_keeps_later_changes(server: &Server) {
    let read = "{ organization(by: { acronym: \"ITU\" }) { id version name } }";
    let before = all(server, read).await["organization"].take();
    let input = json!({ "id": before["id"], "version": before["version"], "name": "Union" });
    server
        .itu()
        .change("organizationUpdate", input, "name")
        .await;
    let changed = all(server, read).await;
    load(&server.db, server.now()).await.unwrap();
    assert_eq!(all(server, read).await, changed);
    assert_eq!(changed["organization"]["name"], "Union");
}

async fn migrated(url: &str) -> Database {
    let db = Database::connect(url, 2).await.unwrap();
    db.migrate().await.unwrap();
    db
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_781_524_800, 0).unwrap()
}

async fn a_failed_load_stores_nothing_and_can_be_repeated(url: &str) {
    let db = migrated(url).await;
    let empty = rows(&db).await;
    // Without its counter no action item can be created, which happens late in the load.
    let hidden = "update counter set name = 'hidden' where name = 'action_item'";
    db.orm_write.execute_unprepared(hidden).await.unwrap();
    assert!(load(&db, now()).await.is_err());
    assert_eq!(rows(&db).await, empty);
    let back = "update counter set name = 'action_item' where name = 'hidden'";
    db.orm_write.execute_unprepared(back).await.unwrap();
    let loaded = load(&db, now()).await.unwrap();
    assert_eq!(
        (loaded.organizations, loaded.committees, loaded.topics),
        (11, 45, 8)
    );
}

async fn concurrent_loads_add_everything_once(url: &str) {
    let (first, second) = (migrated(url).await, migrated(url).await);
    let (one, other) = tokio::join!(load(&first, now()), load(&second, now()));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one.committees + other.committees, 45);
    assert!(one == Loaded::default() || other == Loaded::default());
    let again = load(&first, now()).await.unwrap();
    assert_eq!(again, Loaded::default());
}
