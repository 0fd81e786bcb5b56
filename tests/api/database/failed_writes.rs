//! Database failures during writes: clients get the right error, and no later write is lost.

use std::collections::BTreeSet;
use std::fs;
use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::poll;
use liaison::store::Database;
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use url::Url;

use crate::import_export::imports::{ITU, arguments, jsonl, publication};
use crate::support::binary::Workspace;
use crate::support::databases::Backend;
use crate::support::harness::{Server, TestResponse};

on_both_databases! {
    a_payload_whose_record_cannot_be_read_has_an_error
    a_database_that_rejects_writes_is_service_unavailable
    a_write_cancelled_at_any_await_leaves_no_transaction_open
}

const NOTE_ADD: &str = "mutation($input: NoteAddInput!) { noteAdd(input: $input) { note { id body } userErrors { code } } }";

async fn add_note(server: &Server, body: &str) -> TestResponse {
    note(server, &server.topic("T-1").await, body).await
}

async fn note(server: &Server, topic: &str, body: &str) -> TestResponse {
    let input = json!({ "subjectId": topic, "body": body });
    let variables = json!({ "input": input });
    server.itu().post(NOTE_ADD, variables).await
}

async fn count(server: &Server, sql: &str) -> i64 {
    let statement = Statement::from_string(server.db.orm_read.get_database_backend(), sql);
    let row = server.db.orm_read.query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

/// Makes each insertion of a note raise an error, by a PL/pgSQL function.
async fn on_each_note(server: &Server, body: &str) {
    server
        .sql(&format!(
            "create or replace function fails() returns trigger language plpgsql as $$ begin {body} return new; end $$;
             create or replace trigger fails before insert on note for each row execute function fails()"
        ))
        .await;
}

async fn a_payload_whose_record_cannot_be_read_has_an_error(server: &Server) {
    if server.db.is_shared() {
        on_each_note(server, "return null;").await;
    } else {
        let gone = "create trigger gone after insert on note begin delete from note where id = new.id; end";
        server.sql(gone).await;
    }
    let answer = add_note(server, "Gone.").await.json();
    assert_eq!(answer["data"]["noteAdd"]["note"], Value::Null);
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "INTERNAL", "{answer:#}");
    assert_eq!(error["path"], json!(["noteAdd", "note"]));
}

async fn a_database_that_rejects_writes_is_service_unavailable(server: &Server) {
    if server.db.is_shared() {
        on_each_note(server, "raise exception 'standby' using errcode = '25006';").await;
    } else {
        server.sql("pragma query_only = on").await;
    }
    let body = json!({ "query": NOTE_ADD, "variables": { "input": { "subjectId": server.topic("T-1").await, "body": "Now." } } });
    for accept in ["application/json", "application/graphql-response+json"] {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        let itu = server.itu();
        let sent = itu.send(
            reqwest::Method::POST,
            "/graphql",
            &headers,
            body.to_string(),
        );
        let answer = sent.await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{accept}");
        assert_eq!(answer.headers["retry-after"], "5");
        let error = &answer.json()["errors"][0]["extensions"];
        assert_eq!(error["code"], "SERVICE_UNAVAILABLE");
    }
    if server.db.is_shared() {
        on_each_note(server, "").await;
    } else {
        server.sql("pragma query_only = off").await;
    }
    let answer = add_note(server, "Again.").await.json();
    assert_eq!(answer["data"]["noteAdd"]["note"]["body"], "Again.");
}

