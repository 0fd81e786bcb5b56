//! Connects to the database, and brings its tables to a version.

use std::time::{Duration, Instant};

use liaison::config::{self, StartupError};
use liaison::http::limits::Limits;
use liaison::store::health::{explain, unreachable_reason};
use liaison::store::{Database, sqlite_file};
use sea_orm::DbErr;
use tokio::time::{sleep, timeout};

/// How long to wait before a database that did not answer is tried again.
const CONNECT_RETRY: Duration = Duration::from_millis(500);

/// How long the end of the program waits for its connections to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the database; for requests that have these limits, or for work that takes its time.
async fn connected(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    let longest = limits.map(Limits::longest_statement);
    let connections = settings.database_connections;
    let (started, mut is_reported) = (Instant::now(), false);
    loop {
        let connect = Database::connect_with_timeout(&settings.database_url, connections, longest);
        let error = match connect.await {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let Some(reason) = unreachable_reason(&error) else {
            return Err(database_wrong(&error));
        };
        let wait = settings.database_wait;
        if started.elapsed() >= wait {
            let seconds = wait.as_secs();
            return Err(StartupError(format!(
                "--database-url: the database did not answer within {seconds} s: {reason}"
            )));
        }
        if !is_reported {
            tracing::info!(reason, ?wait, "waiting for the database");
            is_reported = true;
        }
        sleep(CONNECT_RETRY).await;
    }
}

/// Connects to a database as it is: an SQLite file must exist.
pub async fn found(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    if let Some(file) = sqlite_file(&settings.database_url)
        && !file.exists()
    {
        let file = file.display();
        return Err(StartupError(format!(
            "--database-url: there is no file {file}: `liaison migrate` creates it"
        )));
    }
    connected(settings, limits).await
}

/// Connects to a database whose tables are those of this program. Nothing is changed.
pub async fn existing(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    let db = found(settings, limits).await?;
    let versions = db.schema_versions().await;
    versions
        .map_err(|error| database_wrong(&error))?
        .check()
        .map_err(|what| StartupError(format!("--database-url: {what}")))?;
    Ok(db)
}

/// Connects to a database, and brings its tables to the version of this program if they are older.
pub async fn migrated(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    let db = connected(settings, limits).await?;
    let applied = db.migrate().await.map_err(|error| database_wrong(&error))?;
    if let Some(version) = applied.last() {
        tracing::info!(version, "the database is migrated");
    }
    Ok(db)
}

/// Closes all connections. The last one of an `SQLite` file writes the log beside it into the file.
pub async fn close(db: &Database) {
    // Where the network is broken nothing is gained by waiting: the process ends.
    let _ = timeout(CLOSE_TIMEOUT, db.close()).await;
}

/// Migrates, and prints what was done.
pub async fn migrate(settings: &config::Migrate) -> Result<(), StartupError> {
    let wrong = |error: DbErr| database_wrong(&error);
    let must_exist = settings.status || settings.down.is_some();
    let db = if must_exist {
        found(&settings.database, None).await?
    } else {
        connected(&settings.database, None).await?
    };
    if settings.status {
        let versions = db.schema_versions().await.map_err(wrong)?;
        let unknown = versions.unknown();
        for version in &versions.applied {
            let is_known = !unknown.contains(&version.as_str());
            let note = if is_known {
                ""
            } else {
                " (unknown to this program)"
            };
            println!("applied {version}{note}");
        }
        for version in versions.pending() {
            println!("pending {version}");
        }
        close(&db).await;
        return Ok(());
    }
    let (what, changed) = match &settings.down {
        Some(version) => ("reverted", db.migrate_down(version).await),
        None => ("applied", db.migrate().await),
    };
    for version in &changed.map_err(wrong)? {
        println!("{what} {version}");
    }
    let versions = db.schema_versions().await.map_err(wrong)?;
    close(&db).await;
    println!(
        "the database has version {}",
        versions.current().unwrap_or("none")
    );
    Ok(())
}

pub fn database_wrong(error: &DbErr) -> StartupError {
    StartupError(format!("--database-url: {}", explain(error)))
}
