//! The statements of a response see one state of the database, and leave no transaction open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use liaison::store::Database;
use liaison::store::request_work::StatementObserver;
use proptest::test_runner::TestRunner;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::planner::reference_executor::{Shapes, Writer};
use crate::support::harness::{Backend, Server};

on_both_backends! {
    a_response_is_consistent_during_concurrent_writes
    the_record_of_a_payload_is_one_snapshot
    responses_leave_no_transaction_open
}

/// Changes what nearly every statement reads.
const CHANGES: &str =
    "update organization set name = name || '*'; update committee set name = name || '*';
    update topic set title = title || '*'; update action_item set title = title || '*';
    update publication set title = title || '*'; update liaison_statement set title = title || '*';
    update note set body = body || '*'; update finding set statement = statement || '*';
    update mandate set title = title || '*'; update provision set summary = summary || '*';
    delete from note where id = (select id from note order by id desc limit 1)";

/// Writes before each statement of a request but its first.
struct WritesBetween {
    db: Database,
    /// The statements of this request.
    statements: AtomicU32,
    writes: AtomicU32,
}

impl WritesBetween {
    fn new(server: &Server) -> Arc<Self> {
        Arc::new(Self {
            db: server.db.clone(),
            statements: AtomicU32::new(0),
            writes: AtomicU32::new(0),
        })
    }

    fn observer(self: &Arc<Self>) -> StatementObserver {
        let writes = self.clone();
        StatementObserver(Arc::new(move |_| {
            if writes.statements.fetch_add(1, Ordering::Relaxed) > 0 {
                writes.writes.fetch_add(1, Ordering::Relaxed);
                let write = writes.db.orm_write.execute_unprepared(CHANGES);
                block_in_place(|| Handle::current().block_on(write)).unwrap();
            }
        }))
    }

    fn next_request(&self) {
        self.statements.store(0, Ordering::Relaxed);
    }
}

async fn a_response_is_consistent_during_concurrent_writes(backend: Backend) {
    const GENERATED: usize = 40;
    let server = Server::start(backend).await;
    server.fill().await;
    let writes = WritesBetween::new(&server);
    let observer = writes.observer();
    let disturbed = server.beside(|app| app.db.on_statement = observer).await;
    let reader = server.itu();
    let shapes = Shapes::of(&reader).await;
    let ids = "{ topics { nodes { id } } c: committees(first: 2) { nodes { id } } activities(first: 1) { pageInfo { endCursor } } }";
    let ids = reader.data(ids, json!({})).await;
    let (topic, committees) = (&ids["topics"]["nodes"][0]["id"], &ids["c"]["nodes"]);
    let cursor = &ids["activities"]["pageInfo"]["endCursor"];
    let mut documents = vec![
        "{ a: topics { nodes { title } } b: topics { nodes { title } } }".to_owned(),
        "{ topics { totalCount nodes { title notes { totalCount nodes { body } } } } }".to_owned(),
        "{ organizations { nodes { name committees { nodes { name topics { nodes { title } } } } } } }".to_owned(),
        "{ viewer { roles } a: topics { nodes { title } } b: topics { nodes { title } } }".to_owned(),
        "{ __schema { queryType { name } } a: topics { nodes { title } } b: topics { nodes { title } } }".to_owned(),
        format!("{{ nodes(ids: [{topic}, {}]) {{ ... on Topic {{ title }} ... on Committee {{ name }} }} }}", committees[0]["id"]),
        format!("{{ activities(after: {cursor}) {{ totalCount nodes {{ subject {{ ... on Topic {{ title }} ... on Note {{ body }} }} }} }} }}"),
        format!(
            "{{ exchange(committee: {}, counterpart: {}) {{ sharedTopics {{ title }} actionItems {{ title topic {{ title }} }} }} }}",
            committees[0]["id"], committees[1]["id"]
        ),
        "{ a: topics { nodes { title } } report(from: \"2026-01-01\", to: \"2026-12-31\") { staleTopics { title notes { nodes { body } } } } }".to_owned(),
    ];
    let pages: Vec<String> = (1..5).map(|number| format!("first: {number}")).collect();
    let mut runner = TestRunner::deterministic();
    documents.extend((0..GENERATED).map(|_| Writer::new(&shapes, &pages, runner.rng()).document()));
    for document in &documents {
        let before = reader.post(document, json!({})).await.text;
        assert!(before.starts_with("{\"data\":"), "{document}: {before}");
        writes.next_request();
        let token = reader.token.clone().unwrap();
        let reader = disturbed.anonymous().with_token(&token);
        let during = reader.post(document, json!({})).await.text;
        assert_eq!(during, before, "{document}");
    }
    let writes = writes.writes.load(Ordering::Relaxed);
    assert!(writes as usize > documents.len(), "{writes}");
}