/// Drops a write after its first wait, then after its second one, and so on.
async fn a_write_cancelled_at_any_await_leaves_no_transaction_open(server: &Server) {
    let db = Database::connect(server.database_url(), 1).await.unwrap();
    server.sql("create table written (number integer)").await;
    let write = async |number: usize| {
        let insert = format!("insert into written values ({number})");
        let written = db.in_transaction(async |_, transaction| {
            transaction.execute_unprepared(&insert).await?;
            Ok(())
        });
        written.await.is_ok()
    };
    let mut stored = 0;
    for waits in 0.. {
        for _ in 0..3 {
            let mut left = waits;
            let mut dropped = Box::pin(write(0));
            let is_over = poll_fn(|context| match dropped.as_mut().poll(context) {
                Poll::Ready(_) => Poll::Ready(true),
                Poll::Pending if left == 0 => Poll::Ready(false),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await;
            drop(dropped);
            assert!(write(1).await, "no write succeeds after {waits} waits");
            stored += 1;
            // Another connection sees it.
            let seen = count(server, "select count(*) from written where number = 1").await;
            assert_eq!(seen, stored, "after {waits} waits");
            if is_over {
                return;
            }
        }
    }
}

#[tokio::test]
async fn transient_postgres_errors_are_unavailable_and_others_internal() {
    let server = Server::start(Backend::Postgres).await;
    let cases = [
        ("57P01", "SERVICE_UNAVAILABLE"),
        ("53100", "SERVICE_UNAVAILABLE"),
        ("55P03", "SERVICE_UNAVAILABLE"),
        ("58030", "SERVICE_UNAVAILABLE"),
        ("40001", "SERVICE_UNAVAILABLE"),
        ("40P01", "SERVICE_UNAVAILABLE"),
        ("22012", "INTERNAL"),
    ];
    for (sqlstate, code) in cases {
        let raise = format!("raise exception 'as it may be' using errcode = '{sqlstate}';");
        on_each_note(&server, &raise).await;
        let answer = add_note(&server, "Now.").await;
        let error = &answer.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], code, "{sqlstate}");
        assert_eq!(answer.status == 503, code != "INTERNAL", "{sqlstate}");
        assert!(!answer.text.contains("as it may be"), "{}", answer.text);
    }
}

#[tokio::test]
async fn serialization_failures_and_deadlocks_are_retried() {
    let server = Server::start(Backend::Postgres).await;
    // Sequences are not rolled back.
    server.sql("create sequence attempt").await;
    for sqlstate in ["40001", "40P01"] {
        server.sql("alter sequence attempt restart").await;
        let twice = format!(
            "if nextval('attempt') <= 2 then raise exception 'conflict' using errcode = '{sqlstate}'; end if;"
        );
        on_each_note(&server, &twice).await;
        let answer = add_note(&server, sqlstate).await.json();
        assert_eq!(answer["data"]["noteAdd"]["note"]["body"], sqlstate);
        let made = format!("select count(*) from note where body = '{sqlstate}'");
        assert_eq!(count(&server, &made).await, 1);
    }
}

#[tokio::test]
async fn each_mutation_of_a_document_is_retried_separately() {
    let server = Server::start(Backend::Postgres).await;
    server.sql("create sequence attempt").await;
    let topic = server.topic("T-1").await;
    // The second and the third are ended twice each.
    let fails = "if nextval('attempt') in (2, 3, 5, 6) then raise exception 'conflict' using errcode = '40001'; end if;";
    on_each_note(&server, fails).await;
    let document = "mutation($a: NoteAddInput!, $b: NoteAddInput!) { __typename a: noteAdd(input: $a) { note { body } }
        ...More c: noteAdd(input: $a) { userErrors { code } } }
        fragment More on Mutation { b: noteAdd(input: $b) { note { body } } c: noteAdd(input: $a) { note { body } } }";
    let note = |body: &str| json!({ "subjectId": topic, "body": body });
    let variables = json!({ "a": note("One."), "b": note("Two.") });
    let answer = server.itu().post(document, variables.clone()).await;
    assert_eq!(
        answer.text,
        r#"{"data":{"__typename":"Mutation","a":{"note":{"body":"One."}},"b":{"note":{"body":"Two."}},"c":{"note":{"body":"One."},"userErrors":[]}}}"#
    );
    let made = "select count(*) from note where body in ('One.', 'Two.')";
    assert_eq!(count(&server, made).await, 3);
    // What stays is an error of its own field alone.
    let fails =
        "if new.body = 'Two.' then raise exception 'conflict' using errcode = '40001'; end if;";
    on_each_note(&server, fails).await;
    let answer = server.itu().post(document, variables).await.json();
    assert_eq!(answer["data"]["b"], Value::Null);
    assert_eq!(answer["data"]["c"]["note"]["body"], "One.");
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
    assert_eq!(count(&server, made).await, 5);
}

