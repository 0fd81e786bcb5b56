//! Publications: editions, relations, and joint examinations.

use serde_json::{Value, json};

use crate::support::harness::{Client, Server};

on_both_databases! {
    seeded_publications_have_their_editions_and_relations
    publications_are_found_filtered_and_ordered
    each_side_adds_its_own_publications
    an_edition_supersedes_another_and_never_itself
    relations_are_symmetric_and_between_sides
    adding_a_publication_to_topics_updates_the_topics
    a_topic_names_its_publications
    an_examination_is_complete_after_both_findings
    concurrent_requests_open_one_examination
    an_examination_is_overdue_after_its_due_date
}

const READ: &str = "id number title kind status side version approvedOn url organization { acronym } committee { code }
    supersedes { number } supersededBy { number } related { number } topics { nodes { code } } viewerPermissions";

async fn read(server: &Server, number: &str) -> Value {
    let document = format!(
        "query($number: String!) {{ publication(by: {{ number: $number }}) {{ {READ} }} }}"
    );
    let data = server
        .anonymous()
        .data(&document, json!({ "number": number }))
        .await;
    data["publication"].clone()
}

async fn seeded_publications_have_their_editions_and_relations(server: &Server) {
    let facts: Value = serde_json::from_str(include_str!("../register.json")).unwrap();
    let facts = facts["publications"].as_array().unwrap();
    let data = server
        .anonymous()
        .data(
            "{ publications(first: 100) { totalCount nodes { number title kind status approvedOn url organization { acronym }
               committee { code period } supersedes { number } } } }",
            json!({}),
        )
        .await;
    assert_eq!(data["publications"]["totalCount"], 73);
    assert_eq!(facts.len(), 73);
    let known = data["publications"]["nodes"].as_array().unwrap();
    for fact in facts {
        let found = known.iter().find(|known| known["number"] == fact["number"]);
        let found = found.unwrap_or_else(|| panic!("{fact}"));
        for (field, name) in [
            ("title", "title"),
            ("kind", "kind"),
            ("status", "status"),
            ("approvedOn", "approved_on"),
            ("url", "url"),
        ] {
            assert_eq!(found[field], fact[name], "{fact}");
        }
        assert_eq!(found["organization"]["acronym"], fact["organization"]);
        assert_eq!(found["supersedes"]["number"], fact["supersedes"]);
        if found["committee"].is_object() {
            assert_eq!(found["committee"]["code"], fact["committee"]);
        }
    }
    let directory = read(server, "ITU-T X.509 (10/2016)").await;
    assert_eq!(directory["supersedes"]["number"], "ITU-T X.509 (10/2012)");
    assert_eq!(
        directory["supersededBy"],
        json!([{ "number": "ITU-T X.509 (10/2019)" }])
    );
    assert_eq!(directory["committee"], json!({ "code": "SG17" }));
    let itus = read(server, "ITU-T X.1341 (09/2015)").await;
    assert_eq!(
        itus["related"],
        json!([{ "number": "UPU S43a" }, { "number": "UPU S52" }])
    );
    let upus = read(server, "UPU S52").await;
    assert_eq!(
        upus["related"],
        json!([{ "number": "ITU-T X.1341 (09/2015)" }])
    );
}

