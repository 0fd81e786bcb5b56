//! Exporting the register, and restoring the export.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;

use liaison::import_export;
use liaison::store::Database;
use sea_orm::prelude::Uuid;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::queries::overlaps::dismiss;
use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::harness::Server;
use crate::support::raw_http;

on_both_databases! {
    an_export_restores_the_same_register_on_both_databases
    every_table_is_exported
    an_export_is_one_snapshot
    an_incomplete_export_is_not_restored
    an_export_is_restored_only_into_an_empty_register
    an_export_of_an_older_version_is_restored
}

/// Creates records of every type, with updates and retractions.
async fn fill(server: &Server) {
    let (itu, upu, tsb) = (server.itu(), server.upu(), server.tsb());
    let sg17 = server.committee("ITU-T", "SG17").await;
    let sg16 = server.committee("ITU-T", "SG16").await;
    let c5 = server.committee("POC", "C5").await;
    let itu_t = server.organization("ITU-T").await;
    let t2 = server.topic("T-2").await;
    let text = server.publication("ITU-T X.1341 (09/2015)").await;

    let webhook = "mutation { webhookCreate(input: { url: \"http://127.0.0.1:9/\", idempotencyKey: \"w\" }) { userErrors { code } } }";
    itu.data(webhook, json!({})).await;
    let committee = json!({ "organizationId": itu_t, "code": "SG18", "period": "2013-2016", "name": "« Étude »\u{2028}\"x\"\\",
        "kind": "STUDY_GROUP", "predecessorIds": [sg17], "startsOn": "2013-01-01", "idempotencyKey": "é%" });
    itu.change("committeeCreate", committee, "id").await;
    let added = json!({ "number": "ITU-T Z.1", "title": "T", "kind": "OTHER", "organizationId": itu_t, "topicIds": [t2], "supersedesId": text });
    itu.change("publicationAdd", added, "id").await;
    let request = json!({ "publicationId": text, "reason": "R", "dueOn": "2027-01-01" });
    let examination = tsb.change("examinationRequest", request, "id").await;
    let finding = json!({ "id": examination["id"], "impact": "CONFLICT", "statement": "S", "committeeId": c5 });
    upu.change("examinationRecordFinding", finding, "id").await;
    let statement = json!({ "title": "LS", "fromIds": [sg17, sg16], "topicIds": [t2], "body": "B\n\tB",
        "addressees": [{ "committeeId": c5, "purpose": "ACTION", "replyBy": "2027-01-01" }],
        "attachments": [{ "name": "A", "url": "https://example.org/a" }] });
    let sent = itu.change("liaisonStatementSend", statement, "id").await;
    let reply = json!({ "title": "Re", "fromIds": [c5], "inReplyToId": sent["id"],
        "addressees": [{ "committeeId": sg17, "purpose": "COMMENT" }] });
    upu.change("liaisonStatementSend", reply, "id").await;
    let s52 = server.publication("UPU S52").await;
    dismiss(&itu, &json!(text), &json!(s52), "R").await;
    let note = json!({ "subjectId": t2, "body": "N", "idempotencyKey": "k" });
    let note = upu.change("noteAdd", note, "id").await;
    upu.change("noteRetract", json!({ "id": note["id"] }), "id")
        .await;
    for (id, field, language) in [
        (&t2, "TITLE", "FR"),
        (&t2, "SUMMARY", "AR"),
        (&c5, "NAME", "ZH"),
    ] {
        server
            .translate(id, field, language, "É « \u{628}\n 万")
            .await;
    }
    let update = json!({ "id": t2, "version": server.version(&t2).await, "title": "With an outdated translation" });
    upu.change("topicUpdate", update, "id").await;
}

/// Exports the database at `url` and returns the file's name and content.
fn exported(workspace: &Workspace, name: &str, url: &str) -> String {
    workspace.done(&["export", name, "--database-url", url]);
    fs::read_to_string(workspace.path(name)).unwrap()
}

/// Everything that the API shows, as far as one query can.
fn shown(workspace: &Workspace, url: &str) -> Value {
    const QUESTION: &str = "{ organizations(first: 100) { nodes { id name version updatedAt parent { acronym } } }
        committees(first: 100) { nodes { id name mandate status predecessors { code } viewerPermissions } }
        topics(first: 100) { nodes { id code title status reviewOn provisions { letter } committees { role committee { code } }
            notes { nodes { body retracted } } publications { nodes { number } } } }
        actionItems(first: 100) { nodes { id code status outcome overdue externalKey } }
        publications(first: 100) { nodes { id number url supersedes { number } related { number } examinations { complete findings { side statement } } } }
        liaisonStatements { nodes { code title body from { code } addressees { purpose replyBy repliedAt } attachments { name url } replies { code } } }
        activities(last: 100) { nodes { id cursor at party verb subjectType changes { field before after } } } }";
    let mut service = workspace.start(&[
        "serve",
        "--read-only",
        "--database-url",
        url,
        "--listen",
        "127.0.0.1:0",
    ]);
    let address = service.address();
    let body = json!({ "query": QUESTION }).to_string();
    let response = raw_http::post(&address, None, &body).json();
    assert_eq!(response.get("errors"), None, "{response:#}");
    service.stop();
    response
}

