//! Lists in languages: filters, orders and cursors go by the text that is shown.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::queries::languages::{title, translated};
use crate::support::harness::{Client, Server};

on_both_databases! {
    lists_are_filtered_by_the_text_that_is_shown
    lists_are_sorted_by_the_text_that_is_shown
    titles_are_in_the_alphabetical_order_of_their_language
    a_cursor_is_valid_only_for_its_languages
    a_sorted_list_in_context_reads_each_record_once
}

/// Returns the codes of the topics that contain a text.
async fn found(client: &Client<'_>, context: &str, text: &str) -> Vec<String> {
    let document = format!(
        "query($text: String) {context} {{ topics(first: 100, filter: {{ text: $text }}) {{ totalCount nodes {{ code }} }} }}"
    );
    let data = client.data(&document, json!({ "text": text })).await;
    let nodes = data["topics"]["nodes"].as_array().unwrap();
    assert_eq!(data["topics"]["totalCount"], nodes.len());
    nodes
        .iter()
        .map(|node| node["code"].as_str().unwrap().to_owned())
        .collect()
}

async fn lists_are_filtered_by_the_text_that_is_shown(server: &Server) {
    translated(server).await;
    let reader = server.anonymous();
    let french = "@inContext(languages: [FR])";
    let none: [&str; 0] = [];
    assert_eq!(found(&reader, french, "economie NUMERIQUE").await, ["T-2"]);
    assert_eq!(found(&reader, french, "résumé en").await, ["T-2"]);
    assert_eq!(found(&reader, "", "economie numerique").await, none);
    assert_eq!(
        found(&reader, "@inContext(languages: [RU])", "economie").await,
        none
    );
    assert_eq!(
        found(&reader, "@inContext(languages: [RU, FR])", "почтовые").await,
        ["T-1"]
    );
    assert_eq!(
        found(&reader, "@inContext(languages: [FR, RU])", "почтовые").await,
        none
    );
    // The original of a text that is shown in another language is not looked at; its other texts are.
    let (title, _) = title(&reader, "T-2", "", "").await;
    assert_eq!(found(&reader, "", &title).await, ["T-2"]);
    assert_eq!(found(&reader, french, &title).await, none);
    let data = reader
        .data("{ topic(by: { code: \"T-1\" }) { summary } }", json!({}))
        .await;
    let summary = data["topic"]["summary"].as_str().unwrap();
    let summary: String = summary.chars().take(500).collect();
    assert_eq!(found(&reader, french, &summary).await, ["T-1"]);
    for context in ["", french] {
        assert_eq!(
            found(&reader, context, "t-2").await[0],
            "T-2",
            "the code is in no language"
        );
        assert_eq!(found(&reader, context, "\u{1f}").await, none);
        assert_eq!(found(&reader, context, "%").await, none);
        assert_eq!(
            found(&reader, context, " ").await.len(),
            found(&reader, "", "").await.len()
        );
    }

    // Each type has its own texts.
    let upu = server.upu();
    let text = server.publication("UPU S52").await;
    server.translate(&text, "TITLE", "PT", "Zebra").await;
    let c5 = server.committee("POC", "C5").await;
    server.translate(&c5, "NAME", "PT", "Zebra").await;
    server
        .translate(&server.organization("POC").await, "NAME", "PT", "Zebra")
        .await;
    let item = json!({ "topicId": server.topic("T-3").await, "committeeId": c5, "title": "T", "description": "D" });
    let item = upu.change("actionItemCreate", item, "id").await;
    server
        .translate(item["id"].as_str().unwrap(), "DESCRIPTION", "PT", "Zebra")
        .await;
    for list in ["publications", "committees", "organizations", "actionItems"] {
        for (context, count) in [("@inContext(languages: [PT])", 1), ("", 0)] {
            let document = format!(
                "query {context} {{ {list}(filter: {{ text: \"zebra\" }}) {{ totalCount }} }}"
            );
            let data = reader.data(&document, json!({})).await;
            assert_eq!(data[list]["totalCount"], count, "{document}");
        }
    }
}

async fn codes(client: &Client<'_>, context: &str, page: &str) -> Value {
    let document = format!(
        "query {context} {{ topics({page}, orderBy: {{ field: TITLE }}) {{ nodes {{ code title }} pageInfo {{ startCursor endCursor hasNextPage }} }} }}"
    );
    client.data(&document, json!({})).await["topics"].take()
}

