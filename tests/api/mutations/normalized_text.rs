//! Text normalization: lookups find a text in whatever Unicode form it was created.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::import_export::imports::{ITU, import, jsonl};
use crate::support::binary::Workspace;
use crate::support::databases::connect;
use crate::support::harness::Server;

on_both_databases! {
    every_lookup_normalizes_its_argument
    an_import_normalizes_its_keys
    numbers_that_differ_by_case_or_blanks_are_the_same
    invisible_characters_are_refused_in_titles_and_codes
    scalar_values_follow_their_specifications
}

on_both_empty_databases! {
    existing_numbers_get_their_identity
}

/// The arguments of queries that take a text as it is stored; `text` is searched for.
const LOOKUPS: [&str; 13] = [
    "actionItem.by.code",
    "actionItem.by.externalKey.key",
    "actionItems.filter.externalKey",
    "committee.by.key.code",
    "committee.by.key.organization",
    "committee.by.key.period",
    "committees.filter.code",
    "committees.filter.period",
    "liaisonStatement.by.code",
    "mandate.code",
    "organization.by.acronym",
    "publication.by.number",
    "publications.filter.number",
];

const TYPES: &str = "{ __schema { queryType { fields { name args { name type { ...T } } } } types { name inputFields { name type { ...T } } } } }
    fragment T on __Type { name kind ofType { name kind ofType { name kind ofType { name kind } } } }";

/// Returns the texts in an argument by path.
fn texts(types: &[Value], path: &str, ty: &Value, found: &mut BTreeSet<String>) {
    let mut ty = ty;
    while ty["ofType"].is_object() {
        ty = &ty["ofType"];
    }
    let field = path.rsplit('.').next();
    if ty["name"] == "String" && !["text", "after"].map(Some).contains(&field) {
        found.insert(path.to_owned());
    }
    let input = types.iter().find(|known| known["name"] == ty["name"]);
    let fields = input.and_then(|input| input["inputFields"].as_array());
    for field in fields.into_iter().flatten() {
        let path = format!("{path}.{}", field["name"].as_str().unwrap());
        texts(types, &path, &field["type"], found);
    }
}