async fn publications_are_found_filtered_and_ordered(server: &Server) {
    let numbers = async |arguments: Value| -> Vec<String> {
        let document = "query($filter: PublicationFilter, $orderBy: PublicationOrder) {
            publications(first: 100, filter: $filter, orderBy: $orderBy) { nodes { number } } }";
        let data = server.anonymous().data(document, arguments).await;
        let nodes = data["publications"]["nodes"].as_array().unwrap();
        let numbers = nodes.iter().map(|node| node["number"].as_str().unwrap());
        numbers.map(str::to_owned).collect()
    };
    let xs = numbers(json!({ "filter": { "text": "itu-t x.1" } })).await;
    let of = |wanted: &str| xs.iter().position(|number| number.contains(wanted));
    assert!(of("X.1121 ").unwrap() < of("X.1341 ").unwrap());
    let all = numbers(json!({})).await;
    let place = |wanted: &str| {
        all.iter()
            .position(|number| number.starts_with(wanted))
            .unwrap()
    };
    assert!(place("ITU-T X.509") < place("ITU-T X.842"));
    assert!(place("ITU-T X.842") < place("ITU-T X.1341"));

    let upu = server.organization("UPU").await;
    assert_eq!(
        numbers(json!({ "filter": { "organization": upu } }))
            .await
            .len(),
        12
    );
    assert_eq!(
        numbers(json!({ "filter": { "kind": ["UPU_STANDARD"] } }))
            .await
            .len(),
        12
    );
    assert_eq!(
        numbers(json!({ "filter": { "status": ["WITHDRAWN"] } }))
            .await
            .len(),
        3
    );
    assert_eq!(
        numbers(json!({ "filter": { "status": [] } })).await,
        Vec::<String>::new()
    );
    let approved =
        json!({ "filter": { "approvedFrom": "2025-01-01", "approvedTo": "2025-05-31" } });
    assert_eq!(
        numbers(approved).await,
        ["ITU-T A.18 (05/2025)", "ITU-T X.1456 (04/2025)"]
    );
    for direction in ["ASC", "DESC"] {
        let order = json!({ "orderBy": { "field": "APPROVED_ON", "direction": direction } });
        let ordered = numbers(order).await;
        assert!(
            ordered[61..].iter().all(|number| number.starts_with("UPU")),
            "{ordered:?}"
        );
    }
    let backwards =
        json!({ "filter": { "approvedFrom": "2025-01-01", "approvedTo": "2024-01-01" } });
    assert_eq!(numbers(backwards).await, Vec::<String>::new());
}

fn text(number: &str, organization: &str) -> Value {
    json!({ "number": number, "title": "A text", "kind": "OTHER", "organizationId": organization })
}

async fn each_side_adds_its_own_publications(server: &Server) {
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let of_itu = server.organization("ITU-T").await;
    let of_upu = server.organization("UPU").await;
    let of_iso = server.organization("ISO").await;
    let cases = [
        (&itu, &of_itu, "OK"),
        (&itu, &of_upu, "FORBIDDEN"),
        (&itu, &of_iso, "FORBIDDEN"),
        (&upu, &of_itu, "FORBIDDEN"),
        (&upu, &of_upu, "OK"),
        (&upu, &of_iso, "FORBIDDEN"),
        (&tsb, &of_itu, "OK"),
        (&tsb, &of_upu, "FORBIDDEN"),
        (&tsb, &of_iso, "OK"),
        (&server.anonymous(), &of_itu, "UNAUTHENTICATED"),
    ];
    for (place, (client, organization, verdict)) in cases.into_iter().enumerate() {
        let input = text(&format!("N {place}"), organization);
        assert_eq!(
            client.verdict("publicationAdd", input).await,
            verdict,
            "{place}"
        );
    }
    let again = itu
        .attempt("publicationAdd", text("N 0", &of_itu), "id")
        .await;
    assert_eq!(again["userErrors"][0]["code"], "TAKEN");
    assert_eq!(again["userErrors"][0]["field"], json!(["number"]));

    let sg17 = server.committee("ITU-T", "SG17").await;
    let mut strange = text(" ", &of_upu);
    strange["title"] = json!("x".repeat(501));
    strange["committeeId"] = json!(sg17);
    strange["supersedesId"] = json!(server.publication("ITU-T X.509 (10/2019)").await);
    strange["topicIds"] = json!([sg17]);
    let payload = upu.attempt("publicationAdd", strange, "id").await;
    let fields = payload["userErrors"].as_array().unwrap().iter();
    let fields: Vec<&Value> = fields.map(|field| &field["field"][0]).collect();
    assert_eq!(
        fields,
        ["number", "title", "committeeId", "supersedesId", "topicIds"],
        "all that is wrong, at once"
    );

    let mine = read(server, "N 0").await;
    let change = json!({ "id": mine["id"], "version": 1, "status": "IN_FORCE", "approvedOn": "2026-06-01",
        "url": "https://example.org/n0", "committeeId": sg17 });
    let changed = itu.change("publicationUpdate", change.clone(), READ).await;
    assert_eq!(changed["version"], 2);
    assert_eq!(changed["status"], "IN_FORCE");
    assert_eq!(changed["committee"]["code"], "SG17");
    assert_eq!(itu.verdict("publicationUpdate", change).await, "STALE");
    let cleared = json!({ "id": mine["id"], "version": 2, "status": null, "approvedOn": null, "url": null, "committeeId": null });
    let cleared = itu.change("publicationUpdate", cleared, READ).await;
    for field in ["status", "approvedOn", "url", "committee"] {
        assert_eq!(cleared[field], Value::Null, "{field}");
    }
    let stranger = json!({ "id": mine["id"], "version": 3, "title": "Ours now" });
    assert_eq!(
        upu.verdict("publicationUpdate", stranger).await,
        "FORBIDDEN"
    );
    let nothing = json!({ "id": mine["id"], "version": 3 });
    let same = itu.change("publicationUpdate", nothing, READ).await;
    assert_eq!(same["version"], 3, "what changes nothing is no change");
}

