//! After a write fails on a full disk, later writes are stored.

use liaison::error::{Error, database_code};
use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait};
use serde_json::{Value, json};

use crate::support::harness::Server;

on_both_databases! {
    writes_after_a_disk_full_error_are_stored
    a_command_reports_why_the_database_rolled_back
}

/// Limits the database to its current size.
async fn fill(server: &Server) {
    match server.db.orm_write.get_database_backend() {
        // SQLite does not go below the current size of the file.
        DbBackend::Sqlite => server.sql("pragma max_page_count = 1").await,
        _ => {
            server
                .sql(
                    "create function full_disk() returns trigger language plpgsql as $$
                    begin raise exception 'could not extend file' using errcode = '53100'; end $$;
                    create trigger full_disk before insert on note execute function full_disk()",
                )
                .await;
        }
    }
}

async fn free(server: &Server) {
    match server.db.orm_write.get_database_backend() {
        DbBackend::Sqlite => server.sql("pragma max_page_count = 1000000").await,
        _ => server.sql("drop trigger full_disk on note").await,
    }
}

async fn writes_after_a_disk_full_error_are_stored(server: &Server) {
    let upu = server.upu();
    let topic = server.topic("T-1").await;
    let notes = async || {
        entity::note::Entity::find()
            .count(&server.db.orm_read)
            .await
            .unwrap()
    };
    let before = notes().await;
    let add = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { body } userErrors { code } } }";
    let note = |body: &str| json!({ "input": { "subjectId": topic, "body": body } });

    fill(server).await;
    // More than the free pages.
    let mut refused = Value::Null;
    for _ in 0..50 {
        refused = upu.post(add, note(&"x".repeat(20_000))).await.json();
        if !refused["errors"].is_null() {
            break;
        }
    }
    assert_eq!(
        refused["errors"][0]["extensions"]["code"],
        "SERVICE_UNAVAILABLE"
    );
    let full = notes().await;
    free(server).await;

    for turn in 0..3 {
        let body = format!("Note {turn}.");
        let good = upu.data(add, note(&body)).await;
        assert_eq!(
            good["noteAdd"],
            json!({ "note": { "body": body }, "userErrors": [] })
        );
        let blank = upu.data(add, note("  ")).await;
        assert_eq!(
            blank["noteAdd"],
            json!({ "note": null, "userErrors": [{ "code": "INVALID" }] })
        );
        // Through another connection than the writer's.
        assert_eq!(notes().await, full + turn + 1);
    }
    assert!(full >= before);
}

/// As SQLite does it when the disk is full, at a moment that cannot be chosen.
async fn a_command_reports_why_the_database_rolled_back(server: &Server) {
    let (insert, code) = match server.db.orm_write.get_database_backend() {
        DbBackend::Sqlite => ("insert or rollback", "1555"),
        _ => ("insert", "23505"),
    };
    let statement = format!("{insert} into counter (name, value) select name, value from counter");
    let written = server.db.in_transaction(async |_, transaction| {
        transaction.execute_unprepared(&statement).await?;
        Ok(())
    });
    let Err(Error::Database(error)) = written.await else {
        panic!("it is written")
    };
    assert_eq!(database_code(&error).as_deref(), Some(code), "{error}");
}
