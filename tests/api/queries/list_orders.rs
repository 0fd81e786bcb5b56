//! What lists are sorted by, and the lists of a record.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::queries::lists::nodes;
use crate::support::databases::connect;
use crate::support::harness::Server;

on_both_databases! {
    editions_are_ordered_by_year_and_month
    lists_are_sorted_by_status_in_the_order_of_the_enum
    a_page_by_code_needs_one_request
    liaison_statements_are_sorted_by_the_time_of_sending
}

on_both_empty_databases! {
    existing_rows_get_their_sort_keys
}

async fn editions_are_ordered_by_year_and_month(server: &Server) {
    let organization = server.organization("ITU-T").await;
    let numbers = [
        "ITU-T Z.1 (11/2009)",
        "itu-t  z.1 (02/2012)",
        "ITU-T Z.1 (10/2012)",
        "ITU-T Z.1 (2012) Amd. 1 (01/2014)",
        "ITU-T Z.1 (09/2015)",
        "ITU-T Z.10 (01/2008)",
    ];
    for number in numbers.iter().rev() {
        let input = json!({ "number": number, "title": "T", "kind": "RECOMMENDATION", "organizationId": organization });
        server.itu().change("publicationAdd", input, "id").await;
    }
    let reader = server.anonymous();
    let found = async |arguments: &str| nodes(&reader, "publications", "number", arguments).await;
    assert_eq!(found("filter: { text: \"z.1\" }").await, numbers);
    assert_eq!(
        found("filter: { text: \"z.1\", latestEdition: true }").await,
        [
            "ITU-T Z.1 (2012) Amd. 1 (01/2014)",
            "ITU-T Z.1 (09/2015)",
            "ITU-T Z.10 (01/2008)"
        ]
    );
    let earlier = found("filter: { latestEdition: false }").await;
    let latest = found("first: 100, filter: { latestEdition: true }").await;
    assert!(earlier.contains(&json!("ITU-T Z.1 (10/2012)")));
    assert_eq!(earlier.len() + latest.len(), 73 + numbers.len());
    let data = reader
        .data(
            "{ old: publication(by: { number: \"ITU-T Z.1 (11/2009)\" }) { editions { number } }
               amendment: publication(by: { number: \"ITU-T Z.1 (2012) Amd. 1 (01/2014)\" }) { editions { number } } }",
            json!({}),
        )
        .await;
    let editions = data["old"]["editions"].as_array().unwrap();
    let editions: Vec<&str> = editions
        .iter()
        .map(|node| node["number"].as_str().unwrap())
        .collect();
    assert_eq!(editions, [numbers[0], numbers[1], numbers[2], numbers[4]]);
    assert_eq!(
        data["amendment"]["editions"],
        json!([{ "number": numbers[3] }])
    );
}

async fn lists_are_sorted_by_status_in_the_order_of_the_enum(server: &Server) {
    let reader = server.anonymous();
    for (list, ty) in [
        ("topics", "TopicStatus"),
        ("actionItems", "ActionItemStatus"),
        ("publications", "PublicationStatus"),
    ] {
        let document = format!("{{ __type(name: \"{ty}\") {{ enumValues {{ name }} }} }}");
        let data = reader.data(&document, json!({})).await;
        let values = data["__type"]["enumValues"].as_array().unwrap();
        let rank = |status: &Value| values.iter().position(|value| value["name"] == *status);
        let sorted = async |direction: &str| {
            let order = format!("first: 100, orderBy: {{ field: STATUS, direction: {direction} }}");
            let statuses = nodes(&reader, list, "status", &order).await;
            let known = statuses.iter().filter(|status| !status.is_null()).count();
            assert!(
                statuses[known..].iter().all(Value::is_null),
                "{list}: {statuses:?}"
            );
            statuses[..known].iter().map(rank).collect::<Vec<_>>()
        };
        let (up, mut down) = (sorted("ASC").await, sorted("DESC").await);
        assert!(up.is_sorted() && up.first() != up.last(), "{list}: {up:?}");
        down.reverse();
        assert_eq!(up, down, "{list}");
    }
}

async fn a_page_by_code_needs_one_request(server: &Server) {
    let filled = server.fill().await;
    let data = server
        .anonymous()
        .data(
            "{ topic(by: { code: \"T-2\" }) { examinations(orderBy: { field: DUE_ON, direction: DESC }) { totalCount nodes { id } } liaisonStatements { totalCount } }
               about: topic(by: { code: \"T-3\" }) { examinations { totalCount nodes { id } } liaisonStatements { totalCount nodes { title } } }
               sg17: committee(by: { key: { organization: \"ITU-T\", code: \"SG17\" } }) {
                 publications(first: 100, orderBy: { field: TITLE }) { totalCount nodes { committee { code } } }
                 liaisonStatements { totalCount nodes { title } } activities { nodes { verb subject { id } } } id }
               c5: committee(by: { key: { organization: \"POC\", code: \"C5\" } }) { liaisonStatements(last: 1) { totalCount nodes { title } } }
               psi: committee(by: { key: { organization: \"POC\", code: \"PSI\" } }) { liaisonStatements { totalCount nodes { title } } }
               organization(by: { acronym: \"ITU\" }) { activities { totalCount nodes { verb } } }
               publication(by: { number: \"UPU S52\" }) { activities { nodes { verb } } }
               examinations { nodes { activities { nodes { verb } } notes { totalCount } } }
               liaisonStatements { nodes { activities { nodes { verb } } } } }",
            json!({}),
        )
        .await;
    assert_eq!(data["topic"]["examinations"]["totalCount"], 2);
    assert_eq!(
        data["topic"]["examinations"]["nodes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(data["topic"]["liaisonStatements"]["totalCount"], 0);
    assert_eq!(
        data["about"]["examinations"],
        json!({ "totalCount": 0, "nodes": [] })
    );
    let titles = |titles: &[&str]| {
        let nodes: Vec<Value> = titles
            .iter()
            .map(|title| json!({ "title": title }))
            .collect();
        json!({ "totalCount": titles.len(), "nodes": nodes })
    };
    assert_eq!(data["about"]["liaisonStatements"], titles(&["On payouts"]));
    assert_eq!(
        data["sg17"]["liaisonStatements"],
        titles(&["On payouts", "Re: On payouts"])
    );
    assert_eq!(data["psi"]["liaisonStatements"], titles(&["On payouts"]));
    assert_eq!(
        data["c5"]["liaisonStatements"],
        json!({ "totalCount": 2, "nodes": [{ "title": "Re: On payouts" }] })
    );
    let publications = &data["sg17"]["publications"];
    let listed = publications["nodes"].as_array().unwrap();
    assert!(
        listed.len() > 5 && publications["totalCount"] == listed.len(),
        "{publications}"
    );
    assert!(
        listed
            .iter()
            .all(|publication| publication["committee"]["code"] == "SG17")
    );
    let verbs = |of: &Value| -> Vec<String> {
        let nodes = of["activities"]["nodes"].as_array().unwrap().iter();
        nodes
            .map(|activity| activity["verb"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(verbs(&data["sg17"]), ["CREATED"]);
    assert_eq!(
        data["sg17"]["activities"]["nodes"][0]["subject"]["id"],
        data["sg17"]["id"]
    );
    assert_eq!(verbs(&data["organization"])[0], "CREATED");
    assert_eq!(verbs(&data["publication"])[0], "CREATED");
    let examination = &data["examinations"]["nodes"][0];
    assert_eq!(
        verbs(examination),
        [
            "EXAMINATION_REQUESTED",
            "FINDING_RECORDED",
            "FINDING_RECORDED"
        ]
    );
    assert_eq!(examination["notes"]["totalCount"], 1);
    let statement = &data["liaisonStatements"]["nodes"][0];
    assert_eq!(verbs(statement), ["SENT", "REPLIED"]);
    assert!(!filled.examined.is_empty());
}

async fn liaison_statements_are_sorted_by_the_time_of_sending(server: &Server) {
    server.fill().await;
    let earlier = "2026-01-02 00:00:00+00:00";
    server
        .sql(&format!(
            "update liaison_statement set sent_at = '{earlier}' where number = 2"
        ))
        .await;
    let reader = server.anonymous();
    let titles =
        async |arguments: &str| nodes(&reader, "liaisonStatements", "title", arguments).await;
    let (first, reply) = ("On payouts", "Re: On payouts");
    assert_eq!(titles("first: 2").await, [first, reply]);
    assert_eq!(
        titles("orderBy: { field: CODE, direction: DESC }").await,
        [reply, first]
    );
    assert_eq!(titles("orderBy: { field: SENT_AT }").await, [reply, first]);
    assert_eq!(
        titles("orderBy: { field: SENT_AT, direction: DESC }").await,
        [first, reply]
    );
}

async fn existing_rows_get_their_sort_keys(url: &str) {
    let db = connect(url).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let last = Migrator::migrations();
    let later = last
        .iter()
        .rev()
        .take_while(|migration| !migration.name().ends_with("_list_orders"));
    let steps = u32::try_from(later.count() + 1).unwrap();
    Migrator::down(&db, Some(steps)).await.unwrap();
    let id = |n: u8| match db.get_database_backend() {
        DbBackend::Sqlite => format!("x'{n:032x}'"),
        _ => format!("'{n:032x}'"),
    };
    let stamps = "original_language, version, created_at, updated_at";
    let stamped = "'EN', 1, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00'";
    let organization = format!(
        "insert into organization (id, acronym, acronym_key, name, name_key, kind, folded, {stamps})
            values ({}, 'X', 'x', 'X', 'x', 'PARTNER', 'x', {stamped})",
        id(1)
    );
    db.execute_unprepared(&organization).await.unwrap();
    for (n, number) in [
        (2, "X 1 (02/2016)"),
        (3, "x  1 (09/2015)"),
        (4, "X 1 (10/2012)"),
        (5, "X 10"),
    ] {
        let publication = format!(
            "insert into publication (id, number, number_key, number_identity, title, kind, organization_id, folded, {stamps})
                values ({}, '{number}', 'old', '{number}', 'Title {n}', 'OTHER', {}, 'x', {stamped})",
            id(n),
            id(1)
        );
        db.execute_unprepared(&publication).await.unwrap();
    }
    let examination = format!(
        "insert into examination (id, publication_id, requested_by, complete, created_at)
            values ({}, {}, 'ITU', false, '2026-01-02 00:00:00+00:00')",
        id(6),
        id(2)
    );
    db.execute_unprepared(&examination).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let read = async |sql: &str| -> Vec<String> {
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let rows = db.query_all_raw(statement).await.unwrap();
        rows.iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    };
    assert_eq!(
        read("select number from publication order by number_key").await,
        ["X 1 (10/2012)", "x  1 (09/2015)", "X 1 (02/2016)", "X 10"]
    );
    assert_eq!(
        read("select series from publication order by id").await,
        ["x 1", "x 1", "x 1", "x 10"]
    );
    assert_eq!(
        read("select title from publication order by title_key desc").await,
        ["Title 5", "Title 4", "Title 3", "Title 2"]
    );
    let same = "select 'yes' from examination where updated_at = created_at";
    assert_eq!(read(same).await, ["yes"]);
}
