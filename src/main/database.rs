//! Connects to the database, and brings its tables to a version.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, absolute};
use std::time::{Duration, Instant};

use liaison::config::{self, StartupError};
use liaison::http::limits::Limits;
use liaison::store::health::{explain, is_file_inaccessible, unreachable_reason};
use liaison::store::privileges::GRANT;
use liaison::store::{Database, sqlite_file};
use sea_orm::DbErr;
use tokio::time::{sleep, timeout};

use crate::print::print_line;

/// Wait between attempts to connect to the database.
const CONNECT_RETRY: Duration = Duration::from_millis(500);

/// How long the end of the program waits for its connections to close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects to the database; for requests that have these limits, or for work that takes its time.
async fn connected(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    let statement_timeout = limits.map(Limits::longest_statement);
    let connections = settings.database_connections;
    let (started, mut is_reported) = (Instant::now(), false);
    loop {
        let connect =
            Database::connect_with_timeout(&settings.database_url, connections, statement_timeout);
        let error = match connect.await {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let Some(reason) = unreachable_reason(&error) else {
            return Err(cannot_open(settings, &error));
        };
        if let Some(file) = settings.unreadable_certificate() {
            return Err(StartupError::new(format!("--database-url: {file}")));
        }
        let wait = settings.database_wait;
        if started.elapsed() >= wait {
            let seconds = wait.as_secs();
            let line =
                format!("--database-url: the database did not answer within {seconds} s: {reason}");
            return Err(StartupError { line, exit_code: 1 });
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
        let file = absolute(&file).unwrap_or(file);
        let problem = missing_directory(&file).unwrap_or_else(|| {
            format!(
                "there is no file {}: name another one with --database-url or --config, or create it with `liaison migrate`",
                file.display()
            )
        });
        return Err(StartupError::new(format!("--database-url: {problem}")));
    }
    connected(settings, limits).await
}

/// Returns why a database cannot be opened or migrated: SQLite itself names neither the file nor the reason.
fn cannot_open(settings: &config::Database, error: &DbErr) -> StartupError {
    let file = sqlite_file(&settings.database_url);
    let Some(file) = file.filter(|_| is_file_inaccessible(error)) else {
        return database_wrong(error);
    };
    let file = absolute(&file).unwrap_or(file);
    let problem = missing_directory(&file).unwrap_or_else(|| {
        let mut options = File::options();
        let opened = options.read(true).write(true).create(true).mode(0o600);
        match opened.open(&file) {
            Err(error) => format!("the file {} cannot be opened: {error}", file.display()),
            Ok(_) => format!(
                "SQLite cannot write to {} and beside it: its directory must be writable, and the URL without `mode=ro` and `immutable`",
                file.display()
            ),
        }
    });
    StartupError::new(format!("--database-url: {problem}"))
}

/// Returns that the directory of a file is missing, if it is.
fn missing_directory(file: &Path) -> Option<String> {
    let directory = file.parent()?;
    let error = directory.metadata().err()?;
    Some(format!("the directory {}: {error}", directory.display()))
}

/// Checks that the database can be written, or else read: the permissions of the file, or the privileges of the role.
async fn check_privileges(
    settings: &config::Database,
    db: &Database,
    writes: bool,
) -> Result<(), StartupError> {
    if writes && db.is_read_only().await {
        let file = sqlite_file(&settings.database_url).unwrap_or_default();
        let file = absolute(&file).unwrap_or(file);
        return Err(StartupError::new(format!(
            "--database-url: the file {} cannot be written: grant its user the permission, and remove `mode=ro` and `immutable` from the URL; `liaison serve --read-only` only reads it",
            file.display()
        )));
    }
    let missing = db.missing_privileges(writes).await;
    match missing.map_err(|error| database_wrong(&error))? {
        None => Ok(()),
        Some(missing) => Err(StartupError::new(format!(
            "--database-url: permission denied: {missing}: {GRANT}"
        ))),
    }
}

/// Connects to a database whose tables are those of this program, to write or else to read. Nothing is changed.
pub async fn existing(
    settings: &config::Database,
    limits: Option<&Limits>,
    writes: bool,
) -> Result<Database, StartupError> {
    let db = found(settings, limits).await?;
    let versions = db.schema_versions().await;
    versions
        .map_err(|error| database_wrong(&error))?
        .check()
        .map_err(|what| StartupError::new(format!("--database-url: {what}")))?;
    check_privileges(settings, &db, writes).await?;
    Ok(db)
}

/// Connects to a database, and brings its tables to the version of this program if they are older.
pub async fn migrated(
    settings: &config::Database,
    limits: Option<&Limits>,
) -> Result<Database, StartupError> {
    let db = connected(settings, limits).await?;
    let applied = db.migrate().await;
    let applied = applied.map_err(|error| cannot_open(settings, &error))?;
    if let Some(version) = applied.last() {
        tracing::info!(version, "the database is migrated");
    }
    check_privileges(settings, &db, true).await?;
    Ok(db)
}

/// Closes all connections. The last one of an `SQLite` file writes the log beside it into the file.
pub async fn close(db: &Database) {
    // On a broken connection waiting is pointless: the process ends.
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
            print_line(format_args!("applied {version}{note}"))?;
        }
        for version in versions.pending() {
            print_line(format_args!("pending {version}"))?;
        }
        close(&db).await;
        return Ok(());
    }
    let (what, changed) = match &settings.down {
        Some(version) => ("reverted", db.migrate_down(version).await),
        None => ("applied", db.migrate().await),
    };
    let changed = changed.map_err(|error| cannot_open(&settings.database, &error))?;
    for version in &changed {
        print_line(format_args!("{what} {version}"))?;
    }
    let versions = db.schema_versions().await.map_err(wrong)?;
    close(&db).await;
    let current = versions.current().unwrap_or("none");
    print_line(format_args!("the database has version {current}"))
}

pub fn database_wrong(error: &DbErr) -> StartupError {
    StartupError {
        line: format!("--database-url: {}", explain(error)),
        exit_code: if unreachable_reason(error).is_some() {
            1
        } else {
            2
        },
    }
}