async fn every_lookup_normalizes_its_argument(server: &Server) {
    let schema = server.anonymous().data(TYPES, json!({})).await;
    let types = schema["__schema"]["types"].as_array().unwrap();
    let mut found = BTreeSet::new();
    for field in schema["__schema"]["queryType"]["fields"]
        .as_array()
        .unwrap()
    {
        for argument in field["args"].as_array().unwrap() {
            let name = argument["name"].as_str().unwrap();
            // Cursors are opaque, and type names are the API's own.
            if ["after", "before"].contains(&name) || field["name"] == "activities" {
                continue;
            }
            let path = format!("{}.{name}", field["name"].as_str().unwrap());
            texts(types, &path, &argument["type"], &mut found);
        }
    }
    let mut expected = BTreeSet::from(LOOKUPS.map(str::to_owned));
    expected.insert("topic.by.code".to_owned());
    assert_eq!(found, expected, "a new one needs its lookup below");

    let itu = server.itu();
    let organization =
        json!({ "acronym": " CLE\u{301} ", "name": "n", "kind": "SECTOR", "side": "ITU" });
    let organization = itu
        .change("organizationCreate", organization, "id acronym")
        .await;
    assert_eq!(organization["acronym"], "CL\u{c9}");
    let committee = json!({ "organizationId": organization["id"], "code": "E\u{301}1", "period": "\u{212b}-1", "name": "n", "kind": "GROUP" });
    itu.change("committeeCreate", committee, "id").await;
    let item = json!({ "topicId": server.topic("T-2").await, "committeeId": server.committee("ITU-T", "SG16").await,
        "title": "T", "externalKey": "cl\u{e9}-1" });
    itu.change("actionItemCreate", item, "id").await;
    let publication = json!({ "organizationId": organization["id"], "number": "X\u{c5} 1", "title": "n", "kind": "OTHER" });
    itu.change("publicationAdd", publication, "id").await;
    let statement = json!({ "title": "t", "body": "b", "fromIds": [server.committee("ITU-T", "SG16").await],
        "addressees": [{ "committeeId": server.committee("POC", "C4").await, "purpose": "INFORMATION" }] });
    itu.change("liaisonStatementSend", statement, "id").await;

    let data = server
        .anonymous()
        .data(
            "query($key: String!, $acronym: String!, $code: String!, $period: String!, $number: String!) {
                actionItem(by: { externalKey: { requestedBy: ITU, key: $key } }) { id }
                organization(by: { acronym: $acronym }) { id }
                committee(by: { key: { organization: $acronym, code: $code, period: $period } }) { id }
                byKey: actionItems(filter: { externalKey: [$key] }) { nodes { id } }
                byNumber: publications(filter: { number: [$number] }) { nodes { id } }
                byCode: committees(filter: { code: $code }) { nodes { id } }
                byPeriod: committees(filter: { period: $period }) { nodes { id } }
                publication(by: { number: $number }) { id }
                topic(by: { code: \" T-1\\t\" }) { id }
                byItsCode: actionItem(by: { code: \" A-1 \" }) { id }
                liaisonStatement(by: { code: \" LS-1 \" }) { id }
                mandate(code: \" RES-11-DUBAI-2012 \") { id } }",
            json!({ "key": "  cle\u{301}-1 ", "acronym": "CLE\u{301}", "code": " E\u{301}1", "period": "A\u{30a}-1\u{a0}", "number": " xA\u{30a}\u{a0} 1" }),
        )
        .await;
    for (name, found) in data.as_object().unwrap() {
        let id = found.pointer("/nodes/0/id").or(found.get("id"));
        assert!(id.is_some_and(Value::is_string), "{name}: {data}");
    }
}

async fn an_import_normalizes_its_keys(server: &Server) {
    let workspace = Workspace::new();
    let lines = [
        json!({ "type": "Organization", "acronym": "CL\u{c9}", "name": "n", "kind": "SECTOR", "side": "ITU" }),
        json!({ "type": "Committee", "organization": "CLE\u{301}", "code": "E\u{301}1", "period": "P", "name": "n", "kind": "GROUP" }),
        json!({ "type": "Publication", "number": "Z 1", "title": "n", "kind": "OTHER", "organization": " CLE\u{301}", "committee": "CLE\u{301} E\u{301}1 (P)" }),
    ];
    let again = [
        json!({ "type": "Publication", "number": "z\u{a0} 1", "title": "n" }),
        json!({ "type": "Topic", "code": "T-2", "publications": ["z 1"] }),
    ];
    // Each names the number of a later line in another spelling.
    let publication = |number: &str, more: Value| {
        let mut line = json!({ "type": "Publication", "number": number, "title": "n", "kind": "OTHER",
            "organization": "CL\u{c9}" });
        line.as_object_mut()
            .unwrap()
            .extend(more.as_object().cloned().unwrap());
        line
    };
    let later = [
        json!({ "type": "Topic", "code": "T-2", "publications": ["Z  1"] }),
        publication("Z 3", json!({ "supersedes": "z\u{a0}2" })),
        publication("Z 2", json!({})),
    ];
    for (lines, said) in [
        (
            &lines[..],
            "3 lines: 1 Committee created, 1 Organization created, 1 Publication created\n",
        ),
        (
            &again[..],
            "2 lines: 1 Publication unchanged, 1 Topic updated\n",
        ),
        (
            &later[..],
            "3 lines: 2 Publication created, 1 Topic unchanged\n",
        ),
    ] {
        workspace.write("records.jsonl", jsonl(lines));
        let output = import(&workspace, server, ITU, &["records.jsonl"]);
        assert_eq!(output, said);
    }
}

async fn numbers_that_differ_by_case_or_blanks_are_the_same(server: &Server) {
    let organization = server.organization("ITU-T").await;
    let add = |number: &str| json!({ "organizationId": organization, "number": number, "title": "n", "kind": "OTHER" });
    let itu = server.itu();
    let made = itu
        .change("publicationAdd", add("ITU-T X.1"), "id number")
        .await;
    for number in ["ITU-T X.1", "ITU-T  X.1", "ITU-T\u{a0}X.1", "itu-t x.1"] {
        let refused = itu.attempt("publicationAdd", add(number), "id").await;
        assert_eq!(refused["userErrors"][0]["code"], "TAKEN", "{number:?}");
        assert_eq!(refused["userErrors"][0]["field"], json!(["number"]));
        assert_eq!(
            server.publication(number).await,
            made["id"].as_str().unwrap()
        );
    }
    itu.change("publicationAdd", add("ITU-T X.11"), "id").await;
}

async fn invisible_characters_are_refused_in_titles_and_codes(server: &Server) {
    let itu = server.itu();
    let organization = |acronym: &str, name: &str| json!({ "acronym": acronym, "name": name, "kind": "SECTOR", "side": "ITU" });
    for name in [
        "\u{200b}", "\u{feff}", "\u{ad}", "\u{2060}", "\u{200e}", "\u{3164}", "\u{2800}", "\u{301}",
    ] {
        let refused = itu
            .attempt("organizationCreate", organization("X", name), "id")
            .await;
        assert_eq!(
            refused["userErrors"][0]["field"],
            json!(["name"]),
            "{name:?}"
        );
    }
    let item =
        |key: &str| json!({ "topicId": "", "committeeId": "", "title": "T", "externalKey": key });
    let committee = |code: &str, period: &str| json!({ "organizationId": "", "code": code, "period": period, "name": "n", "kind": "GROUP" });
    let publication = |number: &str| json!({ "organizationId": "", "number": number, "title": "n", "kind": "OTHER" });
    let (topic, owner) = (
        server.topic("T-2").await,
        server.committee("ITU-T", "SG16").await,
    );
    let its = server.organization("ITU-T").await;
    for text in ["ITU\u{200b}-T", "\u{202e}T-UTI", "ITU-T\u{2060}X"] {
        for (mutation, field, mut input) in [
            ("organizationCreate", "acronym", organization(text, "n")),
            ("committeeCreate", "code", committee(text, "p")),
            ("committeeCreate", "period", committee("c", text)),
            ("publicationAdd", "number", publication(text)),
            ("actionItemCreate", "externalKey", item(text)),
        ] {
            for (name, id) in [
                ("organizationId", &its),
                ("topicId", &topic),
                ("committeeId", &owner),
            ] {
                if input.get(name).is_some() {
                    input[name] = json!(id);
                }
            }
            let refused = itu.attempt(mutation, input, "id").await;
            assert_eq!(
                refused["userErrors"][0]["field"],
                json!([field]),
                "{mutation} {text:?}"
            );
        }
    }
}

async fn scalar_values_follow_their_specifications(server: &Server) {
    let status = async |ty: &str, argument: &str, value: &str| {
        let document = format!(
            "query($v: {ty}) {{ actionItems(first: 1, filter: {{ {argument}: $v }}) {{ totalCount }} }}"
        );
        let response = server
            .anonymous()
            .post(&document, json!({ "v": value }))
            .await;
        response.json()["errors"].is_null()
    };
    for value in [
        "2023-12-24T15:30:00Z",
        "2023-12-24T15:30:00.123456Z",
        "2023-12-24T15:30:00+02:00",
    ] {
        assert!(status("DateTime", "updatedSince", value).await, "{value}");
    }
    for value in [
        "2023-12-24 15:30:00Z",
        "2016-12-31T23:59:60Z",
        "2023-12-24T15:30:60Z",
        "2023-12-24",
        "2023-02-30T00:00:00Z",
    ] {
        assert!(!status("DateTime", "updatedSince", value).await, "{value}");
    }
    let organization = server.organization("ITU-T").await;
    let update = "mutation($i: OrganizationUpdateInput!) { organizationUpdate(input: $i) { userErrors { code } } }";
    for value in [
        "http:itu.int",
        "https:\\\\itu.int\\x",
        "https://itu.int/<script>",
        "https://itu.int/%zz",
    ] {
        let input = json!({ "i": { "id": organization, "version": 1, "website": value } });
        let response = server.itu().post(update, input).await;
        assert!(response.json()["errors"].is_array(), "{value}");
    }
}

async fn existing_numbers_get_their_identity(url: &str) {
    let db = connect(url).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let last = Migrator::migrations();
    let later = last
        .iter()
        .rev()
        .take_while(|migration| !migration.name().ends_with("_number_identity"))
        .count();
    Migrator::down(&db, Some(u32::try_from(later + 1).unwrap()))
        .await
        .unwrap();
    let id = |n: u8| match db.get_database_backend() {
        DbBackend::Sqlite => format!("x'{n:032x}'"),
        _ => format!("'{n:032x}'"),
    };
    let organization = format!(
        "insert into organization (id, acronym, acronym_key, name, name_key, kind, folded, original_language, version, created_at, updated_at)
            values ({}, 'X', 'x', 'X', 'x', 'PARTNER', 'x', 'EN', 1, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')",
        id(1)
    );
    db.execute_unprepared(&organization).await.unwrap();
    for (n, number) in [(2, "X 1"), (3, "x\u{a0}1"), (4, "X 2")] {
        let publication = format!(
            "insert into publication (id, number, number_key, title, kind, organization_id, folded, original_language, version, created_at, updated_at)
                values ({}, '{number}', 'x', 't', 'OTHER', {}, 'x', 'EN', 1, '2026-01-01 00:00:00+00:00', '2026-01-01 00:00:00+00:00')",
            id(n),
            id(1)
        );
        db.execute_unprepared(&publication).await.unwrap();
    }
    Migrator::up(&db, None).await.unwrap();
    let query = "select number_identity from publication order by id";
    let rows = db
        .query_all_raw(Statement::from_string(db.get_database_backend(), query))
        .await
        .unwrap();
    let found: Vec<String> = rows
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert_eq!(found, ["x 1", "\nx\u{a0}1", "x 2"]);
}
