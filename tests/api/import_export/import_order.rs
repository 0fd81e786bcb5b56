//! Records of an import may reference earlier and later lines of the file.

use serde_json::{Value, json};

use crate::import_export::imports::{ITU, import, jsonl, publication, refused, with};
use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    lines_are_imported_in_order
    a_chain_of_many_editions_is_imported
    a_line_may_reference_any_later_line
    records_of_every_type_may_reference_later_lines
    cyclic_references_are_refused
    updates_of_a_deferred_record_keep_their_order
}

async fn lines_are_imported_in_order(server: &Server) {
    let workspace = Workspace::new();
    let records = [
        publication(1),
        with(publication(1), "title", "Second"),
        with(publication(" 1 ".trim()), "title", "Third"),
        // Spaces around a number and another form of its letters make no other number.
        json!({ "type": "Publication", "number": "  ITU-T Z.1 ", "title": "Fourth" }),
    ];
    workspace.write("order.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["order.jsonl"]);
    assert_eq!(
        output,
        "4 lines: 1 Publication created, 3 Publication updated\n"
    );
    let anyone = server.anonymous();
    let found = anyone.data(
        "{ publication(by: { number: \"ITU-T Z.1\" }) { title version activities: id } }",
        json!({}),
    );
    let found = found.await;
    assert_eq!(found["publication"]["title"], "Fourth");
    assert_eq!(found["publication"]["version"], 4);
}

async fn a_chain_of_many_editions_is_imported(server: &Server) {
    let workspace = Workspace::new();
    let edition = |number: i32| match number {
        0 => publication(0),
        _ => with(
            publication(number),
            "supersedes",
            format!("ITU-T Z.{}", number - 1),
        ),
    };
    let mut records: Vec<Value> = (0..620).map(edition).collect();
    // Later lines stand before those that they supersede, too.
    records[100..110].reverse();
    workspace.write("chain.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["chain.jsonl"]);
    assert_eq!(output, "620 lines: 620 Publication created\n");
    let document = "{ publication(by: { number: \"ITU-T Z.619\" }) { supersedes { number supersedes { number } } } }";
    let found = server.anonymous().data(document, json!({})).await;
    assert_eq!(
        found["publication"]["supersedes"],
        json!({ "number": "ITU-T Z.618", "supersedes": { "number": "ITU-T Z.617" } })
    );

    // All were entered at the same moment, so that their ids stand in no order: an export takes them all the same.
    workspace.done(&[
        "export",
        "chain.export",
        "--database-url",
        server.database_url(),
    ]);
    workspace.done(&["import", "chain.export", "--database-url", "sqlite:copy.db"]);
    let circle = [
        with(edition(0), "supersedes", "ITU-T Z.1"),
        with(publication("a"), "supersedes", "ITU-T Z.b"),
        with(publication("b"), "supersedes", "ITU-T Z.a"),
    ];
    workspace.write("circle.jsonl", jsonl(&circle));
    let (report, last) = refused(&workspace, server, ITU, &["circle.jsonl"]);
    assert!(last.contains("3 wrong"), "{last}");
    assert!(
        report.contains("circle.jsonl:1: supersedes: A publication cannot supersede itself"),
        "{report}"
    );
    assert!(
        report.contains("circle.jsonl:2: supersedes: Refers to itself in a cycle: ITU-T Z.a -> ITU-T Z.b -> ITU-T Z.a."),
        "{report}"
    );
}

async fn a_line_may_reference_any_later_line(server: &Server) {
    let workspace = Workspace::new();
    let mut records: Vec<Value> = (0..701).map(publication).collect();
    records[0] = with(publication(0), "supersedes", "ITU-T Z.700");
    // A chain of lines, each of which names the next one.
    for (number, record) in records.iter_mut().enumerate().take(20).skip(10) {
        record["supersedes"] = format!("ITU-T Z.{}", number + 1).into();
    }
    workspace.write("later.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["later.jsonl"]);
    assert_eq!(output, "701 lines: 701 Publication created\n");
    let document = "{ a: publication(by: { number: \"ITU-T Z.0\" }) { version supersedes { number } }
        b: publication(by: { number: \"ITU-T Z.10\" }) { version supersedes { number supersedes { number } } } }";
    let found = server.anonymous().data(document, json!({})).await;
    assert_eq!(
        found,
        json!({
            "a": { "version": 1, "supersedes": { "number": "ITU-T Z.700" } },
            "b": { "version": 1, "supersedes": { "number": "ITU-T Z.11", "supersedes": { "number": "ITU-T Z.12" } } },
        })
    );
    let output = import(&workspace, server, ITU, &["later.jsonl"]);
    assert_eq!(output, "701 lines: 701 Publication unchanged\n");
}

/// Records of every type that can name others, each after those that it names.
fn linked() -> Vec<Value> {
    let committee = |code: &str| json!({ "type": "Committee", "organization": "ITU-E", "code": code, "period": "2014", "name": code, "kind": "GROUP" });
    let child = with(committee("B"), "parent", "ITU-E A (2014)");
    vec![
        json!({ "type": "Organization", "acronym": "ITU-D", "name": "D", "kind": "SECTOR", "side": "ITU", "parent": "ITU" }),
        json!({ "type": "Organization", "acronym": "ITU-E", "name": "E", "kind": "SECTOR", "side": "ITU", "parent": "ITU-D" }),
        committee("A"),
        with(child, "predecessors", json!(["ITU-E A (2014)"])),
        with(
            with(publication(1), "organization", "ITU-E"),
            "committee",
            "ITU-E B (2014)",
        ),
        with(publication(2), "supersedes", "ITU-T Z.1"),
        json!({ "type": "Topic", "code": "T-2", "publications": ["ITU-T Z.2"] }),
        json!({ "type": "Topic", "title": "P", "summary": "S", "leadCommittee": "ITU-E B (2014)" }),
        json!({ "type": "ActionItem", "externalKey": "1", "topic": "T-2", "committee": "ITU-E B (2014)", "title": "A" }),
        json!({ "type": "Examination", "publication": "ITU-T Z.2" }),
        json!({ "type": "Finding", "publication": "ITU-T Z.2", "impact": "NONE", "statement": "F", "committee": "ITU-E B (2014)" }),
        json!({ "type": "LiaisonStatement", "title": "L", "from": ["ITU-E B (2014)"], "addressees": ["POC C5 (2013-2016): INFORMATION"] }),
        json!({ "type": "Note", "publication": "ITU-T Z.2", "body": "N" }),
        json!({ "type": "Note", "examination": "ITU-T Z.2", "body": "N" }),
        json!({ "type": "Note", "actionItem": "1", "body": "N" }),
    ]
}

async fn records_of_every_type_may_reference_later_lines(server: &Server) {
    let workspace = Workspace::new();
    let mut records = linked();
    records.reverse();
    workspace.write("reverse.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["reverse.jsonl"]);
    assert_eq!(
        output,
        "15 lines: 1 ActionItem created, 2 Committee created, 1 Examination created, 1 Finding created, \
        1 LiaisonStatement created, 3 Note created, 2 Organization created, 2 Publication created, 1 Topic created, 1 Topic updated\n"
    );
    workspace.write("forward.jsonl", jsonl(&linked()));
    let output = import(&workspace, server, ITU, &["forward.jsonl"]);
    assert!(
        !output.contains("created") && !output.contains("updated"),
        "{output}"
    );
}

async fn cyclic_references_are_refused(server: &Server) {
    let workspace = Workspace::new();
    let organization = |acronym: &str, parent: &str| json!({ "type": "Organization", "acronym": acronym, "name": "N", "kind": "SECTOR", "side": "ITU", "parent": parent });
    let committee = |code: &str, field: &str, other: &str| {
        let record = json!({ "type": "Committee", "organization": "ITU-T", "code": code, "period": "P", "name": "N", "kind": "GROUP" });
        with(record, field, format!("ITU-T {other} (P)"))
    };
    let records = [
        organization("A", "C"),
        organization("B", "A"),
        organization("C", "B"),
        // Names a member of a circle, and is in none.
        organization("D", "A"),
        committee("A", "parent", "B"),
        committee("B", "parent", "A"),
        committee("C", "predecessors", "D"),
        committee("D", "predecessors", "C"),
        publication(1),
    ];
    workspace.write("circles.jsonl", jsonl(&records));
    let (report, last) = refused(&workspace, server, ITU, &["circles.jsonl"]);
    let output: Vec<&str> = report
        .lines()
        .map(|line| line.split(": ").nth(2).unwrap())
        .collect();
    let mut expected = ["Refers to itself in a cycle"; 8];
    expected[3] = "There is no Organization `A`. (Organization D)";
    assert_eq!(output, expected, "{report}");
    assert!(report.contains("cycle: A -> C -> B -> A."), "{report}");
    assert!(last.contains("1 Publication to create, 8 wrong"), "{last}");

    // References in the register are no cycle of the file.
    let chain = [
        publication(1),
        with(publication(2), "supersedes", "ITU-T Z.1"),
    ];
    workspace.write("chain.jsonl", jsonl(&chain));
    import(&workspace, server, ITU, &["chain.jsonl"]);
    let turned = [
        with(publication(1), "supersedes", "ITU-T Z.2"),
        with(publication(2), "supersedes", Value::Null),
    ];
    workspace.write("turned.jsonl", jsonl(&turned));
    let output = import(&workspace, server, ITU, &["turned.jsonl"]);
    assert_eq!(output, "2 lines: 2 Publication updated\n");
}

async fn updates_of_a_deferred_record_keep_their_order(server: &Server) {
    let workspace = Workspace::new();
    let records = [
        with(publication(1), "supersedes", "ITU-T Z.3"),
        with(publication(1), "title", "Second"),
        with(publication(1), "title", "Third"),
        publication(2),
        publication(3),
    ];
    workspace.write("order.jsonl", jsonl(&records));
    let output = import(&workspace, server, ITU, &["order.jsonl"]);
    assert_eq!(
        output,
        "5 lines: 3 Publication created, 2 Publication updated\n"
    );
    let document =
        "{ publication(by: { number: \"ITU-T Z.1\" }) { title version supersedes { number } } }";
    let found = server.anonymous().data(document, json!({})).await;
    let expected =
        json!({ "title": "Third", "version": 3, "supersedes": { "number": "ITU-T Z.3" } });
    assert_eq!(found["publication"], expected);
}
