//! Statements of abandoned requests are cancelled; long-running work is not.

use std::thread;
use std::time::{Duration, Instant};

use liaison::store::Database;
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::sleep;

use crate::http::server::serve;
use crate::support::binary::Workspace;
use crate::support::databases::{Backend, TestDatabase};
use crate::support::raw_http;

on_both_empty_databases! {
    startup_may_wait_for_a_lock_longer_than_the_request_timeout
}

// SQLite runs in the process: its statements are tested in `db/sqlite.rs`.
#[tokio::test]
async fn a_cancelled_request_cancels_its_statement() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let workspace = Workspace::new();
    let (_service, address) = serve(&workspace, &database.url, &["--request-timeout", "1s"]);
    let db = Database::connect(&database.url, 2).await.unwrap();
    // While this is held, reads of topics wait.
    let lock = db.orm_write.begin().await.unwrap();
    let held = "lock table topic in access exclusive mode";
    lock.execute_unprepared(held).await.unwrap();

    let document = r#"{"query":"{ topics { nodes { code } } }"}"#;
    let asking = thread::spawn(move || raw_http::post(&address, None, document));
    while waiting(&db).await == 0 {
        sleep(Duration::from_millis(20)).await;
    }
    let reply = asking.join().unwrap();
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.body.contains("TIMEOUT"), "{reply:?}");
    let started_at = Instant::now();
    while waiting(&db).await > 0 {
        assert!(started_at.elapsed() < Duration::from_secs(3), "it goes on");
        sleep(Duration::from_millis(50)).await;
    }
    lock.rollback().await.unwrap();
}

/// Returns the number of statements that wait for a lock.
async fn waiting(db: &Database) -> i64 {
    let count = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let count = Statement::from_string(db.orm_read.get_database_backend(), count);
    let row = db.orm_read.query_one_raw(count).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn startup_may_wait_for_a_lock_longer_than_the_request_timeout(url: &str) {
    let workspace = Workspace::new();
    workspace.done(&["migrate", "--database-url", url]);
    let db = Database::connect(url, 1).await.unwrap();
    let mut service = None;
    let written = db.in_transaction(async |_, _| {
        let settings = ["--listen", "127.0.0.1:0", "--request-timeout", "1s"];
        let serve = ["serve", "--read-only", "--database-url", url];
        service = Some(workspace.start(&[&serve[..], &settings].concat()));
        // The next statement would have been cancelled by then.
        sleep(Duration::from_secs(4)).await;
        Ok(())
    });
    assert!(written.await.is_ok());
    let address = service.as_mut().unwrap().address();
    assert_eq!(raw_http::get(&address, "/readyz").status, 200);
}
