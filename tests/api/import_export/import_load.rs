//! What an import costs: locks, statements, and the plans of the database.

use std::path::Path;

use entity::party::Party;
use liaison::import_export::{
    self, Format, ImportError, ImportSettings, ImportSource, Imported, RecordType,
};
use liaison::store::Database;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::import_export::imports::{
    ITU, arguments, import, jsonl, log, publication, publications, with,
};
use crate::support::binary::Workspace;
use crate::support::harness::Server;

on_both_databases! {
    a_dry_run_neither_waits_for_writers_nor_blocks_them
    an_import_scans_no_table_for_each_line
    an_import_whose_report_cannot_be_written_stores_nothing
    the_number_of_statements_does_not_grow_with_rows
    many_publications_are_imported_without_gaps_in_the_history
}

async fn a_dry_run_neither_waits_for_writers_nor_blocks_them(server: &Server) {
    let workspace = Workspace::new();
    let mut records: Vec<Value> = (0..600).map(publication).collect();
    records
        .push(json!({ "type": "Publication", "number": "ITU-T X.1341 (09/2015)", "title": "New" }));
    records.push(json!({ "type": "Topic", "title": "P", "summary": "S", "leadCommittee": "ITU-T SG17 (2013-2016)" }));
    workspace.write("right.jsonl", jsonl(&records));
    records.push(with(publication("x"), "title", " "));
    workspace.write("wrong.jsonl", jsonl(&records));

    // Somebody writes, and has not come to an end.
    let write = server.db.orm_write.begin().await.unwrap();
    for lock in [
        "update counter set value = value",
        "update publication set version = version",
    ] {
        write.execute_unprepared(lock).await.unwrap();
    }
    let output = import(&workspace, server, ITU, &["right.jsonl", "--dry-run"]);
    assert_eq!(
        output,
        "602 lines: 600 Publication to create, 1 Publication to update, 1 Topic to create; nothing was changed\n"
    );
    // A long import finds out what is wrong before it lets others wait.
    let db = Database::connect(server.database_url(), 2).await.unwrap();
    let source = ImportSource::open(&workspace.path("wrong.jsonl")).unwrap();
    let mut report = Vec::new();
    let settings = settings("wrong.jsonl");
    let imported = Box::pin(import_export::import(
        &db,
        server.now(),
        source,
        &settings,
        &mut report,
    ))
    .await;
    let imported = imported.unwrap();
    assert_eq!((imported.wrong, imported.committed), (1, false));
    let report = String::from_utf8(report).unwrap();
    assert!(report.starts_with("wrong.jsonl:603: title: "), "{report}");
    write.rollback().await.unwrap();
    assert_eq!(publications(server).await, 73);

    let ended = workspace.run(&arguments(server, ITU, &["right.jsonl"]));
    assert!(ended.status.success(), "{ended:?}");
    let notice = "storing 602 records: other writers wait for about";
    assert!(ended.err.contains(notice), "{ended:?}");
    assert_eq!(publications(server).await, 673);
}

/// `PostgreSQL` keeps the plans that it makes, and here it makes them while it knows that the table is small.
async fn an_import_scans_no_table_for_each_line(server: &Server) {
    const LINES: i64 = 3000;
    if server.db.orm_write.get_database_backend() != DbBackend::Postgres {
        return;
    }
    server.sql("analyze").await;
    let read = async || {
        let figures = "select coalesce(seq_tup_read, 0), n_tup_ins from pg_stat_user_tables where relname = 'publication'";
        let figures = Statement::from_string(DbBackend::Postgres, figures);
        let row = server
            .db
            .orm_write
            .query_one_raw(figures)
            .await
            .unwrap()
            .unwrap();
        let figure = |at| row.try_get_by_index::<i64>(at).unwrap();
        (figure(0), figure(1))
    };
    let (read_before, there) = read().await;
    let workspace = Workspace::new();
    let edition = |number| with(publication(number), "supersedes", "ITU-T X.1341 (09/2015)");
    let records: Vec<Value> = (0..LINES).map(edition).collect();
    workspace.write("many.jsonl", jsonl(&records));
    import(&workspace, server, ITU, &["many.jsonl"]);
    // The server counts when the session is over, a little later.
    let read_after = loop {
        let (read, inserted) = read().await;
        if there + LINES <= inserted {
            break read;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let rows = read_after - read_before;
    assert!(
        rows < 10 * LINES,
        "{rows} rows were read one after the other"
    );
}

async fn an_import_whose_report_cannot_be_written_stores_nothing(server: &Server) {
    let workspace = Workspace::new();
    let records = [publication(1), with(publication(2), "title", " ")];
    workspace.write("records.jsonl", jsonl(&records));
    let source = ImportSource::open(&workspace.path("records.jsonl")).unwrap();
    let settings = ImportSettings {
        partial: true,
        ..settings("records.jsonl")
    };
    // Takes no byte.
    let full: &mut [u8] = &mut [];
    let import = import_export::import(&server.db, server.now(), source, &settings, full);
    let imported = Box::pin(import).await;
    assert!(
        matches!(imported, Err(ImportError::File(_))),
        "{imported:?}"
    );
    assert_eq!(publications(server).await, 73);
}

/// Settings of an import by the library.
fn settings(file: &str) -> ImportSettings {
    ImportSettings {
        party: Some(Party::Itu),
        subject: "importer".to_owned(),
        kind: Some(RecordType::Publication),
        format: Format::JsonLines,
        file: file.to_owned(),
        dry_run: false,
        partial: false,
    }
}

/// Imports by the library; the statements that it took.
async fn counted(server: &Server, lines: &[Value]) -> (Imported, usize) {
    let workspace = Workspace::new();
    workspace.write("lines.jsonl", jsonl(lines));
    let settings = settings("lines.jsonl");
    let source = ImportSource::open(Path::new(&workspace.path("lines.jsonl"))).unwrap();
    server.statements.take();
    let mut report = Vec::new();
    let imported = Box::pin(import_export::import(
        &server.db,
        server.now(),
        source,
        &settings,
        &mut report,
    ))
    .await;
    assert_eq!(String::from_utf8(report).unwrap(), "");
    (imported.unwrap(), server.statements.take().len())
}

async fn the_number_of_statements_does_not_grow_with_rows(server: &Server) {
    let full = |number: i32| {
        let record = with(publication(number), "committee", "ITU-T SG17 (2013-2016)");
        let record = with(record, "topics", json!(["T-1", "T-2"]));
        with(record, "supersedes", "ITU-T X.1341 (09/2015)")
    };
    let few: Vec<Value> = (0..10).map(full).collect();
    let many: Vec<Value> = (1000..1160).map(full).collect();
    let (_, of_few) = counted(server, &few).await;
    let (imported, of_many) = counted(server, &many).await;
    assert_eq!(imported.summary, "160 lines: 160 Publication created");
    assert_eq!(of_few, of_many);
    assert!(of_few < 25, "{of_few}");
}

async fn many_publications_are_imported_without_gaps_in_the_history(server: &Server) {
    let lines: Vec<Value> = (0..1730).map(publication).collect();
    let (imported, _) = counted(server, &lines).await;
    assert!(imported.committed);
    assert_eq!(publications(server).await, 73 + 1730);
    let log = log(server).await;
    let positions: Vec<i64> = log.iter().map(|activity| activity.position).collect();
    assert_eq!(
        positions,
        (1..=log.len().cast_signed() as i64).collect::<Vec<_>>()
    );
    // What comes next goes on from there.
    let note = json!({ "subjectId": server.topic("T-1").await, "body": "B" });
    server.itu().change("noteAdd", note, "id").await;
}
