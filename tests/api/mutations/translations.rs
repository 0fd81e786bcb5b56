//! Translations: who sets them, what is refused, and what happens when the original changes.

use sea_orm::{EntityTrait, QueryOrder};
use serde_json::{Value, json};

use crate::import_export::imports::{ITU, import, jsonl};
use crate::support::binary::Workspace;
use crate::support::harness::{Client, Server};

on_both_databases! {
    a_translation_is_set_replaced_and_removed
    all_errors_of_a_translation_are_reported_at_once
    a_translation_of_an_older_version_is_stale
    a_change_of_the_original_marks_its_translations_as_outdated
    an_import_that_changes_the_original_marks_its_translations_as_outdated
    setting_the_same_translation_adds_no_activity
    a_translation_is_normalized_as_its_original_is
    a_record_is_translated_in_each_of_its_texts
}

const TRANSLATIONS: &str = "field language text kind outdated";

async fn translations(server: &Server, code: &str) -> Value {
    let document = format!(
        "query($code: String!) {{ topic(by: {{ code: $code }}) {{ translations {{ {TRANSLATIONS} }} }} }}"
    );
    let data = server
        .anonymous()
        .data(&document, json!({ "code": code }))
        .await;
    data["topic"]["translations"].clone()
}

async fn set(client: &Client<'_>, input: Value) -> Value {
    let document = format!(
        "mutation($input: TranslationSetInput!) {{ translationSet(input: $input) {{
            subject {{ __typename id ... on Topic {{ version title(language: FR) }} }}
            translations {{ {TRANSLATIONS} }} userErrors {{ code field message }} }} }}"
    );
    let data = client.data(&document, json!({ "input": input })).await;
    data["translationSet"].clone()
}

/// Returns the verb, the subject's code and the changes of the newest activities.
async fn newest(server: &Server, count: usize) -> Vec<Value> {
    let document = "query($last: Int) { activities(last: $last) { nodes { verb party subject { ... on Topic { code } } changes { field before after } } } }";
    let data = server
        .anonymous()
        .data(document, json!({ "last": count }))
        .await;
    data["activities"]["nodes"].as_array().unwrap().clone()
}

async fn a_translation_is_set_replaced_and_removed(server: &Server) {
    let topic = server.topic("T-2").await;
    let version = server.version(&topic).await;
    let input = server.translation(&topic, "TITLE", "FR", "Sécurité").await;
    let payload = set(&server.upu(), input).await;
    assert_eq!(payload["userErrors"], json!([]));
    let subject =
        json!({ "__typename": "Topic", "id": topic, "version": version, "title": "Sécurité" });
    assert_eq!(
        payload["subject"], subject,
        "the version stays: the original did not change"
    );
    let french = json!({ "field": "TITLE", "language": "FR", "text": "Sécurité", "kind": "COURTESY", "outdated": false });
    assert_eq!(payload["translations"], json!([french]));
    let expected = json!({ "verb": "TRANSLATED", "party": "UPU", "subject": { "code": "T-2" }, "changes": [
        { "field": "translations.title.FR", "before": null, "after": "Sécurité" },
        { "field": "translations.title.FR.kind", "before": null, "after": "COURTESY" },
    ] });
    assert_eq!(newest(server, 1).await, [expected]);

    let mut input = server
        .translation(&topic, "TITLE", "FR", "La sécurité")
        .await;
    input["kind"] = json!("OFFICIAL");
    let payload = set(&server.tsb(), input).await;
    let french = json!({ "field": "TITLE", "language": "FR", "text": "La sécurité", "kind": "OFFICIAL", "outdated": false });
    assert_eq!(payload["translations"], json!([french]));
    let mut input = server.translation(&topic, "TITLE", "FR", "La sûreté").await;
    input["kind"] = Value::Null;
    let payload = set(&server.itu(), input).await;
    assert_eq!(
        payload["translations"][0]["kind"], "OFFICIAL",
        "it keeps its kind"
    );

    let mut input = server.translation(&topic, "TITLE", "FR", "").await;
    input["text"] = Value::Null;
    let payload = set(&server.itu(), input.clone()).await;
    assert_eq!(payload["translations"], json!([]));
    assert_ne!(payload["subject"]["title"], "La sûreté");
    let expected =
        json!([{ "field": "translations.title.FR", "before": "La sûreté", "after": null }]);
    assert_eq!(newest(server, 1).await[0]["changes"], expected);
    let cursor = server.newest().await;
    assert_eq!(set(&server.itu(), input).await["userErrors"], json!([]));
    assert_eq!(
        server.newest().await,
        cursor,
        "there is nothing to take back"
    );
}