async fn an_export_restores_the_same_register_on_both_databases(server: &Server) {
    fill(server).await;
    let workspace = Workspace::new();
    let url = server.database_url();
    let export = exported(&workspace, "export.jsonl", url);
    assert_eq!(exported(&workspace, "again.jsonl", url), export);
    assert_eq!(workspace.done(&["export", "--database-url", url]), export);
    let standard_output = ["export", "-", "--database-url", url];
    assert_eq!(workspace.done(&standard_output), export);
    assert!(!workspace.path("-").exists());
    let expected = shown(&workspace, url);
    // Ids have their public form.
    for list in ["organizations", "publications", "activities"] {
        let id = expected["data"][list]["nodes"][0]["id"].as_str().unwrap();
        assert!(export.contains(&format!("\"id\":\"{id}\"")), "{id}");
    }
    assert!(export.contains("\"subject_id\":\"note_"));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let other = TestDatabase::empty(backend).await;
        let import = ["import", "export.jsonl", "--database-url", &other.url];
        let tried = workspace.done(&[&import[..], &["--dry-run"]].concat());
        assert!(tried.ends_with("nothing was changed\n"), "{tried}");
        workspace.done(&import);
        assert_eq!(exported(&workspace, "other.jsonl", &other.url), export);
        assert_eq!(shown(&workspace, &other.url), expected);
    }
}

async fn every_table_is_exported(server: &Server) {
    fill(server).await;
    let db = &server.db.orm_read;
    let tables = match db.get_database_backend() {
        DbBackend::Postgres => {
            "select table_name::text from information_schema.tables where table_schema = 'public'"
        }
        _ => "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'",
    };
    let tables = Statement::from_string(db.get_database_backend(), tables);
    let tables = db.query_all_raw(tables).await.unwrap();
    let tables: BTreeSet<String> = tables
        .iter()
        .map(|row| row.try_get_by_index::<String>(0).unwrap())
        // Webhooks are settings of one deployment and hold secrets.
        .filter(|table| !["seaql_migrations", "webhook", "delivery"].contains(&table.as_str()))
        .collect();

    let mut export = Vec::new();
    import_export::export(&server.db, &mut export)
        .await
        .unwrap();
    let export = String::from_utf8(export).unwrap();
    assert!(!export.contains("whsec_") && !export.contains("Webhook"));
    let lines = export
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    let exported = lines.iter().filter_map(|line| line["table"].as_str());
    assert_eq!(exported.map(str::to_owned).collect::<BTreeSet<_>>(), tables);
    assert_eq!(lines.last().unwrap()["rows"], lines.len() - 2);
    // Every id has its public form.
    for line in &lines {
        let mut fields = line.as_object().unwrap().iter();
        let raw = fields.find(|(_, value)| {
            let text = value.as_str();
            text.is_some_and(|text| Uuid::try_parse(text).is_ok())
        });
        assert_eq!(raw, None, "{line}");
    }
}

/// An export during writes contains exactly the records of its history.
async fn an_export_is_one_snapshot(server: &Server) {
    let subject = server.topic("T-1").await;
    let tsb = server.tsb();
    let over = Cell::new(false);
    let write = async {
        for number in 0..60 {
            let note = json!({ "subjectId": subject, "body": format!("Note {number}") });
            tsb.change("noteAdd", note, "id").await;
        }
        over.set(true);
    };
    let export = async {
        let mut exported_ids = BTreeSet::new();
        while !over.get() {
            let mut export = Vec::new();
            import_export::export(&server.db, &mut export)
                .await
                .unwrap();
            let lines = String::from_utf8(export).unwrap();
            let lines = lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<Value> = lines.collect();
            let of = |table: &'static str| lines.iter().filter(move |line| line["table"] == table);
            let notes = of("note").count();
            let exported_notes = of("activity").filter(|row| row["verb"] == "NOTED").count();
            assert_eq!(notes, exported_notes);
            let last = of("activity").next_back().unwrap();
            let counter = of("counter").find(|row| row["name"] == "activity").unwrap();
            assert_eq!(last["position"], counter["value"]);
            exported_ids.insert(notes);
        }
        exported_ids
    };
    let ((), exported_ids) = futures_util::future::join(write, export).await;
    assert!(
        exported_ids.len() > 2,
        "nothing was written meanwhile: {exported_ids:?}"
    );
}