#[tokio::test]
async fn a_commit_that_times_out_reports_an_unknown_outcome() {
    let server = Server::start_with(Backend::Postgres, |app| {
        app.limits.request_timeout = std::time::Duration::from_secs(1);
    })
    .await;
    server
        .sql(
            "create function slow() returns trigger language plpgsql as $$ begin
                 perform pg_sleep(5); return null; end $$;
             create constraint trigger slow after insert on note deferrable initially deferred
                 for each row execute function slow()",
        )
        .await;
    let answer = add_note(&server, "Slow.").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!answer.headers.contains_key("retry-after"));
    let error = &answer.json()["errors"][0];
    assert_eq!(error["extensions"]["code"], "TIMEOUT");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may have been made"), "{message}");
}

#[tokio::test]
async fn a_canceled_statement_has_the_error_code_of_its_cause() {
    let server = Server::start(Backend::Postgres).await;
    for (cause, code) in [
        ("canceling statement due to statement timeout", "TIMEOUT"),
        // Of a server whose messages are not in English.
        (
            "storniere Anfrage wegen Zeitüberschreitung der Anfrage",
            "TIMEOUT",
        ),
        (
            "canceling statement due to user request",
            "SERVICE_UNAVAILABLE",
        ),
    ] {
        let stopped = format!("raise exception '{cause}' using errcode = '57014';");
        on_each_note(&server, &stopped).await;
        let answer = add_note(&server, "Now.").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        let retries = answer.headers.contains_key("retry-after");
        assert_eq!(retries, code == "SERVICE_UNAVAILABLE");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["extensions"]["code"], code);
    }
}

#[tokio::test]
async fn a_lost_commit_is_reported_and_not_retried() {
    let server = Server::start(Backend::Postgres).await;
    server
        .sql(
            "create function lost() returns trigger language plpgsql as $$ begin
                 perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
             create constraint trigger lost after insert on note deferrable initially deferred
                 for each row execute function lost()",
        )
        .await;
    let answer = add_note(&server, "Lost.").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(!answer.headers.contains_key("retry-after"));
    let error = &answer.json()["errors"][0];
    assert_eq!(error["extensions"]["code"], "SERVICE_UNAVAILABLE");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("may have been made"), "{message}");
}

#[tokio::test]
async fn an_import_with_a_lost_commit_reports_an_unknown_outcome() {
    let server = Server::start(Backend::Postgres).await;
    server
        .sql(
            "create function lost() returns trigger language plpgsql as $$ begin
                 perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
             create constraint trigger lost after insert on publication deferrable initially deferred
                 for each row execute function lost()",
        )
        .await;
    let workspace = Workspace::new();
    workspace.write("records.jsonl", jsonl(&[publication(1)]));
    let ended = workspace.run(&arguments(&server, ITU, &["records.jsonl"]));
    assert_eq!(ended.status.code(), Some(2));
    let line = ended.err.lines().last().unwrap();
    assert!(line.contains("it may have been made"), "{line}");
    assert!(!line.contains("nothing was changed"), "{line}");
}

#[tokio::test]
async fn a_write_does_not_recreate_a_deleted_database_file() {
    let server = Server::start(Backend::Sqlite).await;
    let file = server.database_url().trim_start_matches("sqlite://");
    let topic = server.topic("T-1").await;
    // The pool closes a connection that is returned within a transaction.
    server.sql("begin").await;
    let moved = format!("{file}.moved");
    fs::rename(file, &moved).unwrap();
    let answer = note(&server, &topic, "Where?").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!fs::exists(file).unwrap());
}