async fn all_errors_of_a_translation_are_reported_at_once(server: &Server) {
    let topic = server.topic("T-2").await;
    let valid = server.translation(&topic, "TITLE", "FR", "Titre").await;
    let mandateless = json!({ "organizationId": server.organization("POC").await, "code": "C99", "period": "P", "name": "N", "kind": "COMMITTEE" });
    let committee = server
        .upu()
        .change("committeeCreate", mandateless, "id")
        .await;
    let committee = committee["id"].as_str().unwrap();
    let long = "é".repeat(501);
    for (changes, expected) in [
        (json!({ "language": "EN" }), vec![("INVALID", "language")]),
        (json!({ "field": "NAME" }), vec![("INVALID", "field")]),
        (json!({ "kind": null }), vec![("INVALID", "kind")]),
        (json!({ "text": " \u{200b}\n" }), vec![("INVALID", "text")]),
        (json!({ "text": "a\u{0}b" }), vec![("INVALID", "text")]),
        (json!({ "text": long }), vec![("INVALID", "text")]),
        (
            json!({ "subjectId": committee, "field": "MANDATE", "version": 1 }),
            vec![("INVALID", "field")],
        ),
        (
            json!({ "subjectId": "T-2" }),
            vec![("NOT_FOUND", "subjectId")],
        ),
        (
            json!({ "subjectId": "topic_01h455vb4pex5vsknk084sn02q" }),
            vec![("NOT_FOUND", "subjectId")],
        ),
        (
            json!({ "subjectId": server.fill_note().await }),
            vec![("NOT_FOUND", "subjectId")],
        ),
        (
            json!({ "language": "EN", "field": "MANDATE", "text": "", "kind": null }),
            vec![
                ("INVALID", "language"),
                ("INVALID", "field"),
                ("INVALID", "text"),
                ("INVALID", "kind"),
            ],
        ),
    ] {
        let mut input = valid.clone();
        for (name, value) in changes.as_object().unwrap() {
            input[name] = value.clone();
        }
        let payload = set(&server.upu(), input.clone()).await;
        let errors = payload["userErrors"].as_array().unwrap().iter();
        let errors: Vec<_> = errors
            .map(|error| {
                (
                    error["code"].as_str().unwrap(),
                    error["field"][0].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(errors, expected, "{input}");
        assert_eq!(payload["subject"], Value::Null);
        assert_eq!(payload["translations"], json!([]));
    }
    let mut textless = valid.clone();
    textless.as_object_mut().unwrap().remove("text");
    let payload = set(&server.upu(), textless).await;
    assert_eq!(payload["userErrors"][0]["field"], json!(["text"]));
    assert_eq!(translations(server, "T-2").await, json!([]));
    assert_eq!(
        server
            .anonymous()
            .verdict("translationSet", valid.clone())
            .await,
        "UNAUTHENTICATED"
    );
    assert_eq!(
        server.editor(&[]).verdict("translationSet", valid).await,
        "FORBIDDEN"
    );
}

impl Server {
    /// Adds a note and returns its id: notes have no texts that can be translated.
    async fn fill_note(&self) -> Value {
        let input = json!({ "subjectId": self.topic("T-1").await, "body": "A note." });
        self.upu().change("noteAdd", input, "id").await["id"].clone()
    }
}

async fn a_translation_of_an_older_version_is_stale(server: &Server) {
    let topic = server.topic("T-2").await;
    let input = server.translation(&topic, "TITLE", "FR", "Ancien").await;
    let update = json!({ "id": topic, "version": input["version"], "title": "Moved on" });
    server.upu().change("topicUpdate", update, "id").await;
    server.translate(&topic, "TITLE", "RU", "Новое").await;

    let payload = set(&server.upu(), input).await;
    assert_eq!(payload["userErrors"][0]["code"], "STALE");
    assert_eq!(payload["userErrors"][0]["field"], json!(["version"]));
    assert_eq!(payload["subject"]["version"], server.version(&topic).await);
    assert_eq!(
        payload["translations"][0]["language"], "RU",
        "the record as it is now"
    );
    let sg17 = server.committee("ITU-T", "SG17").await;
    let mut foreign = server
        .translation(&sg17, "NAME", "FR", "Commission d'études 17")
        .await;
    foreign["version"] = json!(1000);
    let verdict = server.upu().verdict("translationSet", foreign).await;
    assert_eq!(verdict, "FORBIDDEN", "who may not at all learns that first");
}

async fn a_change_of_the_original_marks_its_translations_as_outdated(server: &Server) {
    let topic = server.topic("T-2").await;
    for (field, language) in [("TITLE", "FR"), ("TITLE", "RU"), ("SUMMARY", "FR")] {
        server.translate(&topic, field, language, "…a").await;
    }
    let outdated = async || {
        let translations = translations(server, "T-2").await;
        let translations = translations.as_array().unwrap().clone();
        let outdated = translations
            .iter()
            .filter(|translation| translation["outdated"] == true);
        let outdated = outdated.map(|translation| {
            format!("{} {}", translation["field"], translation["language"]).replace('"', "")
        });
        outdated.collect::<Vec<_>>()
    };
    let review =
        json!({ "id": topic, "version": server.version(&topic).await, "reviewOn": "2030-01-01" });
    server.upu().change("topicUpdate", review, "id").await;
    assert_eq!(outdated().await, [""; 0], "no text has changed");

    let title = json!({ "id": topic, "version": server.version(&topic).await, "title": "Another" });
    server.itu().change("topicUpdate", title, "id").await;
    assert_eq!(outdated().await, ["TITLE FR", "TITLE RU"]);
    let changes = newest(server, 1).await[0]["changes"].clone();
    let marked = |language: &str| json!({ "field": format!("translations.title.{language}.outdated"), "before": "false", "after": "true" });
    assert_eq!(
        changes.as_array().unwrap()[1..],
        [marked("FR"), marked("RU")]
    );

    let again = json!({ "id": topic, "version": server.version(&topic).await, "title": "A third" });
    server.itu().change("topicUpdate", again, "id").await;
    let changes = newest(server, 1).await[0]["changes"].clone();
    assert_eq!(
        changes.as_array().unwrap().len(),
        1,
        "they were outdated before: {changes}"
    );

    // Who finds it right still says so by setting it again.
    server.translate(&topic, "TITLE", "FR", "…a").await;
    assert_eq!(outdated().await, ["TITLE RU"]);
    let changes = newest(server, 1).await[0]["changes"].clone();
    assert_eq!(
        changes,
        json!([{ "field": "translations.title.FR.outdated", "before": "true", "after": "false" }])
    );
}

async fn an_import_that_changes_the_original_marks_its_translations_as_outdated(server: &Server) {
    let sg17 = server.committee("ITU-T", "SG17").await;
    let t2 = server.topic("T-2").await;
    let itu = server.itu();
    let input = server.translation(&sg17, "NAME", "FR", "Sécurité").await;
    itu.change("translationSet", input, "id").await;
    let itu_t = server.organization("ITU-T").await;
    let input = server.translation(&itu_t, "NAME", "FR", "Secteur").await;
    itu.change("translationSet", input, "id").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;
    let input = server
        .translation(&text, "TITLE", "FR", "Courrier certifié")
        .await;
    itu.change("translationSet", input, "id").await;
    server.translate(&t2, "TITLE", "FR", "Titre").await;
    let records = [
        json!({ "type": "Committee", "organization": "ITU-T", "code": "SG17", "period": "2013-2016", "name": "Renamed" }),
        json!({ "type": "Organization", "acronym": "ITU-T", "name": "Renamed" }),
        json!({ "type": "Publication", "number": "ITU-T X.1341 (09/2015)", "title": "Renamed" }),
        json!({ "type": "Topic", "code": "T-2", "title": "Renamed" }),
    ];
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(&records));
    import(&workspace, server, ITU, &["records.jsonl"]);
    for id in [sg17, itu_t, text, t2] {
        let all = "... on Organization { translations { outdated } } ... on Committee { translations { outdated } }
            ... on Publication { translations { outdated } } ... on Topic { translations { outdated } }";
        let document = format!("query($id: ID!) {{ node(id: $id) {{ {all} }} }}");
        let data = server
            .anonymous()
            .data(&document, json!({ "id": id }))
            .await;
        assert_eq!(
            data["node"]["translations"],
            json!([{ "outdated": true }]),
            "{id}"
        );
    }
}

async fn setting_the_same_translation_adds_no_activity(server: &Server) {
    let topic = server.topic("T-2").await;
    server.translate(&topic, "TITLE", "FR", "Titre").await;
    let cursor = server.newest().await;
    server.translate(&topic, "TITLE", "FR", " Titre\r\n").await;
    assert_eq!(server.newest().await, cursor);
}

async fn a_translation_is_normalized_as_its_original_is(server: &Server) {
    let topic = server.topic("T-2").await;
    // Logical order: the first letter that is written is the first one that is stored and given, whatever the direction.
    let arabic = "الاتحاد البريدي العالمي (UPU) 2026";
    server.translate(&topic, "TITLE", "AR", arabic).await;
    server
        .translate(&topic, "TITLE", "FR", "  Se\u{301}curite\u{301}\r\n ")
        .await;
    let data = server
        .anonymous()
        .data(
            "{ topic(by: { code: \"T-2\" }) { ar: title(language: AR) fr: title(language: FR) } }",
            json!({}),
        )
        .await;
    assert_eq!(data["topic"]["ar"], arabic);
    assert_eq!(data["topic"]["fr"], "Sécurité");
    let rows = entity::translation::Entity::find()
        .order_by_asc(entity::translation::Column::Language)
        .all(&server.db.orm_read)
        .await
        .unwrap();
    assert_eq!(rows[0].text, arabic, "stored as it is read");
}

async fn a_record_is_translated_in_each_of_its_texts(server: &Server) {
    let c5 = server.committee("POC", "C5").await;
    let upu = server.upu();
    let update =
        json!({ "id": c5, "version": server.version(&c5).await, "mandate": "Its mandate." });
    upu.change("committeeUpdate", update, "id").await;
    let item = json!({ "topicId": server.topic("T-3").await, "committeeId": c5, "title": "T", "description": "D" });
    let item = upu.change("actionItemCreate", item, "id").await;
    let item = item["id"].as_str().unwrap();
    let texts = [
        (
            server.organization("POC").await,
            "NAME",
            "Organization",
            "name",
        ),
        (c5.clone(), "NAME", "Committee", "name"),
        (c5.clone(), "MANDATE", "Committee", "mandate"),
        (server.topic("T-3").await, "TITLE", "Topic", "title"),
        (server.topic("T-3").await, "SUMMARY", "Topic", "summary"),
        (item.to_owned(), "TITLE", "ActionItem", "title"),
        (item.to_owned(), "DESCRIPTION", "ActionItem", "description"),
        (
            server.publication("UPU S52").await,
            "TITLE",
            "Publication",
            "title",
        ),
    ];
    for (id, field, ty, name) in texts {
        server.translate(&id, field, "PT", "Em português").await;
        let document = format!(
            "query($id: ID!) {{ node(id: $id) {{ ... on {ty} {{ text: {name}(language: PT) of: {name}Language(language: PT) }} }} }}"
        );
        let data = server
            .anonymous()
            .data(&document, json!({ "id": id }))
            .await;
        assert_eq!(
            data["node"],
            json!({ "text": "Em português", "of": "PT" }),
            "{ty}.{name}"
        );
    }
    // Without an original there is nothing to show, though its translation is kept.
    let update = json!({ "id": c5, "version": server.version(&c5).await, "mandate": null });
    upu.change("committeeUpdate", update, "id").await;
    let document = "query($id: ID!) { node(id: $id) { ... on Committee { mandate(language: PT) mandateLanguage(language: PT) translations(language: PT) { field outdated } } } }";
    let data = server.anonymous().data(document, json!({ "id": c5 })).await;
    let expected = json!({ "mandate": null, "mandateLanguage": null, "translations": [
        { "field": "MANDATE", "outdated": true }, { "field": "NAME", "outdated": false } ] });
    assert_eq!(data["node"], expected);
}
