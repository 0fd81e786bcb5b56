//! Bulk import of records, according to the rules of the mutations.

use entity::party::Party;
use sea_orm::{EntityTrait, PaginatorTrait, QueryOrder};
use serde_json::{Value, json};

use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    records_are_created_and_updated_by_their_external_keys
    all_errors_are_reported_at_once_and_nothing_is_stored
    valid_records_are_stored_with_partial
    imports_follow_the_rules_of_the_mutations
    an_unchanged_record_is_not_updated
    a_dry_run_changes_nothing
    immutable_fields_cannot_be_changed
    spreadsheet_tables_are_imported
    null_clears_a_field_and_absent_fields_are_kept
}

pub const ITU: &str = "ITU";

pub fn jsonl(lines: &[Value]) -> String {
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

/// Imports a file and returns the output.
pub fn import(workspace: &Workspace, server: &Server, party: &str, more: &[&str]) -> String {
    workspace.done(&arguments(server, party, more))
}

/// Imports a file with errors and returns the report and the last line.
pub fn refused(
    workspace: &Workspace,
    server: &Server,
    party: &str,
    more: &[&str],
) -> (String, String) {
    let ended = workspace.run(&arguments(server, party, more));
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    let last = ended.err.lines().last().unwrap_or_default().to_owned();
    (ended.out, last)
}

pub fn arguments<'a>(server: &'a Server, party: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let to = server.database_url();
    let always = ["import", "--database-url", to, "--party", party];
    [&always, more].concat()
}

pub fn publication(number: impl std::fmt::Display) -> Value {
    json!({ "type": "Publication", "number": format!("ITU-T Z.{number}"), "title": format!("Title {number}"),
        "kind": "RECOMMENDATION", "organization": "ITU-T" })
}

pub fn with(mut record: Value, field: &str, value: impl Into<Value>) -> Value {
    record[field] = value.into();
    record
}

pub async fn log(server: &Server) -> Vec<entity::activity::Model> {
    entity::activity::Entity::find()
        .order_by_asc(entity::activity::Column::Position)
        .all(&server.db.orm_read)
        .await
        .unwrap()
}

pub async fn publications(server: &Server) -> u64 {
    let publications = entity::publication::Entity::find();
    publications.count(&server.db.orm_read).await.unwrap()
}