#[tokio::test]
async fn a_cancelled_begin_leaves_no_transaction_open() {
    let server = Server::start(Backend::Postgres).await;
    let db = Database::connect(server.database_url(), 1).await.unwrap();
    let open = "select count(*) from pg_stat_activity where datname = current_database() and state = 'idle in transaction'";
    let started_at = format!("{open} and query ilike 'begin%'");
    loop {
        let mut write = Box::pin(db.in_transaction(async |_, _| Ok(())));
        // It goes on only when it is polled: until then the answer to its BEGIN is not read.
        while poll!(&mut write).is_pending() && count(&server, &started_at).await == 0 {}
        if count(&server, &started_at).await == 1 {
            break;
        }
    }
    let dropped = Instant::now();
    while count(&server, open).await > 0 {
        let is_soon = dropped.elapsed() < Duration::from_secs(15);
        assert!(is_soon, "a transaction stays open");
    }
    db.in_transaction(async |_, _| Ok(())).await.ok().unwrap();
}

#[tokio::test]
async fn a_connection_that_is_released_is_used_again() {
    let server = Server::start(Backend::Postgres).await;
    let db = Database::connect(server.database_url(), 1).await.unwrap();
    let mut sessions = BTreeSet::new();
    loop {
        db.in_transaction(async |_, _| Ok(())).await.ok().unwrap();
        let session = Statement::from_string(DbBackend::Postgres, "select pg_backend_pid()");
        let row = db.orm_write.query_one_raw(session).await.unwrap();
        let session: i32 = row.unwrap().try_get_by_index(0).unwrap();
        if !sessions.insert(session) {
            break;
        }
        // It is released in the background; until then another one takes its place.
        assert!(sessions.len() < 100, "each connection is closed");
    }
}

#[tokio::test]
async fn a_transaction_sets_its_isolation_level_explicitly() {
    let server = Server::start(Backend::Postgres).await;
    let db = Database::connect(server.database_url(), 1).await.unwrap();
    let isolation = "select current_setting('transaction_isolation') || ' ' || current_setting('default_transaction_isolation')";
    let started_at = Instant::now();
    loop {
        let found = db.in_transaction(async |_, transaction| {
            let isolation = Statement::from_string(DbBackend::Postgres, isolation);
            let row = transaction.query_one_raw(isolation).await?.unwrap();
            let set = "set default_transaction_isolation = 'repeatable read'";
            transaction.execute_unprepared(set).await?;
            Ok(row.try_get_by_index::<String>(0)?)
        });
        let found = found.await.ok().unwrap();
        assert!(found.starts_with("read committed "), "{found}");
        // The first transaction of each session finds the default of the service.
        if found.ends_with("repeatable read") {
            break;
        }
        assert!(started_at.elapsed() < Duration::from_mins(1), "{found}");
    }
}

#[tokio::test]
async fn nothing_depends_on_session_defaults_of_the_database() {
    let server = Server::start(Backend::Postgres).await;
    let defaults = [
        ("default_transaction_isolation", "'repeatable read'"),
        ("default_transaction_deferrable", "on"),
        ("lock_timeout", "'1ms'"),
        ("idle_in_transaction_session_timeout", "'1ms'"),
        ("datestyle", "'SQL, DMY'"),
        ("timezone", "'Asia/Kolkata'"),
        ("intervalstyle", "'sql_standard'"),
        ("standard_conforming_strings", "off"),
        ("bytea_output", "'escape'"),
        ("plan_cache_mode", "force_custom_plan"),
        ("idle_session_timeout", "'1h'"),
    ];
    let name = Url::parse(server.database_url()).unwrap();
    let name = name.path().trim_start_matches('/');
    for (setting, value) in defaults {
        let alter = format!("alter database {name} set {setting} = {value}");
        server.sql(&alter).await;
    }
    let other = server.beside(|_| {}).await;
    let bodies: Vec<String> = (0..40).map(|number| format!("Note {number}.")).collect();
    let notes = bodies.iter().map(|body| add_note(&other, body));
    for answer in join_all(notes).await {
        let answer = answer.json();
        assert_eq!(
            answer["data"]["noteAdd"]["userErrors"],
            json!([]),
            "{answer}"
        );
    }
    let document = "{ topics { nodes { code reviewOn createdAt status } } activities(last: 5) { nodes { at changes { after } } } }";
    assert_eq!(
        other.anonymous().data(document, json!({})).await,
        server.anonymous().data(document, json!({})).await
    );
    let timeouts = "select count(*) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout') and setting <> '0'";
    assert_eq!(count(&other, timeouts).await, 0);
}
