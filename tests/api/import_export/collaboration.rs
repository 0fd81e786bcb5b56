//! Import of proposals, examinations, statements and notes: repeating an import creates nothing twice.

use entity::liaison_statement::Entity as Statements;
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::import_export::imports::{ITU, import, jsonl, log, refused, with};
use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    a_collaboration_is_imported_and_unchanged_the_second_time
    all_errors_of_a_collaboration_are_reported_at_once
    collaboration_imports_follow_the_rules_of_the_mutations
    a_declined_topic_is_not_proposed_again
    a_completed_examination_is_not_requested_again
    a_finding_is_rewritten_until_both_sides_have_found
    a_statement_is_sent_once_and_never_changed
    each_party_imports_its_own_notes
    statements_can_be_imported_from_spreadsheets
}

const X1121: &str = "ITU-T X.1121 (04/2004)";
const SG17: &str = "ITU-T SG17 (2013-2016)";

fn proposal() -> Value {
    json!({ "type": "Topic", "title": "Parcels by drone", "summary": "S", "leadCommittee": SG17,
        "provisions": ["RES-11-DUBAI-2012 RECOGNIZING a"], "publications": [X1121] })
}

fn examination() -> Value {
    json!({ "type": "Examination", "publication": X1121, "reason": "R", "dueOn": "2030-02-02" })
}

fn finding() -> Value {
    json!({ "type": "Finding", "publication": X1121, "impact": "ALIGNMENT_NEEDED", "statement": "F", "committee": SG17 })
}

fn statement() -> Value {
    json!({ "type": "LiaisonStatement", "title": "L", "from": [SG17, "ITU-T SG2 (2013-2016)"],
        "addressees": ["POC C5 (2013-2016): ACTION by 2030-03-03", "ITU-T SG3 (2013-2016): INFORMATION"],
        "body": "B", "contact": "C", "topics": ["T-1", "T-2"], "attachments": ["A name https://itu.int/a"] })
}

fn note(subject: &str, named: &str) -> Value {
    json!({ "type": "Note", subject: named, "body": "N" })
}

/// UPU has sent LS-1 to SG17.
async fn prepare_received_statement(server: &Server) {
    let input = json!({ "title": "Q", "fromIds": [server.committee("POC", "C5").await],
        "addressees": [{ "committeeId": server.committee("ITU-T", "SG17").await, "purpose": "ACTION" }] });
    server
        .upu()
        .change("liaisonStatementSend", input, "id")
        .await;
}

/// Imports records and returns the output.
fn imported(server: &Server, party: &str, records: &[Value]) -> String {
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(records));
    import(&workspace, server, party, &["records.jsonl"])
}

/// Imports records with errors and returns the report.
fn reports_with_errors(server: &Server, party: &str, records: &[Value]) -> String {
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(records));
    refused(&workspace, server, party, &["records.jsonl"]).0
}