async fn lists_are_sorted_by_the_text_that_is_shown(server: &Server) {
    let upu = server.upu();
    // By their French titles the topics are in the opposite order than by their codes.
    let data = upu
        .data("{ topics(first: 100) { nodes { id } } }", json!({}))
        .await;
    let nodes = data["topics"]["nodes"].as_array().unwrap();
    for (place, node) in nodes.iter().enumerate() {
        let text = format!("Titre {}", nodes.len() - place);
        server
            .translate(node["id"].as_str().unwrap(), "TITLE", "FR", &text)
            .await;
    }
    let reader = server.anonymous();
    for context in [
        "@inContext(languages: [FR])",
        "@inContext(languages: [ZH, FR])",
    ] {
        let all = codes(&reader, context, "first: 100").await;
        let all = all["nodes"].as_array().unwrap();
        let numbers = all.iter().map(|node| {
            node["code"].as_str().unwrap()[2..]
                .parse::<usize>()
                .unwrap()
        });
        let numbers: Vec<usize> = numbers.collect();
        assert!(
            numbers.is_sorted_by(|one, other| one > other),
            "{numbers:?}"
        );
        // Page by page, forwards and backwards.
        for (size, next, cursor) in [
            ("first", "after", "endCursor"),
            ("last", "before", "startCursor"),
        ] {
            let (mut paged, mut from) = (Vec::new(), String::new());
            while paged.len() < all.len() {
                let page = codes(&reader, context, &format!("{size}: 3 {from}")).await;
                let mut nodes = page["nodes"].as_array().unwrap().clone();
                if size == "last" {
                    nodes.reverse();
                }
                paged.extend(nodes);
                from = format!("{next}: {}", page["pageInfo"][cursor]);
            }
            if size == "last" {
                paged.reverse();
            }
            assert_eq!(paged, *all, "{context} {size}");
        }
    }
    let original = codes(&reader, "", "first: 100").await;
    let english = codes(&reader, "@inContext(languages: [EN])", "first: 100").await;
    assert_eq!(original["nodes"], english["nodes"]);
}