async fn the_record_of_a_payload_is_one_snapshot(backend: Backend) {
    let server = Server::start(backend).await;
    let topic = server.topic("T-1").await;
    let writes = WritesBetween::new(&server);
    let observer = writes.observer();
    let disturbed = server.beside(|app| app.db.on_statement = observer).await;
    let input = json!({ "subjectId": topic, "body": "A note." });
    let notes =
        "subject { ... on Topic { title notes { nodes { subject { ... on Topic { title } } } } } }";
    let note = disturbed.itu().change("noteAdd", input, notes).await;
    let subject = &note["subject"];
    let others = subject["notes"]["nodes"].as_array().unwrap();
    assert!(!others.is_empty());
    for other in others {
        assert_eq!(other["subject"]["title"], subject["title"], "{note:#}");
    }
    assert!(writes.writes.load(Ordering::Relaxed) > 0);
}

async fn responses_leave_no_transaction_open(backend: Backend) {
    const DOCUMENT: &str = "{ topics { nodes { title notes { nodes { body } } } } }";
    let server = Server::start(backend).await;
    let panics = Arc::new(AtomicBool::new(false));
    let statements = AtomicU32::new(0);
    let panicking = panics.clone();
    let other = server
        .beside(|app| {
            app.limits.request_timeout = Duration::from_secs(2);
            app.db.on_statement = StatementObserver(Arc::new(move |_| {
                let is_second = statements.fetch_add(1, Ordering::Relaxed) % 2 == 1;
                assert!(!is_second || !panicking.load(Ordering::Relaxed));
            }));
        })
        .await;
    for _ in 0..10 {
        other.anonymous().data(DOCUMENT, json!({})).await;
    }
    none_is_open(&server, backend).await;

    panics.store(true, Ordering::Relaxed);
    let failed = other.anonymous().post(DOCUMENT, json!({})).await;
    assert_eq!(failed.status, 500, "{}", failed.text);
    none_is_open(&server, backend).await;
    panics.store(false, Ordering::Relaxed);

    if backend == Backend::Postgres {
        // The second statement waits for this lock until the time of its request is over.
        let lock = server.db.orm_write.begin().await.unwrap();
        let held = "lock table note in access exclusive mode";
        lock.execute_unprepared(held).await.unwrap();
        let late = other.anonymous().post(DOCUMENT, json!({})).await;
        assert_eq!(late.status, 503, "{}", late.text);
        lock.rollback().await.unwrap();
        none_is_open(&server, backend).await;
    }
    let data: Value = other.anonymous().data(DOCUMENT, json!({})).await;
    assert!(!data["topics"]["nodes"].as_array().unwrap().is_empty());
}

/// Waits until no connection has a transaction.
async fn none_is_open(server: &Server, backend: Backend) {
    let count = match backend {
        // The last connection that reads an older state keeps the log from being truncated.
        Backend::Sqlite => "pragma wal_checkpoint(truncate)",
        Backend::Postgres => {
            "select count(*)::int from pg_stat_activity where datname = current_database()
             and pid <> pg_backend_pid() and xact_start is not null"
        }
    };
    let count = Statement::from_string(server.db.orm_write.get_database_backend(), count);
    let started_at = Instant::now();
    loop {
        let row = server.db.orm_write.query_one_raw(count.clone()).await;
        let open: i32 = row.unwrap().unwrap().try_get_by_index(0).unwrap();
        if open == 0 {
            return;
        }
        assert!(
            started_at.elapsed() < Duration::from_mins(1),
            "{open} are open"
        );
        sleep(Duration::from_millis(20)).await;
    }
}