async fn records_are_created_and_updated_by_their_external_keys(server: &Server) {
    let workspace = Workspace::new();
    let records = [
        json!({ "type": "Organization", "acronym": "ITU-D", "name": "Development", "kind": "SECTOR", "side": "ITU", "parent": "ITU", "website": "https://itu.int/d" }),
        json!({ "type": "Committee", "organization": "ITU-D", "code": "SG1", "period": "2014-2017", "name": "Study Group 1", "kind": "STUDY_GROUP",
            "predecessors": ["ITU-T SG17 (2013-2016)", "ITU-T SG16 (2013-2016)"], "startsOn": "2014-04-01", "mandate": "M" }),
        json!({ "type": "Publication", "number": "ITU-D 1", "title": "One", "kind": "OTHER", "organization": "ITU-D", "committee": "ITU-D SG1 (2014-2017)",
            "status": "IN_FORCE", "approvedOn": "2015-05-05", "url": "https://itu.int/1", "topics": ["T-2"], "supersedes": "ITU-T X.1341 (09/2015)", "language": "FR" }),
        json!({ "type": "Topic", "code": "T-2", "title": "Renamed", "publications": ["ITU-D 1"], "provisions": ["RES-11-DUBAI-2012 RECOGNIZING a"], "reviewOn": "2027-01-01" }),
        json!({ "type": "ActionItem", "externalKey": "JIRA-1", "topic": "T-2", "committee": "ITU-D SG1 (2014-2017)", "counterpart": "POC C5 (2013-2016)",
            "title": "Do", "description": "D", "priority": "HIGH", "dueOn": "2027-02-02" }),
    ];
    workspace.write("records.jsonl", jsonl(&records));
    let before = log(server).await.len();
    let arguments = ["records.jsonl", "--subject", "importer"];
    let output = import(&workspace, server, ITU, &arguments);
    let expected = "5 lines: 1 ActionItem created, 1 Committee created, 1 Organization created, 1 Publication created, 1 Topic updated\n";
    assert_eq!(output, expected);
    let after = log(server).await;
    let logged: Vec<_> = after[before..]
        .iter()
        .map(|activity| {
            assert_eq!(
                (activity.actor.as_str(), activity.party),
                ("importer", Party::Itu)
            );
            format!(
                "{} {}",
                entity::word::enum_name(activity.verb),
                activity.subject_type
            )
        })
        .collect();
    assert_eq!(
        logged,
        [
            "CREATED Organization",
            "CREATED Committee",
            "CREATED Publication",
            "UPDATED Topic",
            "UPDATED Topic",
            "CREATED ActionItem",
            "COMMITTEE_LINKED Topic"
        ]
    );
    let data = server.anonymous().data("{
        organization(by: { acronym: \"ITU-D\" }) { name kind side website parent { acronym } }
        committee(by: { key: { organization: \"ITU-D\", code: \"SG1\" } }) { period name mandate startsOn predecessors { code } }
        publication(by: { number: \"ITU-D 1\" }) { title status approvedOn url originalLanguage committee { code } topics { nodes { code } } supersedes { number } }
        topic(by: { code: \"T-2\" }) { title reviewOn provisions { letter } publications { nodes { number } } }
        actionItem(by: { externalKey: { requestedBy: ITU, key: \"JIRA-1\" } }) { title description status priority dueOn counterpart { code } } }", json!({})).await;
    assert_eq!(
        data,
        json!({
            "organization": { "name": "Development", "kind": "SECTOR", "side": "ITU", "website": "https://itu.int/d", "parent": { "acronym": "ITU" } },
            "committee": { "period": "2014-2017", "name": "Study Group 1", "mandate": "M", "startsOn": "2014-04-01", "predecessors": [{ "code": "SG16" }, { "code": "SG17" }] },
            "publication": { "title": "One", "status": "IN_FORCE", "approvedOn": "2015-05-05", "url": "https://itu.int/1", "originalLanguage": "FR",
                "committee": { "code": "SG1" }, "topics": { "nodes": [{ "code": "T-2" }] }, "supersedes": { "number": "ITU-T X.1341 (09/2015)" } },
            "topic": { "title": "Renamed", "reviewOn": "2027-01-01", "provisions": [{ "letter": "a" }], "publications": { "nodes": [{ "number": "ITU-D 1" }] } },
            "actionItem": { "title": "Do", "description": "D", "status": "OPEN", "priority": "HIGH", "dueOn": "2027-02-02", "counterpart": { "code": "C5" } },
        })
    );

    // Importing it again changes nothing, not even the log.
    let output = import(&workspace, server, ITU, &arguments);
    let expected = "5 lines: 1 ActionItem unchanged, 1 Committee unchanged, 1 Organization unchanged, 1 Publication unchanged, 1 Topic unchanged\n";
    assert_eq!(output, expected);
    assert_eq!(log(server).await, after);

    let changed = [
        json!({ "type": "Organization", "acronym": "ITU-D", "name": "N" }),
        json!({ "type": "Committee", "organization": "ITU-D", "code": "SG1", "period": "2014-2017", "name": "N" }),
        json!({ "type": "Publication", "number": "ITU-D 1", "title": "N" }),
        json!({ "type": "Topic", "code": "T-2", "title": "N" }),
        json!({ "type": "ActionItem", "externalKey": "JIRA-1", "title": "N" }),
    ];
    workspace.write("records.jsonl", jsonl(&changed));
    let output = import(&workspace, server, ITU, &arguments);
    let expected = "5 lines: 1 ActionItem updated, 1 Committee updated, 1 Organization updated, 1 Publication updated, 1 Topic updated\n";
    assert_eq!(output, expected);
    assert_eq!(log(server).await.len(), after.len() + 5);
}

async fn all_errors_are_reported_at_once_and_nothing_is_stored(server: &Server) {
    let workspace = Workspace::new();
    let before = log(server).await;
    let lines = [
        publication(1).to_string(),
        json!({ "type": "Publication", "number": "ITU-T Z.2", "title": " ", "kind": "POEM", "organization": "ITU-X", "committee": "ITU-T SG17",
            "approvedOn": "2015-02-30", "url": "itu.int", "supersedes": "ITU-T Z.0", "topics": ["T-1", "T-77"], "colour": "red" }).to_string(),
        // Valid JSON, but invalid by the rules: a committee of the other side, and a blank title.
        json!({ "type": "Publication", "number": "ITU-T Z.3", "title": "", "kind": "OTHER", "organization": "ITU-T", "committee": "POC C5 (2013-2016)" }).to_string(),
        String::new(),
        "{\"type\": ".to_owned(),
        "[1]".to_owned(),
        json!({ "title": "Of nothing" }).to_string(),
        json!({ "type": "Poem" }).to_string(),
        json!({ "type": "Topic", "title": "Proposed" }).to_string(),
        json!({ "type": "Topic", "code": "T-99", "publications": ["a\u{0}"] }).to_string(),
        json!({ "type": "ActionItem", "externalKey": "x".repeat(101), "committee": "ISO A (1)", "dueOn": 7 }).to_string(),
        json!({ "type": "Committee", "organization": "ITU-X", "code": "A", "period": "B", "name": "x".repeat(501), "kind": "GROUP", "startsOn": "2020-01-02", "endsOn": "2020-01-01" }).to_string(),
        json!({ "type": "Committee", "organization": "ITU-T", "code": "A", "period": "B", "kind": "GROUP", "startsOn": "2020-01-02", "endsOn": "2020-01-01" }).to_string(),
        json!({ "type": "Organization", "acronym": "A\u{0}", "name": null, "kind": "SECTOR" }).to_string(),
    ];
    workspace.write("wrong.jsonl", lines.join("\n"));
    let (report, last) = refused(&workspace, server, ITU, &["wrong.jsonl"]);
    insta::assert_snapshot!("all_that_is_wrong_of_an_import", report);
    assert_eq!(
        last,
        "liaison: wrong.jsonl: 13 lines: 1 Publication to create, 12 wrong; nothing was changed"
    );
    assert_eq!(log(server).await, before);
    assert_eq!(publications(server).await, 73);
}

async fn valid_records_are_stored_with_partial(server: &Server) {
    let workspace = Workspace::new();
    let before = log(server).await.len();
    let lines: Vec<Value> = (0..40)
        .map(|number| match number % 4 {
            0 => with(publication(number), "title", " "),
            1 => with(publication(number), "committee", "POC C5 (2013-2016)"),
            _ => publication(number),
        })
        .collect();
    workspace.write("some.jsonl", jsonl(&lines));
    let (report, last) = refused(&workspace, server, ITU, &["some.jsonl", "--partial"]);
    assert_eq!(report.lines().count(), 20);
    assert_eq!(
        last,
        "liaison: some.jsonl: 40 lines: 20 Publication created, 20 wrong"
    );
    assert_eq!(publications(server).await, 73 + 20);
    let log = log(server).await;
    assert_eq!(log.len(), before + 20);
    let positions: Vec<i64> = log.iter().map(|activity| activity.position).collect();
    assert_eq!(
        positions,
        (1..=log.len().cast_signed() as i64).collect::<Vec<_>>()
    );
}

async fn imports_follow_the_rules_of_the_mutations(server: &Server) {
    let workspace = Workspace::new();
    let before = log(server).await;
    workspace.write("itu.jsonl", jsonl(&[publication(1)]));
    let (report, _) = refused(&workspace, server, "UPU", &["itu.jsonl"]);
    assert!(report.starts_with("itu.jsonl:1: "), "{report}");
    let forbidden = server.upu();
    let input = json!({ "number": "N", "title": "T", "kind": "OTHER", "organizationId": server.organization("ITU-T").await });
    assert_eq!(
        forbidden.verdict("publicationAdd", input).await,
        "FORBIDDEN"
    );
    let proposed = json!({ "title": "T", "summary": "S" });
    let code = server.tsb().change("topicPropose", proposed, "code").await["code"].clone();
    let records = [
        // A topic that another party has proposed.
        json!({ "type": "Topic", "code": code, "title": "Mine" }),
        // Not active: action items cannot be created yet.
        json!({ "type": "ActionItem", "externalKey": "1", "topic": code, "committee": "ITU-T SG17 (2013-2016)", "title": "T" }),
        with(publication(1), "topics", json!([code])),
        json!({ "type": "Topic", "code": "T-2", "reviewOn": "2020-01-01" }),
    ];
    workspace.write("more.jsonl", jsonl(&records));
    let (report, last) = refused(&workspace, server, ITU, &["more.jsonl"]);
    assert!(last.contains("4 wrong"), "{last}");
    for (line, says) in report
        .lines()
        .zip(["Topic", "topic", "topics: T-9", "reviewOn"])
    {
        assert!(line.contains(says) || line.contains("proposed"), "{line}");
    }
    assert_eq!(report.lines().count(), 4, "{report}");
    assert_eq!(log(server).await.len(), before.len() + 1);
    let line = workspace.refusal(&[
        "import",
        "itu.jsonl",
        "--database-url",
        server.database_url(),
    ]);
    assert!(line.contains("--party"), "{line}");
}

/// A file can be imported again even if the other side has accepted its items, or completed them.
async fn an_unchanged_record_is_not_updated(server: &Server) {
    let workspace = Workspace::new();
    let asked = json!({ "type": "ActionItem", "externalKey": "1", "topic": "T-2", "committee": "POC C5 (2013-2016)", "title": "T" });
    workspace.write("asked.jsonl", jsonl(std::slice::from_ref(&asked)));
    import(&workspace, server, ITU, &["asked.jsonl"]);
    let document = "{ actionItem(by: { externalKey: { requestedBy: ITU, key: \"1\" } }) { id } }";
    let found = server.anonymous().data(document, json!({})).await;
    let accept = json!({ "id": found["actionItem"]["id"], "version": 1, "to": "OPEN" });
    server.upu().change("actionItemMove", accept, "id").await;
    let output = import(&workspace, server, ITU, &["asked.jsonl"]);
    assert_eq!(output, "1 line: 1 ActionItem unchanged\n");
    workspace.write("asked.jsonl", jsonl(&[with(asked, "title", "Another")]));
    let (report, _) = refused(&workspace, server, ITU, &["asked.jsonl"]);
    assert!(report.contains("by the party that owns it"), "{report}");
}

async fn a_dry_run_changes_nothing(server: &Server) {
    let workspace = Workspace::new();
    let before = log(server).await;
    workspace.write("one.jsonl", jsonl(&[publication(1)]));
    let output = import(&workspace, server, ITU, &["one.jsonl", "--dry-run"]);
    assert_eq!(
        output,
        "1 line: 1 Publication to create; nothing was changed\n"
    );
    assert_eq!(log(server).await, before);
    assert_eq!(publications(server).await, 73);
}

async fn immutable_fields_cannot_be_changed(server: &Server) {
    let workspace = Workspace::new();
    workspace.write("one.jsonl", jsonl(&[publication(1)]));
    import(&workspace, server, ITU, &["one.jsonl"]);
    for (field, value) in [
        ("kind", json!("OTHER")),
        ("organization", json!("ITU")),
        ("language", json!("FR")),
        ("topics", json!(["T-2"])),
    ] {
        let other = with(publication(1), field, value);
        workspace.write("other.jsonl", jsonl(&[other]));
        let (report, _) = refused(&workspace, server, ITU, &["other.jsonl"]);
        assert!(
            report.starts_with(&format!("other.jsonl:1: {field}: ")),
            "{report}"
        );
        assert_eq!(report.lines().count(), 1, "{report}");
    }
}

async fn spreadsheet_tables_are_imported(server: &Server) {
    let workspace = Workspace::new();
    let table = "\u{feff}number,title,kind,organization,status,topics,approvedOn\r\n\
        ITU-T Z.1,\"A title, with \"\"quotes\"\"\",RECOMMENDATION,ITU-T,IN_FORCE,T-1; T-2,2020-02-02\r\n\
        ITU-T Z.2,\"Two\nlines\",OTHER,ITU-T,,,\r\n";
    workspace.write("table.csv", table);
    let output = import(
        &workspace,
        server,
        ITU,
        &["table.csv", "--type", "Publication"],
    );
    assert_eq!(output, "2 lines: 2 Publication created\n");
    let anyone = server.anonymous();
    let data = anyone.data(
        "{ one: publication(by: { number: \"ITU-T Z.1\" }) { title status approvedOn topics { nodes { code } } }
           two: publication(by: { number: \"ITU-T Z.2\" }) { title status approvedOn topics { nodes { code } } } }",
        json!({}),
    );
    assert_eq!(
        data.await,
        json!({
            "one": { "title": "A title, with \"quotes\"", "status": "IN_FORCE", "approvedOn": "2020-02-02", "topics": { "nodes": [{ "code": "T-1" }, { "code": "T-2" }] } },
            "two": { "title": "Two\nlines", "status": null, "approvedOn": null, "topics": { "nodes": [] } },
        })
    );

    let wrong = b"type,number,title,kind,organization\nPublication,\"A\nB\",T,OTHER,ITU-T\nPublication,ITU-T Z.3,T,POEM,ITU-T\nPublication,ITU-T Z.4,\xff,OTHER,ITU-T\nPublication,ITU-T Z.5\nPoem,ITU-D,T,SECTOR,ITU-T\n";
    workspace.write("wrong.txt", wrong);
    let (report, _) = refused(&workspace, server, ITU, &["wrong.txt", "--format", "csv"]);
    let places: Vec<&str> = report
        .lines()
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    // The third record starts on line 4, because the first one has two lines.
    assert_eq!(
        places,
        ["wrong.txt:4", "wrong.txt:5", "wrong.txt:6", "wrong.txt:7"],
        "{report}"
    );
    assert!(
        report.contains("wrong.txt:6: It has 2 cells, and the header has 5."),
        "{report}"
    );
    workspace.write("twice.csv", "number,number\n1,2\n");
    let line = workspace.refusal(&arguments(server, ITU, &["twice.csv"]));
    assert!(line.contains("two columns `number`"), "{line}");
}

async fn null_clears_a_field_and_absent_fields_are_kept(server: &Server) {
    let workspace = Workspace::new();
    let full = with(publication(1), "status", "DRAFT");
    let full = with(full, "url", "https://itu.int/z1");
    workspace.write("full.jsonl", jsonl(&[full]));
    import(&workspace, server, ITU, &["full.jsonl"]);
    let cleared = json!({ "type": "Publication", "number": "ITU-T Z.1", "url": null });
    workspace.write("cleared.jsonl", jsonl(&[cleared]));
    import(&workspace, server, ITU, &["cleared.jsonl"]);
    let document = "{ publication(by: { number: \"ITU-T Z.1\" }) { title status url } }";
    let data = server.anonymous().data(document, json!({})).await;
    assert_eq!(
        data["publication"],
        json!({ "title": "Title 1", "status": "DRAFT", "url": null })
    );
}