async fn a_collaboration_is_imported_and_unchanged_the_second_time(server: &Server) {
    prepare_received_statement(server).await;
    let records = [
        with(with(proposal(), "reviewOn", "2030-01-01"), "language", "FR"),
        examination(),
        finding(),
        with(statement(), "inReplyTo", "LS-1"),
        json!({ "type": "ActionItem", "externalKey": "K", "topic": "T-2", "committee": SG17, "title": "Do" }),
        note("topic", "T-1"),
        note("actionItem", "K"),
        note("publication", X1121),
        note("examination", X1121),
        note("statement", "LS-1"),
    ];
    let before = log(server).await;
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["records.jsonl", "--dry-run"]);
    let counts = |done: &str| {
        format!(
            "10 lines: 1 ActionItem {done}, 1 Examination {done}, 1 Finding {done}, 1 LiaisonStatement {done}, 5 Note {done}, 1 Topic {done}"
        )
    };
    assert_eq!(output, counts("to create") + "; nothing was changed\n");
    assert_eq!(log(server).await, before);

    let output = import(&workspace, server, ITU, &["records.jsonl"]);
    assert_eq!(output, counts("created") + "\n");
    let after = log(server).await;
    let did: Vec<_> = after[before.len()..]
        .iter()
        .map(|activity| {
            format!(
                "{} {}",
                entity::word::enum_name(activity.verb),
                activity.subject_type
            )
        })
        .collect();
    insta::assert_snapshot!("log_of_a_collaboration_that_was_entered", did.join("\n"));
    let document = "{
        topics(first: 100, filter: { text: \"drone\" }) { nodes { code title summary status proposedBy reviewOn originalLanguage
            committees { role committee { code } } provisions { letter } publications { nodes { number } } } }
        publication(by: { number: \"ITU-T X.1121 (04/2004)\" }) { examinations { requestedBy reason dueOn complete
            findings { side impact statement committee { code } } notes { nodes { body } } } notes { nodes { body party } } }
        liaisonStatement(by: { code: \"LS-2\" }) { title body contact sentBy from { code } topics { code }
            addressees { committee { code } purpose replyBy } attachments { name url }
            inReplyTo { code addressees { repliedAt } notes { nodes { body } } } }
        topic(by: { code: \"T-1\" }) { notes { nodes { body } } }
        actionItem(by: { externalKey: { requestedBy: ITU, key: \"K\" } }) { notes { nodes { body } } } }";
    let mut data = server.anonymous().data(document, json!({})).await;
    let replied = data["liaisonStatement"]["inReplyTo"]["addressees"][0]["repliedAt"].take();
    assert!(replied.is_string(), "{replied}");
    insta::assert_json_snapshot!("a_collaboration_that_was_entered", data);

    // Importing it again changes nothing, not even the log.
    let output = import(&workspace, server, ITU, &["records.jsonl"]);
    assert_eq!(output, counts("unchanged") + "\n");
    assert_eq!(log(server).await, after);
}

async fn all_errors_of_a_collaboration_are_reported_at_once(server: &Server) {
    let before = log(server).await;
    let records = [
        json!({ "type": "Topic", "title": " ", "leadCommittee": "SG17", "provisions": ["a"], "reviewOn": "2020-01-01" }),
        json!({ "type": "Topic", "code": "x".repeat(33) }),
        json!({ "type": "Examination", "publication": "X", "dueOn": "soon", "colour": "red" }),
        json!({ "type": "Examination" }),
        json!({ "type": "Finding", "publication": X1121, "impact": "GREAT" }),
        examination(),
        json!({ "type": "Finding", "publication": X1121, "impact": "GREAT", "statement": "x".repeat(8001), "committee": "POC C5 (2013-2016)" }),
        with(
            with(examination(), "reason", "Another"),
            "dueOn",
            Value::Null,
        ),
        json!({ "type": "LiaisonStatement", "title": "x".repeat(501), "inReplyTo": "LS-9", "topics": ["T-77"], "attachments": ["A", "B b"],
            "addressees": ["POC C5 (2013-2016)", "POC C9 (1): ACTION", "POC C5 (2013-2016): HELP", "POC C5 (2013-2016): ACTION by noon"] }),
        json!({ "type": "LiaisonStatement", "title": "L", "from": [SG17], "body": "x".repeat(20_001), "attachments": ["https://itu.int/a"],
            "addressees": ["POC C5 (2013-2016): COMMENT by 2030-01-01", "POC C5 (2013-2016): ACTION"] }),
        json!({ "type": "LiaisonStatement", "title": "L", "from": ["ITU-T SG1 (1)"], "addressees": [] }),
        json!({ "type": "Note" }),
        json!({ "type": "Note", "topic": "T-1", "publication": X1121, "body": "N" }),
        note("topic", "T-77"),
        note("actionItem", "K"),
        note("publication", "X"),
        note("examination", "UPU S52"),
        with(note("statement", "LS-9"), "body", "x".repeat(20_001)),
    ];
    let report = reports_with_errors(server, ITU, &records);
    // The program uses the current date.
    let (output, rest) = report.split_once("today is ").unwrap();
    let (_today, rest) = rest.split_once(' ').unwrap();
    let report = format!("{output}today is … {rest}");
    insta::assert_snapshot!("all_that_is_wrong_of_a_collaboration", report);
    assert_eq!(log(server).await, before);
}

async fn collaboration_imports_follow_the_rules_of_the_mutations(server: &Server) {
    prepare_received_statement(server).await;
    let asked = json!({ "publicationId": server.publication(X1121).await });
    server.itu().change("examinationRequest", asked, "id").await;
    let without = |mut record: Value, field: &str| {
        record.as_object_mut().unwrap().remove(field);
        record
    };
    for (party, record, says) in [
        (
            "ITU",
            without(proposal(), "leadCommittee"),
            "Name the committee that leads",
        ),
        ("UPU", proposal(), "leadCommittee: "),
        ("TSB", proposal(), "The TSB proposes without a lead"),
        ("TSB", finding(), "the TSB finds for neither"),
        (
            "UPU",
            finding(),
            "committee: This committee is not one of UPU",
        ),
        (
            "UPU",
            with(statement(), "from", "ITU-T SG2 (2013-2016)"),
            "This committee is not one of UPU",
        ),
        (
            "ITU",
            with(
                with(statement(), "from", "ITU-T SG2 (2013-2016)"),
                "inReplyTo",
                "LS-1",
            ),
            "from: A reply comes from",
        ),
    ] {
        let before = log(server).await;
        let report = reports_with_errors(server, party, std::slice::from_ref(&record));
        assert!(report.contains(says), "{record}: {report}");
        assert_eq!(report.lines().count(), 1, "{report}");
        assert_eq!(log(server).await, before);
    }
}

async fn a_declined_topic_is_not_proposed_again(server: &Server) {
    imported(server, ITU, &[proposal()]);
    let document = "{ topics(first: 1, filter: { text: \"drone\" }) { nodes { id } } }";
    let mut found = server.anonymous().data(document, json!({})).await;
    let topic = found["topics"]["nodes"][0].take();
    let no = json!({ "id": topic["id"], "position": "DECLINED", "reason": "No." });
    server.upu().change("topicTakePosition", no, "id").await;
    let before = log(server).await;
    let output = imported(server, ITU, &[proposal()]);
    assert_eq!(output, "1 line: 1 Topic unchanged\n");
    assert_eq!(log(server).await, before);
    let report = reports_with_errors(server, ITU, &[with(proposal(), "summary", "Better")]);
    assert!(report.contains("The topic is DECLINED"), "{report}");
    let report = reports_with_errors(
        server,
        ITU,
        &[with(proposal(), "leadCommittee", "ITU-T SG2 (2013-2016)")],
    );
    assert!(
        report.contains("leadCommittee: Differs from the current lead"),
        "{report}"
    );

    // Another party's proposal is separate, even with the same title.
    let other = with(
        with(proposal(), "leadCommittee", "POC C5 (2013-2016)"),
        "publications",
        Value::Null,
    );
    assert_eq!(
        imported(server, "UPU", &[other]),
        "1 line: 1 Topic created\n"
    );
    // A different title is a different proposal.
    let other = with(proposal(), "title", "Parcels by balloon");
    assert_eq!(imported(server, ITU, &[other]), "1 line: 1 Topic created\n");
}

async fn a_completed_examination_is_not_requested_again(server: &Server) {
    imported(server, ITU, &[examination(), finding()]);
    let of_upu = with(finding(), "committee", "POC C5 (2013-2016)");
    // The examination is open: it is requested once, whoever requests it.
    let output = imported(server, "UPU", &[examination(), of_upu]);
    assert_eq!(
        output,
        "2 lines: 1 Examination unchanged, 1 Finding created\n"
    );
    let before = log(server).await;
    let output = imported(server, ITU, &[examination(), finding()]);
    assert_eq!(
        output,
        "2 lines: 1 Examination unchanged, 1 Finding unchanged\n"
    );
    assert_eq!(log(server).await, before);
    let report = reports_with_errors(server, ITU, &[with(finding(), "statement", "Other")]);
    assert!(report.contains("the examination is closed"), "{report}");
    let output = imported(server, ITU, &[with(examination(), "reason", "A new one")]);
    assert_eq!(output, "1 line: 1 Examination created\n");
}

async fn a_finding_is_rewritten_until_both_sides_have_found(server: &Server) {
    let short = json!({ "type": "Finding", "publication": X1121, "impact": "CONFLICT" });
    let output = imported(server, ITU, &[examination(), finding(), short.clone()]);
    assert_eq!(
        output,
        "3 lines: 1 Examination created, 1 Finding created, 1 Finding updated\n"
    );
    let cleared = json!({ "type": "Finding", "publication": X1121, "committee": null });
    assert_eq!(
        imported(server, ITU, &[short, cleared]),
        "2 lines: 1 Finding updated, 1 Finding unchanged\n"
    );
    let document = "{ publication(by: { number: \"ITU-T X.1121 (04/2004)\" }) { examinations { findings { impact statement committee { code } } } } }";
    let data = server.anonymous().data(document, json!({})).await;
    let expected =
        json!([{ "findings": [{ "impact": "CONFLICT", "statement": "F", "committee": null }] }]);
    assert_eq!(data["publication"]["examinations"], expected);
}

async fn a_statement_is_sent_once_and_never_changed(server: &Server) {
    let sent = async || Statements::find().count(&server.db.orm_read).await.unwrap();
    let turned = with(statement(), "from", json!(["ITU-T SG2 (2013-2016)", SG17]));
    let output = imported(server, ITU, &[statement(), turned]);
    assert_eq!(
        output,
        "2 lines: 1 LiaisonStatement created, 1 LiaisonStatement unchanged\n"
    );
    for (field, value) in [
        (
            "addressees",
            json!(["POC C5 (2013-2016): ACTION by 2030-03-03"]),
        ),
        (
            "addressees",
            json!([
                "POC C5 (2013-2016): ACTION",
                "ITU-T SG3 (2013-2016): INFORMATION"
            ]),
        ),
        ("body", json!("Other")),
        ("contact", Value::Null),
        ("topics", json!(["T-1"])),
        ("attachments", json!(["A name https://itu.int/b"])),
        ("sentAt", json!("2025-03-04T10:00:00Z")),
    ] {
        let report = reports_with_errors(server, ITU, &[with(statement(), field, value)]);
        let says = format!("records.jsonl:1: {field}: Differs from LS-1");
        assert!(report.starts_with(&says), "{report}");
        assert_eq!(report.lines().count(), 1, "{report}");
    }
    assert_eq!(sent().await, 1);
    let others = with(statement(), "from", SG17);
    imported(server, ITU, &[others, with(statement(), "title", "M")]);
    assert_eq!(sent().await, 3);
}

async fn each_party_imports_its_own_notes(server: &Server) {
    let mine = note("topic", "T-1");
    let twice = imported(server, ITU, &[mine.clone(), mine.clone()]);
    assert_eq!(twice, "2 lines: 1 Note created, 1 Note unchanged\n");
    let output = imported(server, "TSB", std::slice::from_ref(&mine));
    assert_eq!(output, "1 line: 1 Note created\n");
    let output = imported(
        server,
        ITU,
        &[with(mine, "body", "M"), note("topic", "T-2")],
    );
    assert_eq!(output, "2 lines: 2 Note created\n");
}

async fn statements_can_be_imported_from_spreadsheets(server: &Server) {
    let workspace = Workspace::new();
    let table = "title,sentAt,from,addressees,attachments\n\
        L,2025-03-04T10:00:00Z,ITU-T SG17 (2013-2016); ITU-T SG2 (2013-2016),POC C5 (2013-2016): ACTION by 2030-03-03; POC PSI (2013-2016): COMMENT,One https://itu.int/1; Two 2 https://itu.int/2\n";
    workspace.write("sent.csv", table);
    let arguments = ["sent.csv", "--type", "LiaisonStatement"];
    for done in ["created", "unchanged"] {
        let output = import(&workspace, server, ITU, &arguments);
        assert_eq!(output, format!("1 line: 1 LiaisonStatement {done}\n"));
    }
    let report = reports_with_errors(
        server,
        ITU,
        &[with(statement(), "sentAt", "2099-01-01T00:00:00Z")],
    );
    assert!(report.starts_with("records.jsonl:1: sentAt: "), "{report}");
    let document = "{ liaisonStatement(by: { code: \"LS-1\" }) { sentAt from { code } addressees { committee { code } purpose replyBy } attachments { name url } } }";
    let data = server.anonymous().data(document, json!({})).await;
    assert_eq!(
        data["liaisonStatement"],
        json!({
            "sentAt": "2025-03-04T10:00:00Z",
            "from": [{ "code": "SG17" }, { "code": "SG2" }],
            "addressees": [{ "committee": { "code": "C5" }, "purpose": "ACTION", "replyBy": "2030-03-03" },
                { "committee": { "code": "PSI" }, "purpose": "COMMENT", "replyBy": null }],
            "attachments": [{ "name": "One", "url": "https://itu.int/1" }, { "name": "Two 2", "url": "https://itu.int/2" }],
        })
    );
}