async fn an_edition_supersedes_another_and_never_itself(server: &Server) {
    let itu = server.itu();
    let first = read(server, "ITU-T X.509 (10/2012)").await;
    let last = read(server, "ITU-T X.509 (10/2019)").await;
    for superseded in [&first, &last] {
        let input = json!({ "id": first["id"], "version": 1, "supersedesId": superseded["id"] });
        let payload = itu.attempt("publicationUpdate", input, "id").await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID");
        assert_eq!(payload["userErrors"][0]["field"], json!(["supersedesId"]));
    }
    let input = json!({ "id": last["id"], "version": 1, "supersedesId": first["id"] });
    let changed = itu.change("publicationUpdate", input, READ).await;
    assert_eq!(changed["supersedes"]["number"], "ITU-T X.509 (10/2012)");
    let of_itu = server.organization("ITU-T").await;
    let mut next = text("ITU-T X.509 (12/2030)", &of_itu);
    next["supersedesId"] = last["id"].clone();
    let next = itu.change("publicationAdd", next, READ).await;
    assert_eq!(next["supersedes"]["number"], "ITU-T X.509 (10/2019)");
}

async fn relations_are_symmetric_and_between_sides(server: &Server) {
    let itus = read(server, "ITU-T E.800 (09/2008)").await;
    let upus = read(server, "UPU S42").await;
    let other = server.publication("ITU-T E.804 (02/2014)").await;
    let pair = json!({ "id": itus["id"], "relatedId": upus["id"] });
    let related = server
        .upu()
        .change("publicationRelate", pair.clone(), READ)
        .await;
    assert_eq!(related["related"], json!([{ "number": "UPU S42" }]));
    assert_eq!(related["version"], 2);
    let across = read(server, "UPU S42").await;
    assert_eq!(
        across["related"],
        json!([{ "number": "ITU-T E.800 (09/2008)" }])
    );
    assert_eq!(across["version"], 2, "it has changed too");
    let again = json!({ "id": upus["id"], "relatedId": itus["id"] });
    let again = server.tsb().change("publicationRelate", again, READ).await;
    assert_eq!(
        again["version"], 2,
        "what is related already stays as it is"
    );
    for (one, second) in [(&itus["id"], &json!(other)), (&itus["id"], &itus["id"])] {
        let pair = json!({ "id": one, "relatedId": second });
        assert_eq!(
            server.itu().verdict("publicationRelate", pair).await,
            "INVALID"
        );
    }
    let missing = json!({ "id": server.topic("T-1").await, "relatedId": "publication_01h455vb4pex5vsknk084sn02q" });
    let payload = server
        .itu()
        .attempt("publicationRelate", missing, "id")
        .await;
    let codes: Vec<&Value> = payload["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["code"])
        .collect();
    assert_eq!(codes, ["NOT_FOUND", "NOT_FOUND"]);
}

async fn adding_a_publication_to_topics_updates_the_topics(server: &Server) {
    let of_upu = server.organization("UPU").await;
    let (active, proposed) = (server.topic("T-2").await, server.topic("T-1").await);
    let versions = "{ a: topic(by: { code: \"T-2\" }) { version publications { nodes { number } } }
        b: topic(by: { code: \"T-1\" }) { version } }";
    let before = server.anonymous().data(versions, json!({})).await;
    let mut input = text("UPU S99", &of_upu);
    input["topicIds"] = json!([active, proposed]);
    let payload = server
        .upu()
        .attempt("publicationAdd", input.clone(), "id")
        .await;
    let error = &payload["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("INVALID"), &json!(["topicIds"]))
    );
    assert!(
        error["message"].as_str().unwrap().starts_with("T-1: "),
        "{error}"
    );
    assert_eq!(server.anonymous().data(versions, json!({})).await, before);

    input["topicIds"] = json!([active]);
    let added = server.upu().change("publicationAdd", input, READ).await;
    assert_eq!(added["topics"]["nodes"], json!([{ "code": "T-2" }]));
    let after = server.anonymous().data(versions, json!({})).await;
    assert_eq!(
        after["a"]["publications"]["nodes"],
        json!([{ "number": "UPU S99" }])
    );
    let version = |of: &Value| of["a"]["version"].as_i64().unwrap();
    assert_eq!(
        version(&after),
        version(&before) + 1,
        "who read the topic before is told"
    );
}

async fn a_topic_names_its_publications(server: &Server) {
    let topic = server.topic("T-2").await;
    let itus = server.publication("ITU-T X.1341 (09/2015)").await;
    let upus = server.publication("UPU S52").await;
    let read = "version publications { totalCount nodes { number } } activities(last: 1) { nodes { verb changes { field before after } } }";
    let document = format!("{{ topic(by: {{ code: \"T-2\" }}) {{ {read} }} }}");
    let now = async || server.anonymous().data(&document, json!({})).await["topic"].clone();
    let version = now().await["version"].clone();
    let input = json!({ "id": topic, "version": version, "publicationIds": [upus, itus, upus] });
    let named = server.itu().change("topicUpdate", input, read).await;
    assert_eq!(
        named["publications"]["nodes"],
        json!([{ "number": "ITU-T X.1341 (09/2015)" }, { "number": "UPU S52" }])
    );
    let input = json!({ "id": topic, "version": named["version"], "publicationIds": [itus] });
    let fewer = server.upu().change("topicUpdate", input, read).await;
    assert_eq!(fewer["publications"]["totalCount"], 1);
    assert_eq!(
        fewer["activities"]["nodes"][0]["changes"],
        json!([{ "field": "publications", "before": "ITU-T X.1341 (09/2015), UPU S52", "after": "ITU-T X.1341 (09/2015)" }])
    );
    let same = json!({ "id": topic, "version": fewer["version"], "publicationIds": [itus] });
    let same = server.upu().change("topicUpdate", same, read).await;
    assert_eq!(same["version"], fewer["version"]);
    let found =
        "query($topic: ID!) { publications(filter: { topic: $topic }) { nodes { number } } }";
    let found = server
        .anonymous()
        .data(found, json!({ "topic": topic }))
        .await;
    assert_eq!(
        found["publications"]["nodes"],
        json!([{ "number": "ITU-T X.1341 (09/2015)" }])
    );
    let none = json!({ "id": topic, "version": fewer["version"], "publicationIds": null });
    let none = server.upu().change("topicUpdate", none, read).await;
    assert_eq!(none["publications"]["totalCount"], 0);
}

const EXAMINED: &str = "id complete overdue requestedBy reason dueOn findings { side impact statement committee { code } foundAt }
    publication { number viewerPermissions examinations { complete } }";

async fn ask(client: &Client<'_>, publication: &str) -> Value {
    let input =
        json!({ "publicationId": publication, "reason": "It is new.", "dueOn": "2026-07-01" });
    client.change("examinationRequest", input, EXAMINED).await
}

fn finding(examination: &Value, impact: &str, committee: Option<&str>) -> Value {
    json!({ "id": examination["id"], "impact": impact, "statement": format!("It is {impact}."), "committeeId": committee })
}

async fn an_examination_is_complete_after_both_findings(server: &Server) {
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let sg17 = server.committee("ITU-T", "SG17").await;
    let psi = server.committee("POC", "PSI").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;
    // The same, whichever side records its finding first.
    for (first, its, second, others) in [(&itu, &sg17, &upu, &psi), (&upu, &psi, &itu, &sg17)] {
        let asked = ask(&tsb, &text).await;
        assert_eq!(asked["findings"], json!([]));
        assert_eq!(asked["requestedBy"], "TSB");
        let may = |of: &Value| {
            of["publication"]["viewerPermissions"]
                .as_array()
                .unwrap()
                .contains(&json!("EXAMINE"))
        };
        assert!(!may(&asked));
        let record = "examinationRecordFinding";
        assert_eq!(
            tsb.verdict(record, finding(&asked, "NONE", None)).await,
            "FORBIDDEN"
        );
        assert_eq!(
            first
                .verdict(record, finding(&asked, "NONE", Some(others)))
                .await,
            "INVALID"
        );

        let found = first
            .change(record, finding(&asked, "INFORMATIVE", None), EXAMINED)
            .await;
        assert_eq!(found["complete"], false);
        let again = first
            .change(record, finding(&asked, "CONFLICT", Some(its)), EXAMINED)
            .await;
        let findings = again["findings"].as_array().unwrap();
        assert_eq!(findings.len(), 1, "rewritten, not added");
        assert_eq!(findings[0]["impact"], "CONFLICT");
        assert_eq!(findings[0]["statement"], "It is CONFLICT.");
        assert!(findings[0]["committee"].is_object());
        assert_ne!(findings[0]["foundAt"], found["findings"][0]["foundAt"]);

        let closed = second
            .change(record, finding(&asked, "NONE", None), EXAMINED)
            .await;
        assert_eq!(closed["complete"], true);
        let sides: Vec<&Value> = closed["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| &finding["side"])
            .collect();
        assert_eq!(sides, ["ITU", "UPU"]);
        assert!(may(&closed), "a new one can be asked for");
        for client in [first, second] {
            assert_eq!(
                client.verdict(record, finding(&asked, "NONE", None)).await,
                "NOT_ALLOWED_NOW"
            );
        }
    }
    let asked = ask(&tsb, &text).await;
    let examinations = asked["publication"]["examinations"].as_array().unwrap();
    let complete: Vec<&Value> = examinations
        .iter()
        .map(|examination| &examination["complete"])
        .collect();
    assert_eq!(complete, [true, true, false], "oldest first");
    let nothing = json!({ "id": asked["id"], "impact": "NONE", "statement": " " });
    assert_eq!(
        itu.verdict("examinationRecordFinding", nothing).await,
        "INVALID"
    );
}

async fn concurrent_requests_open_one_examination(server: &Server) {
    let text = server.publication("UPU S42").await;
    let input = || json!({ "publicationId": text, "reason": "Both ask." });
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let mut verdicts = <[String; 3]>::from(tokio::join!(
        itu.verdict("examinationRequest", input()),
        upu.verdict("examinationRequest", input()),
        tsb.verdict("examinationRequest", input()),
    ));
    verdicts.sort();
    assert_eq!(verdicts, ["OK", "TAKEN", "TAKEN"]);
    let other = server.publication("UPU S43").await;
    let other = json!({ "publicationId": other });
    assert_eq!(itu.verdict("examinationRequest", other).await, "OK");
}

async fn an_examination_is_overdue_after_its_due_date(server: &Server) {
    let text = server.publication("UPU S42").await;
    let asked = ask(&server.upu(), &text).await;
    let overdue = async || {
        let document = "query($id: ID!) { node(id: $id) { ... on Examination { overdue } } }";
        let data = server
            .anonymous()
            .data(document, json!({ "id": asked["id"] }))
            .await;
        data["node"]["overdue"].clone()
    };
    // Requested on 15 June, due on 1 July.
    server.pass_days(16);
    assert_eq!(overdue().await, false, "due today is not overdue");
    server.pass_days(1);
    assert_eq!(overdue().await, true);
    for client in [server.itu(), server.upu()] {
        let input = finding(&asked, "NONE", None);
        client.change("examinationRecordFinding", input, "id").await;
    }
    assert_eq!(overdue().await, false, "what is complete is not overdue");
}