async fn titles_are_in_the_alphabetical_order_of_their_language(server: &Server) {
    let data = server
        .anonymous()
        .data("{ topics(first: 6) { nodes { id } } }", json!({}))
        .await;
    let ids: Vec<&str> = data["topics"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    for (language, sorted) in [
        (
            "FR",
            ["cote", "coté", "côte", "côté", "École 2", "École 12"],
        ),
        (
            "ES",
            ["nube", "ñandú", "oficina", "zona", "zona 2", "zona 10"],
        ),
        ("RU", ["ёлка", "ель", "жук", "йод", "кот", "яблоко"]),
        ("AR", ["اتحاد", "بريد", "تقييس", "قطاع", "مكتب", "منظمة"]),
        ("ZH", ["电信", "国际", "联盟", "万国", "研究", "邮政"]),
        ("DE", ["Apfel", "Äpfel", "Straße", "Zug", "Zug 2", "Zug 11"]),
    ] {
        for (place, title) in sorted.iter().enumerate() {
            // Not in the order in which they are entered.
            let id = ids[(place * 5 + 2) % 6];
            server.translate(id, "TITLE", language, title).await;
        }
        for direction in ["ASC", "DESC"] {
            let document = format!(
                "query @inContext(languages: [{language}, EN]) {{ topics(first: 100, orderBy: {{ field: TITLE, direction: {direction} }}) {{ nodes {{ title titleLanguage }} }} }}"
            );
            let data = server.anonymous().data(&document, json!({})).await;
            let nodes = data["topics"]["nodes"].as_array().unwrap().iter();
            let titles = nodes.filter(|node| node["titleLanguage"] == language);
            let mut titles: Vec<&str> =
                titles.map(|node| node["title"].as_str().unwrap()).collect();
            if direction == "DESC" {
                titles.reverse();
            }
            assert_eq!(titles, sorted, "{language} {direction}");
        }
        // The texts in the script of the first language come first.
        if ["RU", "AR", "ZH"].contains(&language) {
            let document = format!(
                "query @inContext(languages: [{language}]) {{ topics(first: 7, orderBy: {{ field: TITLE }}) {{ nodes {{ titleLanguage }} }} }}"
            );
            let data = server.anonymous().data(&document, json!({})).await;
            let languages = data["topics"]["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| node["titleLanguage"].as_str().unwrap());
            let languages: Vec<&str> = languages.collect();
            assert_eq!(languages, [[language; 6].as_slice(), &["EN"]].concat());
        }
    }
}

async fn a_cursor_is_valid_only_for_its_languages(server: &Server) {
    translated(server).await;
    let reader = server.anonymous();
    let page = codes(&reader, "@inContext(languages: [FR])", "first: 2").await;
    let cursor = &page["pageInfo"]["endCursor"];
    let other = |context: &str, rest: &str| {
        format!(
            "query {context} {{ topics(first: 2, after: {cursor}, {rest}) {{ nodes {{ code }} }} }}"
        )
    };
    for context in [
        "",
        "@inContext(languages: [RU])",
        "@inContext(languages: [FR, RU])",
    ] {
        let response = reader
            .run(&other(context, "orderBy: { field: TITLE }"), json!({}))
            .await;
        assert_eq!(
            response["errors"][0]["extensions"]["code"], "INVALID_CURSOR",
            "{context}"
        );
    }
    let document = "query($after: String) @inContext(languages: [FR]) { topics(first: 1, after: $after, filter: { text: \"t\" }) { pageInfo { endCursor } } }";
    let data = reader.data(document, json!({})).await;
    let after = json!({ "after": data["topics"]["pageInfo"]["endCursor"] });
    reader.data(document, after.clone()).await;
    let response = reader.run(&document.replace("[FR]", "[RU]"), after).await;
    assert_eq!(
        response["errors"][0]["extensions"]["code"],
        "INVALID_CURSOR"
    );
    // What does not depend on the language goes on in another one.
    let document =
        "query($after: String) { topics(first: 1, after: $after) { pageInfo { endCursor } } }";
    let data = reader.data(document, json!({})).await;
    let after = json!({ "after": data["topics"]["pageInfo"]["endCursor"] });
    let in_french = "query($after: String) @inContext(languages: [FR]) { topics(first: 1, after: $after) { nodes { code } } }";
    reader.data(in_french, after).await;
}

/// The cost of a list that is sorted in context is bounded: one pass over the records, with a seek for each language.
async fn a_sorted_list_in_context_reads_each_record_once(server: &Server) {
    translated(server).await;
    let backend = server.db.orm_read.get_database_backend();
    for (list, field) in [
        ("topics", "TITLE"),
        ("publications", "TITLE"),
        ("committees", "NAME"),
        ("organizations", "NAME"),
        ("actionItems", "TITLE"),
    ] {
        let document = format!(
            "query @inContext(languages: [FR, RU, ZH]) {{ {list}(first: 5, orderBy: {{ field: {field} }}, filter: {{ text: \"a\" }}) {{ nodes {{ id }} }} }}"
        );
        server.statements.take();
        server.anonymous().data(&document, json!({})).await;
        let statements = server.statements.take();
        let [statement] = statements.as_slice() else {
            panic!("{statements:?}");
        };
        let explain = if backend == DbBackend::Postgres {
            "explain "
        } else {
            "explain query plan "
        };
        let explained = Statement {
            sql: format!("{explain}{}", statement.sql),
            ..statement.clone()
        };
        let transaction = server.db.orm_write.begin().await.unwrap();
        if backend == DbBackend::Postgres {
            transaction
                .execute_unprepared("set local enable_seqscan = off")
                .await
                .unwrap();
        }
        let rows = transaction.query_all_raw(explained).await.unwrap();
        let column = if backend == DbBackend::Postgres { 0 } else { 3 };
        let lines = rows
            .iter()
            .map(|row| row.try_get_by_index::<String>(column).unwrap());
        let plan = lines.collect::<Vec<_>>().join("\n");
        if backend == DbBackend::Postgres {
            assert!(!plan.contains("Seq Scan on translation"), "{plan}");
            continue;
        }
        let scans: Vec<&str> = plan
            .lines()
            .filter(|line| line.starts_with("SCAN "))
            .collect();
        assert!(scans.len() == 1 && scans[0].starts_with("SCAN t"), "{plan}");
        let seeks = "SEARCH x USING INDEX sqlite_autoindex_translation_1 (subject_id=? AND field=? AND language=?)";
        assert!(plan.contains(seeks), "{plan}");
    }
}
