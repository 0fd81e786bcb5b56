//! The data that comes with the program: what is known today, and what is not.

use liaison::seed::{self, Loaded};
use liaison::store::Database;
use serde_json::{Value, json};

use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::Server;

on_both_backends! {
    the_current_data_is_loaded_once
}

/// Loads the built-in data.
async fn prepare(url: &str) {
    let db = Database::connect(url, 2).await.unwrap();
    db.migrate().await.unwrap();
    let now = chrono::DateTime::from_timestamp(1_781_524_800, 0).unwrap();
    let loaded = seed::load(&db, now).await.unwrap();
    assert_eq!((loaded.organizations, loaded.committees), (12, 96));
    assert_eq!((loaded.topics, loaded.publications), (8, 179));
    assert_eq!(loaded.translations, 94);
    let again = seed::load(&db, now).await.unwrap();
    assert_eq!(again, Loaded::default());
    db.close().await.unwrap();
}

/// Official names are OFFICIAL, those of other sources COURTESY, and what is unconfirmed is not there.
async fn assert_names_are_translated(server: &Server) {
    let document = "query @inContext(languages: [AR, FR]) {
        itu: organization(by: { acronym: \"ITU\" }) { name nameLanguage translations(language: RU) { text kind outdated } }
        upu: organization(by: { acronym: \"UPU\" }) { name nameLanguage en: name(language: EN) originalLanguage translations(language: ZH) { text kind } }
        poc: organization(by: { acronym: \"POC\" }) { nameLanguage }
        sg17: committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } }) { name predecessors { name(language: ES) } translations(language: RU) { text } }
        topics(filter: { text: \"الأمن السيبراني\" }) { nodes { title en: title(language: EN) } } }";
    let data = server.anonymous().data(document, json!({})).await;
    let expected = json!({
        "itu": { "name": "الاتحاد الدولي للاتصالات", "nameLanguage": "AR",
            "translations": [{ "text": "Международный союз электросвязи", "kind": "OFFICIAL", "outdated": false }] },
        "upu": { "name": "الاتحاد البريدي العالمي", "nameLanguage": "AR", "en": "Universal Postal Union", "originalLanguage": "FR",
            "translations": [{ "text": "万国邮政联盟", "kind": "COURTESY" }] },
        "poc": { "nameLanguage": "FR" },
        "sg17": { "name": "الأمن", "predecessors": [{ "name": "Seguridad" }], "translations": [] },
        "topics": { "nodes": [{ "title": "الأمن السيبراني", "en": "Cybersecurity" }] },
    });
    assert_eq!(data, expected);
}

async fn the_current_data_is_loaded_once(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    prepare(&database.url).await;
    let server = Server::start_on(database, |_| {}).await;
    let read = async |document: &str| server.anonymous().data(document, json!({})).await;

    // A committee of each period, from the first that is known to the current one.
    let data = read(
        "{ committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } }) { period status startsOn endsOn successors { code }
            predecessors { period status startsOn endsOn predecessors { period predecessors { period } } } } }",
    )
    .await;
    assert_eq!(
        data["committee"],
        json!({ "period": "2025-2028", "status": "ACTIVE", "startsOn": "2024-10-24", "endsOn": null, "successors": [],
            "predecessors": [{ "period": "2022-2024", "status": "CONCLUDED", "startsOn": "2022-03-09", "endsOn": "2024-10-24",
                "predecessors": [{ "period": "2017-2020", "predecessors": [{ "period": "2013-2016" }] }] }] })
    );
    assert_names_are_translated(&server).await;
    assert_leads_are_current(&read(TOPICS).await);
    assert_committees_are_from_known_periods(&read(COMMITTEES).await);

    let data = read(
        "{ new: publication(by: { number: \"ITU-T A.24 (08/2024)\" }) { status committee { code period } }
           upu: publication(by: { number: \"UPU S10\" }) { title status publisherStatus }
           topic(by: { code: \"T-1\" }) { title publications { totalCount } } }",
    )
    .await;
    assert_eq!(
        data["new"],
        json!({ "status": "IN_FORCE", "committee": { "code": "TSAG", "period": "2022-2024" } })
    );
    assert_eq!(
        data["upu"],
        json!({ "title": "Identification of postal items - 13 character ID", "status": "IN_FORCE", "publisherStatus": "2" })
    );
    assert!(
        data["topic"]["publications"]["totalCount"]
            .as_i64()
            .unwrap()
            > 5
    );
}

const TOPICS: &str = "{ topics { nodes { title status notes { nodes { body } }
    committees(role: LEAD) { committee { code period status organization { acronym } } } } } }";

/// The leads of a topic are the bodies of the current period, where they are known; where they are not, a note says so.
fn assert_leads_are_current(data: &Value) {
    let (mut leads, mut noted) = (0, 0);
    for topic in data["topics"]["nodes"].as_array().unwrap() {
        let notes = topic["notes"]["nodes"].as_array().unwrap();
        for lead in topic["committees"].as_array().unwrap() {
            let lead = &lead["committee"];
            assert_eq!(lead["status"], "ACTIVE", "{topic}");
            leads += 1;
            if lead["period"] != "2025-2028" {
                assert_eq!(lead["organization"]["acronym"], "POC");
                assert!(
                    notes[0]["body"].as_str().unwrap().contains("known"),
                    "{topic}"
                );
                noted += 1;
            }
        }
    }
    assert_eq!((leads, noted), (6, 2));
}

const COMMITTEES: &str = "{ committees(first: 100) { nodes { code period status endsOn mandate organization { acronym } } } }";

fn assert_committees_are_from_known_periods(data: &Value) {
    let committees = data["committees"]["nodes"].as_array().unwrap();
    // The committees of the UPU's cycle of 2026-2029 are not known.
    assert!(
        committees
            .iter()
            .all(|committee| committee["period"] != "2026-2029")
    );
    let find = |code: &str, period: &str| {
        let mut committees = committees.iter();
        let found =
            committees.find(|committee| committee["code"] == code && committee["period"] == period);
        found.unwrap_or_else(|| panic!("{code} of {period}"))
    };
    for (code, period, confirmed) in [
        ("SG20", "2025-2028", false),
        ("SG3", "2022-2024", false),
        ("SG12", "2025-2028", true),
    ] {
        let mandate = find(code, period)["mandate"].as_str().unwrap();
        assert_eq!(
            !mandate.contains("Unconfirmed:"),
            confirmed,
            "{code} {period}: {mandate}"
        );
    }
    let ended = find("C2", "2022-2025");
    assert_eq!(
        (&ended["status"], &ended["endsOn"]),
        (&json!("CONCLUDED"), &Value::Null)
    );
}