async fn an_incomplete_export_is_not_restored(server: &Server) {
    let workspace = Workspace::new();
    let export = exported(&workspace, "export.jsonl", server.database_url());
    let lines: Vec<&str> = export.lines().collect();
    let all_but = |place: usize| {
        let mut lines = lines.clone();
        lines.remove(place);
        lines.join("\n") + "\n"
    };
    let another = export.replacen("\"version\":1}", "\"version\":2}", 1);
    // Ids of the same moment are in no particular order: not every organization has a side.
    let of_a_side = lines
        .iter()
        .find(|line| line.contains("\"side\":\""))
        .unwrap();
    let with = |line: &str| export.replacen(of_a_side, line, 1);
    let other_column = of_a_side.replacen("\"acronym\":", "\"akronym\":", 1);
    let other_type = of_a_side.replacen("\"side\":\"", "\"side\":7,\"was\":\"", 1);
    let wrong = [
        (all_but(lines.len() - 1), "cut short"),
        (all_but(lines.len() - 2), "not as it was exported"),
        // Other rows refer to the missing one.
        (all_but(1), "line "),
        (all_but(40), "line "),
        (export[..export.len() / 2].to_owned(), "line "),
        (
            export.replacen("Council", "Counsel", 1),
            "not as it was exported",
        ),
        (format!("{export}\n"), "follows the last line"),
        (another, "version 1"),
        (with(&other_column), "`acronym` is missing"),
        (with(&other_type), "`side` is not"),
        (with("{\"table\":\"secret\"}"), "no table `secret`"),
        (with("[]"), "not an object"),
    ];
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let other = TestDatabase::empty(backend).await;
        for (content, says) in &wrong {
            workspace.write("wrong.jsonl", content);
            let import = ["import", "wrong.jsonl", "--database-url", &other.url];
            let line = workspace.refusal(&import);
            assert!(line.contains(says), "{says}: {line}");
            assert!(line.ends_with("nothing was changed"), "{line}");
        }
        let db = Database::connect(&other.url, 1).await.unwrap();
        assert!(db.is_empty().await.unwrap());
        drop(db);
        // A failed import leaves no trace.
        workspace.done(&["import", "export.jsonl", "--database-url", &other.url]);
        assert_eq!(exported(&workspace, "other.jsonl", &other.url), export);
    }
}

async fn an_export_is_restored_only_into_an_empty_register(server: &Server) {
    let workspace = Workspace::new();
    let url = server.database_url();
    let export = exported(&workspace, "export.jsonl", url);
    let line = workspace.refusal(&["import", "export.jsonl", "--database-url", url]);
    assert!(line.contains("not empty"), "{line}");
    assert_eq!(exported(&workspace, "after.jsonl", url), export);
}

async fn an_export_of_an_older_version_is_restored(server: &Server) {
    fill(server).await;
    let workspace = Workspace::new();
    let export = exported(&workspace, "export.jsonl", server.database_url());
    let (rows, seal) = export.trim_end().rsplit_once('\n').unwrap();
    let mut older = String::new();
    for line in rows.lines() {
        let mut row: Map<String, Value> = serde_json::from_str(line).unwrap();
        let lacks: &[&str] = match row.get("table").and_then(Value::as_str) {
            Some("publication") => &["series", "title_key", "number_identity"],
            Some("action_item") => &["title_key"],
            Some("examination") => &["updated_at"],
            _ => &[],
        };
        for column in lacks {
            assert!(row.remove(*column).is_some(), "{column}: {line}");
        }
        // Any column that can be null may be younger than the export.
        row.retain(|_, value| !value.is_null());
        // Numbers were sorted by month.
        if row.contains_key("number_key") {
            row.insert("number_key".to_owned(), json!("old"));
        }
        older += &Value::Object(row).to_string();
        older += "\n";
    }
    let mut seal: Value = serde_json::from_str(seal).unwrap();
    seal["sha256"] = json!(format!("{:x}", Sha256::digest(&older)));
    workspace.write("older.jsonl", format!("{older}{seal}\n"));
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let other = TestDatabase::empty(backend).await;
        workspace.done(&["import", "older.jsonl", "--database-url", &other.url]);
        assert_eq!(exported(&workspace, "other.jsonl", &other.url), export);
    }
}
